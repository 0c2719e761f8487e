"""One colour for each vertex of the head, averaged from the Gaussians on the triangles around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar.gaussians import REGION_INDEX

if TYPE_CHECKING:
    from emotalk.avatar.model import GaussianAvatar

NEAR = 0.003
"""Metres. A Gaussian counts half at this distance from its triangle: what hovers before the skin is not its colour."""
NOT_SKIN = ("glasses",)
"""Regions that are bound to the skin and whose colour is not the skin's."""


def vertex_colors(avatar: GaussianAvatar) -> tuple[np.ndarray, float] | None:
    """Colours [V, 3] as displayed (sRGB, 0 to 1) and the share of vertices that have Gaussians around them, or None
    where the avatar has no Gaussian on the mesh.

    An avatar that was thinned keeps those of before (`avatar.skin`): ears under hair have no Gaussians any more. Else
    a Gaussian counts by opacity, by the area it covers and by how near it lies to the vertex and to its triangle.
    Vertices without any (the backs of eyeballs, roots of teeth, the rim of the shoulders) take the colours of their
    neighbours.
    """
    found = skin_of(avatar)
    return None if found is None else (found[:, :3] / 255, float((found[:, 3] > 0).mean()))


@torch.no_grad()
def skin_of(avatar: GaussianAvatar) -> np.ndarray | None:
    """The colours of `vertex_colors` as bytes [V, 4] uint8; the fourth is 255 where Gaussians tell the colour and 0
    where neighbours do. None where the avatar has no Gaussian on the mesh."""
    if avatar.skin is not None:
        return avatar.skin
    g = avatar.gaussians
    mesh, triangles = g.mesh_count, avatar.head.triangles
    wide = g.log_scale[:mesh].sort(dim=1).values[:, 1:].sum(1).exp()  # the product of the two larger sizes
    near = 1 / (1 + (g.position[:mesh].norm(dim=1) / NEAR).square())
    skin = torch.ones(len(REGION_INDEX), dtype=torch.bool, device=g.region.device)
    skin[[REGION_INDEX[name] for name in NOT_SKIN]] = False
    amount = g.opacity_logit[:mesh].sigmoid() * wide * near * skin[g.region[:mesh]]
    shares = (amount[:, None] * g.barycentric).double()  # [M, 3]
    corners = triangles[g.triangle]
    count = int(triangles.max()) + 1
    weights = torch.zeros(count, dtype=torch.float64, device=g.position.device)
    weights.index_add_(0, corners.flatten(), shares.flatten())
    sums = torch.zeros(count, 3, dtype=torch.float64, device=g.position.device)
    colors = g.color[:mesh].clamp(0, 1).double()
    sums.index_add_(0, corners.flatten(), (shares[..., None] * colors[:, None]).flatten(0, 1))
    known = weights > 0
    if not bool(known.any()):
        return None
    result = np.where(known[:, None].cpu(), (sums / weights.clamp_min(1e-300)[:, None]).cpu(), 0.0)
    spread = _spread(result, known.cpu().numpy(), triangles.cpu().numpy())
    return np.rint(255 * np.concatenate([spread, known.cpu().numpy()[:, None]], 1)).astype(np.uint8)


def linear(colors: np.ndarray) -> np.ndarray:
    """Linear light of colours as displayed (sRGB, 0 to 1), in their shape: what glTF's COLOR_0 holds."""
    return np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)


def _spread(colors: np.ndarray, known: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Colours [V, 3] with those of unknown vertices taken ring by ring from their neighbours; parts of the mesh that
    know none take the average."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    colors, known, average = colors.copy(), known.copy(), colors[known].mean(0)
    while True:
        reached = edges[known[edges[:, 0]] & ~known[edges[:, 1]]]
        if not len(reached):
            break
        ring, place, count = np.unique(reached[:, 1], return_inverse=True, return_counts=True)
        sums = np.zeros((len(ring), 3))
        np.add.at(sums, place, colors[reached[:, 0]])
        colors[ring] = sums / count[:, None]
        known[ring] = True
    colors[~known] = average
    return colors
