"""Lids that meet, stay outside the eyeballs, follow the gaze, and take their lashes along."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from emotalk.core.arkit import ARKIT_INDEX
from scripts.head.assembly import Assembly
from scripts.head.contact import Rims

MILLIMETRE = 1e-3
COLUMNS = np.arange(22.0, 45.0, 1.0) * MILLIMETRE + 1e-6
"""Columns across the left eye's opening, whose corners lie at x = 19.5 and 46.5 mm on the average head."""
CORNERS = (0.0205, 0.0381, 0.0465, 0.0396)
"""x, y of the inner and the outer corner: the line between them parts upper and lower lid."""
OVERLAP = (0.35 * MILLIMETRE, 0.7 * MILLIMETRE)
"""Shut lids overlap by at least and at most this (the data: up to 3.5 mm, the upper lid sinks into the cheek)."""
CLEARANCE = 1.045
"""Lid skin stays this many eyeball radii from the eye's centre, or as near as it is at rest."""
ROUNDING = 1e-3
"""Radii given away so that rounding to half precision never moves the resting head."""
LOOK_ANGLES = {"Up": 0.40, "Down": 0.45, "In": 0.50, "Out": 0.50}
"""Radians of the eyeball at eyeLook* = 1: what phones and game characters mean by it (the data: 0.16 to 0.24)."""
LOOK_LIDS = {"Up": 1.8, "Down": 1.55, "In": 1.5, "Out": 1.5}
"""Factor on the data's lid motion for the larger angle; in full proportion the lids would shut on a look down."""
LOWER_LID_DROP = 1.1 * MILLIMETRE
"""How far the lower lid gives way at eyeLookDown = 1; in the data it rests."""


