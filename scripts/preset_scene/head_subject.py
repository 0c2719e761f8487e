"""`emotalk.head.HeadModel` as the subject of a photo session: what is rendered is exactly its geometry."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.head import HeadModel
from scripts.preset_scene.subject import Anchors, Pose, PosedHead, Subject

REGIONS = {
    "lips": "lips", "inner": "inner_mouth", "ears": "ears", "eyes": "eyes", "lashes": "lashes", "teeth": "teeth",
    "gums": "gums", "tongue": "tongue", "neck": "neck", "shoulders": "shoulders",
}  # fmt: skip


ON_BASE_MESH = {
    "nose_tip": (0.0, 0.703, 0.172), "nose_base": (0.0, 0.686, 0.155), "chin": (0.0, 0.629, 0.142),
    "mouth_left": (0.025, 0.668, 0.142), "mouth_right": (-0.025, 0.668, 0.142),
}  # fmt: skip
"""Anchors on MakeHuman's base mesh, metres."""
BROW_ON_BASE_MESH = (
    (0.0135, 0.7472, 0.1455), (0.025, 0.7500, 0.1430), (0.038, 0.7520, 0.1375), (0.050, 0.7502, 0.1300),
    (0.060, 0.7445, 0.1200),
)  # fmt: skip
"""The left brow's middle line from the nose outwards: the ridge over the orbit, friendly rather than arched."""


def expression_vector(weights: dict[str, float]) -> np.ndarray:
    """Named ARKit weights as a vector [52]."""
    vector = np.zeros(len(ARKIT_NAMES), np.float32)
    for name, weight in weights.items():
        vector[ARKIT_INDEX[name]] = weight
    return vector


class HeadSubject(Subject):
    """The head of one identity [K]; `base` [V, 3] says where its vertices lie on MakeHuman's base mesh."""

    def __init__(self, head: HeadModel, identity: np.ndarray, base: np.ndarray):
        self._base = base
        self.head = head
        self.identity = identity
        self._person = head.with_identity(torch.as_tensor(identity))
        self.triangles = head.triangles.numpy()
        self.corner_uv = head.uv.numpy()[head.uv_triangles.numpy()]
        self.canonical = head.template.numpy().astype(float)
        posed = self.pose(Pose())
        self.rest = posed.vertices
        count = len(self.rest)
        named = head.regions
        self.regions = {
            name: named[source].numpy().astype(float) if source in named else np.zeros(count)
            for name, source in REGIONS.items()
        }
        self.anchors = self._anchors()
        joints = self._person.joints.numpy()
        neck = self.rest[self.regions["neck"] > 0.5]
        front = neck[np.abs(neck[:, 0]) < 0.015]
        front = front[front[:, 2] > joints[1, 2]]
        self.pit_of_neck = float(front[:, 1].min())
        self.iris = self._polar_angles()

    def pose(self, pose: Pose) -> PosedHead:
        def row(values) -> torch.Tensor:
            return torch.as_tensor(np.asarray(values, np.float32))[None]

        with torch.no_grad():
            mesh = self._person(
                expression=row(expression_vector(pose.expression)), jaw=row(pose.jaw), gaze=row(pose.gaze),
                eyelids=row(pose.eyelids), head_pose=row(pose.head_pose),
            )  # fmt: skip
        transforms = mesh.transforms[0].numpy().astype(float)
        return PosedHead(
            mesh.vertices[0].numpy().astype(float), dict(zip(HeadModel.joint_names, transforms, strict=True))
        )

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 3] named on MakeHuman's base mesh (metres) on this person's resting skin [N, 3]."""
        count = self.head.metadata["parts"]["skin"][1]
        distance, index = cKDTree(self._base[:count]).query(points, k=4)
        weight = 1 / (distance + 1e-4)
        weight /= weight.sum(1, keepdims=True)
        shift = self.rest[index] - self._base[index]
        return points + np.einsum("nk,nkx->nx", weight, shift)

    def _anchors(self) -> Anchors:
        named = dict(zip(ON_BASE_MESH, self.place(np.array(list(ON_BASE_MESH.values()))), strict=True))
        joints = self._person.joints.numpy().astype(float)
        left, right = joints[4], joints[5]
        height = (left[1] + right[1]) / 2
        skin = self.rest[: self.head.metadata["parts"]["skin"][1]]
        upper = skin[skin[:, 1] > height]
        crown = upper[np.argmax(upper[:, 1])]
        skull = np.array([0.0, height, (upper[:, 2].max() + upper[:, 2].min()) / 2 - 0.01])
        brow = self.place(np.array(BROW_ON_BASE_MESH))
        other = self.place(np.array(BROW_ON_BASE_MESH) * [-1, 1, 1])
        return Anchors(brow_left=brow, brow_right=other, eye_left=left, eye_right=right, crown=crown, skull=skull,
                       **named)  # fmt: skip

    def _polar_angles(self) -> tuple[np.ndarray, np.ndarray]:
        """For eyeball vertices: angle from the gaze axis in iris radii [V], direction around it [V, 3]."""
        polar, around = np.zeros(len(self.rest)), np.zeros_like(self.rest)
        iris = self.head.regions["iris"].numpy()
        for name, (start, stop) in self.head.metadata["parts"].items():
            if not name.startswith("eye_"):
                continue
            joint = HeadModel.joint_names.index(name)
            offset = self.canonical[start:stop] - self.head.joints[joint].numpy()
            angle = np.arctan2(np.hypot(offset[:, 0], offset[:, 1]), offset[:, 2])
            unit = offset[:, :2] / np.maximum(np.hypot(offset[:, 0], offset[:, 1])[:, None], 1e-9)
            polar[start:stop] = angle / angle[iris[start:stop]].max()
            around[start:stop] = np.column_stack([unit, angle])
        return polar, around
