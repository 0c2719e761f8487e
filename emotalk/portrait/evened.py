"""Lips and lids of which a photo hardly shows anything.

They lie on top of each other, so that a fit gives what little shows of one any colour: that of the light behind it, of
a highlight, of the gap between the lips. When lips part and lids rise these come to light as specks. What hardly shows
takes the colour of what shows next to it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from emotalk.avatar import GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion

EVENED = ("lips", "lids")
SHOWN = (0.05, 0.3)
"""Share of a Gaussian that shows up to which it takes the colour of its neighbours, and from which it keeps its own."""
NEAR = 0.0012
"""Metres: standard deviation of the neighbourhood."""
FAR, FAR_SHARE = 4 * NEAR, 1e-3
"""The same where nothing shows that is so near, and what it counts beside that."""
FEWEST = 20
"""Gaussians of a region that must show."""


@torch.no_grad()
def with_even_edges(avatar: GaussianAvatar, shown: Tensor, open_mouth: bool = False) -> GaussianAvatar:
    """The avatar (on the CPU), of whose Gaussians the photo shows the shares `shown` [N]; lips and lids that it
    hardly shows have the colours of those that it shows; not lips of an `open_mouth`, whose inner edge shows as much of
    teeth: shut, it would look like a gap."""
    gaussians, mesh = avatar.gaussians, avatar.gaussians.mesh_count
    parted = HeadMotion.neutral()
    parted.expression[0, ARKIT_INDEX["jawOpen"]] = 0.6  # the colour of one lip is not the other's
    corners = avatar.mesh(parted)[0][0][avatar.head.triangles[gaussians.triangle]]
    places = (corners * gaussians.barycentric[..., None]).sum(1).double().numpy()
    color, share = gaussians.color.clone(), shown.cpu()
    for name in EVENED[1:] if open_mouth else EVENED:
        rows = (gaussians.region[:mesh] == REGION_INDEX[name]).nonzero()[:, 0]
        seen = rows[share[rows] > SHOWN[1]]
        if len(seen) < FEWEST:
            continue
        away = np.square(cdist(places[rows.numpy()], places[seen.numpy()]))
        weight = np.exp(-0.5 * away / NEAR**2) + FAR_SHARE * np.exp(-0.5 * away / FAR**2) + 1e-12
        weight = torch.from_numpy((weight / weight.sum(1, keepdims=True)).astype(np.float32))
        own = ((share[rows] - SHOWN[0]) / (SHOWN[1] - SHOWN[0])).clamp(0, 1)[:, None]
        color[rows] = torch.lerp(weight @ color[seen], color[rows], own)
    return avatar.replace(gaussians=dataclasses.replace(gaussians, color=color))
