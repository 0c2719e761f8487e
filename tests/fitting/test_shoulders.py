"""Clothes outside of a video's picture: shoulders come to an end of their own, without stripes."""

import numpy as np
import pytest
import torch

from emotalk.core.camera import Camera, project
from emotalk.fitting.shoulders import ARM, BELOW, continued_clothes, outside_gaussians
from emotalk.tracking.masks import BODY

METRES = 0.0015  # of a pixel
SIZE = 200


def bust(slope=0.4):
    """[SIZE, SIZE] bool: shoulders that fall to both sides and leave the picture there."""
    columns = np.arange(SIZE) + 0.5
    line = 120 + slope * np.abs(columns - SIZE / 2)
    return np.arange(SIZE)[:, None] + 0.5 > line


def test_they_go_on_below_and_come_down_beside_the_picture():
    wider = continued_clothes(bust(), SIZE / 2, METRES)
    inside = wider.mask[:SIZE, wider.left : wider.left + SIZE]
    assert (inside == bust()).all()
    assert len(wider.mask) == SIZE + int(np.ceil(BELOW / METRES))
    # From the neck in the middle to the outside of the arm.
    assert wider.left == pytest.approx(ARM / METRES - SIZE / 2, abs=2)
    tops = np.where(wider.mask.any(0), wider.mask.argmax(0), len(wider.mask))
    beside = tops[: wider.left][::-1]
    assert abs(beside[0] - tops[wider.left]) <= 1  # without a step at the border
    assert (np.diff(beside) >= 0).all()
    assert beside[-1] - beside[0] > 60
    assert (tops == tops[::-1]).all()  # both sides alike


def test_they_look_like_the_inside_mirrored_not_like_the_border_repeated():
    wider = continued_clothes(bust(0.0), SIZE / 2, METRES)
    below = wider.row[SIZE : SIZE + 30, wider.left + 50]
    assert below.tolist() == list(range(SIZE - 1, SIZE - 31, -1))
    beside = wider.column[-60, : wider.left]
    assert beside[::-1][:40].tolist() == list(range(40))
    assert beside.max() < SIZE / 4  # not the collar
    assert ((wider.row >= 0) & (wider.row < SIZE) & (wider.column >= 0) & (wider.column < SIZE)).all()


def test_shoulders_that_end_in_the_picture_go_on_below_it_only():
    mask = bust()
    mask[:, :20] = mask[:, -20:] = False
    wider = continued_clothes(mask, SIZE / 2, METRES)
    assert wider.left == 0
    assert wider.mask.shape == (SIZE + int(np.ceil(BELOW / METRES)), SIZE)
    assert (wider.mask[SIZE:] == mask[-1]).all()


@pytest.mark.parametrize("middle", [-50.0, 0.0, 199.0, 400.0])
def test_a_neck_at_the_border_or_outside_is_no_trouble(middle):
    wider = continued_clothes(bust(), middle, METRES)
    assert wider.mask.any()
    assert (wider.column >= 0).all()
    assert (wider.column < SIZE).all()


def test_checked_cloth_stays_checked_outside():
    """As seen through the picture's own camera; stripes have no change along one axis."""
    size, focal = 128, 300.0
    pose = torch.tensor([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 1.0], [0, 0, 0, 1]])
    camera = Camera(pose, focal, focal, size / 2, size / 2, size, size)
    rows, columns = np.indices((size, size))
    picture = np.repeat((((rows // 16 + columns // 16) % 2) * 200 + 20)[..., None], 3, 2).astype(np.uint8)
    classes = np.where(rows > 70, BODY, 0)
    gaussians = outside_gaussians(
        picture, classes, np.zeros((size, size), bool), 70.0, camera, np.tile(np.eye(3), (3, 1, 1)),
        np.zeros((3, 3)), np.zeros(3), np.zeros(3), 3000,
    )  # fmt: skip
    pixels, _ = project(gaussians.position.double().numpy(), camera)
    for where in (pixels[:, 1] > size + 4, pixels[:, 0] < -4, pixels[:, 0] > size + 4):
        assert where.sum() > 30
        colors = gaussians.color[torch.from_numpy(where)][:, 0]
        assert colors.std() > 0.15
    below = (pixels[:, 1] > size + 2) & (pixels[:, 1] < size + 22) & (np.abs(pixels[:, 0] - 40) < 4)
    assert gaussians.color[torch.from_numpy(below)][:, 0].std() > 0.1  # along a column too
    assert gaussians.log_scale.isfinite().all()
