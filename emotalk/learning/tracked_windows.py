"""Windows of tracked videos in an order that hangs on a seed alone: every window once in an epoch, in any number of
processes, stopped or not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from emotalk.core.errors import InputError
from emotalk.learning.motion_data import UNHEARD, TrackedBatch, TrackedClip, window
from emotalk.motion.network import AHEAD, BEFORE
from emotalk.motion.style import MotionStyle
from emotalk.speech.feature_rows import ROW_SIZE, quiet

SHORTEST = 8
"""Frames of a clip from which on it is learned from."""
_SHIFT = 12
"""Frames by which a window begins earlier or later from epoch to epoch."""


class TrackedWindows:
    """Windows of `frames` frames of clips (`TrackedClip`, or whatever has its arrays), numbered through all epochs."""

    def __init__(self, clips: Sequence[TrackedClip], frames: int, seed: int) -> None:
        """Raises InputError where no clip has SHORTEST frames."""
        self._clips = [clip for clip in clips if len(clip) >= SHORTEST]
        if not self._clips:
            raise InputError(f"There is no tracked clip of at least {SHORTEST} frames.")
        self.frames, self._seed = frames, seed
        counts = [max(1, round(len(clip) / frames)) for clip in self._clips]
        self._clip = np.repeat(np.arange(len(self._clips)), counts)
        self._first = np.concatenate([np.arange(count) * frames for count in counts])
        self._epoch, self._order = -1, np.zeros(0, int)

    def __len__(self) -> int:
        """Windows of one epoch."""
        return len(self._clip)

    def batch(self, numbers: range) -> TrackedBatch:
        """The windows of these numbers, counted from 0 through all epochs; without style, which is fitted to people in
        personalisation."""
        average = MotionStyle(face=0)
        columns = [(*self._window(number), average.vector, average.gains) for number in numbers]
        return TrackedBatch(*(torch.from_numpy(np.stack(column)) for column in zip(*columns, strict=True)))

    def _window(self, number: int) -> tuple[np.ndarray, ...]:
        """Rows, rhythm, expression, known frames and emotion of a window."""
        epoch, at = divmod(number, len(self))
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self._seed, epoch]).permutation(len(self))
        index = int(self._order[at])
        clip, first = self._clips[self._clip[index]], int(self._first[index])
        random = np.random.default_rng([self._seed, 1, number])
        start = max(0, min(first, len(clip) - self.frames)) + int(random.integers(-_SHIFT, _SHIFT + 1))
        version = int(random.integers(clip.rows.shape[0]))
        silent = quiet(1, (clip.rows.shape[-1] - 2 * ROW_SIZE) // 2)[0]
        rows = window(clip.rows[version], start - BEFORE, self.frames + BEFORE + AHEAD, silent)
        if random.random() < UNHEARD:
            rows[:, 2 * ROW_SIZE :] = 0
        seen = np.ones(len(clip), bool) if clip.seen is None else clip.seen
        return (
            rows,
            window(clip.rhythm[version], start, self.frames, np.zeros(6, np.float32)),
            window(clip.expression, start, self.frames, np.zeros(52, np.float32)),
            window(seen, start, self.frames, np.zeros((), np.float32)),
            window(clip.emotion, start, self.frames, np.zeros(2, np.float32)),
        )


def tracked_before(step: int, share: float) -> int:
    """How many of the first `step` steps are on tracked videos: that share of them, evenly spread."""
    return math.floor(step * share + 1e-9)


def steps_of(epochs: float, windows: int, batch: int, share: float) -> int:
    """Steps after which tracked videos, so many `windows` an epoch, were seen `epochs` times, `batch` windows a step
    and `share` of all steps on them. Raises InputError where that is never."""
    if not epochs > 0 or not 0 < share <= 1:
        raise InputError(f"Epochs need a number above 0 and a share of tracked steps, found {epochs:g} and {share:g}.")
    wanted = max(1, math.ceil(epochs * windows / batch - 1e-9))
    steps = math.ceil(wanted / share)
    while tracked_before(steps, share) < wanted:
        steps += 1
    return steps
