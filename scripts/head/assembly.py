"""Puts the head together: skin, eyeballs, lashes, teeth, gums and tongue in one vertex list, and the linear
map that carries any data of the base mesh (a person, an expression) over to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from scripts.head.asset import AnnyAsset
from scripts.head.bust import Bust, cut_bust, relax_arms

JOINTS = ("root", "neck", "head", "jaw", "eye_l", "eye_r")
JOINT_SOURCES = ("joint-neck", "joint-neck", "joint-head", "joint-mouth", "l-eye", "r-eye")
"""Parts of the base mesh whose mean vertex is the joint; the jaw is later moved to the pivot of jawOpen."""


@dataclass
class Part:
    """A piece of the head: triangles index into the part; vertices are a linear image of base vertices."""

    name: str
    carry: sparse.csr_matrix  # [V, N base]
    triangles: np.ndarray  # [F, 3]
    uvs: np.ndarray  # [M, 2]
    uv_triangles: np.ndarray  # [F, 3]
    labels: dict[str, np.ndarray] = field(default_factory=dict)  # region -> [V] bool


@dataclass
class Assembly:
    """All parts with their places in the common vertex list, and the linear map base -> head."""

    asset: AnnyAsset
    bone_weights: dict[str, np.ndarray]
    parts: list[Part]

    def __post_init__(self) -> None:
        self.slices: dict[str, slice] = {}
        start = uv_start = 0
        triangles, uv_triangles = [], []
        for part in self.parts:
            count = part.carry.shape[0]
            self.slices[part.name] = slice(start, start + count)
            triangles.append(part.triangles + start)
            uv_triangles.append(part.uv_triangles + uv_start)
            start += count
            uv_start += len(part.uvs)
        self.carry = sparse.vstack([p.carry for p in self.parts]).tocsr()
        self.triangles = np.concatenate(triangles)
        self.uvs = np.concatenate([p.uvs for p in self.parts])
        self.uv_triangles = np.concatenate(uv_triangles)

    def __len__(self) -> int:
        return self.carry.shape[0]

    def pose(self, base: np.ndarray) -> np.ndarray:
        """Base vertices (or displacements; the map is linear) with lowered arms and the head joint at 0."""
        relaxed = relax_arms(self.asset, base, self.bone_weights)
        return relaxed - relaxed[self.asset.joint_vertices("head")].mean(0)

    def __call__(self, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [V, 3] and joints [6, 3] of the head for base vertices [N, 3]."""
        posed = self.pose(base)
        joints = [posed[np.unique(self.asset.faces[source][..., 0])].mean(0) for source in JOINT_SOURCES]
        return self.carry @ posed, np.array(joints)

    def expression(self, name: str) -> np.ndarray:
        """Displacements [V, 3] of an ARKit shape as the data has it."""
        return self.carry @ self.asset.face_unit(name)


def direct_part(asset: AnnyAsset, name: str, groups: tuple[str, ...]) -> Part:
    """A part that takes mesh groups of the base mesh as they are."""
    quads = np.concatenate([asset.faces[g] for g in groups])
    used, corner = np.unique(quads[..., 0], return_inverse=True)
    uv_used, uv_corner = np.unique(quads[..., 1], return_inverse=True)
    corner, uv_corner = corner.reshape(-1, 4), uv_corner.reshape(-1, 4)
    halves = ([0, 1, 2], [0, 2, 3])
    carry = sparse.csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), (len(used), len(asset.vertices)))
    return Part(
        name, carry, np.stack([corner[:, h] for h in halves], 1).reshape(-1, 3), asset.uvs[uv_used],
        np.stack([uv_corner[:, h] for h in halves], 1).reshape(-1, 3),
    )  # fmt: skip


def skin_part(asset: AnnyAsset, posed: np.ndarray) -> Part:
    bust: Bust = cut_bust(asset, posed)
    return Part("skin", bust.carry, bust.triangles, bust.uvs, bust.uv_triangles)


def affine_carry(anchors: np.ndarray, places: np.ndarray, index: np.ndarray, count: int) -> sparse.csr_matrix:
    """Rows that move `places` [V, 3] with the least-squares affine motion of `anchors` [n, 3].

    `index` [n] are the anchors' base vertices, `count` is the number of base vertices. The same weights
    serve all three coordinates, so that the motion of the anchors carries over linearly.
    """
    # Around the centroid and in units of the anchors' size the fit is well conditioned.
    centre = anchors.mean(0)
    size = np.linalg.norm(anchors - centre, axis=1).mean()
    design = np.column_stack([(anchors - centre) / size, np.ones(len(anchors))])
    rows = np.column_stack([(places - centre) / size, np.ones(len(places))]) @ np.linalg.pinv(design)
    row, column = np.meshgrid(np.arange(len(places)), index, indexing="ij")
    return sparse.csr_matrix((rows.ravel(), (row.ravel(), column.ravel())), (len(places), count))
