"""Eyes that nothing shines through: a second layer under the Gaussians of the eyeballs.

A fit sees an iris before the dark inside of a head, or before dark hair behind it, and has no reason to close the gaps
between its Gaussians. Around mira's pupils four fifths of the light came from behind: without the hair at the back of
her head her eyes had white rings.
"""

from __future__ import annotations

import dataclasses

import torch

from emotalk.avatar.fold_detail import inherited
from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.avatar.model import GaussianAvatar

DEEPER = 0.0007
"""Metres under the surface: below the reach of the eyes' own Gaussians (`gaussian_parameters.REACH`)."""
WIDER, WIDEST, THICK = 1.6, 0.0009, 0.00012
"""Standard deviation of a piece of the layer: so many times the largest of the one above it (with 1.35 mira's pupils
keep rings of 20 %), at most so many metres; and along the normal."""
OPACITY = 4.0
"""Logit: 0.98."""


@torch.no_grad()
def with_backed_eyes(avatar: GaussianAvatar) -> GaussianAvatar:
    """The avatar with a copy of every Gaussian of its eyeballs right under it, wider and solid, in its colours. Once is
    enough: a second time would add another layer."""
    g, mesh = avatar.gaussians.detach(), avatar.gaussians.mesh_count
    rows = (g.region[:mesh] == REGION_INDEX["eyes"]).nonzero()[:, 0]
    chosen = torch.zeros(len(g), dtype=torch.bool, device=g.region.device)
    chosen[rows] = True
    copies = g.select(chosen)
    position = copies.position.clone()
    position[:, 2] -= DEEPER  # in the frame of the triangle the third axis is the normal
    wide = (WIDER * copies.log_scale.exp().amax(1)).clamp(max=WIDEST)
    layer = dataclasses.replace(
        copies,
        position=position,
        rotation=torch.tensor([1.0, 0, 0, 0]).to(position).repeat(len(rows), 1),
        log_scale=torch.stack([wide, wide, torch.full_like(wide, THICK)], 1).log(),
        opacity_logit=torch.full_like(copies.opacity_logit, OPACITY),
    )
    order = torch.cat([torch.arange(mesh), rows.cpu(), torch.arange(mesh, len(g))])
    return avatar.replace(
        gaussians=BoundGaussians.concatenate([g, layer]),
        corrections=inherited(avatar.corrections, order, len(g)),
    )
