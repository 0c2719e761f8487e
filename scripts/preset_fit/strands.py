"""What a head wears: hair, beards and brows as long thin Gaussians, cloth as flat ones; on joints or on the skin."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar.binding import quat_from_matrix, quat_multiply
from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.avatar.mesh_gaussians import COVER

OVERLAP = 0.42
"""Standard deviation along a strand in units of the piece it stands for: pieces join without beads."""


def hang(
    points: np.ndarray,  # [J, 3] metres in the rest pose
    directions: np.ndarray,  # [J, 3] along which each Gaussian is long
    lengths: np.ndarray,  # [J] standard deviation along it
    widths: np.ndarray,  # [J] standard deviation across
    colors: np.ndarray,  # [J, 3]
    weights: np.ndarray,  # [J, 3] of root, neck, head
    region: str,
    opacity: float = 0.9,
) -> BoundGaussians:
    """Long thin Gaussians bound to joints: strands of hair, beards, cloth."""
    along = _unit(directions)
    scale = np.stack([lengths, widths, widths], 1)
    return BoundGaussians(
        triangle=torch.zeros(0, dtype=torch.int64),
        barycentric=torch.zeros(0, 3),
        joint_weights=_tensor(weights),
        position=_tensor(points),
        rotation=_turn_to(along),
        log_scale=_tensor(np.log(np.maximum(scale, 1e-5))),
        opacity_logit=torch.full((len(points),), float(np.log(opacity / (1 - opacity)))),
        color=_tensor(colors),
        view_color=torch.zeros(len(points), 2, 3),
        region=torch.full((len(points),), REGION_INDEX[region]),
    )


def stick(
    points: np.ndarray,  # [M, 3] metres on the neutral face
    directions: np.ndarray,  # [M, 3]
    lengths: np.ndarray,  # [M]
    widths: np.ndarray,  # [M]
    colors: np.ndarray,  # [M, 3]
    vertices: np.ndarray,  # [V, 3] neutral face
    triangles: np.ndarray,  # [F, 3]
    allowed: np.ndarray,  # [F] bool, triangles to stick to
    region: str,
    opacity: float = 0.9,
) -> BoundGaussians:
    """Long thin Gaussians bound to the nearest allowed triangle: brows, lashes and beards that ride on the skin."""
    corners = vertices[triangles]
    rows = np.flatnonzero(allowed)
    triangle = rows[cKDTree(corners[rows].mean(1)).query(points)[1]]
    a, b, c = (corners[triangle][:, k] for k in range(3))
    edge, normal = _unit(b - a), _unit(np.cross(b - a, c - a))
    frame = np.stack([edge, np.cross(normal, edge), normal], -1)
    centre = (a + b + c) / 3
    local = np.einsum("nji,nj->ni", frame, points - centre)
    back = quat_from_matrix(_tensor(frame)) * torch.tensor([1.0, -1.0, -1.0, -1.0])
    count = len(points)
    return BoundGaussians(
        triangle=torch.from_numpy(triangle.astype(np.int64)),
        barycentric=torch.full((count, 3), 1 / 3),
        joint_weights=torch.zeros(0, 3),
        position=_tensor(local),
        rotation=quat_multiply(back, _turn_to(_unit(directions))),
        log_scale=_tensor(np.log(np.maximum(np.stack([lengths, widths, widths], 1), 1e-5))),
        opacity_logit=torch.full((count,), float(np.log(opacity / (1 - opacity)))),
        color=_tensor(colors),
        view_color=torch.zeros(len(points), 2, 3),
        region=torch.full((count,), REGION_INDEX[region]),
    )


def drape(
    vertices: np.ndarray,  # [G, 3] cloth in the rest pose
    triangles: np.ndarray,  # [F, 3]
    weights: np.ndarray,  # [G, 3] of root, neck, head
    color: np.ndarray,  # [3]
    count: int,
    rng: np.random.Generator,
) -> BoundGaussians:
    """About `count` flat Gaussians over a piece of cloth that hangs on joints."""
    corners = vertices[triangles]
    edge = _unit(corners[:, 1] - corners[:, 0])
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area, normal = 0.5 * np.linalg.norm(cross, axis=1), _unit(cross)
    number = np.maximum(1, np.floor(count * area / area.sum() + rng.random(len(area)))).astype(int)
    triangle = np.repeat(np.arange(len(area)), number)
    share = rng.dirichlet([1.5, 1.5, 1.5], len(triangle))
    share[np.repeat(number == 1, number)] = 1 / 3
    frame = np.stack([edge, np.cross(normal, edge), normal], -1)
    sigma = COVER * np.sqrt(area / number)[triangle]
    blended = np.einsum("nk,nkj->nj", share, weights[triangles[triangle]])
    total = len(triangle)
    return BoundGaussians(
        triangle=torch.zeros(0, dtype=torch.int64),
        barycentric=torch.zeros(0, 3),
        joint_weights=_tensor(blended / blended.sum(1, keepdims=True)),
        position=_tensor(np.einsum("nk,nkc->nc", share, corners[triangle])),
        rotation=quat_from_matrix(_tensor(frame[triangle])),
        log_scale=_tensor(np.log(np.stack([sigma, sigma, 0.25 * sigma], 1).clip(1e-5))),
        opacity_logit=torch.full((total,), 2.95),
        color=_tensor(np.tile(color, (total, 1))),
        view_color=torch.zeros(total, 2, 3),
        region=torch.full((total,), REGION_INDEX["clothes"]),
    )


def pieces(
    points: np.ndarray,  # [S, K, 3] polylines
    radius: np.ndarray,  # [S, K] metres
    colors: np.ndarray,  # [S, K, 3]
    strands: int,
    per_strand: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, directions, lengths, widths and colours of about `strands * per_strand` Gaussians that stand for all
    strands: a random choice of them, thickened so that as much is covered."""
    chosen = rng.choice(len(points), min(strands, len(points)), replace=False)
    thicker = np.sqrt(len(points) / len(chosen))
    steps = np.linspace(0, points.shape[1] - 1, per_strand + 1)
    low = np.minimum(steps.astype(int), points.shape[1] - 2)
    share = (steps - low)[None, :, None]

    def at(values: np.ndarray) -> np.ndarray:
        return values[chosen][:, low] * (1 - share) + values[chosen][:, low + 1] * share

    knots, middle_color = at(points), at(colors)
    thickness = at(radius[..., None])[..., 0]
    span = knots[:, 1:] - knots[:, :-1]
    width = thicker * 0.5 * (thickness[:, 1:] + thickness[:, :-1])
    length = np.maximum(OVERLAP * np.linalg.norm(span, axis=-1), width)
    place, color = 0.5 * (knots[:, 1:] + knots[:, :-1]), 0.5 * (middle_color[:, 1:] + middle_color[:, :-1])
    return tuple(part.reshape(-1, *part.shape[2:]) for part in (place, span, length, width, color))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _turn_to(along: np.ndarray) -> Tensor:
    """Quaternions [N, 4] of the shortest turn from the x axis to unit vectors [N, 3]."""
    quat = np.concatenate([1 + along[:, :1], np.zeros((len(along), 1)), -along[:, 2:], along[:, 1:2]], 1)
    quat[quat[:, 0] < 1e-6] = [0, 0, 0, 1]  # the opposite direction: half a turn about z
    return torch.nn.functional.normalize(_tensor(quat), dim=-1)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
