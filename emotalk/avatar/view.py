"""How an avatar made from a video is looked at: through its own camera, in front of its own background."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import torch

from emotalk.core.camera import centre_row, sides
from emotalk.core.errors import AvatarError, InputError
from emotalk.rendering.camera import CENTRE

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.avatar.model import GaussianAvatar
    from emotalk.core.camera import Camera

_BLURRED = 12
"""Pixels of a plate's side that are left of it where it has ended: colours without shapes."""
_FADE = 0.1
"""Share of a plate over which it passes into that."""


def own_view(
    avatar: GaussianAvatar, size: int | tuple[int, int], yaw: float = 0.0, pitch: float = 0.0, zoom: float = 1.0
) -> tuple[Camera, Tensor]:
    """The avatar's camera for a square picture of `size` pixels, or of (width, height), and what it sees behind the
    person: [3] or [height, width, 3] in [0, 1].

    yaw, pitch (radians) take the camera around the head and zoom > 0 nearer, all relative to the video: a square at
    (0, 0, 1) shows a head at rest as it usually was filmed (`avatar.home`). The background zooms along and does not
    turn. Raises an AvatarError where the avatar has no camera and an InputError on numbers out of range.
    """
    if avatar.camera is None:
        raise AvatarError("This avatar has no camera of its own; look at it through rendering.portrait_camera.")
    if not (math.isfinite(yaw) and math.isfinite(pitch) and math.isfinite(zoom) and zoom > 0):
        raise InputError(f"yaw, pitch and zoom must be numbers with zoom > 0, found {yaw!r}, {pitch!r}, {zoom!r}.")
    width, height = sides(size)
    side = min(width, height)
    camera = _turned(_square(avatar.home_camera, side), yaw, pitch)
    camera = dataclasses.replace(
        camera,
        fx=camera.fx * zoom,
        fy=camera.fy * zoom,
        cx=width / 2 + zoom * (camera.cx - side / 2),
        cy=centre_row(width, height, zoom) + zoom * (camera.cy - side / 2),
        width=width,
        height=height,
    )
    background = avatar.background.detach().float().cpu()
    return camera, background if background.ndim == 1 else zoomed_plate(background, size, zoom)


def zoomed_plate(plate: Tensor, size: int | tuple[int, int], zoom: float = 1.0) -> Tensor:
    """A background picture `plate` [H, W, 3] as a square of `size` pixels, or as [height, width, 3] for a size (width,
    height): its middle square `zoom` times as large as the shorter side, on `centre_row`; where it ends, its mirror
    image goes on without any detail."""
    width, height = sides(size)
    side = min(plate.shape[:2])
    top, left = ((length - side) // 2 for length in plate.shape[:2])
    planes = plate[top : top + side, left : left + side].permute(2, 0, 1)[None]
    drawn = max(1, round(zoom * min(width, height)))
    sharp = torch.nn.functional.interpolate(planes, (drawn, drawn), mode="bilinear", antialias=True)
    rows, row_share = _inside(height, round(centre_row(width, height, zoom) - drawn / 2), drawn)
    columns, column_share = _inside(width, round((width - drawn) / 2), drawn)
    fitted = sharp[:, :, rows][..., columns]
    share = row_share[:, None] * column_share[None, :]
    if share.min() < 1:
        few = torch.nn.functional.interpolate(planes, (_BLURRED, _BLURRED), mode="bilinear", antialias=True)
        blurred = torch.nn.functional.interpolate(few, (drawn, drawn), mode="bicubic")[:, :, rows][..., columns]
        fitted = blurred + share * (fitted - blurred)
    return fitted[0].permute(1, 2, 0).clamp(0, 1).contiguous()


def side_shares(size: int | tuple[int, int], zoom: float) -> Tensor:
    """[width] how much of the person is to be seen in each column of such a picture: 1 inside the video's square, 0
    outside, where nothing is known of the shoulders."""
    width, height = sides(size)
    drawn = max(1, round(zoom * min(width, height)))
    return _inside(width, round((width - drawn) / 2), drawn)[1]


def _inside(length: int, first: int, size: int) -> tuple[Tensor, Tensor]:
    """For `length` pixels of which `size` from `first` on show a plate: the plate's pixel [length], mirrored beyond its
    ends, and how much of it is seen [length]: 1, falling to 0 towards an end that shows."""
    at = torch.arange(length) - first
    share = torch.ones(length)
    fade = max(1.0, _FADE * size)
    if first > 0:
        share = torch.minimum(share, at / fade)
    if first + size < length:
        share = torch.minimum(share, (size - 1 - at) / fade)
    share = share.clamp(0, 1)
    mirrored = at.remainder(2 * size)
    return torch.minimum(mirrored, 2 * size - 1 - mirrored), share * share * (3 - 2 * share)


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
