"""Resampling of a sound that arrives in pieces, by a windowed-sinc polyphase filter."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from emotalk.core.errors import AudioError
from emotalk.core.rates import SAMPLE_RATE

_ZERO_CROSSINGS = 32  # of the sinc on either side
_KAISER_BETA = 9.0  # side lobes below -90 dB
_PASS_BAND = 0.94  # of the lower Nyquist frequency: 7.5 kHz of 8 kHz
_LARGEST_FACTOR = 4096  # bounds the filter; odd rates are rounded, 16002 Hz to 16 kHz (0.0125 % off)
RATES = (1_000, 768_000)
"""Lowest and highest rate in Hz that is taken."""


class Resampler:
    """From `rate` to 16 kHz; the result does not depend on how the sound is cut into pieces.

    Passes 7.5 kHz (or 94 % of half the lower rate), aliases lie below -90 dB, no delay. Rates outside RATES raise
    AudioError.
    """

    def __init__(self, rate: int) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise AudioError(
                f"A sampling rate of {rate} Hz is outside {RATES[0]}..{RATES[1]} Hz. Give the rate it was made at."
            )
        ratio = Fraction(SAMPLE_RATE, int(rate)).limit_denominator(_LARGEST_FACTOR)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._heard = self._given = 0
        if ratio == 1:
            return
        from scipy.signal import firwin  # takes a second to import: not at start-up

        factor = max(self._up, self._down)
        centre = _ZERO_CROSSINGS * factor
        taps = firwin(2 * centre + 1, _PASS_BAND / factor, window=("kaiser", _KAISER_BETA)) * self._up
        # The filter's delay must be a whole number of output samples to be taken off again.
        lead = -centre % self._down
        self._filter = np.concatenate([np.zeros(lead), taps]).astype(np.float32)
        self._delay = (centre + lead) // self._down  # output samples
        # A segment starts at a multiple of `down` samples, where an output sample falls on an input sample,
        # and early enough to hold all that the filter reaches back to.
        reach = -(-len(self._filter) // self._up)
        self._history = -(-reach // self._down) * self._down
        self._buffer = np.zeros(self._history, np.float32)
        self._start = -self._history  # input index of the first sample in the buffer

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Takes float32 samples [N]; returns the samples [M] at 16 kHz that are complete."""
        self._heard += len(samples)
        if self._up == self._down:
            return samples
        self._buffer = np.concatenate([self._buffer, samples])
        # Output m needs inputs up to (m + delay) * down / up.
        last = (self._start + len(self._buffer) - 1) * self._up // self._down - self._delay
        return self._emit(last + 1)

    def finish(self) -> np.ndarray:
        """The samples [N] still held back; with them ceil(pushed * 16000 / rate) in all."""
        if self._up == self._down:
            return np.zeros(0, np.float32)
        total = -(-self._heard * self._up // self._down)
        needed = (total + self._delay) * self._down // self._up + 1 - (self._start + len(self._buffer))
        self._buffer = np.concatenate([self._buffer, np.zeros(max(needed, 0), np.float32)])
        return self._emit(total)

    def _emit(self, until: int) -> np.ndarray:
        if until <= self._given:
            return np.zeros(0, np.float32)
        from scipy.signal import upfirdn

        first = self._start * self._up // self._down - self._delay  # output index of the segment's first value
        out = upfirdn(self._filter, self._buffer, self._up, self._down)[self._given - first : until - first]
        self._given = until
        reached = (until + self._delay) * self._down // self._up  # the first input the next output is centred on
        spare = (reached - self._history - self._start) // self._down * self._down
        if spare > 0:
            self._buffer = self._buffer[spare:].copy()
            self._start += spare
        return out.astype(np.float32, copy=False)
