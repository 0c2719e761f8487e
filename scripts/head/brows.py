"""Brow shapes that act where their muscles pull: the inner ends."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from emotalk.core.arkit import ARKIT_INDEX

INNER_UP = PchipInterpolator([0.0, 0.012, 0.022, 0.032, 0.042, 0.055], [1.15, 1.45, 1.2, 0.6, 0.12, 0.0])
"""Share of the data's browInnerUp by the distance (metres) from the midline. The inner part of the frontalis (AU 1)
raises the inner end alone; the data lift the inner two thirds level, which reads as surprise instead of grief."""
OUTER_DROP = 0.12
"""How much of a raised outer brow browInnerUp takes away: the corrugator, which draws the brow oblique, lowers its
outer half."""
DOWN = PchipInterpolator([0.0, 0.012, 0.024, 0.036, 0.048, 0.065], [1.25, 1.4, 1.15, 0.85, 0.6, 0.5])
"""The same for browDown*. The data lower the middle of the brow more than its inner end (5.9 against 4.1 mm), which
stays level; corrugator and procerus (AU 4) pull the inner end furthest."""
INWARDS = 0.75
"""Share of how far the data draw lowered brows together, which `DOWN` would raise until they meet."""


def slanted(template: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """The shapes [52, V, 3] with brows that slant, for a template [V, 3] in metres."""
    shapes = shapes.copy()
    side = np.abs(template[:, 0])
    raised = sum(shapes[ARKIT_INDEX[f"browOuterUp{s}"]] for s in ("Left", "Right"))
    inner = ARKIT_INDEX["browInnerUp"]
    shapes[inner] = shapes[inner] * _share(INNER_UP, side) - OUTER_DROP * raised
    for name in ("browDownLeft", "browDownRight"):
        down = shapes[ARKIT_INDEX[name]] * _share(DOWN, side)
        down[:, 0] *= 1 + (INWARDS - 1) * np.exp(-((side / 0.03) ** 2))
        shapes[ARKIT_INDEX[name]] = down
    return shapes


def _share(curve: PchipInterpolator, side: np.ndarray) -> np.ndarray:
    return curve(np.clip(side, *curve.x[[0, -1]]))[:, None]
