"""The exported .ply holds what viewers of 3D Gaussian Splatting expect."""

import numpy as np
import torch

from emotalk.avatar import export_ply
from emotalk.avatar.ply import PROPERTIES, SH_C0
from tests.avatar.doubles import make_avatar, make_motion


def read_ply(path):
    """A plain reader of binary .ply vertex tables, written from the format's description."""
    data = path.read_bytes()
    end = data.index(b"end_header\n") + len(b"end_header\n")
    lines = data[:end].decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    names = [line.split()[2] for line in lines if line.startswith("property float")]
    table = np.frombuffer(data[end:], "<f4").reshape(count, len(names))
    return {name: table[:, i] for i, name in enumerate(names)}


def test_a_viewer_reads_back_the_pose(tmp_path):
    cloud = make_avatar().pose(make_motion(), 1)
    columns = read_ply(export_ply(cloud, tmp_path / "out" / "egg.ply"))
    assert tuple(columns) == PROPERTIES
    stack = lambda *names: np.stack([columns[name] for name in names], 1)  # noqa: E731
    np.testing.assert_allclose(stack("x", "y", "z"), cloud.means, rtol=1e-6)
    np.testing.assert_allclose(0.5 + SH_C0 * stack("f_dc_0", "f_dc_1", "f_dc_2"), cloud.colors, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-columns["opacity"])), cloud.opacities, atol=1e-4)
    np.testing.assert_allclose(np.exp(stack("scale_0", "scale_1", "scale_2")), cloud.scales, rtol=1e-5)
    unit = torch.nn.functional.normalize(cloud.quats, dim=1)
    np.testing.assert_allclose(stack("rot_0", "rot_1", "rot_2", "rot_3"), unit, atol=1e-6)


def test_export_leaves_no_other_file(tmp_path):
    export_ply(make_avatar().pose(make_motion(), 0), tmp_path / "egg.ply")
    assert [path.name for path in tmp_path.iterdir()] == ["egg.ply"]
