"""Head pose from the picture itself: the person's skin, as it looks in key frames, is laid over every frame.

    key frames, poses from landmarks ─► grey of each skin point (robust mean), how far it is to be trusted ─► poses ─┐
                      ▲                                                                                              │
                      └────────────────────────────── again, with better poses ◄─────────────────────────────────────┘

    minimise  sum of w · rho(picture(projected point) - gain · grey - bias) + prior around the landmarks' pose

by Gauss-Newton steps from a coarse to a fine picture (Lucas & Kanade 1981; Baker & Matthews 2004), as photometric
trackers do for whole avatars (Zielonka et al. 2022, "Towards metrical reconstruction of human faces"; Thies et al.
2016, "Face2Face"). Landmarks are a detector's opinion on 478 points; this takes thousands of pixels at their word.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from emotalk.core.kernels.cache import KEEP_NAN, kernel
from emotalk.tracking.skin import Skin
from emotalk.tracking.solve import Lens

WORK = 256
"""Side of the picture that is compared, and about half of it first: finer ones bring no better poses."""
STEPS = 4  # at each of the two resolutions
BLUR = (0.7, 1.0)
"""Pixels at the coarse and the fine resolution."""
ROBUST = (15.0, 12.0)
"""Grey levels of difference at which a point counts half."""
TRUSTED = 6.0
"""Standard deviation over the key frames, in grey levels, at which a point counts half."""
ROUNDS = 3
NOISE = 10.0
"""Grey levels. Neighbouring points err alike: as if each were this noisy."""
SPREAD = (0.035, 0.035, 0.02, 0.004, 0.004, 0.02)
"""Standard deviations of the landmarks' pose: turns about x, y, z (rad), place of the head's middle (m)."""
LIGHT = (0.15, 10.0)
"""Standard deviations of gain and bias (grey levels) of a frame's light."""
_UNKNOWNS = 8


@dataclass(frozen=True)
class Aligned:
    """One frame's pose with what the fit says about itself."""

    rotation: np.ndarray  # [3, 3]
    place: np.ndarray  # [3] of the head joint, world metres
    gain: float
    bias: float  # grey levels
    error: float  # grey levels, root mean square of what is trusted


