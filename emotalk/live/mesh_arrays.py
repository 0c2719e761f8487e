"""The head of one person for a browser: the identity is worked in, vertices that carry no Gaussian are left out.

What is left is what `head.HeadModel` computes with: the template, 52 shapes as offsets of few vertices each, joints,
skinning as differences from the head joint, and the lids that may not cut into the eyeballs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.head.mesh import JOINT_NAMES
from emotalk.live.container import Packed, floats, quantised, whole

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar

TEMPLATE_STEP = 1e-5
"""Metres. A pixel of a 512 pixel portrait is 0.7 mm; triangles at the lids are 1 mm wide and keep their normals."""
SHAPE_STEP = 2e-5
SHAPE_LEAST = 2e-5
"""Metres: what a shape moves by less than this at full strength is left out of it."""
SHARE_STEP = 1 / 2000
"""Of a skinning weight: a head that turns by half a radian takes a vertex of the neck along within 0.02 mm."""
HEAD = JOINT_NAMES.index("head")


@dataclass(frozen=True)
class MeshArrays:
    """The mesh part of a pack."""

    arrays: dict[str, Packed]
    meta: dict[str, object]
    triangle: np.ndarray  # [M] row of the pack's triangles for every mesh-bound Gaussian


def mesh_arrays(avatar: GaussianAvatar) -> MeshArrays:
    """What a browser needs to pose the triangles that carry the avatar's Gaussians."""
    person = avatar.person
    used, triangle = np.unique(avatar.gaussians.triangle.numpy(), return_inverse=True)
    triangles = avatar.head.triangles.numpy()[used]
    # The eyeballs' poles say how large an eyeball is (`HeadModel._guard_lids`).
    poles = [int(getattr(person, f"ball_{side}")[-1]) for side in "lr"]
    kept = np.unique(np.concatenate([triangles.ravel(), poles]))
    place = np.full(len(person.template), -1, np.int64)
    place[kept] = np.arange(len(kept))

    shapes = person.shapes.numpy()[:, kept]  # [52, V, 3]
    moved = [np.flatnonzero(np.abs(shape).max(1) > SHAPE_LEAST) for shape in shapes]
    weights = person.weights.numpy()[kept].copy()  # [V, 6]
    weights[:, HEAD] = 0
    skinned = [np.flatnonzero(column) for column in weights.T]
    arrays = {
        "template": quantised(person.template.numpy()[kept], TEMPLATE_STEP),
        "triangles": whole(place[triangles]),
        "shape_rows": whole(_gaps(moved)),
        "shape_offsets": quantised(np.concatenate([s[m] for s, m in zip(shapes, moved, strict=True)]), SHAPE_STEP),
        "skin_rows": whole(_gaps(skinned)),
        "skin_shares": quantised(
            np.concatenate([weights[rows, j] for j, rows in enumerate(skinned)])[:, None], SHARE_STEP
        ),
        "joints": floats(person.joints.numpy()),
    }
    for side in "lr":
        lids, least = getattr(person, f"lids_{side}").numpy(), getattr(person, f"lid_distances_{side}").numpy()
        there = place[lids] >= 0
        arrays[f"lids_{side}"] = whole(place[lids[there]][:, None])
        arrays[f"lid_distances_{side}"] = floats(least[there])
    meta = {
        "expression": list(ARKIT_NAMES),
        "shape_sizes": [len(rows) for rows in moved],
        "skin_sizes": [len(rows) for rows in skinned],
        "poles": [int(place[pole]) for pole in poles],
        "look_angles": [float(angle) for angle in person.look_angles],
    }
    return MeshArrays(arrays, meta, triangle.astype(np.int64))


def _gaps(lists: list[np.ndarray]) -> np.ndarray:
    """Several ascending lists of rows as one column [R, 1], each as its first row and the distances between rows."""
    parts = [np.diff(rows, prepend=0) for rows in lists]
    return np.concatenate(parts)[:, None] if parts else np.zeros((0, 1), np.int64)
