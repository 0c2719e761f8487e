"""The picture behind the person of a photo."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from emotalk.fitting.background_plate import filled
from emotalk.fitting.matte import Matte

CLEAR = 0.02
"""Alpha up to which a pixel of the photo is background."""
AWAY = 3
"""Pixels at 512 that the background keeps away from all else: a strand is wider than what a matte knows of it."""

STRAY = 40
"""Pixels at 512 from the person within which single strands are looked for that no matte knows."""
STRIKING = 0.035
"""How far a colour differs from the median of what is around it, from which on it is taken for a strand: more than the
noise of photos, less than bright hair before a wall (by eye, on photos of the portraits folder)."""
MEDIAN = 9
"""Pixels at 512: side of that neighbourhood."""


def photo_plate(picture: np.ndarray, matte: Matte) -> Tensor:
    """The background [H, W, 3] in [0, 1] of a photo [H, W, 3] uint8 with its matte; colours of the surroundings flow in
    where the person is."""
    covered = matte.alpha > CLEAR
    scale = len(picture) / 512
    smooth = cv2.medianBlur(picture, max(3, round(MEDIAN * scale) | 1))
    striking = np.abs(picture.astype(np.float32) - smooth).max(2) > 255 * STRIKING
    hidden = _grown(covered, AWAY * scale) | (_grown(striking, 1) & _grown(covered, STRAY * scale))
    return filled(torch.from_numpy(picture.astype(np.float32) / 255), torch.from_numpy(~hidden))


def _grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    radius = max(1, round(pixels))
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)).astype(bool)