def picture_levels(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A square grey picture uint8 at about half of WORK and at about WORK pixels, blurred a little, float32."""
    fine = grey.astype(np.float32)
    if len(grey) > 1.5 * WORK:
        fine = cv2.resize(fine, (WORK, WORK), interpolation=cv2.INTER_AREA)
    half = len(fine) // 2
    coarse = cv2.resize(fine, (half, half), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(coarse, (0, 0), BLUR[0]), cv2.GaussianBlur(fine, (0, 0), BLUR[1])


class SkinAligner:
    """Responsibilities: learn how a person's skin looks, and lay it over frames."""

    def __init__(self, skin: Skin, lens: Lens, size: int) -> None:
        self.skin, self._lens, self._size = skin, lens, size
        self._pivot = skin.neutral.mean(0).astype(np.float64)
        self._grey = np.zeros((2, len(skin)), np.float32)
        self._weight = np.zeros((2, len(skin)), np.float32)

    def learn(
        self, pictures: Iterable[np.ndarray], rotation: np.ndarray, place: np.ndarray, controls: np.ndarray
    ) -> None:
        """Take the skin's grey from key frames: square grey pictures uint8, landmarks' rotations [k, 3, 3], places
        [k, 3] and controls [k, CONTROLS]."""
        levels = [picture_levels(picture) for picture in pictures]
        points = [self.skin.points(c) for c in controls]
        poses = [Aligned(r, p, 1.0, 0.0, 0.0) for r, p in zip(rotation, place, strict=True)]
        for k in range(ROUNDS):
            if k:
                poses = [
                    self._descend(level, point, r, p, pose, first=min(k - 1, 1))
                    for level, point, r, p, pose in zip(levels, points, rotation, place, poses, strict=True)
                ]
            self._average(levels, points, poses)

    def align(self, picture: np.ndarray, rotation: np.ndarray, place: np.ndarray, controls: np.ndarray) -> Aligned:
        """The pose of a frame (square grey picture uint8) near the landmarks' one."""
        start = Aligned(rotation, place, 1.0, 0.0, 0.0)
        return self._descend(picture_levels(picture), self.skin.points(controls), rotation, place, start)

    def _average(self, levels: list, points: list[np.ndarray], poses: list[Aligned]) -> None:
        values = np.empty((len(poses), 2, len(self.skin)), np.float32)
        facing = np.empty((len(poses), len(self.skin)), np.float32)
        for k, pose in enumerate(poses):
            for level in range(2):
                picture = levels[k][level]
                lens = self._lens_of(picture)
                _look(
                    picture, points[k], self.skin.normals, pose.rotation, pose.place, *lens, values[k, level], facing[k]
                )
                values[k, level] = (values[k, level] - pose.bias) / pose.gain
        begin, full = self.skin.viewed.T
        seen = np.clip((facing - begin) / (full - begin), 0, 1)[:, None]
        mean = (seen * values).sum(0) / np.maximum(seen.sum(0), 1e-6)
        for _ in range(3):
            robust = seen / (1 + ((values - mean) / np.array(ROBUST)[:, None]) ** 2)
            mean = (robust * values).sum(0) / np.maximum(robust.sum(0), 1e-6)
        variance = (robust * (values - mean) ** 2).sum(0) / np.maximum(robust.sum(0), 1e-6)
        known = seen[:, 0].sum(0) > max(2.0, 0.1 * len(poses))
        self._grey = mean.astype(np.float32)
        self._weight = (self.skin.share * known / (1 + variance / TRUSTED**2)).astype(np.float32)

    def _descend(
        self,
        levels: tuple[np.ndarray, np.ndarray],
        points: np.ndarray,
        rotation: np.ndarray,  # the landmarks' one: the middle of the prior
        place: np.ndarray,
        start: Aligned,
        first: int = 0,  # resolution to begin with
    ) -> Aligned:
        turn, shift, gain, bias = start.rotation, start.place, start.gain, start.bias
        matrix, slope = np.zeros((_UNKNOWNS, _UNKNOWNS)), np.zeros(_UNKNOWNS)
        precision = NOISE**2 / np.array([*SPREAD, *LIGHT]) ** 2
        middle = place + rotation @ self._pivot
        error = 0.0
        for level in range(first, 2):
            picture = levels[level]
            lens = self._lens_of(picture)
            for _ in range(STEPS):
                lever = turn @ self._pivot
                error = _equations(
                    picture, points, self.skin.normals, self.skin.viewed, self._weight[level], self._grey[level],
                    ROBUST[level],
                    turn, shift, lever, *lens, gain, bias, matrix, slope,
                )  # fmt: skip
                away = cv2.Rodrigues(turn @ rotation.T)[0][:, 0]
                apart = np.array([*away, *(shift + lever - middle), gain - 1, bias])
                step = -np.linalg.solve(matrix + np.diag(precision), slope + precision * apart)
                centre = shift + lever + step[3:6]
                turn = cv2.Rodrigues(np.clip(step[:3], -0.1, 0.1))[0] @ turn
                shift = centre - turn @ self._pivot
                gain, bias = float(np.clip(gain + step[6], 0.3, 3.0)), bias + float(step[7])
        return Aligned(turn, shift, gain, bias, math.sqrt(error))

    def _lens_of(self, picture: np.ndarray) -> tuple[float, float, float, float]:
        share = len(picture) / self._size
        lens = self._lens
        return lens.focal * share, lens.cx * share, lens.cy * share, lens.distance


@kernel(**KEEP_NAN)
def _look(picture, points, normals, turn, shift, focal, cx, cy, distance, grey, facing):
    """Grey of every point [N] in a picture, and the cosine of its normal and the view (-1 outside)."""
    height, width = picture.shape
    for n in range(len(points)):
        x = turn[0, 0] * points[n, 0] + turn[0, 1] * points[n, 1] + turn[0, 2] * points[n, 2] + shift[0]
        y = turn[1, 0] * points[n, 0] + turn[1, 1] * points[n, 1] + turn[1, 2] * points[n, 2] + shift[1]
        z = turn[2, 0] * points[n, 0] + turn[2, 1] * points[n, 1] + turn[2, 2] * points[n, 2] + shift[2]
        nx = turn[0, 0] * normals[n, 0] + turn[0, 1] * normals[n, 1] + turn[0, 2] * normals[n, 2]
        ny = turn[1, 0] * normals[n, 0] + turn[1, 1] * normals[n, 1] + turn[1, 2] * normals[n, 2]
        nz = turn[2, 0] * normals[n, 0] + turn[2, 1] * normals[n, 1] + turn[2, 2] * normals[n, 2]
        depth = distance - z
        column, row = cx + focal * x / depth - 0.5, cy - focal * y / depth - 0.5
        grey[n], facing[n] = 0.0, -1.0
        if depth <= 0 or not (1 <= column < width - 3 and 1 <= row < height - 3):
            continue
        facing[n] = (nz * depth - nx * x - ny * y) / math.sqrt(x * x + y * y + depth * depth)
        i, j = int(column), int(row)
        a, b = column - i, row - j
        above = picture[j, i] * (1 - a) + picture[j, i + 1] * a
        below = picture[j + 1, i] * (1 - a) + picture[j + 1, i + 1] * a
        grey[n] = above * (1 - b) + below * b


@kernel(**KEEP_NAN)
def _equations(
    picture, points, normals, viewed, weight, grey, spread, turn, shift, lever, focal, cx, cy, distance, gain, bias,
    matrix, slope,
):  # fmt: skip
    """Fill `matrix` [8, 8] and `slope` [8] of the squared differences around a pose: turn about the head's middle,
    shift, gain, bias. Returns the mean squared difference."""
    height, width = picture.shape
    matrix[:] = 0.0
    slope[:] = 0.0
    by = np.zeros(8)
    total = 0.0
    squares = 0.0
    for n in range(len(points)):
        if weight[n] <= 0:
            continue
        rx = turn[0, 0] * points[n, 0] + turn[0, 1] * points[n, 1] + turn[0, 2] * points[n, 2]
        ry = turn[1, 0] * points[n, 0] + turn[1, 1] * points[n, 1] + turn[1, 2] * points[n, 2]
        rz = turn[2, 0] * points[n, 0] + turn[2, 1] * points[n, 1] + turn[2, 2] * points[n, 2]
        nx = turn[0, 0] * normals[n, 0] + turn[0, 1] * normals[n, 1] + turn[0, 2] * normals[n, 2]
        ny = turn[1, 0] * normals[n, 0] + turn[1, 1] * normals[n, 1] + turn[1, 2] * normals[n, 2]
        nz = turn[2, 0] * normals[n, 0] + turn[2, 1] * normals[n, 1] + turn[2, 2] * normals[n, 2]
        x, y, depth = rx + shift[0], ry + shift[1], distance - rz - shift[2]
        if depth <= 0:
            continue
        facing = (nz * depth - nx * x - ny * y) / math.sqrt(x * x + y * y + depth * depth)
        if facing <= viewed[n, 0]:
            continue
        scale = focal / depth
        column, row = cx + x * scale - 0.5, cy - y * scale - 0.5
        if not (1 <= column < width - 3 and 1 <= row < height - 3):
            continue
        i, j = int(column), int(row)
        a, b = column - i, row - j
        p, q, r, s = picture[j, i], picture[j, i + 1], picture[j + 1, i], picture[j + 1, i + 1]
        value = (p * (1 - a) + q * a) * (1 - b) + (r * (1 - a) + s * a) * b
        # Central differences, interpolated like the value.
        right = ((q - picture[j, i - 1]) * (1 - a) + (picture[j, i + 2] - p) * a) * (1 - b)
        right = 0.5 * (right + ((s - picture[j + 1, i - 1]) * (1 - a) + (picture[j + 1, i + 2] - r) * a) * b)
        down = ((r - picture[j - 1, i]) * (1 - b) + (picture[j + 2, i] - p) * b) * (1 - a)
        down = 0.5 * (down + ((s - picture[j - 1, i + 1]) * (1 - b) + (picture[j + 2, i + 1] - q) * b) * a)
        off = value - gain * grey[n] - bias
        counts = (
            weight[n] * min(1.0, (facing - viewed[n, 0]) / (viewed[n, 1] - viewed[n, 0])) / (1 + (off / spread) ** 2)
        )
        ax, ay, az = right * scale, -down * scale, (right * x - down * y) * scale / depth
        lx, ly, lz = rx - lever[0], ry - lever[1], rz - lever[2]
        by[0], by[1], by[2] = az * ly - ay * lz, ax * lz - az * lx, ay * lx - ax * ly
        by[3], by[4], by[5], by[6], by[7] = ax, ay, az, -grey[n], -1.0
        for k in range(8):
            weighted = counts * by[k]
            slope[k] += weighted * off
            for m in range(k + 1):
                matrix[k, m] += weighted * by[m]
        total += counts
        squares += counts * off * off
    for k in range(8):
        for m in range(k + 1, 8):
            matrix[k, m] = matrix[m, k]
    return squares / max(total, 1e-9)
