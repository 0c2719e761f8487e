"""Rotations as differentiable torch functions."""

from __future__ import annotations

import torch
from torch import Tensor


def axis_angle_matrix(
    vector: Tensor,  # [..., 3] radians along the axis
) -> Tensor:
    """Rotation matrices [..., 3, 3] (Rodrigues), with finite gradients at zero rotation."""
    square = (vector * vector).sum(-1, keepdim=True)[..., None]
    # Below 1e-3 rad the series is exact in float32, and the square root would have no gradient at 0.
    small = square < 1e-6
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    a = torch.where(small, 1 - square / 6, torch.sin(angle) / angle)
    b = torch.where(small, 0.5 - square / 24, (1 - torch.cos(angle)) / angle**2)
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return eye + a * cross + b * (cross @ cross)


def yaw_pitch_matrix(yaw: Tensor, pitch: Tensor) -> Tensor:
    """Rotations [..., 3, 3] that turn +z to a gaze: yaw > 0 towards +x, pitch > 0 up."""
    cy, sy, cp, sp = torch.cos(yaw), torch.sin(yaw), torch.cos(pitch), torch.sin(pitch)
    zero = torch.zeros_like(cy)
    rows = [cy, -sy * sp, sy * cp, zero, cp, sp, -sy, -cy * sp, cy * cp]
    return torch.stack(rows, -1).reshape(*yaw.shape, 3, 3)
