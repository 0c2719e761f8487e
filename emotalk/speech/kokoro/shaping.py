"""Mood in the voice: rate, pitch, its movement, effort and pauses are changed before anything is spoken.

The network's pitch moves around the middle of the phrase in semitones, so factors act on the logarithm; effort is a
stronger source, for soft voices too, and a tilt of the spectrum (`speech.tilt`); loudness is a plain gain.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emotalk.speech.kokoro.model import FRAME, VOICED, Prosody
from emotalk.speech.kokoro.symbols import PAUSING
from emotalk.speech.kokoro.transcript import Transcript
from emotalk.speech.manner import StyleTrack

_ENERGY_PER_DB = 0.12
"""Log energy for a decibel of style, louder or softer: at 4 dB what sounds like an effort and not yet like a shout. A
softer voice gets it too, since a weak source of these networks creaks."""
_SMOOTH = 6
"""Frames over which a step of the style is spread: 150 ms, about a syllable."""
_LIMITS_HZ = (55.0, 520.0)
"""A pitch beyond was in no voice that the network learned from."""


def speeds(transcript: Transcript, track: StyleTrack) -> np.ndarray:
    """The speed of every token [N + 2] of a transcript whose tokens' styles are `track` [N + 2]."""
    marks = np.array([False, *(symbol in PAUSING for symbol in transcript.symbols), False])
    return np.where(marks, track.rate / track.pauses, track.rate)


def paced(prosody: Prosody, speed: np.ndarray) -> Prosody:
    """The prosody with every token [N] at a speed [N] (1: as it is); all other curves are stretched with it.

    The network could be asked for another speed, but a slow voice of its own making creaks: of what af_heart voices at
    the lowest arousal (three sentences, two valences) 10 % then fell an octave, 2.6 % so; at rest it is 2.8 %.
    """
    if (speed == 1).all():
        return prosody
    # Rounded at the edges, not one by one: short tokens too are faster or slower on average.
    edges = np.round(np.cumsum(prosody.durations / speed)).astype(int)
    durations = np.maximum(np.diff(edges, prepend=0), 1)
    begin, end = (np.concatenate([[0], np.cumsum(lengths)]) for lengths in (prosody.durations, durations))
    place = np.interp(np.arange(2 * end[-1]) + 0.5, 2 * end, 2 * begin) - 0.5  # of both values of every frame
    place = np.clip(place, 0, 2 * begin[-1] - 1)
    before, nearest = np.floor(place).astype(int), np.round(place).astype(int)
    after = np.minimum(before + 1, 2 * begin[-1] - 1)
    voiced = prosody.f0 > VOICED
    # Between a voiced and an unvoiced value there is none.
    f0 = np.where(voiced[before] == voiced[after], _between(prosody.f0, place, before, after), prosody.f0[nearest])
    return Prosody(
        durations,
        np.repeat(prosody.content[:, np.minimum(begin[:-1], begin[-1] - 1)], durations, axis=1),
        f0.astype(np.float32),
        _between(prosody.energy, place, before, after).astype(np.float32),
    )


def _between(values: np.ndarray, place: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    share = place - before
    return (1 - share) * values[before] + share * values[after]


def shaped(prosody: Prosody, track: StyleTrack) -> Prosody:
    """The prosody of T frames with the pitch and energy of T styles."""
    pitch, spread, gain = (np.repeat(_smooth(part), 2) for part in (track.pitch, track.pitch_range, track.gain_db))
    voiced = prosody.f0 > VOICED
    f0 = prosody.f0.astype(np.float64)
    if voiced.any():
        middle = np.median(np.log2(f0[voiced]))
        moved = 2 ** (middle + (np.log2(f0[voiced]) - middle) * spread[voiced]) * pitch[voiced]
        f0[voiced] = np.clip(moved, *_LIMITS_HZ)
    energy = prosody.energy + _ENERGY_PER_DB * np.abs(gain)
    return replace(prosody, f0=f0.astype(np.float32), energy=energy.astype(np.float32))


def by_sample(values: np.ndarray) -> np.ndarray:
    """Values of T frames for all their samples [600 T], without steps: a gain that jumps would click."""
    if not np.ptp(values):
        return np.full(len(values) * FRAME, values[0], np.float64)
    return np.interp((np.arange(len(values) * FRAME) + 0.5) / FRAME, np.arange(len(values)) + 0.5, _smooth(values))


def _smooth(values: np.ndarray) -> np.ndarray:
    """[T] values, their steps (a direction's place) spread over some frames: voices do not jump."""
    if not np.ptp(values):
        return values
    padded = np.pad(values, (_SMOOTH // 2, (_SMOOTH - 1) // 2), mode="edge")
    return np.convolve(padded, np.full(_SMOOTH, 1 / _SMOOTH), "valid")
