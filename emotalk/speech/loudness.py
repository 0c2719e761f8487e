"""Brings speech to one loudness, so that "quiet" means the same to everything that listens to it.

The loudness is the gated RMS level of ITU-R BS.1770-4 (blocks of 400 ms every 100 ms, gates at -70 dB and at 10 dB
below the mean of what passed) without its frequency weighting, which is made for music. The target is -23 dB
relative to full scale. One gain holds for the whole sound: it is measured over the minute that follows the first
sound, so that a stream and a whole file come out alike and memory does not grow with length.
"""

from __future__ import annotations

import numpy as np

from emotalk.core.rates import SAMPLE_RATE

TARGET_DB = -23.0
"""Loudness of all speech inside the package, in dB relative to full scale."""
MEASURED_SECONDS = 60.0
SILENCE_DB = -70.0
"""A sound whose every block of 400 ms lies below this is silent."""

_MAX_GAIN_DB = 40.0  # more would turn the hiss of an almost silent recording into speech
_BLOCK, _STEP = int(0.4 * SAMPLE_RATE), int(0.1 * SAMPLE_RATE)
_MINUTE = int(MEASURED_SECONDS * SAMPLE_RATE)
_KNEE = 0.9  # samples above are bent so that they never reach 1
_DC_POLE = np.exp(-2 * np.pi * 20 / SAMPLE_RATE)  # blocks what lies below 20 Hz


def loudness(samples: np.ndarray) -> float:
    """Gated loudness of mono 16 kHz samples [N] in dB relative to full scale, -inf for silence."""
    return _gated(_block_powers(np.asarray(samples, np.float64)))


def normalise(samples: np.ndarray, target_db: float = TARGET_DB) -> np.ndarray:
    """Mono 16 kHz samples [N] brought to `target_db`; float32 in (-1, 1). Silence stays silence."""
    leveller = Leveller(target_db)
    return np.concatenate([leveller.push(np.asarray(samples, np.float32)), leveller.finish()])


class Leveller:
    """`normalise` for a sound that arrives in pieces: holds back the first minute, then nothing."""

    def __init__(self, target_db: float = TARGET_DB) -> None:
        self.heard_sound = False
        self._target_db = target_db
        self._gain: float | None = None
        self._held: list[np.ndarray] = []  # from the first sound on, until it is enough to measure
        self._held_samples = 0
        self._filter_state: np.ndarray | None = None

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Takes float32 samples [N]; returns those whose gain is known, in order."""
        if not len(samples):  # lfilter would forget its state
            return np.zeros(0, np.float32)
        from scipy.signal import lfilter  # takes a second to import: not at start-up

        if self._filter_state is None:
            self._filter_state = np.array([-float(samples[0])])  # as if the sound had always been there: no click
        filtered, self._filter_state = lfilter([1, -1], [1, -_DC_POLE], samples, zi=self._filter_state)
        if self._gain is not None:
            return self._apply(filtered)
        self._held.append(filtered)
        self._held_samples += len(filtered)
        released = []
        while self._gain is None and self._held_samples >= _MINUTE:
            held = np.concatenate(self._held)
            start = _first_sound(held[:_MINUTE])
            if start > 0:  # let the silence before it go as it is, so that a whole minute of sound is measured
                released.append(held[:start].astype(np.float32))
                self._held, self._held_samples = [held[start:]], len(held) - start
            else:
                released.append(self._decide(held))
        return np.concatenate(released) if released else np.zeros(0, np.float32)

    def finish(self) -> np.ndarray:
        """The samples [N] that are still held back."""
        if self._gain is not None or not self._held:
            return np.zeros(0, np.float32)
        return self._decide(np.concatenate(self._held))

    def _decide(self, held: np.ndarray) -> np.ndarray:
        # Exactly the first minute, however long the pieces were.
        level = loudness(held[:_MINUTE])
        self.heard_sound = level > -np.inf
        gain_db = min(self._target_db - level, _MAX_GAIN_DB) if self.heard_sound else 0.0
        self._gain = 10 ** (gain_db / 20)
        self._held = []
        return self._apply(held)

    def _apply(self, samples: np.ndarray) -> np.ndarray:
        return soft_limit(samples * self._gain)


def soft_limit(samples: np.ndarray) -> np.ndarray:
    """Samples [N] as float32 in (-1, 1): untouched up to 0.9, smoothly bent above."""
    limited = np.array(samples, np.float32)
    loud = np.flatnonzero(np.abs(limited) > _KNEE)  # few: a tanh of every sample would cost more than all else
    over = (np.abs(limited[loud]) - _KNEE) / (1 - _KNEE)
    limited[loud] = np.sign(limited[loud]) * np.minimum(_KNEE + (1 - _KNEE) * np.tanh(over), 0.99999)
    return limited


def _first_sound(samples: np.ndarray) -> int:
    """Where to start measuring: 0 where sound begins within two blocks, else just before the first sound, or near
    the end where there is none yet."""
    loud = np.flatnonzero(_block_powers(samples) > 10 ** (SILENCE_DB / 10))
    first = int(loud[0]) * _STEP if len(loud) else len(samples) - _BLOCK
    return first if first > 2 * _BLOCK else 0


def _block_powers(samples: np.ndarray) -> np.ndarray:
    if len(samples) < _BLOCK:
        return np.mean(samples**2, keepdims=True) if len(samples) else np.zeros(0)
    steps = len(samples) // _STEP
    power = (samples[: steps * _STEP] ** 2).reshape(steps, _STEP).mean(1)
    width = _BLOCK // _STEP
    return np.convolve(power, np.full(width, 1 / width), "valid")


def _gated(powers: np.ndarray) -> float:
    powers = powers[powers > 10 ** (SILENCE_DB / 10)]
    if not len(powers):
        return -np.inf
    powers = powers[powers >= powers.mean() / 10]
    return float(10 * np.log10(powers.mean()))
