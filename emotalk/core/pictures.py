"""Pictures as arrays of bytes."""

from __future__ import annotations

import numpy as np


def eight_bit(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] or [H, W] as contiguous uint8: floats in [0, 1] are scaled, rounded and clipped,
    bytes are left as they are."""
    if picture.dtype != np.uint8:
        picture = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(picture)
