"""What an avatar is seen with: the camera of its own video, and the colour or picture behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotalk.avatar.view import zoomed_plate
from emotalk.live.container import Packed, whole

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar

PLATE = 512
"""Pixels: the largest side of the picture behind a person, of which the middle square is seen."""


def scene_arrays(avatar: GaussianAvatar) -> tuple[dict[str, Packed], dict[str, object]]:
    """Arrays and table entries of camera and background.

    `background` is a colour [3] in [0, 1], or None where the array `plate` [side², 3] is a square picture row by row.
    `camera` is None, or the avatar's own camera of that square as it shows a head at rest (`avatar.home`), in shares
    of its side: the 16 numbers of world to camera row by row, then fx, fy, cx, cy.
    """
    plain = avatar.background.detach().float().cpu()
    camera = avatar.home_camera
    look: dict[str, object] = {"background": None, "camera": None}
    if camera is not None:
        side = min(camera.width, camera.height)
        left, top = (camera.width - side) / 2, (camera.height - side) / 2
        lens = [camera.fx, camera.fy, camera.cx - left, camera.cy - top]
        pose = camera.world_to_camera.detach().cpu().double().numpy().ravel().tolist()
        look["camera"] = pose + [number / side for number in lens]
    if plain.ndim == 1:
        look["background"] = plain.tolist()
        return {}, look
    side = min(PLATE, *plain.shape[:2])
    pixels = np.rint(zoomed_plate(plain, side).numpy() * 255)
    return {"plate": whole(pixels.reshape(-1, 3))}, look
