"""From metres to pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from emotalk.types import Camera


def project(points: torch.Tensor, camera: Camera) -> np.ndarray:
    """[..., 2] pixels of points [..., 3] in metres, as a pinhole camera sees them."""
    pose = camera.world_to_camera.to(points)
    x, y, z = (points.detach() @ pose[:3, :3].T + pose[:3, 3]).unbind(-1)
    return torch.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], -1).cpu().numpy()
