"""The picture behind the person of a photo."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from emotalk.fitting.background_plate import filled
from emotalk.fitting.matte import Matte

CLEAR = 0.02
"""Alpha up to which a pixel of the photo is background."""
AWAY = 3
"""Pixels at 512 that the background keeps away from all else: a strand is wider than what a matte knows of it."""


def photo_plate(picture: np.ndarray, matte: Matte) -> Tensor:
    """The background [H, W, 3] in [0, 1] of a photo [H, W, 3] uint8 with its matte; colours of the surroundings flow in
    where the person is."""
    radius = max(1, round(AWAY * len(picture) / 512))
    covered = torch.from_numpy(matte.alpha > CLEAR).float()[None, None]
    hidden = torch.nn.functional.max_pool2d(covered, 2 * radius + 1, 1, radius)[0, 0] > 0
    return filled(torch.from_numpy(picture.astype(np.float32) / 255), ~hidden)
