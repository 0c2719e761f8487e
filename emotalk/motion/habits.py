"""How one recorded person holds and moves head, eyes and brows: numbers beside the average person's.

`learning.person_habits` measures them; `Manner` and the factors on gaze and blinks apply them (`motion.body`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotalk.core.errors import InputError
from emotalk.motion.headpose import Manner
from emotalk.motion.style import MotionStyle

FARTHEST = math.radians(10.0)
"""A head that a video shows turned farther than this was not at rest, or filmed from aside."""
ASIDE = math.radians(6.0)  # as far may eyes rest beside the listener before they look past them
_LIMITS = {
    "pose": (-FARTHEST, FARTHEST), "size": (0.3, 3.0), "tempo": (0.5, 2.0), "gaze": (-ASIDE, ASIDE),
    "wander": (0.3, 2.0), "blinks": (0.2, 4.0), "brows": (0.6, 1.6),
}  # fmt: skip
"""Tracked brows tremble and creep with the light: beyond these factors it is not the person."""


@dataclass(frozen=True)
class Habits:
    """One person's habits; the average person's by default. InputError for numbers that nobody has."""

    pose: tuple[float, ...] = (0.0, 0.0, 0.0)  # radians: pitch, yaw, roll at rest, as in `HeadMotion.head_pose`
    size: tuple[float, ...] = (1.0, 1.0, 1.0)  # factors on how far the head turns about these axes, nods included
    tempo: float = 1.0  # factor on how fast
    gaze: tuple[float, ...] = (0.0, 0.0)  # radians: yaw, pitch in the world of where the eyes rest
    wander: float = 1.0  # factor on how far the eyes leave it
    blinks: float = 1.0  # factor on how often
    brows: float = 1.0  # factor on how lively the brows are

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            low, high = _LIMITS[f.name]
            several = isinstance(f.default, tuple)
            numbers = np.ravel(np.asarray(value, float))
            count = len(f.default) if several else 1
            # Files hold single precision.
            if numbers.shape != (count,) or not ((numbers >= low - 1e-6) & (numbers <= high + 1e-6)).all():
                raise InputError(
                    f"Habits.{f.name} must hold {count} number(s) from {low:.3g} to {high:.3g}: {value!r}."
                )
            object.__setattr__(self, f.name, tuple(numbers.tolist()) if several else float(numbers[0]))

    @classmethod
    def within(cls, **values: float | Sequence[float]) -> Habits:
        """The same from numbers that may lie beyond what anybody does: these become the nearest."""
        return cls(**{name: np.clip(value, *_LIMITS[name]) for name, value in values.items()})

    @property
    def vector(self) -> np.ndarray:
        """[12] float32, all numbers in their order here."""
        return np.concatenate([np.ravel(getattr(self, f.name)) for f in dataclasses.fields(self)]).astype(np.float32)

    @classmethod
    def of(cls, vector: np.ndarray) -> Habits:
        """From the numbers of `vector` [12]; InputError for others."""
        sizes = [len(f.default) if isinstance(f.default, tuple) else 1 for f in dataclasses.fields(cls)]
        if np.shape(vector) != (sum(sizes),):
            raise InputError(f"Habits are {sum(sizes)} numbers, found an array {list(np.shape(vector))}.")
        parts = np.split(np.asarray(vector, float), np.cumsum(sizes)[:-1])
        return cls(**{f.name: part for f, part in zip(dataclasses.fields(cls), parts, strict=True)})


def manner_of(style: MotionStyle, habits: Habits) -> Manner:
    """How a person of these habits moves head and brows in a style."""
    energy = style.head_energy
    place = float(np.exp(np.mean(np.log(habits.size))))  # a head that turns far goes far
    return Manner(
        energy=(*(energy * size for size in habits.size), *(energy * place,) * 3),
        tempo=habits.tempo,
        brows=habits.brows,
        flash=math.exp(0.5 * style.brows),
        pose=habits.pose,
    )
