"""Mood in the voice: pitch, its movement, effort and pauses are changed before anything is spoken.

The network's pitch moves around the middle of the phrase in semitones, so factors act on the logarithm; effort is a
louder or softer source (which changes the spectrum too), and the rest of the loudness a plain gain.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emotalk.speech.kokoro.model import VOICED, Prosody
from emotalk.speech.kokoro.symbols import PAUSING
from emotalk.speech.kokoro.transcript import Transcript
from emotalk.speech.manner import StyleTrack

SECONDS_PER_SYMBOL = 0.055
"""How long a symbol lasts on average at rate 1 (six voices, 40 sentences): where in a mood a symbol will fall has to be
known before its duration is."""
_ENERGY_PER_DB = 0.12
"""Log energy for a decibel of style: at 4 dB what sounds like an effort and not yet like a shout."""
_SMOOTH = 6
"""Frames over which a step of the style is spread: 150 ms, about a syllable."""
_LIMITS_HZ = (55.0, 520.0)
"""A pitch beyond was in no voice that the network learned from."""


def speeds(transcript: Transcript, track: StyleTrack) -> np.ndarray:
    """The speed of every token [N + 2] of a transcript whose tokens' styles are `track` [N + 2]."""
    marks = np.array([False, *(symbol in PAUSING for symbol in transcript.symbols), False])
    return np.where(marks, track.rate / track.pauses, track.rate)


def shaped(prosody: Prosody, track: StyleTrack) -> Prosody:
    """The prosody of T frames with the pitch and energy of T styles."""
    pitch, spread, gain = (np.repeat(_smooth(part), 2) for part in (track.pitch, track.pitch_range, track.gain_db))
    voiced = prosody.f0 > VOICED
    f0 = prosody.f0.astype(np.float64)
    if voiced.any():
        middle = np.median(np.log2(f0[voiced]))
        moved = 2 ** (middle + (np.log2(f0[voiced]) - middle) * spread[voiced]) * pitch[voiced]
        f0[voiced] = np.clip(moved, *_LIMITS_HZ)
    energy = prosody.energy + _ENERGY_PER_DB * gain
    return replace(prosody, f0=f0.astype(np.float32), energy=energy.astype(np.float32))


def _smooth(values: np.ndarray) -> np.ndarray:
    """[T] values, their steps (a direction's place) spread over some frames: voices do not jump."""
    if not np.ptp(values):
        return values
    padded = np.pad(values, (_SMOOTH // 2, (_SMOOTH - 1) // 2), mode="edge")
    return np.convolve(padded, np.full(_SMOOTH, 1 / _SMOOTH), "valid")
