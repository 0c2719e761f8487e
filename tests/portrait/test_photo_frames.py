"""A photo as what a fit learns from: the person cut out."""

from types import SimpleNamespace

import numpy as np
import torch

from emotalk.core.camera import Camera
from emotalk.core.motion import HeadMotion
from emotalk.fitting.matte import Matte
from emotalk.portrait.photo_frames import PhotoFrames, matted
from emotalk.tracking.masks import BACKGROUND, HAIR, SKIN


def frames(size: int = 64) -> PhotoFrames:
    alpha = np.zeros((size, size), np.float32)
    alpha[:, size // 2 :] = 1
    alpha[:, size // 2 - 2 : size // 2] = 0.5
    foreground = np.full((size, size, 3), 0.2, np.float32)
    classes = np.where(np.arange(size) >= size // 2, HAIR, BACKGROUND) * np.ones((size, 1), int)
    tracked = SimpleNamespace(
        size=size, camera=Camera(torch.eye(4), 100.0, 100.0, size / 2, size / 2, size, size),
        motion=HeadMotion.neutral(), landmarks=np.full((1, 478, 2), np.nan, np.float32),
        labels=lambda _: classes.astype(np.uint8), frame_bytes=lambda _: np.full((size, size, 3), 200, np.uint8),
    )  # fmt: skip
    return PhotoFrames(tracked, Matte(alpha, foreground, np.full_like(foreground, 0.9)))


def test_its_picture_has_the_persons_colours_and_not_those_of_a_mixture():
    assert (frames().picture(0) == 51).all()


def test_classes_end_where_the_matte_does():
    classes = frames().classes(0)
    assert (classes[:, 30:] == HAIR).all()  # half of them shows
    assert (classes[:, :30] == BACKGROUND).all()


def test_pixels_that_the_mask_did_not_know_take_the_nearest_class():
    classes = np.array([[BACKGROUND, BACKGROUND, SKIN, HAIR]], np.uint8)
    assert matted(classes, np.array([[0.1, 0.9, 0.9, 0.2]], np.float32)).tolist() == [[0, SKIN, SKIN, 0]]


def test_its_target_may_be_put_over_any_background():
    for shrink in (1, 2):
        target = frames().target(0, shrink)
        assert target.cut_out
        assert target.color.shape == (64 // shrink, 64 // shrink, 3)
        over = target.over(torch.tensor([1.0, 0.0, 0.0]))
        assert torch.allclose(over[:, 0], torch.tensor([1.0, 0.0, 0.0]))
        assert torch.allclose(over[:, -1], torch.tensor([0.2, 0.2, 0.2]), atol=1e-5)
        assert torch.allclose(over[:, 31 // shrink], torch.tensor([0.6, 0.1, 0.1]), atol=1e-2)
