"""From phone times to what the mouth must do: a coarticulation model.

Every phone has a target and a dominance for each articulator; a moment's articulation is the mean of all targets
weighted by how strongly each phone dominates there (Cohen & Massaro, "Modeling coarticulation in synthetic visual
speech", Models and Techniques in Computer Animation, 1993, eq. 1-4; after Löfqvist 1990):

    dominance_s(t) = strength_s * exp(-distance(t, held part of s) / reach)
    articulation(t) = sum_s dominance_s(t) * target_s / sum_s dominance_s(t)

What must be met and what gives way follows the rules of JALI (Edwards, Landreth, Fiume & Singh, "JALI: an
animator-centric viseme model for expressive lip synchronization", SIGGRAPH 2016, section 4.2): bilabials close the
lips, labiodentals touch the teeth, sibilants narrow the jaw, lip-rounding starts early and lasts, tongue-only
consonants leave the lips to their neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.rates import FEATURE_RATE
from emotalk.core.speech import ARTICULATION_NAMES, PHONES


class _Gesture(NamedTuple):
    """A stretch of a phone with one target, from `begin` to `end` as fractions of the phone."""

    target: tuple[float, ...]  # in the order of ARTICULATION_NAMES
    strength: tuple[float, ...]
    begin: float = 0.0
    end: float = 1.0


# Seconds in which dominance falls to 1/e before and after a phone, by articulator. Rounding is prepared longest;
# the three contacts are quick: with their strength the lips close (10 to 90 %) in 40 ms, as those of speakers do.
_REACH_BEFORE = np.array([0.055, 0.065, 0.090, 0.009, 0.012, 0.015])
_REACH_AFTER = np.array([0.060, 0.065, 0.065, 0.009, 0.012, 0.015])
_CONTACTS = np.array([False, False, False, True, True, True])
_FARTHEST = 0.9  # seconds; beyond it every dominance is below 0.005 % of its strength
_ROWS = 64
"""Rows computed at once: those of a second of speech, and memory stays small for an hour of it."""
_GLIDING = 0.06  # seconds at most that a phone's jaw and rounding move at either end of it; the rest is held

# Strengths by class of phone:  jaw  width pucker closure labiodental tongue
_REST = (0.5, 0.4, 0.4, 1.0, 1.0, 1.0)
_BILABIAL = (2.5, 0.4, 0.4, 14.0, 1.0, 1.0)
_LABIODENTAL = (1.5, 0.5, 0.5, 1.0, 12.0, 1.0)
_SIBILANT = (2.0, 0.8, 0.6, 1.0, 1.0, 1.0)
_POSTALVEOLAR = (1.5, 1.5, 2.0, 1.0, 1.0, 1.0)
_TONGUE_TIP = (0.6, 0.4, 0.3, 1.0, 1.0, 4.0)
_TONGUE_BACK = (0.5, 0.3, 0.3, 1.0, 1.0, 1.0)
_RHOTIC = (0.7, 0.8, 1.2, 1.0, 1.0, 1.0)
_GLIDE = (0.9, 2.0, 2.5, 1.0, 1.0, 1.0)
_VOWEL = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
_ROUND_VOWEL = (1.0, 1.2, 1.5, 1.0, 1.0, 1.0)


def _one(jaw, width, pucker, strength, closure=0.0, labiodental=0.0, tongue=0.0, end=1.0) -> tuple[_Gesture, ...]:
    return (_Gesture((jaw, width, pucker, closure, labiodental, tongue), strength, end=end),)


def _two(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[_Gesture, ...]:
    """A diphthong: slightly more than half of it goes to the first vowel."""
    return tuple(
        _Gesture((*target, 0.0, 0.0, 0.0), _ROUND_VOWEL if target[2] > 0.3 else _VOWEL, begin, end)
        for target, begin, end in ((first, 0.0, 0.55), (second, 0.55, 1.0))
    )


# The lips of p and b part at the burst, before the phone ends; those of m stay together to its end.
_GESTURES: dict[str, tuple[_Gesture, ...]] = {
    "sil": _one(0.0, 0.0, 0.0, _REST),
    "p": _one(0.08, 0.0, 0.1, _BILABIAL, closure=1.0, end=0.7),
    "b": _one(0.08, 0.0, 0.1, _BILABIAL, closure=1.0, end=0.85),
    "m": _one(0.08, 0.0, 0.1, _BILABIAL, closure=1.0),
    "f": _one(0.15, 0.1, 0.0, _LABIODENTAL, labiodental=1.0),
    "v": _one(0.15, 0.1, 0.0, _LABIODENTAL, labiodental=1.0),
    "th": _one(0.20, 0.1, 0.0, _TONGUE_TIP, tongue=1.0),
    "dh": _one(0.20, 0.1, 0.0, _TONGUE_TIP, tongue=1.0),
    "t": _one(0.15, 0.2, 0.0, _TONGUE_TIP, tongue=0.8),
    "d": _one(0.17, 0.2, 0.0, _TONGUE_TIP, tongue=0.8),
    "n": _one(0.20, 0.15, 0.0, _TONGUE_TIP, tongue=0.8),
    "l": _one(0.30, 0.1, 0.0, _TONGUE_TIP, tongue=0.9),
    "s": _one(0.06, 0.3, 0.0, _SIBILANT, tongue=0.3),
    "z": _one(0.06, 0.3, 0.0, _SIBILANT, tongue=0.3),
    "sh": _one(0.10, -0.3, 0.6, _POSTALVEOLAR, tongue=0.2),
    "zh": _one(0.10, -0.3, 0.6, _POSTALVEOLAR, tongue=0.2),
    "ch": _one(0.10, -0.3, 0.6, _POSTALVEOLAR, tongue=0.4),
    "jh": _one(0.10, -0.3, 0.6, _POSTALVEOLAR, tongue=0.4),
    "k": _one(0.25, 0.1, 0.0, _TONGUE_BACK),
    "g": _one(0.25, 0.1, 0.0, _TONGUE_BACK),
    "ng": _one(0.25, 0.1, 0.0, _TONGUE_BACK),
    "hh": _one(0.30, 0.1, 0.0, _TONGUE_BACK),
    "r": _one(0.20, -0.2, 0.5, _RHOTIC, tongue=0.3),
    "er": _one(0.28, -0.15, 0.4, _RHOTIC, tongue=0.2),
    "y": _one(0.15, 0.5, 0.0, _GLIDE, tongue=0.2),
    "w": _one(0.10, -0.7, 1.0, _GLIDE),
    "aa": _one(1.00, 0.1, 0.0, _VOWEL),
    "ae": _one(0.85, 0.5, 0.0, _VOWEL),
    "ah": _one(0.55, 0.1, 0.0, _VOWEL),
    "ao": _one(0.75, -0.4, 0.5, _ROUND_VOWEL),
    "eh": _one(0.60, 0.4, 0.0, _VOWEL),
    "ih": _one(0.35, 0.4, 0.0, _VOWEL),
    "iy": _one(0.22, 0.8, 0.0, _VOWEL),
    "uh": _one(0.30, -0.4, 0.6, _ROUND_VOWEL),
    "uw": _one(0.18, -0.7, 1.0, _ROUND_VOWEL),
    "aw": _two((0.95, 0.1, 0.0), (0.35, -0.5, 0.8)),
    "ay": _two((0.95, 0.2, 0.0), (0.35, 0.6, 0.0)),
    "ey": _two((0.55, 0.5, 0.0), (0.25, 0.75, 0.0)),
    "ow": _two((0.60, -0.4, 0.6), (0.25, -0.7, 1.0)),
    "oy": _two((0.65, -0.4, 0.7), (0.30, 0.6, 0.0)),
}
assert set(_GESTURES) == set(PHONES)


def articulation_targets(
    segments: Sequence[tuple[float, float, str]], frames: int, rate: float = FEATURE_RATE
) -> np.ndarray:
    """Articulation [frames, 6] (order of ARTICULATION_NAMES) of a row of phones, sampled at `rate` Hz.

    `segments` are (start second, end second, ARPAbet name of PHONES) in order, as in `Speech.phones`; whatever they
    leave out is silence. Frame i is the moment (i + 0.5) / rate. Values lie in [0, 1], width in [-1, 1].
    Raises InputError for an unknown phone, for times out of order and for a rate or number of frames that is none.
    """
    if frames < 0 or not rate > 0:
        raise InputError(f"Articulation needs frames >= 0 at a rate > 0 Hz, found {frames} frames at {rate} Hz.")
    begin, finish, target, strength = _gestures(segments, frames / rate)
    first = np.maximum(((begin - _FARTHEST) * rate).astype(np.int64), 0)
    last = np.minimum(((finish + _FARTHEST) * rate).astype(np.int64) + 1, frames)  # the row behind the last one
    shares = np.zeros((frames, len(ARTICULATION_NAMES)))
    for start in range(0, frames, _ROWS):
        rows = np.arange(start, min(start + _ROWS, frames))
        near = (first < start + _ROWS) & (last > start)
        reached = (rows >= first[near, None]) & (rows < last[near, None])
        dominance = _dominance((rows + 0.5) / rate, begin[near], finish[near]) * strength[near, None]
        dominance[~reached] = 0
        weighted = (dominance * target[near, None]).sum(0)
        shares[rows] = weighted / np.maximum(dominance.sum(0), 1e-12)
    return shares.astype(np.float32)


def _gestures(
    segments: Sequence[tuple[float, float, str]], seconds: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Begin and end [G] in seconds, target and strength [G, 6] of all gestures of the segments and the silence around
    them."""
    spans, targets, strengths = [], [], []
    for start, end, phone in _with_silence(segments, seconds):
        for gesture in _GESTURES[phone]:
            spans.append((start + gesture.begin * (end - start), start + gesture.end * (end - start)))
            targets.append(gesture.target)
            strengths.append(gesture.strength)
    begin, finish = np.array(spans).T
    return begin, finish, np.array(targets), np.array(strengths)


