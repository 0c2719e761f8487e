"""Pictures of a rigid head with a painted skin whose pose is known to the last digit."""

from __future__ import annotations

import numpy as np
import torch

from emotalk.core.camera import Camera, unproject
from emotalk.fitting.visibility import depth_map
from emotalk.head import HeadModel
from emotalk.tracking.rig import rotation_matrix
from emotalk.tracking.solve import Lens

SIZE = 256
LENS = Lens(2.2 * SIZE, SIZE / 2, SIZE / 2, 1.1)


class PaintedHead:
    """The mean head in a smooth random grey, before a plain wall."""

    def __init__(self, head: HeadModel, seed: int = 0) -> None:
        self._vertices = (head.template - head.joints[2]).double().numpy()
        self._triangles = head.triangles.numpy()
        random = np.random.default_rng(seed)
        self._waves = random.normal(size=(24, 3)) * 150  # radians a metre: details of a centimetre or two
        self._phases = random.uniform(0, 2 * np.pi, 24)
        pose = torch.eye(4)
        pose[1, 1] = pose[2, 2] = -1.0
        pose[2, 3] = LENS.distance
        self.camera = Camera(pose, LENS.focal, LENS.focal, LENS.cx, LENS.cy, SIZE, SIZE)

    def picture(self, rotation: np.ndarray, place: np.ndarray, gain: float = 1.0, bias: float = 0.0) -> np.ndarray:
        """[SIZE, SIZE] uint8 with the head turned by `rotation` [3, 3], its joint at `place` [3]."""
        return np.clip(gain * self._draw(rotation, place)[0] + bias, 0, 255).astype(np.uint8)

    def labels(self, rotation: np.ndarray, place: np.ndarray) -> np.ndarray:
        """[SIZE, SIZE] uint8: 3 where the head is."""
        return np.where(self._draw(rotation, place)[1], 3, 0).astype(np.uint8)

    def _draw(self, rotation: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nearest, owner = depth_map(self._vertices @ rotation.T + place, self._triangles, self.camera)
        row, column = np.nonzero(owner >= 0)
        world = unproject(np.stack([column, row], 1) + 0.5, nearest[row, column], self.camera)
        rest = (world - place) @ rotation
        grey = np.full((SIZE, SIZE), 90.0)
        grey[row, column] = 130 + 14 * np.sin(rest @ self._waves.T + self._phases).sum(1)
        return grey, owner >= 0


def swaying(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rotations [T, 3, 3] and places [T, 3] of a head that turns by up to 9 degrees and moves by up to 6 mm."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / frames
    curve = np.sin(2 * np.pi * (time * random.uniform(0.7, 2.0, 6) + random.uniform(0, 1, 6)))
    return rotation_matrix(0.15 * curve[:, :3] * [1, 1, 0.5]), 0.006 * curve[:, 3:]
