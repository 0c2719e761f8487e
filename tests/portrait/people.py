"""Photos of shipped, synthetic people, made when a test needs one: nobody's likeness is involved."""

from __future__ import annotations

import functools

import numpy as np
import torch

from emotalk.avatar import load_avatar
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.rendering import portrait_camera, rasterize

SMILE = {
    f"{shape}{side}": weight
    for shape, weight in (("mouthSmile", 0.9), ("cheekSquint", 0.5), ("mouthUpperUp", 0.4), ("mouthLowerDown", 0.3))
    for side in ("Left", "Right")
}


@functools.cache
def photo_of(
    name: str = "mira",
    expression: tuple[tuple[str, float], ...] = (),
    yaw: float = 0.0,
    lids: float = 0.0,
    size: int = 512,
    zoom: float = 1.1,
) -> np.ndarray:
    """[size, size, 3] uint8 of a shipped person before a plain wall, with ARKit weights, a turn (radians) and lids."""
    motion = HeadMotion.neutral()
    for shape, weight in expression:
        motion.expression[0, ARKIT_INDEX[shape]] = weight
    motion.head_pose[0, 1], motion.eyelids[:] = yaw, lids
    camera = portrait_camera(size, zoom=zoom)
    with torch.no_grad():
        image = rasterize(load_avatar(name).pose(motion, 0, camera), camera, (0.62, 0.66, 0.7)).image.clamp(0, 1)
    picture = np.ascontiguousarray((image * 255).round().byte().numpy())
    picture.flags.writeable = False
    return picture


def smiling() -> np.ndarray:
    """A broad smile, [512, 512, 3] uint8."""
    return photo_of(expression=tuple(SMILE.items()))
