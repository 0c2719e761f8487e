"""Many frames at a time: the same pictures as one by one, in the same order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.core.gaussians import CloudBatch, GaussianCloud
from emotalk.rendering import FrameRenderer, batch_frames, frames_of
from emotalk.rendering.batches import MOST_FRAMES, MOST_PIXELS, CopiedPictures, draw_batch, eight_bits
from tests.rendering.pretend_gpu import GpuTensor, pretend_gpu
from tests.rendering.scenes import camera, random_cloud

CLOUDS = [random_cloud(150, seed) for seed in range(6)]
VIEWS = [camera(48, 40, yaw=0.1 * t) for t in range(6)]


def on_gpu(batch: CloudBatch) -> CloudBatch:
    return CloudBatch(*(getattr(batch, f.name).to("cuda") for f in dataclasses.fields(batch)))


def one_by_one(background: object = (0.2, 0.9, 0.4)) -> list[np.ndarray]:
    renderer = FrameRenderer(48, 40, background, backend="cpu")
    return [renderer.draw(cloud, view).copy() for cloud, view in zip(CLOUDS, VIEWS, strict=True)]


def test_a_batch_holds_the_clouds_it_was_made_of():
    batch = CloudBatch.stack(CLOUDS)
    assert len(batch) == frames_of(batch) == 6
    assert frames_of(CLOUDS[0]) == 1
    for f in dataclasses.fields(GaussianCloud):
        assert torch.equal(getattr(batch[4], f.name), getattr(CLOUDS[4], f.name))


def test_a_batch_with_wrong_numbers_is_refused_with_the_reason():
    whole = CloudBatch.stack(CLOUDS)
    with pytest.raises(InputError, match="NaN"):
        dataclasses.replace(whole, means=torch.full_like(whole.means, torch.nan))
    with pytest.raises(InputError, match=r"CloudBatch\.opacities"):
        dataclasses.replace(whole, opacities=whole.opacities[:3])
    with pytest.raises(InputError, match=r"lie in \[0, 1\]"):
        dataclasses.replace(whole, opacities=whole.opacities + 1)


def test_clouds_and_batches_give_one_picture_a_frame_each_through_its_own_camera():
    parts = [CLOUDS[0], CloudBatch.stack(CLOUDS[1:4]), CLOUDS[4], CloudBatch.stack(CLOUDS[5:])]
    renderer = FrameRenderer(48, 40, (0.2, 0.9, 0.4), backend="cpu")
    found = [picture.copy() for picture in renderer.frames(parts, lambda t: VIEWS[t])]
    assert len(found) == 6
    for picture, expected in zip(found, one_by_one(), strict=True):
        assert np.array_equal(picture, expected)


@pytest.mark.parametrize("transparent", [False, True])
def test_pictures_that_are_drawn_together_are_those_that_are_drawn_alone(monkeypatch, transparent):
    expected = one_by_one(None if transparent else (0.2, 0.9, 0.4))
    with pretend_gpu(monkeypatch):
        batch, background = on_gpu(CloudBatch.stack(CLOUDS)), torch.tensor([0.2, 0.9, 0.4]).to("cuda")
        drawn = draw_batch(batch, VIEWS, background, transparent)
    found = drawn.arrays()
    assert found.shape == (6, 40, 48, 4 if transparent else 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - np.stack(expected)).max() <= 1


def test_a_picture_behind_the_clouds_shows_where_they_do_not_cover():
    image, alpha = torch.zeros(2, 3, 4, 3), torch.zeros(2, 3, 4)
    alpha[:, 1] = 0.5
    behind = torch.linspace(0, 1, 36).view(3, 4, 3)
    found = eight_bits(image, alpha, behind, False)
    shares = (1 - alpha[0])[..., None]
    assert torch.equal(found[1], (behind * shares * 255 + 0.5).to(torch.uint8))
    assert torch.equal(image, torch.zeros_like(image))  # it belongs to the caller


def test_pictures_can_be_written_to():
    pictures = CopiedPictures(torch.zeros(2, 3, 4, 3, dtype=torch.uint8)).arrays()
    pictures[1] = 7
    assert pictures.sum() == 7 * 36


def test_cameras_that_do_not_fit_are_refused(monkeypatch):
    with pretend_gpu(monkeypatch):
        batch, white = on_gpu(CloudBatch.stack(CLOUDS)), torch.ones(3).to("cuda")
        assert isinstance(batch.means, GpuTensor)
        with pytest.raises(InputError, match="as many cameras, found 2"):
            draw_batch(batch, VIEWS[:2], white, False)
        with pytest.raises(InputError, match="near plane"):
            draw_batch(batch, [*VIEWS[:5], dataclasses.replace(VIEWS[5], near=0.1)], white, False)
    with pytest.raises(InputError, match="make both the same size"):
        list(FrameRenderer(48, 40, backend="cpu").frames([CloudBatch.stack(CLOUDS)], camera(40, 48)))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (128, 128), (512, 512), (1024, 1024), (16_384, 16_384)])
def test_a_batch_is_bounded_in_frames_and_pixels(width, height):
    frames = batch_frames(width, height)
    assert 1 <= frames <= MOST_FRAMES
    assert frames == 1 or frames * width * height <= MOST_PIXELS
