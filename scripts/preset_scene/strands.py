"""Hair strands as polylines: sampling roots on the skin, growing along a direction field, clumping, riding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from scripts.preset_scene.subject import triangle_frames, vertex_normals


@dataclass(frozen=True)
class Roots:
    """Where strands grow: triangle [S], barycentric [S, 3], position and unit normal [S, 3] at rest."""

    triangle: np.ndarray
    barycentric: np.ndarray
    position: np.ndarray
    normal: np.ndarray

    def __len__(self) -> int:
        return len(self.triangle)

    def __getitem__(self, rows: np.ndarray) -> Roots:
        return Roots(self.triangle[rows], self.barycentric[rows], self.position[rows], self.normal[rows])


@dataclass(frozen=True)
class Strands:
    """A groom. `joint` names the joint it follows; with `roots` it rides on the skin triangles instead."""

    points: np.ndarray  # [S, K, 3] metres in the resting head
    radius: np.ndarray  # [S, K] metres
    color: np.ndarray  # [S, K, 3] linear RGB
    joint: str | None = "head"
    roots: Roots | None = None


class Scalp:
    """A skin surface to grow on: samples roots and tells height above the nearest skin."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray):
        self.vertices, self.triangles = vertices, triangles
        self.normals = vertex_normals(vertices, triangles)
        corners = vertices[triangles]
        self._area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        # Face centres and edge midpoints thicken the cloud: vertices alone lie up to 9 mm apart on the skull.
        normals = self.normals[triangles]
        weights = np.array([[1, 1, 1], [2, 2, 0], [0, 2, 2], [2, 0, 2]], float)
        weights /= weights.sum(1, keepdims=True)
        extra = np.einsum("wc,fcx->fwx", weights, corners).reshape(-1, 3)
        extra_normals = np.einsum("wc,fcx->fwx", weights, normals).reshape(-1, 3)
        self._points = np.concatenate([vertices[np.unique(triangles)], extra])
        self._directions = np.concatenate([self.normals[np.unique(triangles)], extra_normals])
        self._directions /= np.maximum(np.linalg.norm(self._directions, axis=1, keepdims=True), 1e-12)
        self._tree = cKDTree(self._points)

    def sample(self, count: int, density: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> Roots:
        """`count` roots spread by area times `density` (vertices [V, 3] -> [V] in [0, 1])."""
        at_vertices = density(self.vertices)
        weight = self._area * at_vertices[self.triangles].mean(1)
        if weight.sum() <= 0:
            raise ValueError("No skin lies where this groom should grow; check the anchors of the head.")
        chosen = rng.choice(len(self.triangles), 3 * count, p=weight / weight.sum())
        uv = rng.random((3 * count, 2))
        uv[uv.sum(1) > 1] = 1 - uv[uv.sum(1) > 1]
        barycentric = np.column_stack([1 - uv.sum(1), uv])
        # Within a triangle the density varies too: rejection keeps a soft hairline smooth.
        inside = (at_vertices[self.triangles[chosen]] * barycentric).sum(1)
        mean = np.maximum(at_vertices[self.triangles[chosen]].max(1), 1e-9)
        keep = np.flatnonzero(rng.random(3 * count) < inside / mean)[:count]
        chosen, barycentric = chosen[keep], barycentric[keep]
        position = np.einsum("sc,scx->sx", barycentric, self.vertices[self.triangles[chosen]])
        normal = np.einsum("sc,scx->sx", barycentric, self.normals[self.triangles[chosen]])
        return Roots(chosen, barycentric, position, normal / np.linalg.norm(normal, axis=1, keepdims=True))

    def refined(self, density: Callable[[np.ndarray], np.ndarray], times: int = 2) -> FinePatch:
        """The part of the skin where `density` may be positive, split `times` into quarters.

        Narrow zones (a brow is 8 mm high) slip between vertices; the patch sees them.
        """
        return FinePatch(self, density, times)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Height above the nearest skin [N] (metres, negative inside) and its outward normal [N, 3]."""
        _, index = self._tree.query(points)
        normal = self._directions[index]
        return np.einsum("nx,nx->n", points - self._points[index], normal), normal


class FinePatch(Scalp):
    """A subdivided piece of a scalp; `parent_roots` gives its roots back in the whole scalp's triangles."""

    def __init__(self, parent: Scalp, density: Callable[[np.ndarray], np.ndarray], times: int):
        owner, weights = np.arange(len(parent.triangles)), np.tile(np.eye(3), (len(parent.triangles), 1, 1))
        for round_ in range(times):
            a, b, c = weights[:, 0], weights[:, 1], weights[:, 2]
            ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
            quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
            weights = np.concatenate([np.stack(q, 1) for q in quarters])
            owner = np.tile(owner, 4)
            corners = np.einsum("fkc,fcx->fkx", weights, parent.vertices[parent.triangles[owner]])
            if round_ == times - 1:
                live = density(corners.reshape(-1, 3)).reshape(-1, 3).max(1) > 0
                owner, weights, corners = owner[live], weights[live], corners[live]
        self._parent, self._owner, self._weights = parent, owner, weights
        super().__init__(corners.reshape(-1, 3), np.arange(3 * len(owner)).reshape(-1, 3))
        normals = np.einsum("fkc,fcx->fkx", weights, parent.normals[parent.triangles[owner]]).reshape(-1, 3)
        self.normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    def parent_roots(self, roots: Roots) -> Roots:
        """The same roots, addressed by the parent's triangles."""
        barycentric = np.einsum("sk,skc->sc", roots.barycentric, self._weights[roots.triangle])
        return Roots(self._owner[roots.triangle], barycentric, roots.position, roots.normal)


Field = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]
"""(position, direction, skin normal, height above skin, t in [0, 1]) -> wanted direction, all [S, ...]."""


