"""The rhythm of speech as it comes in: who is speaking when, which syllables stand out, where phrases begin and end.

Works frame by frame with a fixed look-ahead, so that a clip gives the same rhythm whole or in pieces.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from emotalk.core.rates import FPS

LOOKAHEAD = 6
"""Frames of future that a moment's rhythm depends on (240 ms)."""

_PAUSE = 5  # frames of silence (200 ms) that end a phrase; shorter ones are the closures of plosives
_SYLLABLE_GAP = 3  # frames between syllable nuclei
_STRESS_GAP = 8  # frames between stresses: the nod for the last one must be over
_MEMORY = 1 / 12  # weight of a new syllable in the running mean and spread: about one phrase
# A raised cosine of 0.28 s: brows and head mark a stressed syllable around its nucleus, not on one frame.
_PULSE = (0.15, 0.5, 0.85, 1.0, 0.85, 0.5, 0.15)


@dataclass(frozen=True)
class Rhythm:
    """The rhythm at one frame."""

    speaking: float  # 1 in speech, 0 in silence
    stress: float  # in [0, 1], swelling over a stressed syllable
    nod: float  # strength in [0, 1] of a stress that begins here, else 0
    phrase_start: bool
    phrase_end: bool
    loudness: float  # in [0, 1] against the speaker's own loudest

    def row(self) -> list[float]:
        """The six numbers, those that the motion network reads first: speaking, stress, loudness, nod, start, end."""
        return [self.speaking, self.stress, self.loudness, self.nod, self.phrase_start, self.phrase_end]

    @classmethod
    def of(cls, row: Iterable[float]) -> Rhythm:
        """From the numbers of `row()`."""
        speaking, stress, loudness, nod, start, end = map(float, row)
        return cls(speaking, stress, nod, start > 0.5, end > 0.5, loudness)


@dataclass(frozen=True)
class _Frame:
    silence: float
    energy: float
    voicing: float
    pitch: float  # semitones, nan where unvoiced


class RhythmTracker:
    """Push frames (25 fps), get the rhythm of the frame `LOOKAHEAD` earlier."""

    def __init__(self) -> None:
        self._frames: deque[_Frame] = deque(maxlen=2 * LOOKAHEAD + 1)
        self._stress = [0.0] * len(_PULSE)
        self._loudest = -30.0
        self._mean = {"energy": math.nan, "pitch": math.nan}
        self._spread = {"energy": 5.0, "pitch": 2.0}
        self._since_syllable = self._since_stress = 10**6
        self._speaking = False
        self._count = 0

    def push(self, silence: float, energy: float, voicing: float, f0: float) -> Rhythm | None:
        """One frame in: probability of silence, dB, probability of voice, Hz. None until the look-ahead is filled."""
        pitch = 12 * math.log2(f0) if f0 > 0 else math.nan
        self._frames.append(_Frame(silence, energy, voicing, pitch))
        self._count += 1
        if self._count <= LOOKAHEAD:
            return None
        return self._now()

    def fork(self) -> RhythmTracker:
        """A copy that goes its own way."""
        other = copy.copy(self)
        other._frames = self._frames.copy()
        other._mean, other._spread = dict(self._mean), dict(self._spread)
        return other

    def _now(self) -> Rhythm:
        ahead = list(self._frames)[-(LOOKAHEAD + 1) :]
        now = ahead[0]
        behind = list(self._frames)[: -(LOOKAHEAD + 1)]
        # The loudest level fades by 1 dB per second, so a voice that drops to a murmur is not taken for silence.
        self._loudest = max(self._loudest - 1.0 / FPS, now.energy if now.silence < 0.5 else -60.0, -50.0)
        nod = self._syllable(behind, ahead)
        self._stress = [*self._stress[1:], 0.0]
        if nod:
            self._stress = [max(old, nod * pulse) for old, pulse in zip(self._stress, _PULSE, strict=True)]
        silent = [frame.silence > 0.5 for frame in ahead[:_PAUSE]]
        phrase_start = not self._speaking and not silent[0] and sum(silent) <= 1
        phrase_end = self._speaking and all(silent)
        self._speaking = (self._speaking or phrase_start) and not phrase_end
        loudness = min(1.0, max(0.0, 1 + (now.energy - self._loudest) / 30))
        return Rhythm(
            float(self._speaking), self._stress[0], nod, phrase_start, phrase_end, loudness * (1 - now.silence)
        )

    def _syllable(self, behind: list[_Frame], ahead: list[_Frame]) -> float:
        """Strength of a stress whose nucleus lies three frames ahead, so that its gesture can swell up to it."""
        self._since_syllable += 1
        self._since_stress += 1
        window = ([*behind[-3:], *ahead])[-(LOOKAHEAD + 4) :]
        centre = len(window) - LOOKAHEAD - 1 + 3
        nucleus = window[centre]
        near = window[max(centre - 2, 0) : centre + 3]
        if (
            nucleus.silence > 0.5
            or nucleus.voicing < 0.4
            or nucleus.energy < self._loudest - 25
            or nucleus.energy < max(frame.energy for frame in near)
            or self._since_syllable < _SYLLABLE_GAP
        ):
            return 0.0
        self._since_syllable = 0
        pitches = [frame.pitch for frame in near if not math.isnan(frame.pitch)]
        pitch = sum(pitches) / len(pitches) if pitches else self._mean["pitch"]
        score = 0.0
        for cue, value, weight in (("energy", nucleus.energy, 0.6), ("pitch", pitch, 0.6)):
            if math.isnan(value):
                continue
            if math.isnan(self._mean[cue]):
                self._mean[cue] = value  # the first syllable is nothing to stand out from
            off = value - self._mean[cue]
            score += weight * max(-2.5, min(2.5, off / max(self._spread[cue], 0.5)))
            self._mean[cue] += _MEMORY * off
            self._spread[cue] += _MEMORY * (abs(off) * 1.25 - self._spread[cue])
        if score < 0.55 or self._since_stress < _STRESS_GAP:
            return 0.0
        self._since_stress = 0
        return min(1.0, 0.25 + score / 2)
