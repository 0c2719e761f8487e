"""Corrections act near the skin that their muscles move, and neighbours learn together."""

import pytest
import torch

from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.latents import GROUPS, default_latents
from emotalk.fitting.gaussian_fit import blank_corrections
from emotalk.fitting.locality import locality, motion_of_latents, neighbourhood
from emotalk.head import HeadModel
from scripts.preset_fit.plain import build_plain_avatar

LATENTS = [*GROUPS, "left lid", "right lid", "gaze yaw", "gaze pitch"]


@pytest.fixture(scope="module")
def avatar():
    return build_plain_avatar(HeadModel.load(), count=6000)


def test_each_latent_has_a_motion_that_makes_it_one(avatar):
    from emotalk.avatar.gaussians import signals

    corrections = blank_corrections(avatar)
    rows = torch.from_numpy(signals(motion_of_latents(corrections)))
    latents = torch.stack([corrections.latents(row) for row in rows])
    torch.testing.assert_close(latents, torch.eye(len(LATENTS)), atol=1e-5, rtol=0)
    assert len(default_latents()[1]) == len(LATENTS)


@pytest.mark.parametrize(
    ("latent", "inside", "outside"),
    [("brows down", 0.075, -0.03), ("jaw", -0.05, 0.075), ("left lid", 0.041, -0.03), ("smile", -0.03, 0.075)],
)
def test_a_correction_acts_where_its_muscles_are(avatar, latent, inside, outside):
    corrections = blank_corrections(avatar)
    mask = locality(avatar, corrections)[LATENTS.index(latent)]
    from emotalk.core.motion import HeadMotion

    points = avatar.pose(HeadMotion.neutral(), 0).means[corrections.index]
    face = (avatar.gaussians.region[corrections.index] == REGION_INDEX["face"]) | (
        avatar.gaussians.region[corrections.index] == REGION_INDEX["lids"]
    )
    front = face & (points[:, 2] > 0.08) & ((points[:, 0] - 0.03).abs() < 0.02)
    for height, expected in ((inside, 1.0), (outside, 0.0)):
        there = front & ((points[:, 1] - height).abs() < 0.006)
        assert there.sum() > 3, height
        assert mask[there].mean() == pytest.approx(expected, abs=0.35), (latent, height)


def test_neighbours_average_within_their_region(avatar):
    corrections = blank_corrections(avatar)
    matrix = neighbourhood(avatar, corrections.index)
    count = len(corrections.index)
    torch.testing.assert_close(matrix @ torch.ones(count, 1), torch.ones(count, 1))
    lips = (avatar.gaussians.region[corrections.index] == REGION_INDEX["lips"]).float()[:, None]
    torch.testing.assert_close(matrix @ lips, lips)
    noise = torch.randn(count, 1, generator=torch.Generator().manual_seed(0))
    assert (matrix @ noise).std() < 0.8 * noise.std()