def grow(roots: Roots, length: np.ndarray, steps: int, field: Field, scalp: Scalp, lift: np.ndarray,
         inertia: float = 0.35) -> np.ndarray:  # fmt: skip
    """Polylines [S, steps, 3] of the given lengths [S] that start along the skin normal and follow `field`.

    Points are kept at least `lift` [S] metres above the skin (rising over the first quarter).
    """
    position, direction = roots.position.copy(), roots.normal.copy()
    points = [position.copy()]
    height, normal = np.zeros(len(roots)), roots.normal
    for step in range(1, steps):
        t = step / (steps - 1)
        wanted = field(position, direction, normal, height, t)
        direction = inertia * direction + (1 - inertia) * wanted
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
        position = position + direction * (length / (steps - 1))[:, None]
        height, normal = scalp.nearest(position)
        short = np.clip(lift * min(1.0, 4 * t) - height, 0, 0.03)
        position = position + normal * short[:, None]
        height = height + short
        points.append(position.copy())
    return np.stack(points, 1)


def clump(points: np.ndarray, roots: np.ndarray, guides: int, strength: float, rng: np.random.Generator,
          spread: float = 0.25, start: float = 0.15) -> np.ndarray:  # fmt: skip
    """Draw strands [S, K, 3] together towards the nearest of `guides` strands, the more the nearer the tip."""
    chosen = rng.choice(len(points), min(guides, len(points)), replace=False)
    owner = chosen[cKDTree(roots[chosen]).query(roots)[1]]
    t = np.linspace(0, 1, points.shape[1])
    pull = strength * np.clip((t - start) / (1 - start), 0, 1) ** 0.8
    goal = points[owner] + spread * (roots - roots[owner])[:, None]
    return points + pull[None, :, None] * (goal - points)


def taper(radius: float, steps: int, count: int, rng: np.random.Generator, ends: float = 0.35) -> np.ndarray:
    """Radii [S, K]: full from the root on, thinning to a quarter over the last `ends` of each strand."""
    t = np.linspace(0, 1, steps)
    profile = np.clip((1 - t) / ends, 0.14, 1) ** 0.7
    return radius * profile[None] * rng.uniform(0.75, 1.25, (count, 1))


def ride(rest: np.ndarray, posed: np.ndarray, triangles: np.ndarray, strands: Strands) -> np.ndarray:
    """Points [S, K, 3] of skin-riding strands on the posed vertices: each follows its root triangle rigidly."""
    used = triangles[strands.roots.triangle]
    _, frame = triangle_frames(rest, used)
    _, moved = triangle_frames(posed, used)
    root = np.einsum("sc,scx->sx", strands.roots.barycentric, rest[used])
    target = np.einsum("sc,scx->sx", strands.roots.barycentric, posed[used])
    local = np.einsum("sji,skj->ski", frame, strands.points - root[:, None])
    return target[:, None] + np.einsum("sij,skj->ski", moved, local)