class Lids:
    """The left eye's lids; the right eye is its mirror image."""

    def __init__(self, assembly: Assembly, template: np.ndarray, centre: np.ndarray) -> None:
        self.assembly, self.template, self.centre = assembly, template, centre
        ball = template[assembly.slices["eye_l"]]
        self.radius = float(np.linalg.norm(ball[-1] - centre))
        offset = template - centre
        self.distance = np.linalg.norm(offset, axis=1) / self.radius
        skin = np.arange(len(template)) < assembly.slices["skin"].stop
        near = skin & (offset[:, 2] > 0.2 * self.radius) & (template[:, 0] > 0)
        zone = near & (self.distance > 0.985) & (self.distance < 1.3)
        x0, y0, x1, y1 = CORNERS
        line = y0 + (y1 - y0) * (template[:, 0] - x0) / (x1 - x0)
        below = line - template[:, 1]
        side = np.clip(0.5 + below / (1.2 * MILLIMETRE), 0, 1)
        self.rims = Rims(template, assembly.triangles, zone & (below < 0), zone & (below >= 0), COLUMNS, 9e-3, side)
        self.rims.free(assembly.slices["skin"].stop)
        # What must not sink into the ball: outer skin and rims (the shelf behind them lies inside it for good).
        self.guarded = np.flatnonzero(near & (self.distance > 1.005) & (self.distance < 1.45))
        lashes = np.arange(assembly.slices["lashes_l"].start, assembly.slices["lashes_l"].stop)
        lashes = lashes[self.distance[lashes] > 1.0]
        self.guarded = np.concatenate([self.guarded, lashes])
        self.least = np.minimum(self.distance[self.guarded] - ROUNDING, CLEARANCE)

    def outside(self, vertices: np.ndarray) -> np.ndarray:
        """`vertices` with the guarded lid skin pushed out of the eyeball."""
        vertices = vertices.copy()
        offset = vertices[self.guarded] - self.centre
        least = self.least * self.radius
        grow = np.maximum(least / np.linalg.norm(offset, axis=1), 1.0)
        vertices[self.guarded] = self.centre + offset * grow[:, None]
        return vertices

    def blink(self, shape: np.ndarray) -> np.ndarray:
        """eyeBlinkLeft [V, 3] whose lids meet in front of the eyeball."""
        for _ in range(6):
            shape = shape + self.rims.fit(self.template + shape, -OVERLAP[1], -OVERLAP[0], upper_share=1.0)
            shape = self.outside(self.template + shape) - self.template
        return shape

    def look_down(self, shape: np.ndarray) -> np.ndarray:
        """eyeLookDownLeft [V, 3] in which the lower lid gives way."""
        middle = np.sin(np.pi * np.linspace(0.04, 0.96, len(COLUMNS)))
        shape = shape + self.rims.move(np.zeros(len(COLUMNS)), -LOWER_LID_DROP * middle)
        return self.outside(self.template + shape) - self.template

    def corners(self) -> tuple[int, int]:
        """Skin vertices at the inner and the outer corner of the eye."""
        x0, y0, x1, y1 = CORNERS
        skin = np.flatnonzero((self.distance > 1.02) & (self.distance < 1.25) & self.rims.movable)
        skin = skin[self.template[skin, 2] > self.centre[2]]
        return tuple(
            int(skin[np.linalg.norm(self.template[skin, :2] - place, axis=1).argmin()])
            for place in ((x0, y0), (x1, y1))
        )

    def roots(self) -> sparse.csr_matrix:
        """[V, V] rows of the left lashes: which lid skin each lash vertex grows from."""
        skin = np.setdiff1d(self.guarded, np.arange(len(self.template))[self.assembly.slices["lashes_l"]])
        rim = skin[self.distance[skin] < 1.2]
        piece = self.assembly.slices["lashes_l"]
        upper, bases = self._strips(), self._bases()
        rows, columns, values = [], [], []
        for v, base in zip(range(piece.start, piece.stop), bases, strict=True):
            candidates = rim[(self.rims.side[rim] < 0.5) == upper[v - piece.start]]
            distance = np.linalg.norm(self.template[candidates] - self.template[base], axis=1)
            chosen = np.argsort(distance)[:4]
            weight = 1 / (distance[chosen] + 0.3e-3) ** 2
            rows += [v] * len(chosen)
            columns += list(candidates[chosen])
            values += list(weight / weight.sum())
        return sparse.csr_matrix((values, (rows, columns)), (len(self.template),) * 2)

    def _strips(self) -> np.ndarray:
        """[lash vertices] True for the upper strip (the two strips are separate pieces of mesh)."""
        part = next(p for p in self.assembly.parts if p.name == "lashes_l")
        count = part.carry.shape[0]
        edges = part.triangles[:, [0, 1, 2, 1, 2, 0]].reshape(-1, 2)
        graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), (count, count))
        _, label = sparse.csgraph.connected_components(graph, directed=False)
        height = self.template[self.assembly.slices["lashes_l"], 1]
        means = [height[label == k].mean() for k in range(label.max() + 1)]
        return label == int(np.argmax(means))

    def _bases(self) -> np.ndarray:
        """[lash vertices] the vertex of the lash's own row that lies at the lid: down the strip, not along it."""
        piece = self.assembly.slices["lashes_l"]
        part = next(p for p in self.assembly.parts if p.name == "lashes_l")
        # Triangles come in pairs from quads (0, 1, 2), (0, 2, 3): their shared diagonal is no edge of the strip.
        quads = np.column_stack([part.triangles[::2], part.triangles[1::2, 2]]) + piece.start
        neighbours: dict[int, set[int]] = {}
        for quad in quads:
            for k in range(4):
                neighbours.setdefault(quad[k], set()).add(quad[(k + 1) % 4])
                neighbours.setdefault(quad[k], set()).add(quad[k - 1])
        bases = np.arange(piece.start, piece.stop)
        for k, vertex in enumerate(bases):
            while self.distance[vertex] > 1.14:
                steps = sorted(neighbours[vertex])
                length = np.linalg.norm(self.template[steps] - self.template[vertex], axis=1)
                slope = (self.distance[steps] - self.distance[vertex]) / length
                if slope.min() >= 0:
                    break
                vertex = steps[int(slope.argmin())]
            bases[k] = vertex
        return bases

    def carry_lashes(self, shape: np.ndarray, roots: sparse.csr_matrix) -> np.ndarray:
        """`shape` with the left lashes turned about the eye's centre as the skin at their roots is."""
        piece = self.assembly.slices["lashes_l"]
        anchor = (roots @ self.template)[piece] - self.centre
        moved = anchor + (roots @ shape)[piece]
        lash = self.template[piece] - self.centre
        turned = _turn_between(anchor, moved, lash)
        stretch = np.linalg.norm(moved, axis=1, keepdims=True) - np.linalg.norm(anchor, axis=1, keepdims=True)
        turned += stretch * moved / np.linalg.norm(moved, axis=1, keepdims=True)
        shape = shape.copy()
        shape[piece] = turned - lash
        return shape

    def closure(self, roots: sparse.csr_matrix) -> sparse.csr_matrix:
        """[V, V]: identity offset -> what eyeBlinkLeft must add so that this person's lids still meet.

        With wider eyes the upper rim has further to go: it follows (lower rim - upper rim), column by column.
        """
        rims, count, width = self.rims, len(self.template), len(COLUMNS)
        pick = sparse.lil_matrix((width, count))
        for crossing, sign in ((rims.lower, 1.0), (rims.upper, -1.0)):
            points = crossing.points(self.template)[:, 1]
            best = rims._extreme(crossing, points, np.minimum if sign < 0 else np.maximum)
            for column, k in enumerate(best):
                pick[column, crossing.a[k]] += sign * (1 - crossing.t[k])
                pick[column, crossing.b[k]] += sign * crossing.t[k]
        spread = np.zeros((count, width))
        near = (1 - rims.side) * rims.nearness(rims.upper_rim)
        for v in np.flatnonzero(near > 1e-3):
            place = np.interp(self.template[v, 0], COLUMNS, np.arange(width))
            low = min(int(place), width - 2)
            spread[v, low] += near[v] * (1 - place + low)
            spread[v, low + 1] += near[v] * (place - low)
        closure = sparse.csr_matrix(spread) @ pick.tocsr()
        piece = self.assembly.slices["lashes_l"]
        closure = closure.tolil()
        closure[piece] = (roots @ closure.tocsr())[piece]
        return closure.tocsr()


