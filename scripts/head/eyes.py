"""Eyeballs (sphere with a slight cornea, rings at the pupil and iris borders) and everything about lids."""

from __future__ import annotations

import numpy as np

from scripts.head.assembly import Part, affine_carry
from scripts.head.asset import AnnyAsset

IRIS_RADIUS = 0.0061
"""Metres. A human iris is 5.9 mm; the data's eyeball is a third larger than life."""
PUPIL_RADIUS = 0.0023
CORNEA = 0.0004
"""How far the cornea stands out. Life's 2.5 mm would push through the data's thin lids."""
SEGMENTS = 28
IRIS_RING = 4
"""Which ring of vertices (counted from the pupil's inner one) is the iris border."""


def eyeball_part(asset: AnnyAsset, posed: np.ndarray, side: str) -> Part:
    """One eyeball ("l" or "r") fitted to the data's low-resolution one; its poles lie on the gaze axis."""
    index = np.unique(asset.faces[f"{side}-eye"][..., 0])
    ball = posed[index]
    centre = ball.mean(0)
    radius = np.linalg.norm(ball - centre, axis=1).mean()
    iris, pupil = np.arcsin(IRIS_RADIUS / radius), np.arcsin(PUPIL_RADIUS / radius)
    rings = np.concatenate([
        pupil * np.array([0.55, 1.0]), pupil + (iris - pupil) * np.array([0.3, 0.65, 1.0]),
        iris + np.radians([3, 8, 15, 24, 34, 46, 60, 78, 100, 130]),
    ])  # fmt: skip
    turn = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    ring, around = np.meshgrid(rings, turn, indexing="ij")
    ring = np.concatenate([[0.0], ring.ravel(), [np.pi]])
    around = np.concatenate([[0.0], around.ravel(), [0.0]])
    # Mirrored eyes need mirrored meshes, so that left/right data correspond vertex by vertex.
    sign = 1.0 if side == "l" else -1.0
    direction = np.column_stack([sign * np.sin(ring) * np.cos(around), np.sin(ring) * np.sin(around), np.cos(ring)])
    bulge = CORNEA * np.clip(1 - (ring / (1.15 * iris)) ** 2, 0, 1)
    places = centre + direction * (radius + bulge)[:, None]
    count, last = SEGMENTS, len(ring) - 1
    triangles = []
    for k in range(count):
        n = (k + 1) % count
        triangles.append((0, 1 + k, 1 + n))
        for r in range(len(rings) - 1):
            a, b = 1 + r * count, 1 + (r + 1) * count
            triangles += [(a + k, b + k, b + n), (a + k, b + n, a + n)]
        a = 1 + (len(rings) - 1) * count
        triangles.append((a + k, last, a + n))
    triangles = np.array(triangles)
    if sign < 0:
        triangles = triangles[:, [0, 2, 1]]
    uvs = 0.5 + 0.5 * (ring / np.pi)[:, None] * np.column_stack([sign * np.cos(around), np.sin(around)])
    carry = affine_carry(ball, places, index, len(posed))
    labels = {"iris": ring <= iris + 1e-6, "pupil": ring <= pupil + 1e-6}
    return Part(f"eye_{side}", carry, triangles, uvs, triangles, labels)
