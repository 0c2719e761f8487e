"""Shapes that fit a face: how ARKit shapes made for the mean face move another one.

Deformation transfer (Sumner and Popovic 2004, "Deformation transfer for triangle meshes", for meshes of one topology,
in the Poisson form of Botsch et al. 2006): each triangle of the new face deforms as the mean face's does. A wide mouth
then opens wider, where the head model would move every mouth by the same millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import splu

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.landmarks import MOUTH_PAIRS
from emotalk.head import HeadModel
from emotalk.motion.landmark_graph import KEYS, ROW, neutral_landmarks, shape_landmarks

_STILL = 1e-7  # metres by which a vertex must move to count
_TIE = 1e-5
"""How strongly vertices are tied to the copied displacement, in the mean of the diagonal: for what is joined to nothing
that stays (teeth, tongue)."""
_FLAT = 1e-9  # square metres below which a triangle says nothing
_EYES = tuple(i for i, name in enumerate(ARKIT_NAMES) if name.startswith("eye"))
"""Lids have their own way in the head model, which knows every person's."""


@dataclass(frozen=True)
class PersonShapes:
    """One face's nodes (`landmark_graph.KEYS`)."""

    neutral: np.ndarray  # [N, 3] metres from the head joint
    copied: np.ndarray  # [52, N, 3] metres that each shape moves them in the head model
    own: np.ndarray  # [52, N, 3] metres that it moves them on this face

    @classmethod
    def of_head(cls, person: HeadModel) -> PersonShapes:
        """Of a head as it is: its shapes are copied."""
        copied = shape_landmarks(person)
        return cls(neutral_landmarks(person), copied, copied)


def _corners(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return vertices[triangles[:, 0]], vertices[triangles[:, 1]], vertices[triangles[:, 2]]


def _frames(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """[F, 3, 3] two edges and the scaled normal of each triangle, as columns."""
    a, b, c = _corners(vertices, triangles)
    normal = np.cross(b - a, c - a)
    normal /= np.sqrt(np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12))
    return np.stack([b - a, c - a, normal], 2)


def _gradients(vertices: np.ndarray, triangles: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    """(the operator [3F, V] from a field on vertices to its gradient in each triangle, areas [F], normals [F, 3])."""
    a, b, c = _corners(vertices, triangles)
    normal = np.cross(b - a, c - a)
    double = np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
    normal = normal / double[:, None]
    rows = (3 * np.arange(len(triangles))[:, None] + np.arange(3)).ravel()
    values = [(np.cross(normal, edge) / double[:, None]).ravel() for edge in (c - b, a - c, b - a)]
    columns = [np.repeat(triangles[:, k], 3) for k in range(3)]
    place = (np.tile(rows, 3), np.concatenate(columns))
    matrix = sp.csr_matrix((np.concatenate(values), place), shape=(3 * len(triangles), len(vertices)))
    return matrix, double / 2, normal


class ShapeTransfer:
    """The shapes of one head, ready to be transferred to its identities."""

    def __init__(self, head: HeadModel) -> None:
        self.head = head
        template, shapes = head.template.double().numpy(), head.shapes.double().numpy()
        moving = np.abs(shapes).max((0, 2)) > _STILL
        triangles = head.triangles.numpy()
        self._triangles = triangles[moving[triangles].any(1)]
        self._free = np.flatnonzero(moving)
        a, b, c = _corners(template, self._triangles)
        flat = np.linalg.norm(np.cross(b - a, c - a), axis=1) < _FLAT
        rest = np.linalg.inv(_frames(template, self._triangles) + flat[:, None, None] * np.eye(3))
        self._which = [k for k in range(len(shapes)) if np.abs(shapes[k]).max() > _STILL and k not in _EYES]
        self._bent: dict[int, np.ndarray] = {}
        for k in self._which:
            bent = _frames(template + shapes[k], self._triangles) @ rest - np.eye(3)
            bent[flat] = 0
            self._bent[k] = bent.astype(np.float32)

    def shapes(self, person: HeadModel) -> np.ndarray:
        """[52, V, 3] float32 metres of every shape on the face of `person` (`HeadModel.with_identity`)."""
        face, copied = person.template.double().numpy(), person.shapes.double().numpy()
        gradient, area, normal = _gradients(face, self._triangles)
        weight = sp.diags(np.repeat(area, 3))
        system = (gradient.T @ weight @ gradient).tocsc()[self._free][:, self._free]
        tie = _TIE * float(system.diagonal().mean())
        solved = splu((system + tie * sp.identity(len(self._free))).tocsc())
        across = normal[:, :, None] * normal[:, None, :]
        out = copied.copy()
        for k in self._which:
            wanted = self._bent[k].transpose(0, 2, 1).astype(np.float64)
            wanted = wanted - across @ wanted  # what lies within the triangle's plane
            right = (gradient.T @ (weight @ wanted.reshape(-1, 3)))[self._free] + tie * copied[k][self._free]
            out[k][self._free] = solved.solve(right)
        return out.astype(np.float32)

    def person(self, identity: np.ndarray) -> PersonShapes:
        """The nodes of the face with `identity` [I] (standard deviations). Closing must close: an open jaw with
        mouthClose on top leaves the lips as far apart as the copied shapes do."""
        person = self.head.with_identity(torch.as_tensor(identity, dtype=torch.float32))
        with torch.no_grad():
            own = person.landmarks(torch.from_numpy(self.shapes(person)))[:, list(KEYS)].numpy()
        copied = shape_landmarks(person)
        close, jaw = ARKIT_INDEX["mouthClose"], ARKIT_INDEX["jawOpen"]
        upper, lower = np.array([(ROW[a], ROW[b]) for a, b in MOUTH_PAIRS]).T

        def gap(shapes: np.ndarray) -> np.ndarray:
            both = shapes[close] + shapes[jaw]
            return both[upper] - both[lower]

        off = gap(own) - gap(copied)
        own[close, upper] -= off / 2
        own[close, lower] += off / 2
        return PersonShapes(neutral_landmarks(person), copied, own)


def random_people(transfer: ShapeTransfer, count: int, seed: int, spread: float = 0.9) -> list[PersonShapes]:
    """`count` faces with identities drawn with `spread` standard deviations; the first ones are the same however many
    are asked for."""
    people = []
    for index in range(count):
        random = np.random.default_rng([seed, index])
        people.append(transfer.person(spread * random.standard_normal(transfer.head.components)))
    return people
