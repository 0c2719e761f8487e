"""The small picture by which an avatar is recognised in the gallery."""

from __future__ import annotations

import io

import torch

from emotalk.avatar.model import GaussianAvatar
from emotalk.avatar.view import own_view
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.rendering import portrait_camera, rasterize

SIDE = 256
BACKGROUND = (0.80, 0.83, 0.87)


def render_thumbnail(avatar: GaussianAvatar, side: int = SIDE) -> bytes:
    """A JPEG of the avatar's head with a hint of a smile, `side` pixels square; where it has a camera and a background
    picture of its own, as in its video."""
    from PIL import Image

    motion = HeadMotion.neutral()
    motion.head_pose[0, :3] = avatar.held
    for name in ("mouthSmileLeft", "mouthSmileRight"):
        motion.expression[0, ARKIT_INDEX[name]] = 0.35
    if avatar.camera is None:
        camera, background = portrait_camera(side, yaw=0.15, zoom=1.3), BACKGROUND
    else:
        camera, background = own_view(avatar, side)
    with torch.no_grad():
        image = rasterize(avatar.pose(motion, 0, camera), camera, background).image
    buffer = io.BytesIO()
    pixels = (image.clamp(0, 1) * 255).round().byte().contiguous().cpu().numpy()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
