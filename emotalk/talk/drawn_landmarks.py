"""The landmarks of a driven head as its pictures show them, for programs that draw or judge by landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.core.camera import project
from emotalk.core.errors import VideoError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.tracking.landmark_file import check_landmarks_path, write_landmarks
from emotalk.tracking.landmark_layouts import LandmarkTrack

if TYPE_CHECKING:
    from emotalk.talk.scene import Scene

__all__ = ["check_landmarks_path", "drawn_landmarks", "write_drawn_landmarks"]

_CHUNK = 16
"""Frames whose meshes are computed at once."""


@torch.no_grad()
def drawn_landmarks(scene: Scene, motion: HeadMotion) -> LandmarkTrack:
    """MediaPipe's 478 landmarks of the scene's avatar in every picture of a motion, and of its face at rest: where the
    head model has them, so without a detector's errors."""
    person = scene.avatar.person

    def marks(part: HeadMotion) -> np.ndarray:
        return person.landmarks(scene.avatar.mesh(part)[0]).double().cpu().numpy()

    points = np.empty((len(motion), 478, 2))
    for start in range(0, len(motion), _CHUNK):
        for k, world in enumerate(marks(motion[start : start + _CHUNK])):
            points[start + k] = project(world, scene.camera_at(start + k))[0]
    neutral = project(marks(HeadMotion.neutral())[0], scene.camera_at(0))[0]
    look = scene.look
    return LandmarkTrack(points, "mediapipe478", float(FPS), (look.width, look.height), neutral)


def write_drawn_landmarks(scene: Scene, motion: HeadMotion, target: str | Path) -> None:
    """Writes them as .json or .npz; VideoError where that fails."""
    try:
        write_landmarks(drawn_landmarks(scene, motion), target)
    except OSError as error:
        raise VideoError(f"The landmarks could not be written to {target}: {error}.") from error
