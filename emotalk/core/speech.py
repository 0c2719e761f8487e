"""Sound and what a speech encoder hears in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotalk.core.checks import check_array
from emotalk.core.rates import FPS, SAMPLE_RATE

PHONES: tuple[str, ...] = (
    "sil", "aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy",
    "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh",
)  # fmt: skip
"""Silence and the 39 ARPAbet phones, the order of `SpeechFeatures.phones`."""

ARTICULATION_NAMES: tuple[str, ...] = ("jaw", "width", "pucker", "closure", "labiodental", "tongue")
"""What the mouth must do: jaw opening, lip spread (negative: narrow), lip protrusion, lips shut (p b m),
lower lip on upper teeth (f v), tongue tip raised or shown (th l n t d). In [0, 1] but width in [-1, 1]."""


@dataclass(frozen=True)
class Speech:
    """A stretch of sound: mono float32 samples [N] at 16 kHz in [-1, 1].

    `phones` holds (start second, end second, ARPAbet name) where the source knew them (text-to-speech),
    `words` the same for words; `text` is what was said, `source` says where the sound came from. `moods` holds
    (second, (valence, arousal)) where a direction in the text sets a mood, None in its place where it ends.
    """

    samples: np.ndarray  # [N]
    source: str = ""
    text: str = ""
    phones: tuple[tuple[float, float, str], ...] = ()
    words: tuple[tuple[float, float, str], ...] = ()
    moods: tuple[tuple[float, tuple[float, float] | None], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", check_array("Speech.samples", self.samples))

    @property
    def seconds(self) -> float:
        """How long the sound lasts."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def frames(self) -> int:
        """Video frames that cover the sound (the last one may be partly silent)."""
        return -(-len(self.samples) * FPS // SAMPLE_RATE)


@dataclass(frozen=True)
class SpeechFeatures:
    """What a speech encoder heard, at 50 Hz: row i covers seconds [i/50, (i+1)/50)."""

    features: np.ndarray  # [T, C]
    phones: np.ndarray  # [T, 40] probabilities over PHONES
    articulation: np.ndarray  # [T, 6] in the order of ARTICULATION_NAMES
    voicing: np.ndarray  # [T] probability of voice in [0, 1]
    energy: np.ndarray  # [T] loudness in dB relative to full scale
    f0: np.ndarray  # [T] Hz, 0 where unvoiced

    def __post_init__(self) -> None:
        features = np.asarray(self.features)
        object.__setattr__(self, "features", check_array("features", features, *features.shape[1:2]))
        rows = len(self.features)
        object.__setattr__(self, "phones", check_array("phones", self.phones, len(PHONES), rows=rows))
        object.__setattr__(
            self, "articulation", check_array("articulation", self.articulation, len(ARTICULATION_NAMES), rows=rows)
        )
        for name in ("voicing", "energy", "f0"):
            object.__setattr__(self, name, check_array(name, getattr(self, name), rows=rows))

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice) -> SpeechFeatures:
        return SpeechFeatures(**{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})

    @staticmethod
    def concatenate(parts: Sequence[SpeechFeatures]) -> SpeechFeatures:
        """Consecutive stretches of one sound as one; at least one part."""
        return SpeechFeatures(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(SpeechFeatures)}
        )

    def at_video_rate(self) -> SpeechFeatures:
        """The same at 25 fps: the centre of video frame k is the border of rows 2k and 2k+1, so the mean
        of the two is exact (an odd last row is kept)."""
        pairs = {f.name: video_pairs(getattr(self, f.name)) for f in dataclasses.fields(self)}
        means = {name: pair.mean(1) for name, pair in pairs.items()}
        # A mean of a voiced and an unvoiced pitch is no pitch: take the voiced one.
        means["f0"] = np.where(means["voicing"] > 0, pairs["f0"].max(1), 0.0)
        return SpeechFeatures(**means)


def video_pairs(rows: np.ndarray) -> np.ndarray:
    """[ceil(T / 2), 2, ...] of 50-Hz rows [T, ...]: the two rows that each video frame spans; an odd last row stands
    for both of its frame."""
    if len(rows) % 2:
        rows = np.concatenate([rows, rows[-1:]])
    return rows.reshape(len(rows) // 2, 2, *rows.shape[1:])
