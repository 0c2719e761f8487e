"""A finished video."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Clip:
    """A finished video file and what went into it."""

    path: str
    seconds: float
    frames: int
    width: int
    height: int
    timings: dict[str, float] = field(default_factory=dict)  # seconds by stage
    motion_path: str | None = None
    captions_path: str | None = None
    moods: tuple[
        tuple[float, float, float], ...
    ] = ()  # second, valence, arousal as shown where a text's directions set one
    remarks: tuple[str, ...] = ()  # sentences: what of the text, its directions or the transcript could not be followed
    words: tuple[tuple[float, float, str], ...] = ()  # start and end second of each word that is said, where known
    said: str = ""  # what is said, as it is written
