"""Classes of a photo put in order: one picture has no other frames to outvote a mistake."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import binary_dilation, binary_fill_holes, find_objects, label

from emotalk.tracking.masks import BACKGROUND, BODY, HAIR, SKIN

NEXT_TO_HAIR = 0.3
"""Share of a patch's border that touches hair, from which what was taken for clothes above the chin is its shadow.
Shadows have half and more, collars less than a tenth (photos of the portraits folder, by eye)."""
SPOT = 0.002
"""Share of the picture below which a patch of hair that hangs on none is a spot on skin: 23 pixels square of 512, by
eye on the same photos."""


def tidied(classes: np.ndarray, chin: float) -> np.ndarray:
    """The classes [H, W] of `tracking.masks` without what cannot be: background that the person encloses, clothes
    between hair and face, specks of hair on skin. `chin` is its height in pixels from the top.

    Clothes hang on the shoulders: a dark patch beside the cheek that counts as them stays behind when the head turns.
    """
    tidy = classes.copy()
    holes = binary_fill_holes(tidy != BACKGROUND) & (tidy == BACKGROUND)
    tidy[holes] = HAIR
    above = (tidy == BODY) & (np.arange(len(tidy))[:, None] < chin)
    for part, patch in _patches(tidy, above):
        around = part[binary_dilation(patch) & ~patch]
        if len(around) and (around == HAIR).mean() >= NEXT_TO_HAIR:
            part[patch] = HAIR
    for part, patch in _patches(tidy, tidy == HAIR):
        if patch.sum() < SPOT * tidy.size:
            around = part[binary_dilation(patch) & ~patch]
            if len(around) and (around == SKIN).mean() > 0.5:
                part[patch] = SKIN
    return tidy


def _patches(classes: np.ndarray, mask: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each connected patch of a mask: the part of `classes` around it, one that may be written to, and the patch
    in it (bool)."""
    numbers, _ = label(mask)
    for number, box in enumerate(find_objects(numbers), 1):
        box = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        yield classes[box], numbers[box] == number
