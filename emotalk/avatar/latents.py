"""The default inputs of expression-dependent corrections: a few muscle groups, the lids and the gaze.

Groups instead of principal components of one recording: every group acts where its muscles are, so that
combinations never seen together still add up, and the neutral face (all zeros) is exactly the uncorrected avatar.
The turn of the head is left to `view_direction`, which every Gaussian has.
"""

from __future__ import annotations

import torch
from torch import Tensor

from emotalk.avatar.gaussians import SIGNAL_WIDTH
from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES

GROUPS: dict[str, tuple[str, ...]] = {
    "jaw": ("jawOpen",),
    "close": ("mouthClose",),
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "pucker": ("mouthPucker", "mouthFunnel"),
    "frown": ("mouthFrownLeft", "mouthFrownRight"),
    "stretch": ("mouthStretchLeft", "mouthStretchRight", "mouthDimpleLeft", "mouthDimpleRight"),
    "upper lip": ("mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
    "lower lip": ("mouthLowerDownLeft", "mouthLowerDownRight"),
    "roll": ("mouthRollLower", "mouthRollUpper", "mouthPressLeft", "mouthPressRight"),
    "chin": ("mouthShrugLower", "mouthShrugUpper"),
    "cheeks": ("cheekSquintLeft", "cheekSquintRight", "eyeSquintLeft", "eyeSquintRight"),
    "brows down": ("browDownLeft", "browDownRight"),
    "brows in": ("browInnerUp",),
    "brows out": ("browOuterUpLeft", "browOuterUpRight"),
    "wide": ("eyeWideLeft", "eyeWideRight"),
}
"""Latent -> shapes whose mean drives it."""
UNIT = 0.5
"""Coefficient of a whole group that makes its latent 1."""
UNIT_ANGLE = 0.25
"""Radians of gaze that make its latents 1."""


def default_latents() -> tuple[Tensor, Tensor]:
    """Mean [SIGNAL_WIDTH] and matrix [K, SIGNAL_WIDTH] of `Corrections`: groups, both eyelids, gaze yaw and pitch."""
    rows = []
    for names in GROUPS.values():
        row = torch.zeros(SIGNAL_WIDTH)
        for name in names:
            row[ARKIT_INDEX[name]] = 1 / (UNIT * len(names))
        rows.append(row)
    gaze = len(ARKIT_NAMES) + 3
    for channel, unit in (
        (gaze + 2, UNIT), (gaze + 3, UNIT),
        *((gaze + k, UNIT_ANGLE) for k in (0, 1)),
    ):  # fmt: skip
        row = torch.zeros(SIGNAL_WIDTH)
        row[channel] = 1 / unit
        rows.append(row)
    return torch.zeros(SIGNAL_WIDTH), torch.stack(rows)
