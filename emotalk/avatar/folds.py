"""Where a face folds when its muscles pull: lines over the skin, and which muscles draw each.

The lines run through MediaPipe landmarks, which lie on every identity of the head, so they fit any person. What they
look like is `fold_shading`'s; how deep a person's are says their card.

Anatomy after Lemperle et al., "A classification of facial wrinkles" (Plastic and Reconstructive Surgery 108, 2001), and
the appearance changes that the Facial Action Coding System (Ekman, Friesen & Hager 2002) lists for each action unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.head.mesh import landmark_points

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emotalk.head import HeadModel

Mark = int | tuple[int, int, float]
"""A landmark, or a point between two: the share is the second one's."""


@dataclass(frozen=True)
class Fold:
    """One groove, with the skin that swells beside it."""

    marks: tuple[Mark, ...]  # on the person's right half or across the middle
    width: float  # metres: the groove's Gaussian radius
    depth: float  # metres, at strength 1 and full muscles
    swell: float = 0.0  # metres: height of the ridge beside it, towards `landmark` swells
    towards: Mark | None = None  # on which side the ridge lies; none: on both
    reach: float = 2.5  # how many widths away the ridge is highest
    one_sided: bool = True  # has a mirror image on the left


FOLDS: dict[str, tuple[Fold, ...]] = {
    "frown": (  # AU 4: corrugator lines between the brows, procerus line over the root of the nose
        Fold(((107, 9, 0.42), (55, 8, 0.48), (193, 168, 0.40)), 0.0017, 0.0011, 0.0004),
        Fold(((55, 107, 0.75), (55, 8, 0.10), (221, 193, 0.55)), 0.0016, 0.0006, 0.0003),
        Fold(((193, 168, 0.2), 168, (417, 168, 0.2)), 0.0016, 0.0006, 0.0003, one_sided=False),
    ),
    "forehead inner": (  # AU 1: short level lines over the inner brows
        Fold(((66, 69, 0.45), (107, 108, 0.45), (9, 151, 0.33), (336, 337, 0.45), (296, 299, 0.45)), 0.0017, 0.0007,
             0.0004, one_sided=False),
        Fold(((66, 69, 0.85), (107, 108, 0.80), (9, 151, 0.68), (336, 337, 0.80), (296, 299, 0.85)), 0.0018, 0.0007,
             0.0004, one_sided=False),
        Fold(((69, 67, 0.15), (108, 109, 0.15), (151, 10, 0.1), (337, 338, 0.15), (299, 297, 0.15)), 0.0018, 0.0005,
             0.0003, one_sided=False),
    ),
    "forehead outer": (  # AU 2: the same lines on, arched over the outer brows
        Fold(((70, 71, 0.25), (63, 68, 0.45), (105, 104, 0.42), (66, 69, 0.5)), 0.0017, 0.0007, 0.0004),
        Fold(((63, 68, 0.85), (105, 104, 0.80), (66, 69, 0.85)), 0.0018, 0.0006, 0.0004),
    ),
    "nose": (  # AU 9: lines down the sides of the nose, and across its root
        Fold(((168, 193, 0.7), (193, 245, 0.55), (188, 114, 0.3)), 0.0013, 0.0008, 0.0004),
        Fold(((6, 122, 0.8), (196, 188, 0.3), (174, 217, 0.3)), 0.0013, 0.0008, 0.0004),
        Fold(((197, 196, 0.9), (3, 174, 0.45), (236, 198, 0.5)), 0.0012, 0.0005, 0.0003),
    ),
    "cheek": (  # AU 6, 10, 12: the nasolabial fold, deepest beside the wing of the nose
        Fold(((129, 209, 0.30), (203, 92, 0.40), (206, 57, 0.70), (212, 202, 0.20), (202, 210, 0.25)), 0.0023, 0.0016,
             0.0012, 205),
    ),
    "eyes": (  # AU 6, 7: crow's feet, and the fold under a lower lid that is pushed up
        Fold(((130, 113, 0.5), (113, 124, 0.75), (124, 156, 0.8)), 0.0011, 0.0005, 0.0003),
        Fold(((130, 226, 0.9), (226, 35, 0.9), (35, 143, 0.85)), 0.0011, 0.0006, 0.0003),
        Fold(((25, 31, 0.7), (31, 111, 0.65), (111, 116, 0.35)), 0.0011, 0.0005, 0.0003),
        Fold(((112, 233, 0.6), (232, 26, 0.5), (22, 231, 0.45), (23, 230, 0.45), (24, 229, 0.45), (110, 228, 0.45)),
             0.0013, 0.0007, 0.0008, 23, 1.8),
    ),
    "corner": (  # AU 15: from the corner of the mouth down
        Fold(((61, 57, 0.25), (43, 57, 0.35), (202, 43, 0.5), (210, 204, 0.45)), 0.0017, 0.0010, 0.0006, 212),
    ),
    "chin": (  # AU 17: the crease under the lower lip, and a chin like the peel of an orange
        Fold(((204, 182, 0.35), (83, 182, 0.2), 18, (313, 406, 0.2), (424, 406, 0.35)), 0.0026, 0.0010, 0.0006, 200,
             one_sided=False),
        *(
            Fold(marks, 0.0014, 0.0007, 0.0002)
            for marks in (
                ((200, 201, 0.3), (200, 208, 0.35)), ((201, 194, 0.4), (201, 211, 0.2)),
                ((199, 208, 0.5), (199, 208, 0.9)), ((208, 32, 0.25), (208, 201, 0.4)),
                ((175, 171, 0.4), (199, 171, 0.3)), ((18, 201, 0.6), (200, 194, 0.4)),
            )
        ),
    ),
    "stretch": (  # AU 14, 20: a bracket beside the corner
        Fold(((57, 186, 0.4), (57, 212, 0.35), (43, 202, 0.4)), 0.0015, 0.0009, 0.0005, 212),
    ),
}  # fmt: skip
"""Group -> its folds. Depths are those of a face in its fifties (a card's strength 1), which younger skin has a part
of."""

