"""What is measured on a picture of a face, relative to the same person's neutral pictures, to say which mood it shows.

Two kinds of numbers: where landmarks stand (frontalised, in hundredths of the eye distance) and how deep the skin's
folds are (contrast of the shading along and across the places where moods fold a face, the face laid flat on one
template so that motion alone changes nothing).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial import Delaunay

from emotalk.core.landmarks import FIRM, INNER_OPENINGS, MOUTH_CORNERS

GEOMETRY = (
    "corners", "mouth width", "lip gap", "upper lip", "chin", "eye opening", "lower lids", "inner brows", "brow slant",
    "brow distance", "nose wings",
)  # fmt: skip
"""Hundredths of the eye distance. Corners: raised against the middle of the lips; upper lip: raised against the nose's
wings; chin: pushed up against the lower lip; lower lids, inner brows, wings: raised; slant: inner ends of the brows
higher than the outer ones."""
FOLDS = ("frown lines", "nose root", "nasolabial folds", "under eyes")
"""Hundredths of a natural logarithm of how strong the shading is: 69 is twice as strong."""
FEATURES = GEOMETRY + FOLDS

SCALE = 64  # pixels of the template in an eye distance
_LEFT, _TOP, _WIDTH, _HEIGHT = -0.95, -0.95, 1.9, 2.35  # of the template, eye distances from between the eyes

_SIDES = {
    # name: landmarks of the person's right and left side
    "upper lid": ((159, 158, 160), (386, 385, 387)),
    "lower lid": ((145, 153, 144), (374, 380, 373)),
    "inner brow": ((107, 55, 66, 65), (336, 285, 296, 295)),
    "outer brow": ((70, 63, 46, 53), (300, 293, 276, 283)),
    "wing": ((129, 64, 98), (358, 294, 327)),
    "corner": ((MOUTH_CORNERS[0],), (MOUTH_CORNERS[1],)),
}
_UPPER_LIP, _LOWER_LIP, _CHIN = (0, 37, 267), (17, 84, 314), (152, 148, 377)


class Patch(NamedTuple):
    """A place that folds: the landmarks whose mean is its middle, half its width and height in eye distances, and what
    is measured there: steps of brightness "across" or "down", or how "dark" lines are."""

    middle: tuple[int, ...]
    half: tuple[float, float]
    kind: str


PATCHES: dict[str, tuple[Patch, ...]] = {
    "frown lines": (Patch((9, 8), (0.10, 0.12), "across"), Patch((9,), (0.12, 0.08), "across")),
    "nose root": (Patch((168, 6), (0.09, 0.10), "down"),),
    "nasolabial folds": (Patch((203, 206, 216), (0.12, 0.14), "dark"), Patch((423, 426, 436), (0.12, 0.14), "dark")),
    "under eyes": (Patch((230,), (0.15, 0.07), "down"), Patch((450,), (0.15, 0.07), "down")),
}


@cache
def template() -> np.ndarray:
    """[478, 3] landmarks of the mean head at rest, from the front: x to the right, y down, z away from the camera, in
    eye distances from the middle between the outer corners of the eyes."""
    import torch

    from emotalk.head import HeadModel

    head = HeadModel.load()
    with torch.no_grad():
        points = head.landmarks(head(expression=torch.zeros(1, 52)).vertices)[0].numpy().astype(np.float64)
    points = points * [1.0, -1.0, -1.0]
    ends = points[[33, 263]]
    return (points - ends.mean(0)) / np.linalg.norm(ends[1] - ends[0])


def frontalised(points: np.ndarray) -> np.ndarray:
    """Landmarks [478, 3] in pixels, laid on the template by a similarity (Umeyama 1991) of points that no expression
    moves: eye distances, without the head's turn, place and size."""
    firm = list(FIRM)
    target, seen = template()[firm], np.asarray(points, np.float64)[firm]
    to, middle = target.mean(0), seen.mean(0)
    u, s, vt = np.linalg.svd((target - to).T @ (seen - middle))
    mirror = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u * mirror) @ vt
    scale = (s * mirror).sum() / ((seen - middle) ** 2).sum()
    return scale * (np.asarray(points, np.float64) - middle) @ turn.T + to


