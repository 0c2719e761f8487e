"""What a head looks like at a moment, and what can be read off a mesh: landmarks and triangle frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

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
    """
    a, b, c = (vertices[:, triangles[:, k]] for k in range(3))
    edge = b - a
    normal = torch.linalg.cross(edge, c - a)
    first = functional.normalize(edge, dim=-1, eps=1e-12)
    third = functional.normalize(normal, dim=-1, eps=1e-12)
    second = torch.linalg.cross(third, first)
    area = 0.5 * (normal * normal).sum(-1).clamp_min(1e-24).sqrt()
    return torch.stack([first, second, third], -1), (a + b + c) / 3, area.sqrt()
