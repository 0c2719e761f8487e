"""Lips on a photo: whether they are open, what shows between them, and which colours are theirs."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.core.landmarks import INNER_LIPS, apertures, eye_distance

OPEN = 0.03
"""Gap between the lips in eye distances from which teeth show."""
RIM = 2
"""Pixels at 512 of the lips next to the gap that are a mixture of both."""
SOFT = 4
"""Pixels at 512 of the lips beside that, of whose detail nothing is kept: it is that of the teeth's edge (by eye, photo
009 of the portraits folder)."""
REDDER, NOISE = 0.8, 0.02
"""Least redness of lips, in that of the skin, and what a photo without colour varies by."""
DARKEST = 0.35
"""Lightness of lips in that of the skin, below which it is a gap. These limits lie between lips (from 0.5, as red as
skin and more) and teeth and gaps of eight open mouths of the portraits folder."""
UNLIKE = 0.5
"""Share of their median lightness by which lips of one mouth differ: one corner may lie in a shadow."""
FEWEST = 12
"""Gaussians that must show lips."""


def mouth_is_open(landmarks: np.ndarray) -> bool:
    """Whether the lips of landmarks [478, 2] in pixels are apart."""
    points = landmarks[None].astype(np.float64)
    return float(apertures(points)[0, 0]) > OPEN * eye_distance(points)


def between_lips(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels [H, W] (bool) of an open mouth between the lips, with their rim, of landmarks [478, 2] in pixels."""
    gap = np.zeros(shape, np.uint8)
    cv2.fillPoly(gap, [np.round(landmarks[list(INNER_LIPS)] * 8).astype(np.int32)], 1, shift=3)
    radius = max(1, round(RIM * shape[0] / 512))
    return cv2.dilate(gap, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)).astype(bool)


def soft_gap(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The same [H, W] in [0, 1], with as much again of the lips and a soft border: where a picture of an open mouth
    must not be taken for that of shut lips."""
    gap = between_lips(landmarks, shape).astype(np.float32)
    radius = max(1, round(SOFT * shape[0] / 512))
    gap = cv2.dilate(gap, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    return cv2.GaussianBlur(gap, (0, 0), radius / 2)


def lips_among(color: Tensor, skin: Tensor) -> Tensor:
    """Which [L] (bool) of the colours [L, 3] that a photo has where lips are expected are those of lips, in a face
    whose skin is `skin` [3]. Teeth and the gaps between them are not: lips are no paler in tint than the skin, and
    neither black nor white."""

    def redness(of: Tensor) -> Tensor:
        return (of[..., 0] - of[..., 1:].mean(-1)) / of.mean(-1).clamp_min(0.02)

    light = color.mean(1) / skin.mean().clamp_min(0.02)
    lips = (redness(color) > REDDER * redness(skin) - NOISE) & (light > DARKEST)
    if not bool(lips.any()):
        return lips
    middle = light[lips].median()
    return lips & ((light - middle).abs() < UNLIKE * middle)


def lip_colors(
    color: Tensor,  # [L, 3]
    places: np.ndarray,  # [L, 3]
    among: Tensor,  # [L] bool, which of them are lips
    at: np.ndarray,  # [N, 3]
) -> Tensor | None:
    """Colours [N, 3] of lips at places from those of a photo; None where the photo shows too little of lips."""
    if int(among.sum()) < FEWEST:
        return None
    near = cKDTree(places[among.numpy()]).query(at, k=5)[1]
    return color[among][torch.from_numpy(near)].median(1).values
