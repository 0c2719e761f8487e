"""The picture behind the person of a photo."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from emotalk.fitting.background_plate import filled
from emotalk.tracking.masks import HAIR

AROUND = 11
"""Pixels at 512 around the person that do not count as background: masks are coarse."""
AROUND_HAIR = 26
"""The same around hair, whose single strands reach far beyond any mask."""


def photo_plate(picture: np.ndarray, classes: np.ndarray) -> Tensor:
    """The background [H, W, 3] in [0, 1] of a photo [H, W, 3] uint8 with its classes [H, W]; colours of the
    surroundings flow in where the person is."""
    hidden = _grown(classes > 0, AROUND) | _grown(classes == HAIR, AROUND_HAIR)
    known = torch.from_numpy(~hidden)
    return filled(torch.from_numpy(picture.astype(np.float32) / 255), known)


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    radius = max(1, round(pixels * len(mask) / 512))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)