def _dominance(seconds: np.ndarray, begin: np.ndarray, finish: np.ndarray) -> np.ndarray:
    """[G, T, 6] how far gestures [G] of strength 1 dominate at some seconds [T]."""
    gliding = np.minimum(0.25 * (finish - begin), _GLIDING)[:, None] * ~_CONTACTS
    early = np.maximum((begin[:, None] + gliding)[:, None] - seconds[:, None], 0) / _REACH_BEFORE
    late = np.maximum(seconds[:, None] - (finish[:, None] - gliding)[:, None], 0) / _REACH_AFTER
    return np.exp(-(early + late))


def _with_silence(segments: Sequence[tuple[float, float, str]], seconds: float) -> Iterator[tuple[float, float, str]]:
    """The segments with silence before, between and behind them."""
    now = -_FARTHEST
    for start, end, phone in segments:
        if phone not in _GESTURES:
            raise InputError(f"{phone!r} is not a phone; use one of: {' '.join(PHONES)}.")
        if not (start <= end and np.isfinite(end) and start >= now - 0.005):
            raise InputError(
                f"Phones must follow each other in time; {phone!r} lasts from {start} to {end} s after {now:.3f} s."
            )
        if start > now:
            yield now, start, "sil"
        yield start, end, phone
        now = max(now, end)
    yield now, max(now, seconds) + _FARTHEST, "sil"
