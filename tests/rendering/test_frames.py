"""FrameRenderer: the frames of a clip."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.rendering import FrameRenderer, portrait_camera, rasterize
from tests.rendering.scenes import camera, random_cloud


def expected_bytes(cloud, view, background) -> np.ndarray:
    image = rasterize(cloud, view, background, "cpu").image
    return image.clamp(0, 1).mul(255).add(0.5).to(torch.uint8).numpy()


def nearly_equal(a: np.ndarray, b: np.ndarray) -> bool:
    # The last bit may differ where 255 x falls on .5 and one side used a fused multiply-add.
    difference = np.abs(a.astype(int) - b.astype(int))
    return difference.max() <= 1 and (difference > 0).mean() < 1e-3


@pytest.mark.parametrize(("width", "height"), [(64, 48), (333, 51), (5, 7), (1, 1)])
def test_pictures_are_the_rounded_pictures_of_rasterize(width, height):
    cloud, view = random_cloud(500, 1), camera(width, height)
    g = torch.Generator().manual_seed(0)
    for background in ((0.2, 1.0, 0.0), torch.rand(height, width, 3, generator=g)):
        drawn = FrameRenderer(width, height, background, backend="cpu").draw(cloud, view)
        assert drawn.dtype == np.uint8
        assert nearly_equal(drawn, expected_bytes(cloud, view, background))


def test_colours_beyond_the_range_are_clipped_not_wrapped():
    cloud = random_cloud(100, 2, size=0.05)
    bright = type(cloud)(cloud.means, cloud.scales, cloud.quats, torch.ones(100), cloud.colors * 40 - 20)
    drawn = FrameRenderer(32, 32, backend="cpu").draw(bright, camera(32, 32))
    assert nearly_equal(drawn, expected_bytes(bright, camera(32, 32), (1.0, 1.0, 1.0)))
    assert {0, 255} <= set(np.unique(drawn).tolist())


def test_frames_come_in_order_from_a_function_or_an_iterable():
    clouds = [random_cloud(200, seed) for seed in range(5)]
    views = [camera(48, 40, yaw=0.1 * t) for t in range(5)]
    renderer = FrameRenderer(48, 40, backend="cpu")
    expected = [expected_bytes(c, v, (1.0, 1.0, 1.0)) for c, v in zip(clouds, views, strict=True)]
    from_function = [p.copy() for p in renderer.frames(lambda t: clouds[t], lambda t: views[t], count=5)]
    from_iterable = [p.copy() for p in renderer.frames(iter(clouds), lambda t: views[t])]
    for pictures in (from_function, from_iterable):
        assert len(pictures) == 5
        assert all(nearly_equal(p, e) for p, e in zip(pictures, expected, strict=True))


def test_buffers_are_used_again():
    renderer = FrameRenderer(16, 16, backend="cpu", buffers=2)
    cloud = random_cloud(10)
    places = [p.ctypes.data for p in renderer.frames((cloud for _ in range(6)), camera(16, 16))]
    assert len(set(places)) == 2
    assert places[0] == places[2]


def test_the_next_frame_is_prepared_while_the_caller_uses_this_one():
    asked = [threading.Event() for _ in range(3)]
    cloud = random_cloud(10)

    def clouds(t: int):
        asked[t].set()
        return cloud

    frames = FrameRenderer(16, 16, backend="cpu").frames(clouds, camera(16, 16), count=3)
    next(frames)
    assert asked[1].wait(10)  # without asking for frame 1
    frames.close()


def test_an_error_in_the_source_is_raised_at_its_frame():
    def clouds():
        yield random_cloud(10)
        raise ValueError("broken avatar")

    frames = FrameRenderer(16, 16, backend="cpu").frames(clouds(), camera(16, 16))
    next(frames)
    with pytest.raises(ValueError, match="broken avatar"):
        next(frames)


def test_stopping_early_ends_the_thread():
    frames = FrameRenderer(16, 16, backend="cpu").frames(lambda t: random_cloud(10), camera(16, 16), count=10**9)
    next(frames)
    frames.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("emotalk-prepare")]


def test_misuse_is_explained():
    renderer = FrameRenderer(16, 16, backend="cpu")
    with pytest.raises(InputError, match="make both the same size"):
        renderer.draw(random_cloud(5), portrait_camera(32))
    with pytest.raises(InputError, match="needs `count`"):
        next(renderer.frames(lambda t: random_cloud(5), camera(16, 16)))
    with pytest.raises(InputError, match="whole numbers"):
        FrameRenderer(0, 16)
    with pytest.raises(InputError, match=r"\[16, 16, 3\]"):
        renderer.background = torch.zeros(3, 3)
    with pytest.raises(InputError, match="at least 1 buffer"):
        FrameRenderer(16, 16, buffers=0)
