"""Valence and arousal over time, and the everyday names for places in that plane."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from emotalk.core.errors import InputError
from emotalk.core.rates import FPS
from emotalk.emotion.prototypes import PROTOTYPES, circle_position

NAMED_EMOTIONS: dict[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    **{name: circle_position(degrees) for name, (degrees, _) in PROTOTYPES.items()},
}
"""Name -> (valence, arousal) at full intensity, on the border of the square."""

CLOSEST_KEYS = 0.001
"""Seconds that two keys of a curve are apart at least; a frame lasts 0.04."""


def radius(
    valence: np.ndarray | float,  # [...] or scalar
    arousal: np.ndarray | float,  # [...] or scalar
) -> np.ndarray:
    """How strong emotions [...] are: 0 at the origin, 1 on the whole border of the square, rising along every ray.

    sqrt(v^2 + a^2 - v^2 a^2), the inverse of Fernandez-Guasti's squircular mapping, so corners are no stronger
    than sides.
    """
    v, a = np.asarray(valence, np.float64), np.asarray(arousal, np.float64)
    return np.sqrt(np.maximum(v * v + a * a - v * v * a * a, 0.0))


def named_emotion(name: str, intensity: float = 1.0) -> tuple[float, float]:
    """(valence, arousal) of a named emotion at an intensity in [0, 1]; InputError lists the names."""
    key = name.strip().lower()
    if key not in NAMED_EMOTIONS:
        raise InputError(f"There is no emotion called {name!r}; choose one of {', '.join(NAMED_EMOTIONS)}.")
    if not 0.0 <= intensity <= 1.0:
        raise InputError(f"Intensity must lie in [0, 1], found {intensity}.")
    valence, arousal = NAMED_EMOTIONS[key]
    return valence * intensity, arousal * intensity


def nearest_emotions(valence: float, arousal: float, count: int = 3) -> list[tuple[str, float]]:
    """The names nearest to a point, strongest first, as (name, share in [0, 1]); shares over all names add up to 1.

    The share of "neutral" falls linearly with the radius and is gone at 0.6; what remains goes to the directions
    by their angular distance (von Mises weights, 20 degrees wide).
    """
    v, a = checked_point(valence, arousal)
    strength = float(radius(v, a))
    neutral = max(0.0, 1.0 - strength / 0.6)
    shares = {"neutral": neutral}
    if strength > 0:
        angle = math.atan2(a, v)
        weights = {
            name: math.exp((math.cos(angle - math.radians(degrees)) - 1) / math.radians(20) ** 2)
            for name, (degrees, _) in PROTOTYPES.items()
        }
        total = sum(weights.values())
        shares |= {name: (1.0 - neutral) * weight / total for name, weight in weights.items()}
    return sorted(shares.items(), key=lambda item: -item[1])[:count]


def checked_point(valence: float, arousal: float) -> tuple[float, float]:
    """The two numbers as floats; InputError where one is not finite or outside [-1, 1]."""
    for name, value in (("Valence", valence), ("Arousal", arousal)):
        if not (isinstance(value, int | float | np.number) and -1.0 <= value <= 1.0):
            raise InputError(f"{name} must be a number in [-1, 1], found {value!r:.60}.")
    return float(valence), float(arousal)


@dataclass(frozen=True)
class EmotionCurve:
    """Valence and arousal in [-1, 1] over time, given at key times and smooth in between.

    Between keys the curve is a monotone cubic (PCHIP; Fritsch & Carlson 1980): continuous in value and slope,
    never beyond its keys. Before the first and after the last key it keeps their values, so one key is a constant.
    """

    times: tuple[float, ...]  # [K] seconds, strictly increasing
    values: tuple[tuple[float, float], ...]  # [K] (valence, arousal)

    def __post_init__(self) -> None:
        if not self.times or len(self.times) != len(self.values):
            raise InputError(
                f"An emotion curve needs as many points as times, at least one; found {len(self.times)} times and "
                f"{len(self.values)} points."
            )
        times = tuple(float(t) for t in self.times)
        # Keys that are closer would make slopes that no number holds.
        if not np.isfinite(times).all() or any(b - a < CLOSEST_KEYS for a, b in itertools.pairwise(times)):
            raise InputError(
                "The key times of an emotion curve must be finite seconds in increasing order, no two equal or less "
                "than a millisecond apart."
            )
        object.__setattr__(self, "times", times)
        # Denormal differences overflow the interpolator's harmonic means: keep nine decimals.
        points = (checked_point(*value) for value in self.values)
        object.__setattr__(self, "values", tuple((round(v, 9), round(a, 9)) for v, a in points))
        smooth = PchipInterpolator(times, np.array(self.values)) if len(times) > 1 else None
        object.__setattr__(self, "_smooth", smooth)

    @classmethod
    def constant(cls, valence: float, arousal: float) -> EmotionCurve:
        """The same emotion from beginning to end."""
        return cls((0.0,), ((valence, arousal),))

    @classmethod
    def named(cls, name: str, intensity: float = 1.0) -> EmotionCurve:
        """A constant named emotion, e.g. `EmotionCurve.named("happy", 0.6)`."""
        return cls.constant(*named_emotion(name, intensity))

    @classmethod
    def from_keys(cls, keys: Iterable[tuple[float, float, float]]) -> EmotionCurve:
        """From (second, valence, arousal) triples in any order."""
        ordered = sorted(keys)
        return cls(tuple(k[0] for k in ordered), tuple((k[1], k[2]) for k in ordered))

    @classmethod
    def from_words(cls, text: str) -> EmotionCurve:
        """From key frames as people write them, "0 happy, 2.5 -0.6 0.4": seconds, each with an emotion's name or with
        valence and arousal. InputError where it is none."""
        keys = []
        for part in text.split(","):
            second, *mood = part.split()[:4] or [""]
            try:
                point = named_emotion(mood[0]) if len(mood) == 1 else tuple(map(float, mood))
                (valence, arousal), at = point, float(second)
            except ValueError as error:  # also a name that there is not
                if isinstance(error, InputError):
                    raise
                raise InputError(
                    'A key frame is a second and a mood, such as "2.5 happy" or "2.5 0.6 0.3", and a comma stands '
                    f"between two; found {part.strip()!r:.60}."
                ) from error
            keys.append((at, valence, arousal))
        return cls.from_keys(keys)

    @classmethod
    def from_frames(cls, values: np.ndarray) -> EmotionCurve:
        """From one (valence, arousal) row for each video frame, [T, 2]."""
        values = np.asarray(values, np.float64)
        if values.ndim != 2 or values.shape[1] != 2 or not len(values):
            raise InputError(f"Emotion frames must have shape [T, 2] with T >= 1, found {list(values.shape)}.")
        return cls(tuple((np.arange(len(values)) + 0.5) / FPS), tuple(map(tuple, values.tolist())))

    def at(self, frames: int | range | np.ndarray) -> np.ndarray:
        """[T, 2] float32 valence and arousal at the centres of the first `frames` video frames, or of the frames
        whose indices are given. Depends on nothing but the indices, so clips may be processed in pieces."""
        indices = np.arange(frames) if isinstance(frames, int | np.integer) else np.asarray(frames)
        return self.at_seconds((indices + 0.5) / FPS)

    def at_seconds(self, seconds: np.ndarray) -> np.ndarray:
        """[T, 2] float32 valence and arousal at any times."""
        seconds = np.atleast_1d(np.asarray(seconds, np.float64))
        if self._smooth is None:
            return np.broadcast_to(np.float32(self.values[0]), (len(seconds), 2)).copy()
        inside = np.clip(seconds, self.times[0], self.times[-1])
        return np.clip(self._smooth(inside), -1.0, 1.0).astype(np.float32)

    def blend(
        self, other: EmotionCurve, valence: float = 0.5, arousal: float = 0.5, seconds: float = 0.0
    ) -> EmotionCurve:
        """This curve mixed with another (for example one heard in the voice), each axis with its own share.

        `valence` and `arousal` in [0, 1] are the other curve's shares; `seconds` stretches the sampled range where
        both curves are constants. The result is sampled at every video frame.
        """
        for name, share in (("valence", valence), ("arousal", arousal)):
            if not 0.0 <= share <= 1.0:
                raise InputError(f"The blend share of {name} must lie in [0, 1], found {share}.")
        if len(self.times) == len(other.times) == 1 and not seconds:
            rows = np.zeros(1)
        else:
            rows = np.arange(max(1, math.ceil(max(self.times[-1], other.times[-1], seconds) * FPS)))
        shares = np.array([valence, arousal])
        mixed = (1 - shares) * self.at(rows) + shares * other.at(rows)
        if len(rows) == 1:
            return EmotionCurve.constant(*np.clip(mixed[0], -1, 1))
        return EmotionCurve.from_frames(np.clip(mixed, -1, 1))

    def to_json(self) -> str:
        """`{"keys": [{"time": s, "valence": v, "arousal": a}, ...]}`, what `load_curve` reads."""
        keys = [{"time": t, "valence": v, "arousal": a} for t, (v, a) in zip(self.times, self.values, strict=True)]
        return json.dumps({"keys": keys}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> EmotionCurve:
        """Reads `to_json`'s form; a key may say `"emotion": name, "intensity": i` in place of the two numbers."""
        try:
            keys = json.loads(text)["keys"]
            return cls.from_keys([(float(key["time"]), *_key_point(key)) for key in keys])
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"This is not an emotion curve in JSON ({error}); expected "
                '{"keys": [{"time": 0.0, "valence": 0.5, "arousal": 0.2}, ...]}.'
            ) from error

    @classmethod
    def from_csv(cls, text: str) -> EmotionCurve:
        """Reads columns `time,valence,arousal` (any order, further columns ignored)."""
        try:
            rows = list(csv.DictReader(io.StringIO(text)))
            return cls.from_keys([(float(r["time"]), float(r["valence"]), float(r["arousal"])) for r in rows])
        except (KeyError, TypeError) as error:
            raise InputError(
                f"An emotion CSV needs the columns time, valence and arousal; {error} is missing."
            ) from error
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"An emotion CSV holds something that is not a number ({error}).") from error
        except csv.Error as error:
            raise InputError(f"This is not an emotion curve in CSV ({error}).") from error


def _key_point(key: dict) -> Sequence[float]:
    if "emotion" in key:
        return named_emotion(str(key["emotion"]), float(key.get("intensity", 1.0)))
    return float(key["valence"]), float(key["arousal"])


def load_curve(path: str | Path) -> EmotionCurve:
    """An EmotionCurve from a .json or .csv file; InputError says what is wrong with it."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The emotion curve {path.name} cannot be read ({error}).") from error
    return EmotionCurve.from_csv(text) if path.suffix.lower() == ".csv" else EmotionCurve.from_json(text)
