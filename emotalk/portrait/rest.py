"""A photo's pose as the pose at rest: an avatar that is made of it sits as the person sat, and looks where they did."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.head.mesh import JOINT_NAMES

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo


def at_rest(tracked: TrackedVideo) -> TrackedVideo:
    """The one frame of a tracked photo seen by a camera that goes around the head instead: same picture, same face,
    head pose and gaze zero.

    A talk moves the head about zero, so that otherwise it would first turn from where the photo has it, and show the
    side that the photo does not.
    """
    motion = tracked.motion[:1]
    head = HeadModel.load().with_identity(torch.from_numpy(np.asarray(tracked.identity, np.float32)))
    with torch.no_grad():
        mesh = head(head_pose=torch.from_numpy(motion.head_pose))
    placed = mesh.transforms[0, JOINT_NAMES.index("head")].double()
    camera = tracked.camera
    matrix = camera.world_to_camera.double() @ placed
    camera = dataclasses.replace(camera, world_to_camera=matrix.to(camera.world_to_camera.dtype))
    still = {name: np.zeros_like(getattr(motion, name)) for name in ("head_pose", "gaze")}
    return dataclasses.replace(tracked, camera=camera, motion=HeadMotion(**(vars(motion) | still)))
