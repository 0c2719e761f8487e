"""The 52 expression shapes: taken from the data, made symmetric, cleaned of what joints do, corrected."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from scripts.head.assembly import Assembly

TONGUE_REACH = 1.35
"""The data's tongue stops at the lips."""


def mirror_index(vertices: np.ndarray) -> np.ndarray:
    """[V] index of each vertex's mirror image; raises where the mesh is not symmetric."""
    distance, index = cKDTree(vertices).query(vertices * [-1, 1, 1])
    if distance.max() > 2e-5 or (index[index] != np.arange(len(index))).any():
        raise ValueError(f"the head is not symmetric: {distance.max() * 1e3:.4f} mm")
    return index


def mirror_name(name: str) -> str:
    """The shape that does the same on the other side (itself for shapes of the midline)."""
    for one, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + other
    return name


def symmetric(shapes: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Shapes [52, V, 3] in which left and right are exact mirror images (the data differ by up to 1.1 mm)."""
    partner = [ARKIT_INDEX[mirror_name(n)] for n in ARKIT_NAMES]
    return 0.5 * (shapes + shapes[partner][:, mirror] * [-1, 1, 1])


def raw_shapes(assembly: Assembly) -> np.ndarray:
    """[52, V, 3] in metres as the data have them (but for the tongue), in the order of ARKIT_NAMES."""
    shapes = np.stack([assembly.expression(name) for name in ARKIT_NAMES])
    shapes[ARKIT_INDEX["tongueOut"]] *= TONGUE_REACH
    return shapes


def gaze_angles(ball: np.ndarray, shapes: np.ndarray) -> dict[str, float]:
    """Radians by which the data turn the left eyeball ([n, 3], relative to its centre) at each eyeLook shape."""
    angles = {}
    for direction, axis in (("Up", 0), ("Down", 0), ("In", 1), ("Out", 1)):
        moved = ball + shapes[ARKIT_INDEX[f"eyeLook{direction}Left"]]
        moved = moved - moved.mean(0)
        u, v = [i for i in range(3) if i != axis]
        angle = np.arctan2((ball[:, u] * moved[:, v] - ball[:, v] * moved[:, u]).sum(), (ball * moved)[:, [u, v]].sum())
        angles[direction] = abs(float(angle))
    return angles


def mirror_left(shapes: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Shapes [52, V, 3] whose right-hand ones are the mirror images of the left-hand ones."""
    shapes = shapes.copy()
    for name in ARKIT_NAMES:
        if name.endswith("Left"):
            shapes[ARKIT_INDEX[mirror_name(name)]] = shapes[ARKIT_INDEX[name]][mirror] * [-1, 1, 1]
        elif not name.endswith("Right"):
            # A midline shape keeps its left half.
            shape = shapes[ARKIT_INDEX[name]]
            flipped = shape[mirror] * [-1, 1, 1]
            shapes[ARKIT_INDEX[name]] = 0.5 * (shape + flipped)
    return shapes
