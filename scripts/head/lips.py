"""Lips that touch: seals the resting mouth and keeps shapes that close it closed."""

from __future__ import annotations

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX
from scripts.head.assembly import Assembly
from scripts.head.contact import Rims
from scripts.head.regions import sample_mask

MILLIMETRE = 1e-3
COLUMNS = np.arange(-22, 23, 1.0) * MILLIMETRE + 1e-6  # the corners lie at 23.7 mm
OVERLAP = 0.1 * MILLIMETRE
"""How far touching lips press into each other, so that no light comes through."""

CLOSED: dict[tuple[str, ...], float] = {
    ("mouthPressLeft", "mouthPressRight"): 1.2,
    ("mouthSmileLeft", "mouthSmileRight"): 0.5,
    ("mouthDimpleLeft", "mouthDimpleRight"): 0.5,
    ("mouthFrownLeft", "mouthFrownRight"): 0.5,
    ("mouthStretchLeft", "mouthStretchRight"): 0.5,
    ("noseSneerLeft", "noseSneerRight"): 0.5,
    ("cheekSquintLeft", "cheekSquintRight"): 0.5,
    ("cheekPuff",): 0.8,
    ("mouthRollLower",): 2.5,
    ("mouthRollUpper",): 2.0,
    ("mouthShrugLower",): 2.5,
    ("mouthPucker",): 1.5,
    ("jawForward",): 0.5,
}
"""Shapes (pairs together) that must leave the lips touching -> how many mm the lips may overlap at most. The data
part them by up to 1.2 mm or push one through the other by up to 4.9 mm, which swallows what other shapes open."""


def lip_rims(assembly: Assembly, vertices: np.ndarray, mirror: np.ndarray, jaw_share: np.ndarray) -> Rims:
    """The two lips of the head `vertices` [V, 3]; what follows the jaw (`jaw_share` [V]) is the lower one."""
    triangles = assembly.triangles
    lips, inside = (sample_mask(assembly, name) for name in ("lips", "inside-mouth"))
    lips, inside = np.maximum(lips, lips[mirror]), np.maximum(inside, inside[mirror])
    core = (lips > 0.3) | ((inside > 0.3) & (vertices[:, 2] > 0.09))
    zone = np.zeros(len(vertices), bool)
    zone[triangles[core[triangles].any(1)]] = True
    zone[assembly.slices["skin"].stop :] = False
    side = np.clip((jaw_share - 0.3) / 0.4, 0, 1)
    side = side * side * (3 - 2 * side)
    side[assembly.slices["skin"].stop :] = 0
    rims = Rims(vertices, triangles, zone & (jaw_share < 0.5), zone & (jaw_share >= 0.5), COLUMNS, 9e-3, side)
    rims.free(assembly.slices["skin"].stop)
    return rims


def seal(rims: Rims, vertices: np.ndarray) -> np.ndarray:
    """Displacement [V, 3] after which the resting lips touch."""
    return rims.fit(vertices, -2 * OVERLAP, -OVERLAP, upper_share=0.5)


def close_shapes(rims: Rims, template: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """`shapes` [52, V, 3] with the lips brought together in CLOSED, and mouthClose the exact remedy of jawOpen."""
    shapes = shapes.copy()
    for names, overlap in CLOSED.items():
        index = [ARKIT_INDEX[n] for n in names]
        change = rims.fit(template + shapes[index].sum(0), -overlap * MILLIMETRE, -OVERLAP, upper_share=0.5)
        if len(index) == 2:
            # Each side's shape takes the share of its own half, with a soft middle.
            left = np.clip(0.5 + template[:, :1] / 8e-3, 0, 1)
            shapes[index[0]] += change * left
            shapes[index[1]] += change * (1 - left)
            # A shape of one side alone must not part the lips, either.
            for k in index:
                shapes[k] += rims.fit(template + shapes[k], -np.inf, -OVERLAP, upper_share=0.5)
        else:
            shapes[index[0]] += change
    close, jaw = ARKIT_INDEX["mouthClose"], ARKIT_INDEX["jawOpen"]
    shapes[close] += rims.fit(template + shapes[close] + shapes[jaw], -3 * OVERLAP, -OVERLAP, upper_share=0.3)
    return shapes


def seal_basis(rims: Rims, template: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Identity basis [K, V, 3] whose people have touching lips, too (first order around the template)."""
    resting = rims.gap(template)
    sealed = basis.copy()
    for k, component in enumerate(basis):
        opened = rims.gap(template + component) - resting
        sealed[k] += rims.move(-0.5 * opened, 0.5 * opened)
    return sealed
