"""Under the Gaussians of the eyes lies a solid layer, which moves with them and shows only in their gaps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.avatar.gallery import FIRST_FACES
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.camera import project
from emotalk.core.gaussians import GaussianCloud
from emotalk.core.motion import HeadMotion
from emotalk.fitting.eye_backing import DEEPER, with_backed_eyes
from emotalk.fitting.gaussian_fit import blank_corrections
from emotalk.head import HeadModel
from emotalk.rendering import portrait_camera, rasterize
from scripts.preset_fit.plain import build_plain_avatar

CAMERA = portrait_camera(256, zoom=2.0)
FRONT = 0.06
"""Metres: what lies behind is the back of the head."""


@pytest.fixture(scope="module")
def before() -> GaussianAvatar:
    plain = build_plain_avatar(HeadModel.load(), count=20_000)
    corrections = blank_corrections(plain)
    corrections.color[:, :, 0] = corrections.index / 1e6  # each says whose it is
    return plain.replace(corrections=corrections)


@pytest.fixture(scope="module")
def after(before: GaussianAvatar) -> GaussianAvatar:
    return with_backed_eyes(before)


def eyes(avatar: GaussianAvatar) -> torch.Tensor:
    return (avatar.gaussians.region == REGION_INDEX["eyes"]).nonzero()[:, 0]


def through(avatar: GaussianAvatar, thin: float = 0.0, layers: int = 1) -> float:
    """The most that a pixel of the eyes lets through from behind, with the upper one of their layers thinned."""
    cloud = avatar.pose(HeadMotion.neutral(), 0, CAMERA)
    mine, opacities = eyes(avatar), cloud.opacities.clone()
    opacities[mine[: len(mine) // layers]] *= 1 - thin
    keep = cloud.means[:, 2] > FRONT
    front = (t[keep] for t in (cloud.means, cloud.scales, cloud.quats, opacities, cloud.colors))
    alpha = rasterize(GaussianCloud(*front), CAMERA).alpha
    shown = cloud.opacities[mine] > 0
    place = np.round(project(cloud.means[mine][shown].numpy(), CAMERA)[0] - 0.5).astype(int)
    return float(1 - alpha[place[:, 1], place[:, 0]].min())


def test_every_one_has_another_one_below_it(before: GaussianAvatar, after: GaussianAvatar) -> None:
    count = len(eyes(before))
    assert len(after) == len(before) + count
    above, below = eyes(after)[:count], eyes(after)[count:]
    for motion in (HeadMotion.neutral(), dataclasses.replace(HeadMotion.neutral(), gaze=np.float32([[0.4, -0.2]]))):
        means = after.pose(motion, 0).means
        apart = (means[above] - means[below]).norm(dim=1)
        torch.testing.assert_close(apart, torch.full_like(apart, DEEPER), rtol=0.1, atol=1e-5)
        for side in (-1, 1):
            mine = side * means[above, 0] > 0
            centre = means[above][mine].mean(0) - torch.tensor([0, 0, 0.008])
            assert ((means[below][mine] - centre).norm(dim=1) < (means[above][mine] - centre).norm(dim=1)).all()


def test_nothing_shines_through_where_they_do_not_cover(before: GaussianAvatar, after: GaussianAvatar) -> None:
    assert through(before, thin=0.9) > 0.3
    assert through(after, thin=0.9, layers=2) < 0.1


def test_all_others_and_their_corrections_stay(before: GaussianAvatar, after: GaussianAvatar) -> None:
    mesh = before.gaussians.mesh_count
    assert torch.equal(after.gaussians.position[:mesh], before.gaussians.position[:mesh])
    assert torch.equal(after.gaussians.position[-len(before) + mesh :], before.gaussians.position[mesh:])
    marks = (after.corrections.color[0, :, 0] * 1e6).round().long()
    old = after.corrections.index < mesh
    assert torch.equal(marks[old], after.corrections.index[old])
    assert set(marks[~old].tolist()) <= set(eyes(before).tolist()) | set(range(mesh, len(before)))


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST_FACES)
def test_nothing_shines_through_the_eyes_of_a_shipped_avatar(name: str) -> None:
    assert through(load_avatar(name)) < 0.2  # it was 0.3 to 0.8
