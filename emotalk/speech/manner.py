"""How a text is said: a mood that may change while it is said, and what the person at the sliders asks for on top.

The directions are those of Schröder, Cowie et al., "Acoustic correlates of emotion dimensions in view of speech
synthesis", Eurospeech 2001: mean and range of the pitch, intensity and rate rise with activation and pauses get
shorter; valence raises the mean pitch slightly. The sizes (at full arousal: 4 semitones, 60 % more range, 25 % faster,
4 dB) keep speech intelligible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.errors import InputError
from emotalk.speech.voice import LIMITS, Style

if TYPE_CHECKING:
    from emotalk.emotion import EmotionCurve


@dataclass(frozen=True)
class StyleTrack:
    """A `voice.Style` for every one of T times: each field is [T]."""

    rate: np.ndarray
    pitch: np.ndarray
    pitch_range: np.ndarray
    gain_db: np.ndarray
    pauses: np.ndarray

    def mean(self) -> Style:
        """The style in the middle of them."""
        return Style(**{name: float(np.clip(np.mean(getattr(self, name)), *LIMITS[name])) for name in LIMITS})


@dataclass(frozen=True)
class Manner:
    """A mood over the seconds of a text (None: as the voice is), and a person's own rate and pitch as factors.

    Raises InputError for factors outside 0.4..2.5 and 0.5..2.
    """

    mood: EmotionCurve | None = None
    rate: float = 1.0
    pitch: float = 1.0

    def __post_init__(self) -> None:
        Style(rate=self.rate, pitch=self.pitch)  # refuses a choice that is out of range by itself

    def at(self, seconds: np.ndarray) -> StyleTrack:
        """The styles at some times [T] in seconds."""
        seconds = np.atleast_1d(np.asarray(seconds, np.float64))
        still = np.zeros((len(seconds), 2))
        track = style_track(still if self.mood is None else self.mood.at_seconds(seconds))
        return StyleTrack(
            np.clip(track.rate * self.rate, *LIMITS["rate"]),
            np.clip(track.pitch * self.pitch, *LIMITS["pitch"]),
            track.pitch_range,
            track.gain_db,
            track.pauses,
        )

    def over(self, start: float, seconds: float) -> Style:
        """The mean style of some seconds from `start` on."""
        return self.at(start + np.linspace(0, max(seconds, 0.0), 9)).mean()


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
    )


def style_for_emotion(valence: float, arousal: float) -> Style:
    """How one mood sounds. Raises InputError outside [-1, 1]."""
    for name, value in (("valence", valence), ("arousal", arousal)):
        if not -1 <= value <= 1:
            raise InputError(f"{name} must lie in -1..1, found {value}.")
    return style_track(np.array([[valence, arousal]])).mean()
