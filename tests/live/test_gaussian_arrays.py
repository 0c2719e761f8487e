"""Gaussians on their way to a browser: the same ellipsoids, in fewer numbers."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotalk.avatar.binding import quat_multiply
from emotalk.live.gaussian_arrays import SMALLEST, gaussian_arrays, most_upright
from emotalk.live.mesh_arrays import mesh_arrays
from tests.live.doubles import LATENTS, sparse_avatar


def matrices(quats: torch.Tensor) -> torch.Tensor:
    """Rotations [N, 3, 3] by turning the three axes one by one."""
    axes = torch.cat([torch.zeros(3, 1), torch.eye(3)], 1).double()
    back = quats * torch.tensor([1.0, -1, -1, -1]).double()
    turned = [quat_multiply(quat_multiply(quats, axis.expand(len(quats), 4)), back)[:, 1:] for axis in axes]
    return torch.stack(turned, -1)


def covariances(quats: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    half = matrices(quats) * log_scale.exp()[:, None]
    return half @ half.transpose(1, 2)


@settings(max_examples=30)
@given(
    arrays(np.float32, (6, 4), elements=st.floats(-1, 1, width=32)),
    arrays(np.float32, (6, 3), elements=st.floats(-3, 1, width=32)),
)
def test_an_ellipsoid_keeps_its_shape_when_its_axes_are_renamed(rotation, log_scale):
    rotation = np.where(np.linalg.norm(rotation, axis=1, keepdims=True) < 0.1, np.float32([1, 0, 0, 0]), rotation)
    axis, scale = most_upright(rotation, log_scale)
    w = np.sqrt(np.maximum(0, 1 - (axis**2).sum(1)))
    assert (w >= 0.85).all()
    assert np.abs(axis).max() <= 0.53
    before = covariances(
        torch.nn.functional.normalize(torch.from_numpy(rotation).double()), torch.from_numpy(log_scale).double()
    )
    after = covariances(
        torch.from_numpy(np.concatenate([w[:, None], axis], 1)), torch.from_numpy(scale.astype(np.float64))
    )
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_every_gaussian_is_there_once_with_its_own_corrections():
    avatar = sparse_avatar()
    g, c = avatar.gaussians, avatar.corrections
    mesh = mesh_arrays(avatar)
    arrays_, meta = gaussian_arrays(avatar, mesh.triangle)
    assert (meta["count"], meta["mesh_count"], meta["latents"]) == (len(g), g.mesh_count, LATENTS)
    position = np.concatenate([arrays_["mesh_position"].values(), arrays_["joint_position"].values()])
    # A Gaussian is found by its place and colour together, which no two share.
    there, here = (
        np.concatenate([500 * x, y], 1) for x, y in ((g.position, g.color), (position, arrays_["color"].values()))
    )
    distances = np.abs(here[:, None] - there[None]).max(2)
    of = distances.argmin(1)
    np.testing.assert_allclose(position, g.position.numpy()[of], atol=1.3e-5)
    assert sorted(of) == list(range(len(g)))
    np.testing.assert_allclose(arrays_["color"].values(), g.color.numpy()[of], atol=0.5001 / 255)
    np.testing.assert_allclose(
        arrays_["log_scale"].values(),
        most_upright(g.rotation.numpy()[of], np.maximum(g.log_scale.numpy()[of], np.log(SMALLEST)))[1],
        atol=0.0151,
    )
    corrected = np.unpackbits(arrays_["corrected"].numbers[:, 0])[: len(g)].astype(bool)
    np.testing.assert_array_equal(corrected, np.isin(of, c.index.numpy()))
    rows = np.searchsorted(c.index.numpy(), of[corrected])
    for name, basis, step in (("position", c.position, 2.5e-5), ("color", c.color, 1 / 320)):
        wanted = basis.numpy()[:, rows].transpose(1, 0, 2).reshape(len(rows), -1)
        np.testing.assert_allclose(arrays_[f"correction_{name}"].values(), wanted, atol=0.51 * step)


def test_what_is_not_corrected_stays_exactly_where_it_is():
    c = sparse_avatar().corrections
    still = sparse_avatar(corrections=type(c)(c.mean, c.matrix, c.index, 0 * c.position, c.color))
    arrays_, _ = gaussian_arrays(still, mesh_arrays(still).triangle)
    assert (arrays_["correction_position"].values() == 0).all()
