"""Lips of a photo with an open mouth."""

import dataclasses

import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.camera import project
from emotalk.core.motion import HeadMotion
from emotalk.portrait.donor import Donor, with_donor
from emotalk.portrait.open_lips import OWN, with_own_lips
from emotalk.rendering import portrait_camera

CAMERA = portrait_camera(512)
TEETH = torch.tensor([0.9, 0.9, 0.85])


OPEN = HeadMotion.neutral()
OPEN.expression[0, ARKIT_INDEX["jawOpen"]] = 0.6


@pytest.fixture(scope="module")
def donor() -> Donor:
    return Donor.of(load_avatar("jun"))


@pytest.fixture(scope="module")
def person(donor):
    """Somebody whose lips are the donor's in a redder light."""
    found = with_donor(load_avatar("mira"), donor)
    lips = found.gaussians.region == REGION_INDEX["lips"]
    color = found.gaussians.color.clone()
    theirs = donor.avatar.gaussians
    color[lips] = theirs.color[theirs.region == REGION_INDEX["lips"]][: int(lips.sum())] * torch.tensor([1.1, 0.9, 0.9])
    return found.replace(gaussians=dataclasses.replace(found.gaussians, color=color.clamp(0, 1)))


@pytest.fixture(scope="module")
def marks(person):
    points = person.head.landmarks(person.mesh(OPEN)[0]).detach()[0].double().numpy()
    return project(points, CAMERA)[0]


@pytest.fixture(scope="module")
def edge(person):
    """[N] bool: lips at their inner edge, within 2 mm of where they meet."""
    lips = person.gaussians.region == REGION_INDEX["lips"]
    height = person.pose(HeadMotion.neutral(), 0).means[:, 1]
    return lips & ((height - height[lips].median()).abs() < 0.002)


def painted(avatar, rows, color):
    colors = avatar.gaussians.color.clone()
    colors[rows] = color
    return avatar.replace(gaussians=dataclasses.replace(avatar.gaussians, color=colors))


def test_what_shows_between_the_lips_is_no_colour_of_theirs(person, donor, marks, edge):
    seen = torch.ones(len(person.gaussians))
    mended = with_own_lips(painted(person, edge, TEETH), donor, seen, marks, OPEN, CAMERA).gaussians.color
    before, after = ((color - person.gaussians.color)[edge].abs().mean() for color in (TEETH, mended))
    assert float(after) < (OWN + 0.1) * float(before)


def test_lips_that_are_as_they_should_be_stay_so(person, donor, marks):
    lips = person.gaussians.region == REGION_INDEX["lips"]
    mended = with_own_lips(person, donor, torch.ones(len(lips)), marks, OPEN, CAMERA).gaussians.color
    assert float((mended - person.gaussians.color)[lips].abs().mean()) < 0.02
    assert torch.equal(mended[~lips], person.gaussians.color[~lips])


def test_where_no_lips_show_nothing_changes(person, donor, marks):
    nothing = torch.zeros(len(person.gaussians))
    mended = with_own_lips(person, donor, nothing, marks, OPEN, CAMERA)
    assert torch.equal(mended.gaussians.color, person.gaussians.color)