SIDED = ("cheek", "eyes", "corner", "stretch", "nose")
"""Groups whose halves have their own muscles; the others act as a whole."""

DRIVERS: dict[str, dict[str, float]] = {
    "frown": {"browDown*": 0.9, "noseSneer*": 0.12},
    "forehead inner": {"browInnerUp": 0.8},
    "forehead outer": {"browOuterUp*": 0.9},
    "nose": {"noseSneer*": 0.75, "browDown*": 0.08},
    "cheek": {"mouthSmile*": 0.55, "cheekSquint*": 0.3, "mouthUpperUp*": 0.3, "noseSneer*": 0.4, "mouthDimple*": 0.2,
              "mouthStretch*": 0.15},
    "eyes": {"cheekSquint*": 0.75, "eyeSquint*": 0.35, "noseSneer*": 0.1},
    "corner": {"mouthFrown*": 0.9, "mouthShrugLower": 0.1},
    "chin": {"mouthShrugLower": 1.1, "mouthFrown*": 0.15, "mouthPress*": 0.2},
    "stretch": {"mouthStretch*": 0.8, "mouthDimple*": 0.8, "mouthSmile*": 0.2, "mouthPress*": 0.3},
    "flush": {"cheekSquint*": 0.6, "noseSneer*": 0.35, "browDown*": 0.25, "eyeWide*": -0.7, "mouthStretch*": -0.3},
}  # fmt: skip
"""Group -> how much of each shape adds to its latent; name* stands for its own side, or for the mean of both where the
group acts as a whole. 1 is a fold at its full depth. "flush" is no fold: joy and
rage bring blood into the cheeks, fear takes it away (`fold_shading.FLUSH`)."""


