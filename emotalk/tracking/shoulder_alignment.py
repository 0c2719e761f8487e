"""How clothes move in the picture: an affine map from one frame to another, found from all their pixels.

The shoulders of a video turn, lean and breathe on their own. A few pixels that they are off cost more than everything
that is wrong with the face, as collar and lapels are the strongest edges of most pictures. Points that a tracker
follows one by one are lost there or jump; all pixels together under one affine map are not (Lucas & Kanade 1981, in the
inverse order of Baker & Matthews 2004, with weights that leave out what does not fit).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import binary_erosion, gaussian_filter, map_coordinates, uniform_filter
from torch import Tensor

from emotalk.core.camera import Camera
from emotalk.core.landmarks import CHIN
from emotalk.tracking.masks import BODY
from emotalk.tracking.tracked import TrackedVideo

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

    def follow(
        self,
        picture: np.ndarray,  # [H, W, 3] uint8
        cloth: np.ndarray,  # [H, W] bool
        starts: list[np.ndarray],
    ) -> tuple[np.ndarray, float]:
        """The map [6] to another frame, from the best of some maps to start with; and how well it fits: the share of
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


LEAST_FIT = 0.35
"""Share of the edges of the clothes (`ClothMotion.follow`) that must fit for a map to be trusted."""


def shoulder_shifts(tracked: TrackedVideo, reference: int, rows: Iterable[int] | None = None) -> Tensor:
    """How the shoulders move against where each frame's `HeadMotion` has them, [T, 3, 4] for `binding.shift_shoulders`;
    with frame `reference` as the one whose shoulders hang on the root joint as they are.

    Every frame's clothes are aligned with those of the reference frame (`ClothMotion`), from where the frame before
    had them or `TrackedVideo.torso` has them; `rows`: only for these frames, all others as `TrackedVideo.torso` says.
    An affine map of the picture becomes one of space that is right at every depth. Where clothes are neither seen nor
    tracked the shoulders go with the motion: 0.
    """
    camera, root = tracked.camera, np.asarray(tracked.motion.head_pose[:, 3:], np.float64)
    maps, known = _similarities(tracked, reference)
    for t, found in _followed(tracked, reference, maps, known, rows):
        maps[t], known[t] = found, True
    matrix = camera.world_to_camera.detach().double().cpu().numpy()
    turn, place = matrix[:3, :3], matrix[:3, 3]
    shifts = np.zeros((len(maps), 3, 4))
    for t in np.flatnonzero(known):
        local = _in_space(maps[t], camera)
        linear = turn.T @ local @ turn
        constant = turn.T @ (local @ place - place)
        shifts[t, :, :3] = linear - np.eye(3)
        shifts[t, :, 3] = linear @ (root[reference] - root[t]) + constant
    return torch.from_numpy(shifts.astype(np.float32))


def _similarities(tracked: TrackedVideo, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps of the picture [T, 6] (as those of `ClothMotion`) from the reference frame to every other one, as
    `TrackedVideo.torso` has them, and where that is known [T]."""
    torso = np.asarray(tracked.torso, np.float64)
    grow = np.exp(torso[:, 2] - torso[reference, 2])
    moved = torso[:, :2] - grow[:, None] * torso[reference, :2]
    larger = (grow - 1) * tracked.size / 2
    none = np.zeros_like(grow)
    maps = np.stack([*moved.T, larger, none, none, larger], 1)
    unknown = unknown_rows(torso)
    maps[unknown] = 0
    return maps, ~unknown


def _followed(
    tracked: TrackedVideo, reference: int, maps: np.ndarray, known: np.ndarray, rows: Iterable[int] | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Frames with the map [6] from the reference frame's clothes to theirs, those in which it was found."""
    rows = np.unique(np.asarray(list(range(len(maps)) if rows is None else rows), np.int64))
    below = np.arange(tracked.size)[:, None] > _chin_row(tracked)

    def clothes(t: int) -> np.ndarray:
        return (tracked.labels(t) == BODY) & below

    cloth = ClothMotion(tracked.frame_bytes(reference), clothes(reference))
    if not cloth.levels:
        return
    for side in (rows[rows >= reference], rows[rows < reference][::-1]):
        last = np.zeros(6)
        for t in map(int, side):
            starts = [last, maps[t]] if known[t] else [last]
            found, quality = cloth.follow(tracked.frame_bytes(t), clothes(t), starts)
            if quality >= LEAST_FIT:
                last = found
                yield t, found


def _in_space(flat: np.ndarray, camera: Camera) -> np.ndarray:
    """The linear map [3, 3] of space, in the camera's axes, that a map [6] of its picture stands for: points keep
    their direction to the camera's eye as the map says, and come nearer where it enlarges."""
    middle, half = np.array([camera.width, camera.height]) / 2, camera.width / 2
    linear = np.eye(2) + np.stack([flat[2:4], flat[4:6]], 1) / half
    principal, focal = np.array([camera.cx, camera.cy]), np.array([camera.fx, camera.fy])
    shift = linear @ (principal - middle) + middle - principal + flat[:2]  # about the principal point
    space = np.eye(3)
    space[:2, :2] = linear * focal[None] / focal[:, None]
    space[:2, 2] = shift / focal
    return space / np.sqrt(max(np.linalg.det(linear), 0.1))


def _chin_row(tracked: TrackedVideo) -> float:
    """Pixels from the top below which there are clothes: the chin, where it usually is; 0 without landmarks."""
    rows = tracked.landmarks[np.asarray(tracked.seen, bool), CHIN, 1]
    rows = rows[np.isfinite(rows)]
    return float(np.median(rows)) if len(rows) else 0.0


def unknown_rows(torso: np.ndarray) -> np.ndarray:
    """Rows [T] (bool) of `TrackedVideo.torso` that hold zeros because nothing was found: more than one in a row, as the
    frame that all others are measured against is 0 by itself."""
    zero = (torso == 0).all(1)
    beside = np.zeros_like(zero)
    beside[:-1] |= zero[1:]
    beside[1:] |= zero[:-1]
    return zero & beside