def _turn_between(start: np.ndarray, end: np.ndarray, points: np.ndarray) -> np.ndarray:
    """`points` [n, 3] turned by the smallest rotations that take directions `start` to `end`."""
    a = start / np.linalg.norm(start, axis=1, keepdims=True)
    b = end / np.linalg.norm(end, axis=1, keepdims=True)
    axis, cosine = np.cross(a, b), (a * b).sum(1, keepdims=True)
    along = (axis * points).sum(1, keepdims=True)
    return points * cosine + np.cross(axis, points) + axis * along / (1 + cosine)


def lid_shapes(lids: Lids, shapes: np.ndarray, roots: sparse.csr_matrix) -> np.ndarray:
    """`shapes` with the left eye's shapes corrected; eyeballs are left to the eye joints.

    The right eye's shapes are rebuilt by mirroring afterwards.
    """
    shapes = shapes.copy()
    for side in "lr":
        shapes[:, lids.assembly.slices[f"eye_{side}"]] = 0
    for direction in LOOK_ANGLES:
        shapes[ARKIT_INDEX[f"eyeLook{direction}Left"]] *= LOOK_LIDS[direction]
    blink, down = ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeLookDownLeft"]
    shapes[blink] = lids.blink(shapes[blink])
    shapes[down] = lids.look_down(shapes[down])
    for k in range(len(shapes)):
        shapes[k] = lids.carry_lashes(shapes[k], roots)
    return shapes
