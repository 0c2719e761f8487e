"""Classes of a photo put in order: one picture has no other frames to outvote a mistake."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, binary_fill_holes, label

from emotalk.tracking.masks import BACKGROUND, BODY, HAIR, SKIN

NEXT_TO_HAIR = 0.3
"""Share of a patch's border that touches hair, from which what was taken for clothes above the chin is its shadow."""
SPOT = 0.002
"""Share of the picture below which a patch of hair that hangs on none is a spot on skin."""


def tidied(classes: np.ndarray, chin: float) -> np.ndarray:
    """The classes [H, W] of `tracking.masks` without what cannot be: background that the person encloses, clothes
    between hair and face, specks of hair on skin. `chin` is its height in pixels from the top.

    Clothes hang on the shoulders: a dark patch beside the cheek that counts as them stays behind when the head turns.
    """
    tidy = classes.copy()
    holes = binary_fill_holes(tidy != BACKGROUND) & (tidy == BACKGROUND)
    tidy[holes] = HAIR
    above = (tidy == BODY) & (np.arange(len(tidy))[:, None] < chin)
    for patch in _patches(above):
        border = binary_dilation(patch) & ~patch
        around = tidy[border]
        if len(around) and (around == HAIR).mean() >= NEXT_TO_HAIR:
            tidy[patch] = HAIR
    for patch in _patches(tidy == HAIR):
        if patch.sum() < SPOT * tidy.size:
            around = tidy[binary_dilation(patch) & ~patch]
            if len(around) and (around == SKIN).mean() > 0.5:
                tidy[patch] = SKIN
    return tidy


def _patches(mask: np.ndarray):
    numbers, count = label(mask)
    for number in range(1, count + 1):
        yield numbers == number
