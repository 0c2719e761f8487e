"""Cameras that look at a head."""

from __future__ import annotations

import math

import numpy as np
import torch

from emotalk.core.camera import Camera
from emotalk.core.errors import InputError

VISIBLE_HEIGHT = 0.46
"""Metres that the picture's shorter side spans at zoom 1: a head of 0.24 m with room above, neck and shoulders."""
FOCAL = 2.2
"""Focal length in picture widths: a portrait lens (25 degrees), which does not swell the nose."""
CENTRE = (0.0, 0.02, 0.03)
"""What the camera looks at and turns around, metres from the head joint: inside the head, a little below the nose."""


def portrait_camera(
    size: int | tuple[int, int] = 512, yaw: float = 0.0, pitch: float = 0.0, zoom: float = 1.0
) -> Camera:
    """A camera in front of a bust whose head joint is at the origin and which looks along +z.

    size: pixels of a square picture, or (width, height). yaw, pitch: radians that the camera moves around the head,
    yaw > 0 towards the person's own left (+x), pitch > 0 upwards; |pitch| < pi / 2. zoom: 2 shows half the height,
    > 0. The picture's right is +x when yaw is 0. Raises InputError on values out of range.
    """
    width, height = (size, size) if isinstance(size, int) else size
    if not all(isinstance(s, int | np.integer) and 1 <= s <= 16_384 for s in (width, height)):
        raise InputError(f"A picture's size must be whole numbers from 1 to 16384, found {size!r}.")
    if not (math.isfinite(yaw) and math.isfinite(pitch) and abs(pitch) < math.pi / 2):
        raise InputError(f"yaw and pitch are radians with |pitch| < pi / 2, found yaw={yaw!r}, pitch={pitch!r}.")
    if not (math.isfinite(zoom) and zoom > 0):
        raise InputError(f"zoom must be greater than 0, found {zoom!r}.")
    focal = FOCAL * min(width, height)
    distance = FOCAL * VISIBLE_HEIGHT
    outward = np.array([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
    eye = np.array(CENTRE) + distance * outward
    right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
    down = np.cross(-outward, right)
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = np.stack([right, down, -outward])
    world_to_camera[:3, 3] = -world_to_camera[:3, :3] @ eye
    # Zoom is optical: moving nearer instead would change the perspective.
    return Camera(
        world_to_camera=torch.tensor(world_to_camera, dtype=torch.float32),
        fx=focal * zoom,
        fy=focal * zoom,
        cx=width / 2,
        cy=height / 2,
        width=int(width),
        height=int(height),
    )
