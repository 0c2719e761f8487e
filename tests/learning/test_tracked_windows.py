"""Windows of tracked videos: all of them once an epoch, by a seed alone, whoever takes which part."""

import itertools

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.learning.motion_data import TrackedClip
from emotalk.learning.tracked_windows import TrackedWindows, steps_of, tracked_before

FRAMES = 40


def clip(frames: int, mark: float, seen: np.ndarray | None = None) -> TrackedClip:
    """A clip that is told by its emotion, whose jaw opens from 0 to 1."""
    expression = np.tile(np.linspace(0, 1, frames, dtype=np.float32)[:, None], (1, 52))
    motion = HeadMotion(expression, *(np.zeros((frames, width)) for width in (3, 2, 2, 6)))
    rows, rhythm = np.ones((2, frames, 480), np.float16), np.ones((2, frames, 6), np.float16)
    return TrackedClip(rows, rhythm, motion, np.full((frames, 2), mark, np.float32), seen)


@pytest.fixture
def windows() -> TrackedWindows:
    return TrackedWindows([clip(75, 0.1), clip(5, 0.2), clip(160, 0.3), clip(30, 0.4)], FRAMES, seed=3)


def marks(batch) -> list[float]:
    """Which clip each window is of."""
    return [round(float(row.max()), 1) for row in batch.va[..., 0]]


def test_an_epoch_has_every_window_once(windows):
    assert len(windows) == 2 + 4 + 1  # what is shorter than 8 frames has none
    for epoch in range(3):
        batch = windows.batch(range(7 * epoch, 7 * epoch + 7))
        assert sorted(marks(batch)) == [0.1] * 2 + [0.3] * 4 + [0.4]
    assert marks(windows.batch(range(7))) != marks(windows.batch(range(7, 14)))


def test_parts_of_a_batch_are_the_batch(windows):
    whole = windows.batch(range(4, 16))
    parts = [windows.batch(range(first, first + 4)) for first in (12, 4, 8)]
    for name in whole.__dataclass_fields__:
        joined = np.concatenate([getattr(parts[i], name) for i in (1, 2, 0)])
        np.testing.assert_array_equal(getattr(whole, name), joined)


def test_frames_outside_of_a_clip_and_unseen_ones_are_not_known():
    seen = np.ones(30, bool)
    seen[10:15] = False
    batch = TrackedWindows([clip(30, 0.4, seen)], FRAMES, seed=0).batch(range(20))
    assert batch.known.shape == (20, FRAMES)
    opened = batch.expression[..., 0].numpy()
    hidden = (opened > 9.5 / 29) & (opened < 14.5 / 29)
    assert (batch.known.numpy()[hidden] == 0).all()
    assert (batch.known.sum(1) <= 25).all()
    assert batch.known.sum(1).max() == 25
    assert (batch.known.numpy()[(opened > 0) & ~hidden] == 1).all()


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(InputError, match="8 frames"):
        TrackedWindows([clip(5, 0.1)], FRAMES, seed=0)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.75, 1.0])
def test_tracked_steps_are_evenly_spread(share):
    before = [tracked_before(step, share) for step in range(200)]
    assert all(b - a in (0, 1) for a, b in itertools.pairwise(before))
    assert abs(before[-1] - 199 * share) <= 1


@pytest.mark.parametrize("share", [0.1, 1 / 3, 0.5, 1.0])
@pytest.mark.parametrize("epochs", [0.5, 1, 3])
def test_so_many_steps_see_every_window_so_often(share, epochs):
    steps = steps_of(epochs, windows=97, batch=12, share=share)
    seen = 12 * tracked_before(steps, share)
    assert epochs * 97 <= seen < epochs * 97 + 12
    assert tracked_before(steps - 1, share) < tracked_before(steps, share) or share < 1


@pytest.mark.parametrize(("epochs", "share"), [(0, 0.5), (1, 0), (1, 1.5), (float("nan"), 0.5)])
def test_epochs_that_never_end_are_refused(epochs, share):
    with pytest.raises(InputError, match="share"):
        steps_of(epochs, 10, 2, share)
