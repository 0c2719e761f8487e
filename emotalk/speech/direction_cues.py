"""The cues that a direction inside a text is read as: each says what holds from its place on."""

from __future__ import annotations

from dataclasses import dataclass

from emotalk.core.errors import InputError

MAX_CUES = 1000
"""Cues that one text holds at most: each needs a private-use character of its own."""


@dataclass(frozen=True)
class Mood:
    """From here on this mood: valence and arousal in [-1, 1]."""

    valence: float
    arousal: float


@dataclass(frozen=True)
class MoodEnd:
    """From here on the mood that was chosen outside of the text."""


@dataclass(frozen=True)
class Pause:
    """Silence here, of 0 to 10 seconds."""

    seconds: float


@dataclass(frozen=True)
class Emphasis:
    """From here on stressed: 1 strongly, 0.6 moderately, -0.5 less than usual; None: as usual."""

    level: float | None


@dataclass(frozen=True)
class Prosody:
    """From here on these factors on rate (0.4 to 2.5) and pitch (0.5 to 2), all that are open multiplied; 1 and 1: the
    voice's own."""

    rate: float
    pitch: float


Cue = Mood | MoodEnd | Pause | Emphasis | Prosody


def check_count(cues: int) -> None:
    """Raises InputError where there are too many cues in one text."""
    if cues > MAX_CUES:
        raise InputError(f"The text has more than {MAX_CUES:,} directions (moods, pauses, stress, emoji). Split it.")
