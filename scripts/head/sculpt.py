"""Small changes to the average head: friendlier brows, a tongue that fits between the teeth."""

from __future__ import annotations

import numpy as np

from emotalk.types import ARKIT_INDEX
from scripts.head.assembly import Assembly

FRIENDLY = {
    "browDownLeft": -0.30, "browDownRight": -0.30, "browInnerUp": 0.22,
    "browOuterUpLeft": 0.05, "browOuterUpRight": 0.05, "mouthSmileLeft": 0.07, "mouthSmileRight": 0.07,
    "eyeWideLeft": 0.10, "eyeWideRight": 0.10,
}  # fmt: skip
"""Shapes mixed into the resting face. The data's brows hang low at rest, which reads as stern."""
TONGUE_WIDTH = 0.72
"""The data's tongue is 5 mm wider than the space between the molars."""


def sculpted(assembly: Assembly, template: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """The template [V, 3] with these changes."""
    changed = template + sum(amount * shapes[ARKIT_INDEX[name]] for name, amount in FRIENDLY.items())
    for name in ("eye_l", "eye_r"):
        changed[assembly.slices[name]] = template[assembly.slices[name]]
    tongue = assembly.slices["tongue"]
    changed[tongue] *= [TONGUE_WIDTH, 1, 1]
    return changed
