"""How an avatar made from a video is looked at: through its own camera, in front of its own background."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import torch

from emotalk.core.errors import AvatarError, InputError
from emotalk.rendering.camera import CENTRE

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.avatar.model import GaussianAvatar
    from emotalk.core.camera import Camera


def own_view(
    avatar: GaussianAvatar, size: int, yaw: float = 0.0, pitch: float = 0.0, zoom: float = 1.0
) -> tuple[Camera, Tensor]:
    """The avatar's camera for a square picture of `size` pixels, and what it sees behind the person: [3] or
    [size, size, 3] in [0, 1].

    yaw, pitch (radians) take the camera around the head and zoom > 0 nearer, all relative to the video: (0, 0, 1)
    shows it as it was filmed. The background zooms along and does not turn. Raises an AvatarError where the avatar has
    no camera and an InputError on numbers out of range.
    """
    if avatar.camera is None:
        raise AvatarError("This avatar has no camera of its own; look at it through rendering.portrait_camera.")
    if not (math.isfinite(yaw) and math.isfinite(pitch) and math.isfinite(zoom) and zoom > 0):
        raise InputError(f"yaw, pitch and zoom must be numbers with zoom > 0, found {yaw!r}, {pitch!r}, {zoom!r}.")
    camera = _turned(_square(avatar.camera, size), yaw, pitch)
    half = size / 2
    camera = dataclasses.replace(
        camera,
        fx=camera.fx * zoom,
        fy=camera.fy * zoom,
        cx=half + zoom * (camera.cx - half),
        cy=half + zoom * (camera.cy - half),
    )
    background = avatar.background.detach().float().cpu()
    return camera, background if background.ndim == 1 else zoomed_plate(background, size, zoom)


def zoomed_plate(plate: Tensor, size: int, zoom: float = 1.0) -> Tensor:
    """A background picture `plate` [H, W, 3] as [size, size, 3]: cropped to a square in the middle, its centre
    magnified `zoom` times; a zoom below 1 repeats the border outwards."""
    height, width = plate.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    planes = plate[top : top + side, left : left + side].permute(2, 0, 1)[None]
    if zoom == 1:
        fitted = torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    else:
        where = ((torch.arange(size) + 0.5) * 2 / size - 1) / zoom
        grid = torch.stack(torch.meshgrid(where, where, indexing="xy"), -1)[None]
        fitted = torch.nn.functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return fitted[0].permute(1, 2, 0).clamp(0, 1).contiguous()


def _square(camera: Camera, size: int) -> Camera:
    """The same camera's central square, `size` pixels wide."""
    side = min(camera.width, camera.height)
    share = size / side
    return dataclasses.replace(
        camera,
        fx=camera.fx * share,
        fy=camera.fy * share,
        cx=(camera.cx - (camera.width - side) / 2) * share,
        cy=(camera.cy - (camera.height - side) / 2) * share,
        width=size,
        height=size,
    )


def _turned(camera: Camera, yaw: float, pitch: float) -> Camera:
    """The camera after the walk around the head: what it looks at stays where it is in the picture."""
    if yaw == 0 and pitch == 0:
        return camera
    # Walking to the person's left (+x) and up is seen as the world turning the other way.
    c, s = math.cos(-yaw), math.sin(-yaw)
    about_y = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float64)
    c, s = math.cos(pitch), math.sin(pitch)
    about_x = torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=torch.float64)
    turn = torch.eye(4, dtype=torch.float64)
    centre = torch.tensor(CENTRE, dtype=torch.float64)
    turn[:3, :3] = about_x @ about_y
    turn[:3, 3] = centre - turn[:3, :3] @ centre
    world_to_camera = camera.world_to_camera.double().cpu() @ turn
    return dataclasses.replace(camera, world_to_camera=world_to_camera.to(camera.world_to_camera))
