"""Two rims that meet (lips, lids): measures the gap between them and makes displacements that close it.

Gaps are measured in columns of the template: the points of the upper and the lower piece of skin that lie at
the same x in the resting head are followed through every shape, so that a smile does not change the columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Crossings:
    """Where one piece of skin crosses each column: points (1-t) * a + t * b, in column order."""

    a: np.ndarray
    b: np.ndarray
    t: np.ndarray
    starts: np.ndarray  # first crossing of each column

    def points(self, vertices: np.ndarray) -> np.ndarray:
        t = self.t[:, None]
        return (1 - t) * vertices[self.a] + t * vertices[self.b]


def crossings(template: np.ndarray, triangles: np.ndarray, mask: np.ndarray, columns: np.ndarray) -> Crossings:
    faces = triangles[mask[triangles].all(1)]
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1), axis=0)
    a, b, t, starts = [], [], [], []
    for x in columns:
        starts.append(sum(len(k) for k in a))
        first, second = template[edges[:, 0], 0] - x, template[edges[:, 1], 0] - x
        hit = first * second < 0
        if not hit.any():
            raise ValueError(f"no skin crosses the column at x = {x * 1e3:.1f} mm")
        a.append(edges[hit, 0])
        b.append(edges[hit, 1])
        t.append(first[hit] / (first[hit] - second[hit]))
    return Crossings(np.concatenate(a), np.concatenate(b), np.concatenate(t), np.array(starts))


class Rims:
    """An upper and a lower rim over columns in x, and the skin around them."""

    def __init__(
        self, template: np.ndarray, triangles: np.ndarray, upper: np.ndarray, lower: np.ndarray,
        columns: np.ndarray, reach: float, side: np.ndarray,
    ) -> None:  # fmt: skip
        """`upper`, `lower` [V] bool: skin the gap is measured on; `reach`: metres over which a correction fades;
        `side` [V] in [0, 1]: how much a vertex belongs to the lower side (everywhere, not on the rims only)."""
        self.columns, self.reach = columns, reach
        self.upper = crossings(template, triangles, upper, columns)
        self.lower = crossings(template, triangles, lower, columns)
        top, bottom = self.upper.points(template), self.lower.points(template)
        self.upper_rim = top[self._extreme(self.upper, top[:, 1], np.minimum)]
        self.lower_rim = bottom[self._extreme(self.lower, bottom[:, 1], np.maximum)]
        self.template, self.side, self.triangles, self.masks = template, side, triangles, (upper, lower)
        self.movable = np.ones(len(template), bool)

    def free(self, count: int) -> None:
        """Lets corrections move the first `count` vertices only (the skin; teeth and tongue stay)."""
        self.movable[count:] = False

    @staticmethod
    def _extreme(crossing: Crossings, height: np.ndarray, pick: np.ufunc) -> np.ndarray:
        """Index of the lowest (np.minimum) or highest crossing of each column."""
        best = np.repeat(pick.reduceat(height, crossing.starts), np.diff([*crossing.starts, len(height)]))
        index = np.flatnonzero(height == best)
        column = np.searchsorted(crossing.starts, index, side="right") - 1
        return index[np.unique(column, return_index=True)[1]]

    def gap(self, vertices: np.ndarray) -> np.ndarray:
        """[columns] metres between the rims; negative where they overlap."""
        top = np.minimum.reduceat(self.upper.points(vertices)[:, 1], self.upper.starts)
        bottom = np.maximum.reduceat(self.lower.points(vertices)[:, 1], self.lower.starts)
        return top - bottom

    def place(self, x: float, upper: bool) -> tuple[np.ndarray, np.ndarray]:
        """The rim's point at `x` as a place on the mesh: corners [3] (an edge, its end twice), weights [3]."""
        crossing = crossings(self.template, self.triangles, self.masks[0 if upper else 1], np.array([x]))
        height = crossing.points(self.template)[:, 1]
        k = int(height.argmin() if upper else height.argmax())
        t = crossing.t[k]
        return np.array([crossing.a[k], crossing.b[k], crossing.b[k]]), np.array([1 - t, t, 0.0])

    def nearness(self, rim: np.ndarray) -> np.ndarray:
        """[V] 1 at a rim, fading smoothly to 0 at `reach`; also fades past the outermost columns."""
        x = self.template[:, 0]
        nearest = np.column_stack([np.interp(x, self.columns, rim[:, k]) for k in (1, 2)])
        beyond = np.maximum(self.columns[0] - x, 0) + np.maximum(x - self.columns[-1], 0)
        distance = np.linalg.norm(self.template[:, 1:] - nearest, axis=1)
        core = 0.15 * self.reach
        near = np.clip(1 - np.maximum(distance - core, 0) / (self.reach - core), 0, 1)
        ends = np.clip(1 - beyond / (0.35 * self.reach), 0, 1)
        return near * near * (3 - 2 * near) * ends * ends * (3 - 2 * ends) * self.movable

    def move(self, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """Displacement [V, 3] that lifts the rims by `upper` and `lower` metres [columns], fading around them."""
        x = self.template[:, 0]
        lift = (1 - self.side) * self.nearness(self.upper_rim) * np.interp(x, self.columns, upper)
        lift += self.side * self.nearness(self.lower_rim) * np.interp(x, self.columns, lower)
        return lift[:, None] * np.array([0.0, 1.0, 0.0])

    def fit(self, vertices: np.ndarray, least: float, most: float, upper_share: float, rounds: int = 8) -> np.ndarray:
        """Displacement [V, 3] that brings every column's gap in `vertices` into [least, most] metres."""
        total = np.zeros_like(vertices)
        for _ in range(rounds):
            gap = self.gap(vertices + total)
            excess = gap - np.clip(gap, least, most)
            total += self.move(-upper_share * excess, (1 - upper_share) * excess)
        return total
