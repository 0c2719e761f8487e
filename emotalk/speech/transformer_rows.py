"""A transformer of `transformers` at work on a sound that arrives in pieces.

    samples ─► windows of 4.3 s ─► wav2vec 2.0, HuBERT ─► the second in the middle of each ─► hidden states

Such a model listens to both sides of every row. Each second is heard once, together with three seconds before it and
0.3 s behind it, whatever the pieces were: a stream and a whole sound give the same numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from emotalk.core.rates import FEATURE_RATE, SAMPLE_RATE

HOP = SAMPLE_RATE // FEATURE_RATE
"""Samples of a row."""
RECEPTIVE_FIELD = 400
"""Samples that the convolutions of wav2vec 2.0 and HuBERT see for one row."""
STEP = FEATURE_RATE
"""Rows that come out of a window: its cost is that of the whole window."""
BEFORE, AHEAD = 3 * FEATURE_RATE, 15
"""Rows of a window in front of those and behind them."""
_SIDE = (RECEPTIVE_FIELD - HOP) // 2  # samples on either side of a row that its window of samples takes in
_FAINTEST = 1e-3  # standard deviation; what is fainter is noise that stays noise

Listener = Callable[[np.ndarray], np.ndarray]
"""Hidden states [T, hidden] of a window's samples [T * HOP + 2 * _SIDE]."""


class WindowedStates:
    """One sound's way through a transformer."""

    def __init__(self, listen: Listener, hidden: int, normalise: bool = True) -> None:
        """`listen` gives states of `hidden` numbers; `normalise` brings each window to zero mean and unit variance
        first, as the base models were trained."""
        self._listen, self._hidden, self._normalise = listen, hidden, normalise
        self._samples = np.zeros(_SIDE, np.float32)  # from _SIDE samples before row `_first` on
        self._first = self._done = 0  # rows
        self._heard = 0  # samples

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Takes the next samples [N], any N; states [n, hidden] of the rows that they completed, STEP at a time."""
        self._heard += len(samples)
        return self._take(np.asarray(samples, np.float32))

    def finish(self) -> np.ndarray:
        """States [n, hidden] of the rows that remain, one for every 20 ms begun; silence is taken to follow."""
        missing = -(-self._heard // HOP) - self._done
        steps = -(-missing // STEP)
        needed = (self._done + steps * STEP + AHEAD) * HOP + _SIDE - self._heard
        return self._take(np.zeros(needed if steps else 0, np.float32))[:missing]

    def fork(self) -> WindowedStates:
        """A copy that goes its own way; the samples are replaced, never written to."""
        return copy.copy(self)

    def _take(self, samples: np.ndarray) -> np.ndarray:
        self._samples = np.concatenate([self._samples, samples])
        states = [np.zeros((0, self._hidden), np.float32)]
        while len(self._samples) >= (length := (self._done + STEP + AHEAD - self._first) * HOP + 2 * _SIDE):
            window = self._samples[:length]
            if self._normalise:
                window = (window - window.mean()) / max(window.std(), _FAINTEST)
            states.append(self._listen(window)[self._done - self._first :][:STEP])
            self._done += STEP
            first = max(0, self._done - BEFORE)
            self._samples = self._samples[(first - self._first) * HOP :]
            self._first = first
        return np.concatenate(states)
