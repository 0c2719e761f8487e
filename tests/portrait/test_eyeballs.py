"""What the lids of a photo hide of its eyes."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.camera import project
from emotalk.core.motion import HeadMotion
from emotalk.portrait.eyeballs import with_whole_eyes
from emotalk.rendering import portrait_camera

REST, CAMERA = HeadMotion.neutral(), portrait_camera(512)


@pytest.fixture(scope="module")
def person():
    return load_avatar("mira")


@pytest.fixture(scope="module")
def marks(person):
    points = person.head.landmarks(person.mesh(REST)[0]).detach()[0].double().numpy()
    return project(points, CAMERA)[0]


@pytest.fixture(scope="module")
def hidden(person):
    """[N] bool: the upper third of the front of both eyeballs."""
    gaussians = person.gaussians
    eyes = gaussians.region == REGION_INDEX["eyes"]
    means = person.pose(REST, 0).means
    high = means[:, 1] > means[eyes][:, 1].quantile(0.7)
    return eyes & high


def test_what_is_hidden_looks_like_what_is_seen_as_far_from_the_iris(person, marks, hidden):
    gaussians = person.gaussians
    color = gaussians.color.clone()
    color[hidden] = torch.tensor([0.6, 0.3, 0.2])  # the lid's
    painted = person.replace(gaussians=dataclasses.replace(gaussians, color=color))
    mended = with_whole_eyes(painted, (~hidden).float(), marks, REST, CAMERA).gaussians.color
    before, after = (float((c[hidden] - gaussians.color[hidden]).abs().mean()) for c in (color, mended))
    assert after < 0.5 * before
    assert torch.equal(mended[~hidden], gaussians.color[~hidden])


def test_eyes_of_which_the_photo_shows_nothing_stay_as_they_were(person, marks):
    nothing = torch.zeros(len(person.gaussians))
    assert torch.equal(with_whole_eyes(person, nothing, marks, REST, CAMERA).gaussians.color, person.gaussians.color)


def test_hidden_skin_is_none_of_its_business(person, marks, hidden):
    shown = torch.from_numpy(np.where(hidden, 0, 1)).float()
    eyes = person.gaussians.region == REGION_INDEX["eyes"]
    shown[~eyes] = 0
    after = with_whole_eyes(person, shown, marks, REST, CAMERA).gaussians.color
    assert torch.equal(after[~eyes], person.gaussians.color[~eyes])
