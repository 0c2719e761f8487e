"""The head of one character as the scene needs it: rest mesh, posed mesh, joints and anatomical anchors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Pose:
    """What a single picture shows; the channels of `emotalk.core.motion.HeadMotion` for one frame."""

    expression: dict[str, float] = field(default_factory=dict)
    jaw: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gaze: tuple[float, float] = (0.0, 0.0)
    eyelids: tuple[float, float] = (0.0, 0.0)
    head_pose: tuple[float, float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PosedHead:
    """Vertices [V, 3] in metres and what each joint does to things that ride on it (4x4, rest -> posed)."""

    vertices: np.ndarray
    joints: dict[str, np.ndarray]


@dataclass(frozen=True)
class Anchors:
    """Points of the resting face that grooms and skin zones are laid out from, metres.

    Left means the person's left (+x). The skull centre lies between the ears at the height of the eyes.
    """

    brow_left: np.ndarray  # [5, 3] from the nose outwards
    brow_right: np.ndarray  # [5, 3] from the nose outwards
    eye_left: np.ndarray  # [3] centre of the eyeball
    eye_right: np.ndarray
    nose_tip: np.ndarray
    nose_base: np.ndarray
    mouth_left: np.ndarray
    mouth_right: np.ndarray
    chin: np.ndarray
    crown: np.ndarray
    skull: np.ndarray

    @property
    def eye_height(self) -> float:
        return float((self.eye_left[1] + self.eye_right[1]) / 2)

    @property
    def skull_height(self) -> float:
        """Metres from the eyes to the crown: the unit hairlines are measured in."""
        return float(self.crown[1] - self.eye_height)


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [V, 3]."""
    corners = vertices[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], faces)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def triangle_frames(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres [F, 3] and rotations [F, 3, 3] (columns: first edge, in-plane perpendicular, normal).

    Strands that ride on the skin (brows, lashes, beard) are stored in these frames, unscaled: a hair keeps
    its length when the skin under it stretches.
    """
    corners = vertices[triangles]
    edge = corners[:, 1] - corners[:, 0]
    normal = np.cross(edge, corners[:, 2] - corners[:, 0])
    edge /= np.maximum(np.linalg.norm(edge, axis=1, keepdims=True), 1e-12)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return corners.mean(1), np.stack([edge, np.cross(normal, edge), normal], -1)


class Subject:
    """What the scene asks of a head; `head_subject.py` answers with `emotalk.head.HeadModel`.

    Attributes: `rest`, `canonical` [V, 3] (this person's resting head; the same vertices on the average head),
    `triangles` [F, 3], `corner_uv` [F, 3, 2], `regions` name -> [V] in [0, 1], `anchors`, `iris` (angle from the gaze
    axis in iris radii [V], direction around it [V, 3]; zero off the eyeballs), `pit_of_neck` height in metres.
    """

    rest: np.ndarray
    canonical: np.ndarray
    triangles: np.ndarray
    corner_uv: np.ndarray
    regions: dict[str, np.ndarray]
    anchors: Anchors
    iris: tuple[np.ndarray, np.ndarray]
    pit_of_neck: float

    def pose(self, pose: Pose) -> PosedHead:
        """The head in `pose`."""
        raise NotImplementedError

    def triangle_index(self, subset: np.ndarray) -> np.ndarray:
        """Indices into `triangles` of the rows of `subset` [F', 3]."""
        where = {tuple(row): i for i, row in enumerate(self.triangles.tolist())}
        return np.array([where[tuple(row)] for row in subset.tolist()])