def driver_row(group: str, side: str, width: int) -> np.ndarray:
    """[width] weights over a frame's signal that give the latent of a group; `side` is Left, Right or empty (whole)."""
    row = np.zeros(width, np.float32)
    for name, weight in DRIVERS[group].items():
        if not name.endswith("*"):
            row[ARKIT_INDEX[name]] += weight
            continue
        for half in (side,) if side else ("Left", "Right"):
            row[ARKIT_INDEX[name[:-1] + half]] += weight if side else weight / 2
    return row


@dataclass(frozen=True)
class Line:
    """A fold on one person's skin: points close together."""

    group: str
    side: str  # Left, Right, or empty where the group acts as a whole
    points: np.ndarray  # [P, 3] metres
    share: np.ndarray  # [P] 0 at its ends, 1 between
    ridge: np.ndarray | None  # [3] a point on the side where the skin swells; None: both
    fold: Fold


def lines_on(head: HeadModel, vertices: np.ndarray, groups: Iterable[str] = FOLDS, step: float = 0.0007) -> list[Line]:
    """The folds of `groups` on a resting face with vertices [V, 3] (metres), as points about `step` metres apart."""
    marks = landmarks(head, vertices)
    mirrored = _mirrored_marks(head)
    lines = []
    for group in groups:
        for fold in FOLDS.get(group, ()):
            for left in (False, True) if fold.one_sided else (False,):
                names = mirrored if left else np.arange(len(marks))
                points = _through(np.stack([_at(marks, mark, names) for mark in fold.marks]), step)
                along = np.linspace(0, 1, len(points))
                share = np.minimum(1, np.minimum(along, 1 - along) / 0.22)
                ridge = None if fold.towards is None else _at(marks, fold.towards, names)
                side = ("Left" if left else "Right") if group in SIDED else ""
                lines.append(Line(group, side, points, share * share * (3 - 2 * share), ridge, fold))
    return lines


def near_line(line: Line, places: np.ndarray, around: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of `places` [N, 3] lie within `around` widths of a line: rows [n], the nearest points of the line [n], and
    how far they are [n] in widths."""
    reach = around * line.fold.width
    low, high = line.points.min(0) - reach, line.points.max(0) + reach
    rows = np.flatnonzero(((places > low) & (places < high)).all(1))
    distance, closest = cKDTree(line.points).query(places[rows], distance_upper_bound=reach)
    inside = np.isfinite(distance)
    return rows[inside], closest[inside], distance[inside] / line.fold.width


def landmarks(head: HeadModel, vertices: np.ndarray) -> np.ndarray:
    """MediaPipe's landmarks [478, 3] on a face with these vertices [V, 3], metres."""
    mesh = torch.from_numpy(np.ascontiguousarray(vertices, np.float32))[None]
    corners, weights = (getattr(head, f"mediapipe478_{part}").cpu() for part in ("corners", "barycentric"))
    return landmark_points(mesh, corners, weights)[0].numpy()


def _at(marks: np.ndarray, mark: Mark, names: np.ndarray) -> np.ndarray:
    if isinstance(mark, int):
        return marks[names[mark]]
    first, second, share = mark
    return (1 - share) * marks[names[first]] + share * marks[names[second]]


def _through(knots: np.ndarray, step: float) -> np.ndarray:
    """Points [P, 3] of a smooth line through knots [K, 3]."""
    if len(knots) == 2:
        length = np.linalg.norm(knots[1] - knots[0])
        return np.linspace(*knots, max(3, round(length / step) + 1))
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    return CubicSpline(length, knots)(np.linspace(0, length[-1], max(3, round(length[-1] / step) + 1)))


def _mirrored_marks(head: HeadModel) -> np.ndarray:
    """[478] which landmark is each one's mirror image on the head at rest."""
    places = landmarks(head, head.template.cpu().numpy())
    return cKDTree(places).query(places * [-1, 1, 1])[1]
