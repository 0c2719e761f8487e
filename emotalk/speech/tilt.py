"""Vocal effort in the spectrum: a high shelf at 1 kHz that may change while somebody speaks.

Who speaks with more effort closes the glottis more abruptly, and the energy above 1 kHz rises faster than the level:
the spectrum is flatter (Traunmüller & Eriksson, "Acoustic effects of variation in vocal effort by men, women, and
children", JASA 107(6), 2000); so do angry, frightened and elated voices, and sad ones have less (Banse & Scherer,
"Acoustic profiles in vocal emotion expression", 1996).

    sound ─┬──────────────────────────────────────┬─► + ─► times a gain that keeps the loudness ─► tilted sound
           └─► high pass of first order ─► times (10^(tilt / 20) - 1) ─┘

Both gains follow the tilt sample by sample and the high pass does not change, so that nothing clicks.
"""

from __future__ import annotations

import numpy as np

CORNER_HZ = 1000.0
_POWER_ABOVE = 0.21
"""Share of the power of speech that the upper branch holds at rest: the loudness stays where it was when the low gain
makes up for what the high one adds. Of four voices of Kokoro in 15 moods the mean is kept
within 0.1 dB, for tilts up to 6 dB."""


class TiltFilter:
    """Tilts the spectrum of a sound at `rate` samples per second that comes in pieces; the cuts cannot be heard."""

    def __init__(self, rate: int) -> None:
        warped = np.tan(np.pi * CORNER_HZ / rate)  # the bilinear transform's frequency
        self._numerator = np.array([1.0, -1.0]) / (1 + warped)
        self._denominator = np.array([1.0, (warped - 1) / (1 + warped)])
        self._state = np.zeros(1)

    def push(self, samples: np.ndarray, tilt_db: np.ndarray | float) -> np.ndarray:
        """The next samples [N] with `tilt_db` (one value, or [N]) more above the corner than below; float32 [N]."""
        if not len(samples):
            return np.zeros(0, np.float32)
        from scipy.signal import lfilter  # takes a second to import: not at start-up

        above, self._state = lfilter(self._numerator, self._denominator, samples, zi=self._state)
        tilt = np.asarray(tilt_db, np.float64)
        ratio = 10 ** (tilt / 20)
        low = 1 / np.sqrt(1 - _POWER_ABOVE + _POWER_ABOVE * ratio**2)
        return (low * (samples + (ratio - 1) * above)).astype(np.float32)
