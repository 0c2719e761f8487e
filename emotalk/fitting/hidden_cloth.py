"""Cloth behind the head: what a video hardly shows keeps the colours that it began with.

A collar goes on behind chin and neck, so that a lifted chin uncovers cloth. In the frames of the video only slivers of
it show, mixed with what lies before it; left alone, each of its Gaussians learns whatever mends the pixels of that
line, and a chin that is lifted further uncovers dark and light spots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar.binding import shift_shoulders
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.mesh_gaussians import triangle_regions
from emotalk.core.camera import project
from emotalk.fitting.visibility import depth_map

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.core.motion import HeadMotion
    from emotalk.fitting.gaussian_parameters import GaussianParameters

LOOKS = 24
"""Frames that are asked, spread over the video."""
MOSTLY = 0.4
"""Share of them in which the head lies before a Gaussian that counts as hidden."""
MARGIN = (0.06, 0.03, 0.03, 0.03)
"""How far lightness and tint (red, green, blue) of a hidden one may go from where they began."""


class HiddenCloth:
    """Responsibilities: know which Gaussians of the clothes a video hardly shows, also after they were split."""

    def __init__(self, avatar: GaussianAvatar, motion: HeadMotion, torso: Tensor) -> None:
        gaussians = avatar.gaussians
        cloth = gaussians.region[gaussians.mesh_count :] == REGION_INDEX["clothes"]
        points = gaussians.position[gaussians.mesh_count :][cloth].detach()
        share = hidden_share(avatar, points, gaussians.joint_weights[cloth], motion, torso)
        # Halves of a Gaussian that was split keep its starting place: that names them.
        self._places = cKDTree(points.cpu().numpy()) if len(points) else None
        self._hidden = torch.from_numpy(share >= MOSTLY)
        self._rows, self._known = torch.zeros(0, dtype=torch.int64, device=points.device), None

    def rows(self, parameters: GaussianParameters) -> Tensor:
        """Indices [R] of the hidden ones among the Gaussians of a fit."""
        if self._known is not parameters.fixed:
            cloth = parameters.fixed.region == REGION_INDEX["clothes"]
            cloth[: parameters.fixed.mesh_count] = False
            rows = cloth.nonzero()[:, 0]
            if len(rows) and self._places is not None:
                _, origin = self._places.query(parameters.start["position"][rows].cpu().numpy())
                rows = rows[self._hidden[torch.from_numpy(origin)].to(rows.device)]
            self._rows, self._known = rows, parameters.fixed
        return self._rows


@torch.no_grad()
def hidden_share(
    avatar: GaussianAvatar,
    points: Tensor,  # [N, 3] metres, at rest
    joint_weights: Tensor,  # [N, 3] of root, neck, head
    motion: HeadMotion,
    torso: Tensor,  # [T, 3] or [T, 3, 4], how the shoulders move
) -> np.ndarray:
    """Share [N] of frames in which the head's surface lies before points that are bound to the joints."""
    head, camera = avatar.head, avatar.camera
    outside = np.isin(triangle_regions(head), [REGION_INDEX["shoulders"], REGION_INDEX["lashes"]])
    triangles = head.triangles.cpu().numpy()[~outside]
    looks = np.unique(np.linspace(0, len(motion) - 1, LOOKS).astype(int))
    hidden = np.zeros(len(points))
    for t in looks:
        mesh = (part[0] for part in avatar.mesh(motion[int(t) : int(t) + 1]))
        vertices, turn, place = shift_shoulders(*mesh, head.weights[:, 0], torso[t].to(points))
        posed = torch.einsum("nj,jab,nb->na", joint_weights, turn, points) + joint_weights @ place
        pixels, depth = project(posed.double().cpu().numpy(), camera)
        nearest, _ = depth_map(vertices.double().cpu().numpy(), triangles, camera)
        column, row = pixels.astype(int).T
        inside = (row >= 0) & (column >= 0) & (row < camera.height) & (column < camera.width)
        hidden[inside] += nearest[row[inside], column[inside]] < depth[inside]
    return hidden / len(looks)
