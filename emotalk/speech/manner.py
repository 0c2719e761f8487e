"""How a text is said: a mood that may change while it is said, and what the person at the sliders asks for on top.

The directions are those of Schröder, Cowie et al., "Acoustic correlates of emotion dimensions in view of speech
synthesis", Eurospeech 2001: mean and range of the pitch, intensity and rate rise with activation and pauses get
shorter; valence raises the mean pitch slightly. The spectrum gets flatter with effort (`tilt.py`). The sizes (at full
arousal: 4 semitones, 60 % more range, 25 % faster, 4 dB, 5 dB of tilt) keep speech intelligible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.errors import InputError
from emotalk.speech.voice import LIMITS, Style

if TYPE_CHECKING:
    from emotalk.emotion import EmotionCurve

_STRESS_SLOWER, _STRESS_SEMITONES, _STRESS_RANGE, _STRESS_DB = 0.18, 2.0, 0.3, 2.5
"""What full emphasis does to a word: longer, higher, livelier, louder (the correlates of English accent: Fry 1958;
sizes within what accented words of the voices' own have, 15 to 25 % longer and 1 to 3 semitones higher)."""

_TILT_DB = 5.0
"""More of the spectrum above 1 kHz at full arousal, less at the lowest. With it the energy of 1 to 5 kHz relative to
what lies below (the alpha ratio) rises by 4 dB and falls by 2.6 (four voices, three valences); without, not at all."""


@dataclass(frozen=True)
class StyleTrack:
    """A `voice.Style` for every one of T times: each field is [T]."""

    rate: np.ndarray
    pitch: np.ndarray
    pitch_range: np.ndarray
    gain_db: np.ndarray
    pauses: np.ndarray
    tilt_db: np.ndarray

    def mean(self) -> Style:
        """The style in the middle of them."""
        return Style(**{name: float(np.clip(np.mean(getattr(self, name)), *LIMITS[name])) for name in LIMITS})


@dataclass(frozen=True)
class Change:
    """What directions in a phrase say from a letter of it on, until the next change."""

    letter: int = 0
    mood: tuple[float, float] | None = None  # valence and arousal; None: the mood of the whole text
    rate: float = 1.0
    pitch: float = 1.0
    emphasis: float = 0.0  # 1: stressed strongly, -1: said by the way


@dataclass(frozen=True)
class Manner:
    """A mood over the seconds of a text (None: as the voice is), a person's own rate and pitch as factors, and what
    changes within the phrase that is said.

    Raises InputError for factors outside 0.4..2.5 and 0.5..2.
    """

    mood: EmotionCurve | None = None
    rate: float = 1.0
    pitch: float = 1.0
    changes: tuple[Change, ...] = ()  # by letter

    def __post_init__(self) -> None:
        Style(rate=self.rate, pitch=self.pitch)  # refuses a choice that is out of range by itself

    def at(self, seconds: np.ndarray, letters: np.ndarray | None = None) -> StyleTrack:
        """The styles at some times [T] in seconds, and at the letters [T] of the phrase that are said then (the first
        one where they are left out)."""
        seconds = np.atleast_1d(np.asarray(seconds, np.float64))
        moods = np.zeros((len(seconds), 2)) if self.mood is None else self.mood.at_seconds(seconds).astype(np.float64)
        rate, pitch = np.full(len(seconds), self.rate), np.full(len(seconds), self.pitch)
        emphasis = np.zeros(len(seconds))
        if self.changes:
            places = np.zeros(len(seconds)) if letters is None else letters
            holds = np.searchsorted([change.letter for change in self.changes], places, "right") - 1
            for number, change in enumerate(self.changes):
                here = holds == number
                if change.mood is not None:
                    moods[here] = change.mood
                rate[here] *= change.rate
                pitch[here] *= change.pitch
                emphasis[here] = change.emphasis
        track = style_track(moods)
        return StyleTrack(
            np.clip(track.rate * rate * (1 - _STRESS_SLOWER * emphasis), *LIMITS["rate"]),
            np.clip(track.pitch * pitch * 2 ** (_STRESS_SEMITONES * emphasis / 12), *LIMITS["pitch"]),
            np.clip(track.pitch_range * (1 + _STRESS_RANGE * emphasis), *LIMITS["pitch_range"]),
            track.gain_db + _STRESS_DB * emphasis,
            track.pauses,
            track.tilt_db,
        )

    def behind(self, letter: int) -> Manner:
        """The same for what comes behind a letter of the phrase."""
        now = [change for change in self.changes if change.letter <= letter]
        later = [change for change in self.changes if change.letter > letter]
        moved = [replace(change, letter=max(0, change.letter - letter)) for change in (*now[-1:], *later)]
        return replace(self, changes=tuple(moved))

    def over(self, start: float, seconds: float, letters: int = 0) -> Style:
        """The mean style of some seconds from `start` on, in which a phrase of so many letters is said."""
        share = np.linspace(0, 1, 17)
        return self.at(start + share * max(seconds, 0.0), share * letters).mean()


def style_track(moods: np.ndarray) -> StyleTrack:
    """How moods (valence, arousal) [T, 2] in [-1, 1] sound."""
    valence, arousal = np.asarray(moods, np.float64).T
    awake = arousal > 0
    return StyleTrack(
        rate=np.where(awake, 1.25, 1.18) ** arousal,
        pitch=2 ** ((np.where(awake, 4, 2) * arousal + valence) / 12),
        pitch_range=1.6**arousal * 1.15**valence,
        gain_db=4 * arousal,
        pauses=1.3**-arousal,
        tilt_db=_TILT_DB * arousal,
    )


def style_for_emotion(valence: float, arousal: float) -> Style:
    """How one mood sounds. Raises InputError outside [-1, 1]."""
    for name, value in (("valence", valence), ("arousal", arousal)):
        if not -1 <= value <= 1:
            raise InputError(f"{name} must lie in -1..1, found {value}.")
    return style_track(np.array([[valence, arousal]])).mean()
