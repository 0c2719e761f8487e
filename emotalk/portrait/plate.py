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
SHOWS = 0.25
"""Alpha up to which the colours of the background that the matte found are those of the background: the person over
the plate is the photo then. 0.1 to 0.5 are alike, on four filmed people whose backgrounds show later."""
STRAY = 40
"""Pixels at 512 from the person within which single strands are looked for that no matte knows."""
STRIKING = 0.1
"""How far a colour differs from the median of what is around it, from which on it is taken for a strand: bright curls
before a dark wall do, the folds and patterns of most backgrounds do not (the photos of the portraits folder by eye; at
0.035 three of four filmed backgrounds were up to three times farther from what the film shows there later)."""
MEDIAN = 9
"""Pixels at 512: side of that neighbourhood."""


def photo_plate(picture: np.ndarray, matte: Matte) -> Tensor:
    """The background [H, W, 3] in [0, 1] of a photo [H, W, 3] uint8 with its matte; colours of the surroundings flow in
    where it is the person."""
    scale = len(picture) / 512
    smooth = cv2.medianBlur(picture, max(3, round(MEDIAN * scale) | 1))
    striking = np.abs(picture.astype(np.float32) - smooth).max(2) > 255 * STRIKING
    strays = _grown(striking, 1) & _grown(matte.alpha > CLEAR, STRAY * scale)
    behind = np.where(matte.alpha[..., None] > CLEAR, matte.background, picture.astype(np.float32) / 255)
    known = (matte.alpha < SHOWS) & ~strays
    return filled(torch.from_numpy(np.ascontiguousarray(behind)), torch.from_numpy(known))


def _grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    radius = max(1, round(pixels))
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)).astype(bool)
