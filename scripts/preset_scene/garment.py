"""A top cut from the shoulder mesh: clipped along a smooth neckline, smoothed into cloth and held off the skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from scripts.preset_scene.sheet import Garment
from scripts.preset_scene.subject import vertex_normals

OFFSET = 0.006  # metres between skin and cloth
EDGE_LIFT = 0.0025  # the neckline stands off a little more


@dataclass(frozen=True)
class Cloth:
    """A piece of cloth as a linear function of the skin: `vertices(skin)` drapes it over any pose."""

    operator: sparse.csr_matrix  # [G, V] smoothed positions from skin vertices
    triangles: np.ndarray  # [F, 3] into the cloth's vertices
    lift: np.ndarray  # [G] metres along the cloth's normal
    edge: np.ndarray  # [G] 1 at the neckline, 0 from 12 mm below it

    def vertices(self, skin: np.ndarray) -> np.ndarray:
        """Cloth vertices [G, 3] over posed skin vertices [V, 3]."""
        smooth = self.operator @ skin
        return smooth + vertex_normals(smooth, self.triangles) * self.lift[:, None]


def neckline(points: np.ndarray, base: float, style: str) -> np.ndarray:
    """Metres above the neckline [V] (positive is bare skin). `base` is the height of the pit of the neck.

    The line rises from the pit of the neck to the nape; a "v" dips at the front, a "collar" stands higher.
    """
    x, y, z = points.T
    front = np.clip((z + 0.02) / 0.08, 0, 1)
    line = base + 0.020 - 0.032 * front
    if style == "v":
        line = line - np.clip(0.055 - np.abs(x) * 1.25, 0, 1) * front
    elif style == "collar":
        line = line + 0.016
    # Shoulders always carry cloth, however high they are (ears are as far out, but well above).
    return np.where((np.abs(x) > 0.085) & (y < base + 0.07), np.minimum(y - line, -0.02), y - line)


def _clip(triangles: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles cut along above = 0, keeping the part below: (corner pairs [G, 2], blend [G], triangles)."""
    pairs: dict[tuple[int, int], int] = {}
    blends: list[float] = []
    kept: list[list[int]] = []

    def vertex(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in pairs:
            pairs[key] = len(blends)
            low, high = above[key[0]], above[key[1]]
            blends.append(0.0 if a == b else float(low / (low - high)))
        return pairs[key]

    for corners in triangles:
        polygon = []
        for a, b in zip(corners, np.roll(corners, -1), strict=True):
            a, b = int(a), int(b)
            if above[a] < 0:
                polygon.append(vertex(a, a))
            if (above[a] < 0) != (above[b] < 0):
                polygon.append(vertex(a, b))
        kept += [[polygon[0], polygon[i], polygon[i + 1]] for i in range(1, len(polygon) - 1)]
    return np.array(list(pairs)), np.array(blends), np.array(kept)


def cut(rest: np.ndarray, triangles: np.ndarray, pit: float, garment: Garment, smoothing: int = 6) -> Cloth:
    """The cloth over the skin `triangles` [F, 3] of `rest` [V, 3]; `pit` is the height of the pit of the neck."""
    above = neckline(rest, pit, garment.neckline)
    pairs, blend, faces = _clip(triangles, above)
    count = len(pairs)
    rows = np.arange(count)
    pick = sparse.coo_matrix(
        (np.concatenate([1 - blend, blend]), (np.tile(rows, 2), pairs.T.ravel())), shape=(count, len(rest))
    ).tocsr()
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    neighbours = sparse.coo_matrix((np.ones(2 * len(edges)), (edges.ravel(), edges[:, ::-1].ravel())), (count, count))
    neighbours = (neighbours.tocsr() > 0).astype(float)
    border = _border(edges, count)
    mean = sparse.diags(1 / np.maximum(neighbours.sum(1).A1, 1)) @ neighbours
    # The rim is smoothed along itself only, or it would creep down the neck.
    along = neighbours.multiply(sparse.csr_matrix(np.outer(border, border).astype(float)))
    along = sparse.diags(1 / np.maximum(along.sum(1).A1, 1)) @ along
    step = sparse.diags((~border).astype(float)) @ mean + sparse.diags(border.astype(float)) @ along
    operator = pick
    for _ in range(smoothing):
        operator = 0.5 * operator + 0.5 * step @ operator
    height = np.einsum("g,g->g", 1 - blend, above[pairs[:, 0]]) + blend * above[pairs[:, 1]]
    edge = np.clip(1 + height / 0.012, 0, 1)
    return Cloth(operator.tocsr(), faces, OFFSET + EDGE_LIFT * edge, edge)


def _border(edges: np.ndarray, count: int) -> np.ndarray:
    """[G] True for vertices on an edge that only one triangle uses."""
    ordered, uses = np.unique(np.sort(edges, 1), axis=0, return_counts=True)
    border = np.zeros(count, bool)
    border[ordered[uses == 1].ravel()] = True
    return border
