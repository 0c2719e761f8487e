"""Cuts the bust out of the full-body mesh: relaxed arms, a flat bottom border, no hidden eye-socket spheres.

Everything is expressed as one sparse matrix from base-mesh vertices to bust vertices, so that any data
on the base mesh (targets, weights, masks) can be carried over by a product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from scripts.head.asset import AnnyAsset

BOTTOM = -0.275
"""Height of the bottom border in metres above the head joint: below the shoulders, above the armpits."""
ARM_DROP = 0.62
"""Radians by which the upper arms are lowered from the data's A-pose, so that shoulders look relaxed."""


@dataclass(frozen=True)
class Bust:
    """Skin of the bust: vertices = carry @ base vertices."""

    carry: sparse.csr_matrix  # [V, N base]
    triangles: np.ndarray  # [F, 3]
    uvs: np.ndarray  # [M, 2]
    uv_triangles: np.ndarray  # [F, 3]


def relax_arms(asset: AnnyAsset, vertices: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """`vertices` [..., N, 3] with both upper arms turned down about the shoulder joint (skinned)."""
    parents = asset.bone_parents()

    def below(bone: str, root: str) -> bool:
        while bone and bone != root:
            bone = parents.get(bone, "")
        return bone == root

    out = vertices.copy()
    for side, sign in (("L", -1.0), ("R", 1.0)):
        arm = sum(w for bone, w in weights.items() if below(bone, f"upperarm01.{side}"))
        shoulder = weights[f"shoulder01.{side}"]
        pivot = vertices[..., asset.joint_vertices(f"{side.lower()}-shoulder"), :].mean(-2, keepdims=True)
        for share, weight in ((1.0, arm), (0.35, shoulder)):
            angle = sign * ARM_DROP * share
            turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
            out += weight[:, None] * ((vertices - pivot) @ turn.T + pivot - vertices)
    return out


def socket_faces(asset: AnnyAsset, vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """[F] True where a body quad belongs to the sphere behind the lids, which an eyeball hides completely."""
    hidden = np.zeros(len(vertices), bool)
    for side in "lr":
        ball = vertices[np.unique(asset.faces[f"{side}-eye"][..., 0])]
        centre = ball.mean(0)
        radius = np.linalg.norm(ball - centre, axis=1).mean()
        offset = vertices - centre
        # Lids lie in front of 0.3 radii or further out; behind that only the sphere itself is this near.
        hidden |= (np.linalg.norm(offset, axis=1) < 1.06 * radius) & (offset[:, 2] < 0.25 * radius)
    return hidden[quads].any(1)


def cut_bust(asset: AnnyAsset, vertices: np.ndarray) -> Bust:
    """Cuts the body at BOTTOM; `vertices` [N, 3] have relaxed arms and the head joint at the origin."""
    faces = asset.faces["body"]
    inside = vertices[:, 1] >= BOTTOM
    faces = faces[inside[faces[..., 0]].any(1) & ~socket_faces(asset, vertices, faces[..., 0])]
    faces = faces[_connected_to_face(faces[..., 0], vertices)]
    polygons: list[list[tuple]] = []
    for quad in faces:
        polygon = []
        for k in range(4):
            (a, ua), (b, ub) = quad[k], quad[(k + 1) % 4]
            if inside[a]:
                polygon.append((a, a, 1.0, ua, ua))
            if inside[a] != inside[b]:
                first, second, uf, us = (a, b, ua, ub) if a < b else (b, a, ub, ua)
                drop = vertices[first, 1] - vertices[second, 1]
                polygon.append((first, second, 1 - (vertices[first, 1] - BOTTOM) / drop, uf, us))
        polygons.append(polygon)
    rows: dict[tuple[int, int], int] = {}
    uv_rows: dict[tuple[int, int], int] = {}
    weights, uvs = [], []
    kept = sorted({p[0] for poly in polygons for p in poly if p[0] == p[1]})
    for v in kept:
        rows[v, v] = len(weights)
        weights.append((v, v, 1.0))
    triangles, uv_triangles = [], []
    for polygon in polygons:
        corner, uv_corner, places = [], [], []
        for a, b, t, ua, ub in polygon:
            if (a, b) not in rows:
                rows[a, b] = len(weights)
                weights.append((a, b, t))
            if (ua, ub) not in uv_rows:
                uv_rows[ua, ub] = len(uvs)
                uvs.append(t * asset.uvs[ua] + (1 - t) * asset.uvs[ub])
            corner.append(rows[a, b])
            uv_corner.append(uv_rows[ua, ub])
            places.append(t * vertices[a] + (1 - t) * vertices[b])
        # The shorter diagonal of a quad keeps lids and lips smooth; wider polygons occur at the border only.
        start = 0
        if len(corner) == 4:
            diagonals = [np.linalg.norm(places[0] - places[2]), np.linalg.norm(places[1] - places[3])]
            start = int(diagonals[1] < diagonals[0] - 1e-9)
        order = [(start + k) % len(corner) for k in range(len(corner))]
        for k in range(1, len(order) - 1):
            pick = (order[0], order[k], order[k + 1])
            triangles.append([corner[i] for i in pick])
            uv_triangles.append([uv_corner[i] for i in pick])
    a, b, t = (np.array(x) for x in zip(*weights, strict=True))
    index = np.arange(len(a))
    shape = (len(a), len(asset.vertices))
    carry = sparse.csr_matrix((t, (index, a)), shape) + sparse.csr_matrix((1 - t, (index, b)), shape)
    return Bust(carry, np.array(triangles), np.array(uvs), np.array(uv_triangles))


def _connected_to_face(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """[F] True for quads connected to the largest piece (drops scraps such as a hand in front of the cut)."""
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), (len(vertices), len(vertices)))
    _, label = sparse.csgraph.connected_components(graph, directed=False)
    piece = label[quads[:, 0]]
    return piece == np.bincount(piece).argmax()
