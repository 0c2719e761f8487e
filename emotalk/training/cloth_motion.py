"""How clothes move in the picture: an affine map from one frame to another, found from all their pixels.

The shoulders of a video turn, lean and breathe on their own. A few pixels that they are off cost more than everything
that is wrong with the face, as collar and lapels are the strongest edges of most pictures. Points that a tracker
follows one by one are lost there or jump; all pixels together under one affine map are not (Lucas & Kanade 1981, in the
inverse order of Baker & Matthews 2004, with weights that leave out what does not fit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter, map_coordinates, uniform_filter

LEVELS = (128, 256)
"""Widths at about which pictures are compared, from coarse to fine; at 512 places are no better and take twice as
long."""
STEPS = 12
"""Improvements at most on each level."""
SETTLED = 0.02
"""Pixels by which the corners of the picture move in a step that is the last one."""
POINTS = 5000
"""At most so many pixels with strong edges on each level."""
CELL = 12
"""Pixels: edges are strong against those within this distance, so that one lapel does not decide everything."""
NOISE = 0.03
"""Difference of brightness at which a pixel counts a quarter: folds and sheen."""
LOOSE = (24.0, 10.0)
"""Pixels at 512 that place and shape (at half the width from the centre) are expected to change: what plain cloth
leaves undecided stays as it began."""
INDEPENDENT = 0.02
"""Share of the pixels that count as independent observations: neighbours show the same edge."""
RIM = 3
"""Pixels at 512 inside the outline of the clothes that are not used: what moves there is also what stands behind."""
FEWEST = 150
"""Pixels below which nothing can be told."""


@dataclass(frozen=True)
class _Level:
    """The first frame at one size."""

    shrink: int
    points: np.ndarray  # [P, 2] x, y in units of half the width from the centre
    grey: np.ndarray  # [P]
    slope: np.ndarray  # [P, 6] change of brightness with each parameter


class ClothMotion:
    """Responsibilities: hold the clothes of one frame, and find where another frame has them.

    Maps are arrays [6]: (dx, dy) in pixels of the full picture that its centre moves, then what dx and dy gain at half
    the width to the right of the centre (2 numbers) and below it (2).
    """

    def __init__(self, picture: np.ndarray, cloth: np.ndarray) -> None:
        """picture [H, W, 3] uint8 (square), cloth [H, W] bool."""
        self.size = len(picture)
        shrinks = sorted({max(1, round(self.size / width)) for width in LEVELS}, reverse=True)
        levels = (_level(picture, cloth, shrink) for shrink in shrinks)
        self.levels = [level for level in levels if len(level.grey) >= FEWEST]

    def follow(self, picture: np.ndarray, cloth: np.ndarray, starts: list[np.ndarray]) -> tuple[np.ndarray, float]:
        """The map to another frame, from the best of some maps to start with; and how well it fits: the share of
        the edges that is explained, 1 at best. Where there is too little cloth, the first start and 0."""
        if not self.levels:
            return starts[0], 0.0
        found, quality, begun = starts[0], 0.0, None
        for level in self.levels:
            grey, inside = _small(picture, level.shrink), _small_mask(cloth, level.shrink)
            if begun is None:
                begun = max(starts, key=lambda start, s=level, g=grey, m=inside: self._fit(s, g, m, start)[0])
                found = begun
            for _ in range(STEPS):
                step = self._step(level, grey, inside, found, begun)
                if step is None:
                    return starts[0], 0.0
                found = found + step
                if np.abs(step).max() < SETTLED * level.shrink:
                    break
            quality = self._fit(level, grey, inside, found)[0]
        return found, quality

    def _look(self, level: _Level, grey: np.ndarray, inside: np.ndarray, at: np.ndarray):
        """Brightness [P] of another frame where a map takes the points, and whether they are cloth there [P]."""
        x, y = level.points.T
        half = len(grey) / 2
        moved = at / level.shrink
        column = half * (1 + x) + moved[0] + moved[2] * x + moved[4] * y - 0.5
        row = half * (1 + y) + moved[1] + moved[3] * x + moved[5] * y - 0.5
        side = len(grey) - 1
        known = (column >= 0) & (row >= 0) & (column <= side) & (row <= side)
        place = np.stack([row.clip(0, side), column.clip(0, side)])
        known &= inside[np.rint(place[0]).astype(int), np.rint(place[1]).astype(int)]
        return map_coordinates(grey, place, order=1, mode="nearest"), known

    def _fit(self, level: _Level, grey: np.ndarray, inside: np.ndarray, at: np.ndarray) -> tuple[float, np.ndarray]:
        """The share of the edges that a map explains, and the weights [P] of the points."""
        now, known = self._look(level, grey, inside, at)
        apart = now - level.grey
        apart = apart - np.median(apart[known]) if known.any() else apart
        weights = known / np.square(1 + np.square(apart / NOISE))
        return float(weights.mean()), weights

    def _step(
        self, level: _Level, grey: np.ndarray, inside: np.ndarray, at: np.ndarray, begun: np.ndarray
    ) -> np.ndarray | None:
        """What to add to a map so that it fits better [6]; None where it cannot be told."""
        now, known = self._look(level, grey, inside, at)
        if known.sum() < FEWEST:
            return None
        apart = now - level.grey
        apart = apart - np.median(apart[known])
        weights = known / np.square(1 + np.square(apart / NOISE)) * INDEPENDENT / NOISE**2
        weighted = level.slope * weights[:, None]
        loose = np.repeat(LOOSE, [2, 4]) * self.size / 512
        normal = weighted.T @ level.slope + np.diag(1 / loose**2)
        return np.linalg.solve(normal, -weighted.T @ apart - (at - begun) / loose**2)


def _level(picture: np.ndarray, cloth: np.ndarray, shrink: int) -> _Level:
    grey = _small(picture, shrink)
    size = len(grey)
    rim = max(1, round(RIM * len(picture) / 512 / shrink))
    inside = binary_erosion(_small_mask(cloth, shrink), iterations=rim, border_value=1)
    down, right = np.gradient(grey)
    strength = np.hypot(down, right)
    lively = inside & (
        strength >= uniform_filter(strength * inside, CELL) / np.maximum(uniform_filter(inside * 1.0, CELL), 1e-3)
    )
    rows, columns = np.nonzero(lively)
    if len(rows) > POINTS:
        kept = np.random.default_rng(0).choice(len(rows), POINTS, replace=False)
        rows, columns = rows[kept], columns[kept]
    x, y = (columns + 0.5) / (size / 2) - 1, (rows + 0.5) / (size / 2) - 1
    gx, gy = right[rows, columns] / shrink, down[rows, columns] / shrink  # per pixel of the full picture
    slope = np.stack([gx, gy, gx * x, gy * x, gx * y, gy * y], 1)
    return _Level(shrink, np.stack([x, y], 1), grey[rows, columns], slope)


def _small(picture: np.ndarray, shrink: int) -> np.ndarray:
    """Brightness [h, w] in [0, 1] of a picture [H, W, 3] uint8 at 1/shrink of its size, a little blurred."""
    grey = picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    side = len(grey) // shrink * shrink
    grey = grey[:side, :side].reshape(side // shrink, shrink, side // shrink, shrink).mean((1, 3))
    return gaussian_filter(grey, 0.8)


def _small_mask(mask: np.ndarray, shrink: int) -> np.ndarray:
    return mask[shrink // 2 :: shrink, shrink // 2 :: shrink][: len(mask) // shrink, : len(mask) // shrink]
