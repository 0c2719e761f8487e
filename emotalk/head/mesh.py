"""What a head looks like at a moment, and what can be read off a mesh: landmarks and triangle frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

JOINT_NAMES = ("root", "neck", "head", "jaw", "eye_l", "eye_r")
"""Order of the joints; each one's parent is the one before it, but jaw and eyes hang from the head."""


@dataclass(frozen=True)
class HeadMesh:
    """A posed head: what `HeadModel` returns."""

    vertices: Tensor  # [B, V, 3] metres
    transforms: Tensor  # [B, 6, 4, 4] of every joint, from the resting head to the posed one


def landmark_points(
    vertices: Tensor,  # [B, V, 3]
    corners: Tensor,  # [L, 3] vertex indices of the triangle each landmark lies on
    barycentric: Tensor,  # [L, 3]
) -> Tensor:
    """Points [B, L, 3] on the mesh."""
    return (vertices[:, corners] * barycentric[None, :, :, None]).sum(2)


def triangle_frames(
    vertices: Tensor,  # [B, V, 3]
    triangles: Tensor,  # [F, 3]
) -> tuple[Tensor, Tensor, Tensor]:
    """Local frame of every triangle: rotation [B, F, 3, 3], centre [B, F, 3] and scale [B, F] in metres.

    The rotation's columns are the first edge's direction, the direction within the plane at right angles to
    it, and the normal (Qian et al. 2024, GaussianAvatars, section 3.1). The scale is the square root of the
    area, so that Gaussians keep covering a triangle that is stretched. Degenerate triangles give finite values.
    The results are views of arrays with coordinates first: call `.contiguous()` where memory order matters.
    """
    # One gather for all corners, coordinates first: whole rows of numbers keep a long clip fast.
    rows = vertices.transpose(1, 2).index_select(2, triangles.T.reshape(-1))
    a, b, c = rows.unflatten(2, (3, -1)).unbind(2)  # [B, 3, F] each
    edge, other = b - a, c - a
    normal = _cross(edge, other)
    length = (normal * normal).sum(1, keepdim=True).clamp_min(1e-24).sqrt()
    third = normal / length
    first = edge / (edge * edge).sum(1, keepdim=True).clamp_min(1e-24).sqrt()
    rotation = torch.stack([first, _cross(third, first), third], 1)  # [B, 3 columns, 3 rows, F]
    return rotation.permute(0, 3, 2, 1), ((a + b + c) / 3).transpose(1, 2), (0.5 * length[:, 0]).sqrt()


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross product of [B, 3, F]; torch.linalg.cross is several times slower."""
    (ax, ay, az), (bx, by, bz) = a.unbind(1), b.unbind(1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)
