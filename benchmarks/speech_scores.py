"""Scores of phone, viseme, closure and jaw tracks against phone times, for any method under test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emotalk.core.rates import FEATURE_RATE
from emotalk.core.speech import ARTICULATION_NAMES, PHONES
from emotalk.speech.coarticulation import articulation_targets

Segments = Sequence[tuple[float, float, int]]

VISEMES = {
    "sil": "sil", "PP": "p b m", "FF": "f v", "TH": "th dh", "DD": "t d", "kk": "k g ng hh", "CH": "ch jh sh zh",
    "SS": "s z", "nn": "n l", "RR": "r er", "aa": "aa ah ay aw", "E": "ae eh ey", "ih": "ih iy y", "oh": "ao ow oy",
    "ou": "uw uh w",
}  # fmt: skip
"""The 15 visemes of MPEG-4 / Oculus lip sync and the phones of each."""
VISEME_OF = np.array([i for phone in PHONES for i, phones in enumerate(VISEMES.values()) if phone in phones.split()])
BILABIAL = list(VISEMES).index("PP")
_IN_VISEME = np.equal.outer(VISEME_OF, np.arange(len(VISEMES))).astype(np.float32)  # [40, 15]

TOLERANCE = 0.08  # seconds between a true closure and one that counts as found
CLOSED = 0.45
"""Of the closure articulator: a stretch above it is one closure. Best F2 on GRID's held-out speakers and on held-out
voices (a closure that is missed shows more than a false one)."""


@dataclass(frozen=True)
class Track:
    """What a method says about a sound, at 50 Hz."""

    phones: np.ndarray  # [T] index
    visemes: np.ndarray  # [T] index
    closures: np.ndarray  # [C] seconds
    jaw: np.ndarray  # [T]


def visemes_of(phones: np.ndarray) -> np.ndarray:
    """The most probable viseme [T] under phone probabilities [T, 40]."""
    return (phones @ _IN_VISEME).argmax(1)


def closures_of(closure: np.ndarray) -> np.ndarray:
    """Seconds [C] of the closures in an articulator's course [T]: the centre of each stretch above CLOSED."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], closure > CLOSED, [0.0]])))
    centres = [np.average(np.arange(a, b) + 0.5, weights=closure[a:b]) / FEATURE_RATE for a, b in edges.reshape(-1, 2)]
    return np.array(centres)


def track_of_segments(segments: Segments, frames: int) -> Track:
    """The track of known phone times: the truth, or what a decoder heard."""
    centres = (np.arange(frames) + 0.5) / FEATURE_RATE
    phones = np.zeros(frames, int)
    for start, end, phone in segments:
        phones[(centres >= start) & (centres < end)] = int(phone)
    named = [(float(a), float(b), PHONES[int(p)]) for a, b, p in segments]
    articulation = articulation_targets(named, frames)
    closure = articulation[:, ARTICULATION_NAMES.index("closure")]
    return Track(phones, VISEME_OF[phones], closures_of(closure), articulation[:, ARTICULATION_NAMES.index("jaw")])


@dataclass
class Score:
    """Running totals over utterances; the properties are the scores."""

    frames: int = 0
    phone_hits: int = 0
    viseme_hits: int = 0
    all_frames: int = 0
    all_viseme_hits: int = 0
    found: int = 0
    true_closures: int = 0
    said_closures: int = 0
    delays: list[float] = field(default_factory=list)
    jaws: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def add(self, track: Track, truth: Track) -> None:
        length = min(len(track.phones), len(truth.phones))
        speech = truth.phones[:length] > 0
        self.frames += int(speech.sum())
        self.all_frames += length
        self.phone_hits += int((track.phones[:length] == truth.phones[:length])[speech].sum())
        right = track.visemes[:length] == truth.visemes[:length]
        self.viseme_hits += int(right[speech].sum())
        self.all_viseme_hits += int(right.sum())
        pairs = _match(track.closures, truth.closures)
        self.found += len(pairs)
        self.true_closures += len(truth.closures)
        self.said_closures += len(track.closures)
        self.delays += [said - true for said, true in pairs]
        self.jaws.append((track.jaw[:length], truth.jaw[:length]))

    def merge(self, other: Score) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def phone_accuracy(self) -> float:
        return self.phone_hits / max(self.frames, 1)

    @property
    def viseme_accuracy(self) -> float:
        """Over the frames of speech; silence, the easiest viseme, does not count."""
        return self.viseme_hits / max(self.frames, 1)

    @property
    def viseme_accuracy_with_silence(self) -> float:
        return self.all_viseme_hits / max(self.all_frames, 1)

    @property
    def closure_precision(self) -> float:
        return self.found / max(self.said_closures, 1)

    @property
    def closure_recall(self) -> float:
        return self.found / max(self.true_closures, 1)

    @property
    def closure_bias(self) -> float:
        """Seconds that found closures are late on average."""
        return float(np.mean(self.delays)) if self.delays else float("nan")

    @property
    def closure_error(self) -> float:
        """Median seconds between a found closure and its true time."""
        return float(np.median(np.abs(self.delays))) if self.delays else float("nan")

    @property
    def jaw_correlation(self) -> float:
        said, true = (np.concatenate(column) for column in zip(*self.jaws, strict=True))
        return correlation(said, true)


def _match(said: np.ndarray, true: np.ndarray) -> list[tuple[float, float]]:
    """Pairs of closures within TOLERANCE, nearest first, each used once."""
    near = sorted((abs(s - t), i, j) for i, s in enumerate(said) for j, t in enumerate(true) if abs(s - t) <= TOLERANCE)
    used_said: set[int] = set()
    used_true: set[int] = set()
    pairs = []
    for _, i, j in near:
        if i not in used_said and j not in used_true:
            used_said.add(i)
            used_true.add(j)
            pairs.append((float(said[i]), float(true[j])))
    return pairs


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 where one of them does not move."""
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 1e-9 else 0.0


def sequence_error(said: Sequence[int], true: Sequence[int]) -> float:
    """Edits (insert, delete, substitute) from `true` to `said`, divided by the length of `true`."""
    row = list(range(len(said) + 1))
    for i, wanted in enumerate(true, 1):
        before, row[0] = row[0], i
        for j, got in enumerate(said, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (wanted != got))
    return row[-1] / max(len(true), 1)


def collapsed(visemes: np.ndarray, shortest: int = 2) -> list[int]:
    """Visemes [T] as a sequence: runs of at least `shortest` rows, without silence and immediate repeats."""
    edges = np.flatnonzero(np.diff(visemes, prepend=-1, append=-1))
    runs = [int(visemes[a]) for a, b in itertools.pairwise(edges) if b - a >= shortest and visemes[a]]
    return [viseme for i, viseme in enumerate(runs) if i == 0 or viseme != runs[i - 1]]