def geometry(points: np.ndarray) -> np.ndarray:
    """[11] of frontalised landmarks [478, 3], in the order of GEOMETRY."""

    def height(indices: tuple[int, ...]) -> float:
        return -float(points[list(indices), 1].mean())

    def both(name: str) -> float:
        return float(np.mean([height(side) for side in _SIDES[name]]))

    gap = np.mean([points[low, 1] - points[high, 1] for high, low in INNER_OPENINGS])
    inner, wings, upper, lower = both("inner brow"), both("wing"), height(_UPPER_LIP), height(_LOWER_LIP)
    return 100 * np.array([
        both("corner") - (upper + lower) / 2,
        points[MOUTH_CORNERS[1], 0] - points[MOUTH_CORNERS[0], 0],
        gap,
        upper - wings,
        lower - height(_CHIN),
        both("upper lid") - both("lower lid"),
        both("lower lid"),
        inner,
        inner - both("outer brow"),
        points[336, 0] - points[107, 0],
        wings,
    ])  # fmt: skip


@cache
def _grid() -> tuple[np.ndarray, np.ndarray]:
    """(corners [H, W, 3] of the triangle of landmarks over each pixel of the template, its weights [H, W, 3])."""
    points = template()[:468, :2]
    mesh = Delaunay(points)
    x = _LEFT + (np.arange(round(_WIDTH * SCALE)) + 0.5) / SCALE
    y = _TOP + (np.arange(round(_HEIGHT * SCALE)) + 0.5) / SCALE
    at = np.stack(np.meshgrid(x, y), -1)
    found = np.maximum(mesh.find_simplex(at), 0)
    transform = mesh.transform[found]
    first = np.einsum("hwij,hwj->hwi", transform[..., :2, :], at - transform[..., 2, :])
    return mesh.simplices[found], np.concatenate([first, 1 - first.sum(-1, keepdims=True)], -1)


def flattened(
    picture: np.ndarray,  # [h, w, 3] uint8
    points: np.ndarray,  # [478, 2 or 3] pixels
) -> np.ndarray:
    """[H, W] float32 natural logarithm of the picture's brightness on the template, every landmark where the template
    has it."""
    corners, weights = _grid()
    at = np.einsum("hwk,hwkc->hwc", weights, np.asarray(points, np.float64)[corners, :2]).astype(np.float32)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across = float(np.linalg.norm(points[33, :2] - points[263, :2])) / SCALE
    # As sharp as the template holds, whatever the picture's size: else small pictures seem smooth.
    grey = cv2.GaussianBlur(grey, (0, 0), max(0.3, 0.8 * across))
    return np.log(cv2.remap(grey, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) + 8.0)


def folds(flat: np.ndarray) -> np.ndarray:
    """[4] of `flattened` brightness [H, W], in the order of FOLDS, after broad light and shadow are taken out."""
    detail = flat - cv2.GaussianBlur(flat, (0, 0), 0.05 * SCALE)
    return 100 * np.log([100 * np.mean([_strength(detail, patch) for patch in PATCHES[name]]) + 0.5 for name in FOLDS])


def _strength(detail: np.ndarray, patch: Patch) -> float:
    x, y = (template()[list(patch.middle), :2].mean(0) - [_LEFT, _TOP]) * SCALE
    half = np.array(patch.half) * SCALE
    part = detail[round(y - half[1]) : round(y + half[1]), round(x - half[0]) : round(x + half[0])]
    if patch.kind == "dark":
        return float(np.maximum(-part, 0).mean())
    return float(np.abs(np.diff(part, axis=1 if patch.kind == "across" else 0)).mean())


def features(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[15] in the order of FEATURES of one picture [h, w, 3] uint8 with its landmarks [478, 3] in pixels."""
    return np.concatenate([geometry(frontalised(points)), folds(flattened(picture, points))])
