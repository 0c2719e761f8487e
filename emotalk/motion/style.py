"""A person's way of moving: a handful of named numbers that condition the motion network."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.emotion.expression import idiosyncrasy

STYLE_SIZE = 16
"""Length of the style vector: the eight named numbers, then eight that are always 0 (the shipped weights have columns
for them; one recorded person's way is a `person.MotionAdaptation`)."""
_RANGE = 2.0
Articulation = Literal["lively", "accurate"]


@dataclass(frozen=True)
class MotionStyle:
    """How one person speaks and moves; 0 is average and +-1 one standard deviation of people, unless said.

    `jaw` and `lips` are the two axes of JALI (Edwards et al., SIGGRAPH 2016): how much a person talks with the jaw
    and with the lips.
    """

    hyperarticulation: float = 0.0  # mumbling (-) to over-articulating (+)
    jaw: float = 0.0
    lips: float = 0.0
    brows: float = 0.0  # how much the brows mark stressed syllables
    expressivity: float = 0.0  # how strongly emotions show
    swell: float = 0.0  # how much the expression comes and goes with the voice
    teeth: float = 0.0  # how far the lips part over the teeth
    sideways: float = 0.0  # jaw swinging to the person's right (-) or left (+) when it opens
    blink_rate: float = 1.0  # factor on the average person's
    head_energy: float = 1.0  # factor on the size of head movements
    gaze_wander: float = 1.0  # factor on how often and how far the eyes leave the listener
    face: int = 1  # which idiosyncratic face (0: perfectly symmetric average)
    reach: float = 1.0  # factor on every shape of an emotion: how far this face must go to be read (`AvatarCard.reach`)
    articulation: Articulation = "lively"
    """How far lips move where they cannot be known exactly: as far as people's do (for synthetic talk), or only as far
    as is likely right (nearest to a film of the same words, but the mouth looks lazy)."""

    def __post_init__(self) -> None:
        for f in fields(self)[:8]:
            value = getattr(self, f.name)
            if not (np.isfinite(value) and abs(value) <= 2 * _RANGE):
                raise InputError(
                    f"MotionStyle.{f.name} must lie in [-4, 4], found {value!r}; people differ by about 1."
                )
        for name in ("blink_rate", "head_energy", "gaze_wander", "reach"):
            value = getattr(self, name)
            if not (np.isfinite(value) and 0.0 <= value <= 5.0):
                raise InputError(f"MotionStyle.{name} must lie in [0, 5], found {value!r}; 1 is the average person.")
        if self.articulation not in get_args(Articulation):
            raise InputError(f"MotionStyle.articulation must be lively or accurate, found {self.articulation!r}.")
        if type(self.face) is not int or self.face < 0:
            raise InputError(f"MotionStyle.face must be a whole number from 0 on, found {self.face!r}.")

    @classmethod
    def random(cls, seed: int, strength: float = 1.0) -> MotionStyle:
        """A person drawn at random, the same for the same seed."""
        random = np.random.default_rng([0x57E1, seed])
        named = np.clip(strength * 0.7 * random.standard_normal(8), -_RANGE, _RANGE)
        factors = np.exp(strength * np.clip([0.25, 0.25, 0.25] * random.standard_normal(3), -0.6, 0.6))
        return cls(*map(float, named), *map(float, factors), face=seed + 1)

    @property
    def vector(self) -> np.ndarray:
        """[16] float32: what conditions the network through AdaIN."""
        vector = np.zeros(STYLE_SIZE, np.float32)
        vector[:8] = [getattr(self, f.name) for f in fields(self)[:8]]
        return vector

    @property
    def gains(self) -> np.ndarray:
        """[52] factors on the emotional expression (`emotion.idiosyncrasy`, and how far the face goes)."""
        own = idiosyncrasy(self.face) if self.face else np.ones(len(ARKIT_NAMES), np.float32)
        return own * np.float32(self.reach)
