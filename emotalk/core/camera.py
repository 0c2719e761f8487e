"""Pinhole cameras: from metres to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.checks import check_finite, check_tensor
from emotalk.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

PORTRAIT_ZOOM = 1.25
"""How near the camera is unless somebody says otherwise: the face is what people came to see."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in OpenCV's convention (x right, y down, z forward; pixel centres at +0.5).

    Raises InputError where `world_to_camera` is no rigid motion or a number is out of its range.
    """

    world_to_camera: Tensor  # [4, 4]
    fx: float  # pixels, > 0
    fy: float
    cx: float  # pixels from the left edge
    cy: float  # pixels from the top edge
    width: int  # pixels, 1 to 16384
    height: int
    near: float = 0.01  # metres; Gaussians nearer than this are not drawn

    def __post_init__(self) -> None:
        check_tensor("Camera.world_to_camera", self.world_to_camera, 4, 4)
        pose = self.world_to_camera.detach().cpu().double().numpy()
        check_finite("Camera.world_to_camera", pose)
        if (
            np.abs(pose[3] - (0, 0, 0, 1)).max() > 1e-6
            or np.abs(pose[:3, :3] @ pose[:3, :3].T - np.eye(3)).max() > 1e-3
        ):
            raise InputError(
                "Camera.world_to_camera must be a rotation and a translation with the last row 0 0 0 1, "
                f"found {pose.round(3).tolist()}; take scale out and do not transpose it."
            )
        for name in ("fx", "fy", "cx", "cy", "near"):
            value = getattr(self, name)
            if not np.isfinite(value) or (value <= 0 and name in ("fx", "fy", "near")):
                wanted = "a finite number" if name in ("cx", "cy") else "a finite number greater than 0"
                raise InputError(f"Camera.{name} must be {wanted}, found {value!r}.")
        for name in ("width", "height"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or not 1 <= value <= 16_384:
                raise InputError(f"Camera.{name} must be a whole number of pixels from 1 to 16384, found {value!r}.")


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a picture whose size is that, or the side of a square."""
    return (size, size) if isinstance(size, int) else size


def centre_row(width: int, height: int, zoom: float) -> float:
    """The row of a picture on which the middle of a square view belongs whose side is `zoom` times the picture's
    shorter one: the picture's own middle, or as much lower that the picture ends where the view does. Below is no more
    of a bust."""
    return max(height / 2, height - zoom * min(width, height) / 2)


def project(points: np.ndarray | Tensor, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [..., 2] and depths [...] in metres (at least 1e-6) of `points` [..., 3] in metres, as a pinhole camera
    sees them: float64 of an array; of a tensor in its own precision."""
    if isinstance(points, np.ndarray):
        pose = _pose(camera)
    else:
        points = points.detach()
        pose = camera.world_to_camera.to(points)
    local = points @ pose[:3, :3].T + pose[:3, 3]
    x, y, depth = local[..., 0], local[..., 1], local[..., 2].clip(1e-6)
    columns = camera.fx * x / depth + camera.cx, camera.fy * y / depth + camera.cy, depth
    if not isinstance(points, np.ndarray):
        columns = tuple(column.cpu().numpy() for column in columns)
    return np.stack(columns[:2], -1), columns[2]


def unproject(
    pixels: np.ndarray,  # [N, 2]
    depth: np.ndarray,  # [N] metres
    camera: Camera,
) -> np.ndarray:
    """World points [N, 3] in metres at depths behind pixels, float64."""
    pose = _pose(camera)
    ray = np.stack([(pixels[:, 0] - camera.cx) / camera.fx, (pixels[:, 1] - camera.cy) / camera.fy], 1)
    local = np.concatenate([ray * depth[:, None], depth[:, None]], 1)
    return (local - pose[:3, 3]) @ pose[:3, :3]


def eye_of(camera: Camera) -> np.ndarray:
    """Where the camera stands [3], metres, float64."""
    pose = _pose(camera)
    return -pose[:3, :3].T @ pose[:3, 3]


def _pose(camera: Camera) -> np.ndarray:
    return camera.world_to_camera.detach().double().cpu().numpy()
