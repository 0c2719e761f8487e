"""Which mood a face shows: the nearest of seven, each the signs that are known of it in the strength that actors show.

A sign is a feature that a mood changes (EMFACS: Ekman, Friesen & Hager 2002, table 10-2, in our features). How strong
it is and how exactly it is to be taken come from acted clips. Every change is bounded softly, so that one
exaggerated sign cannot stand for those that are missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.readability_features import FEATURES, FOLDS

SIGNS: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"corners": 1, "mouth width": 1.5, "lip gap": 0.7, "upper lip": 1, "eye opening": -0.5, "lower lids": 0.7,
              "nose wings": 0.5, "nasolabial folds": 1, "under eyes": 1},
    "surprise": {"mouth width": -0.5, "lip gap": 1, "chin": -1, "eye opening": 1, "lower lids": -0.5,
                 "inner brows": 1.3, "brow slant": 0.5, "nose wings": -0.8, "frown lines": -0.3},
    "fear": {"mouth width": 0.7, "lip gap": 0.8, "eye opening": 0.7, "inner brows": 1, "brow slant": 1,
             "brow distance": -0.3, "frown lines": 0.4, "nasolabial folds": 0.4},
    "anger": {"lip gap": 1, "upper lip": 0.5, "eye opening": -1, "lower lids": 1.3, "inner brows": -1.3,
              "brow slant": -0.7, "brow distance": -0.7, "nose wings": 1, "frown lines": 1, "nose root": 0.5,
              "nasolabial folds": 0.3},
    "disgust": {"corners": -0.7, "mouth width": 0.5, "lip gap": 1, "upper lip": 1.3, "eye opening": -1,
                "lower lids": 1, "inner brows": -0.8, "brow slant": -0.8, "nose wings": 1.3, "nose root": 1.3,
                "nasolabial folds": 1.2},
    "sad": {"corners": -1, "lip gap": -0.3, "chin": 1, "eye opening": -1, "lower lids": 1, "brow slant": 1.2,
            "brow distance": -0.7, "frown lines": 0.7, "nasolabial folds": 0.7},
}  # fmt: skip
"""Mood -> the features it changes, in units of how much acted moods change that feature on average."""
MOODS = tuple(SIGNS)
_JOYFUL = 0.75
"""Share of happiness and of surprise in the joyfully surprised face, which counts as happy (a compound that viewers
know as one: Du, Tao & Martinez, PNAS 111, 2014)."""

_KNOWN = 0.85
"""Share of the known signs in a mood's face; the rest is what the actors did, who are few."""
_CALM = 1.5
"""How many times nearer to a mood than to the neutral face (squared distance) a face must be to be read as moody."""
_BOUND = 1.5
"""Where changes level off, in units of a feature's mean change. All three were chosen so that acted clips are read
right and drawn faces begin to be read where independent expression networks (no part of this program) read them."""
_PEOPLE, _SPEECH = 0.5, 0.3
"""Noise of a change: this share of the feature's mean change (people differ) and of its variance in a clip (speech)."""


@dataclass(frozen=True)
class Reading:
    """What one face is read as."""

    mood: str
    distances: np.ndarray  # [7] squared, to the face of each of MOODS

    def nearness(self, mood: str) -> float:
        """Above 1 where `mood` is nearer than the neutral face by what is asked for; 0 is far."""
        return float(self.distances[0] / (_CALM * max(self.distances[MOODS.index(mood)], 1e-9)))


@dataclass(frozen=True)
class MoodReader:
    """Seven faces as changes of a neutral one, and how exactly each feature is to be taken."""

    faces: np.ndarray  # [8, F] in the order of MOODS and FEATURES, the last joyfully surprised
    size: np.ndarray  # [F] mean change of acted moods
    noise: np.ndarray  # [F]

    @classmethod
    def calibrated(cls, people: list[dict[str, np.ndarray]]) -> MoodReader:
        """From acted clips: for each person the changes [T, F] of every mood, "neutral" among them, relative to the
        person's own neutral face."""
        acted = np.array([np.mean([np.median(person[mood], 0) for person in people], 0) for mood in MOODS])
        acted[0] = 0
        usual = _mean_change(acted)
        known = np.array([[SIGNS[mood].get(name, 0.0) for name in FEATURES] for mood in MOODS])
        faces = _KNOWN * known * usual + (1 - _KNOWN) * acted
        within = np.mean([person[mood].var(0) for person in people for mood in MOODS], 0)
        joyful = _JOYFUL * (faces[MOODS.index("happy")] + faces[MOODS.index("surprise")])
        noise = np.sqrt((_PEOPLE * usual) ** 2 + _SPEECH * within)
        # Features that never change, where folds are left out, must not be divided by nothing.
        return cls(np.vstack([faces, joyful]), np.maximum(_mean_change(faces), 1e-6), np.maximum(noise, 1e-6))

    def read(self, change: np.ndarray) -> Reading:
        """The mood of a face that differs from the person's neutral one by `change` [F]."""
        apart = (self._bounded(np.asarray(change)) - self._bounded(self.faces)) / self.noise
        *distances, joyful = (apart**2).sum(-1)
        happy = MOODS.index("happy")
        distances[happy] = min(distances[happy], joyful)
        distances = np.array(distances)
        weighed = distances / np.where(np.arange(len(MOODS)) == 0, _CALM, 1.0)
        return Reading(MOODS[int(weighed.argmin())], distances)

    def missing(self, change: np.ndarray, mood: str, count: int = 3) -> list[tuple[str, float]]:
        """What keeps a face from being read as `mood`: features, worst first, each with how much more (> 0) or less of
        it the mood has, in the feature's own unit."""
        apart = (self._bounded(self.faces) - self._bounded(np.asarray(change))) / self.noise
        faces = [MOODS.index(mood), *([len(MOODS)] if mood == "happy" else [])]
        face = min(faces, key=lambda row: (apart[row] ** 2).sum())
        order = np.argsort(-np.abs(apart[face]))[:count]
        return [(FEATURES[i], float(self.faces[face, i] - change[i])) for i in order]

    def _bounded(self, change: np.ndarray) -> np.ndarray:
        bound = _BOUND * self.size
        return bound * np.tanh(change / bound)


def _mean_change(faces: np.ndarray) -> np.ndarray:
    """[F] root mean square over the moods [7, F] but the first, which is neutral."""
    return np.sqrt((faces[1:] ** 2).mean(0))


def accuracy(reader: MoodReader, person: dict[str, np.ndarray]) -> tuple[dict[str, str], float]:
    """(what each mood's clip reads as by its median change, share of all frames read right) of a person's changes."""
    clips = {mood: reader.read(np.median(person[mood], 0)).mood for mood in MOODS}
    frames = [np.mean([reader.read(change).mood == mood for change in person[mood]]) for mood in MOODS]
    return clips, float(np.mean(frames))


def without_folds(person: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same changes with the skin left as it was: what landmarks alone tell."""
    return {mood: np.where(np.isin(FEATURES, FOLDS), 0.0, change) for mood, change in person.items()}
