"""The inside of the mouth of an avatar made from a video: that of a shipped avatar, in the person's light.

A video shows a few teeth for a few frames, half in the shadow of the lips. Gaussians that are each left to learn from
that become specks. Teeth, gums, tongue and cavity are therefore a shipped avatar's, as dense as there, and a fit learns
what is the person's: where each row is and what colour it has (`mouth_rows`).
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import BoundGaussians, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.fitting.shipped_donor import (
    INNER,
    Donor,
    in_regions,
    less_vivid,
    saturation_ratio,
    white_ratio,
)
from emotalk.rendering import rasterize
from emotalk.rendering.camera import portrait_camera

LOOKS, ZOOM = 256, 2.5
"""Pixels and zoom of the pictures in which a donor's mouth is looked into: 0.7 mm a pixel."""
DARK = {"mouth": 0.6, "tongue": 0.7}
"""How bright cavity and tongue begin beside the donor's, which were lit from inside: what shows behind teeth in a room
is nearly black."""
PALE = 0.8
"""Share of the donor's colourfulness that they keep: it was lit in a warm light."""
LEAST_SHOWN = 0.1
"""Pixels that a Gaussian must add to one of them: backs of teeth and roots of gums add none."""
OPEN = (
    {"jawOpen": 1.0},
    {"jawOpen": 0.4, "mouthUpperUp": 0.6, "mouthLowerDown": 0.6},
    {"mouthUpperUp": 1.0, "mouthLowerDown": 1.0, "mouthStretch": 0.5},
    {"mouthSmile": 1.0, "jawOpen": 0.2, "mouthUpperUp": 0.6, "mouthLowerDown": 0.5},
)
TURNS = ((0.0, 0.0), (0.0, 0.45), (0.0, -0.45), (0.3, 0.0), (-0.3, 0.0))
"""Radians of pitch and yaw from which each of the open mouths is looked at."""


def with_shipped_mouth(avatar: GaussianAvatar, most: int = 3000, donor: Donor | None = None) -> GaussianAvatar:
    """The avatar (without corrections) with the teeth, gums, tongue and cavity of a shipped one (the one with the most
    similar skin), as bright as the white of its own eyes and as colourful as its own skin; of at most `most` Gaussians,
    larger ones where that is fewer than there are."""
    donor = Donor.for_face(avatar) if donor is None else donor
    given, own = donor.avatar.gaussians, avatar.gaussians
    part = given.select(in_regions(given.region, INNER) & shown_inside(donor))
    color = less_vivid(part.color * white_ratio(avatar, donor.avatar), saturation_ratio(avatar, donor.avatar))
    for name, share in DARK.items():
        dark = part.region == REGION_INDEX[name]
        color[dark] = less_vivid(color[dark], PALE) * share
    part = dataclasses.replace(part, color=color.clamp(0, 1), view_color=torch.zeros_like(part.view_color))
    if len(part) > most:
        kept = torch.zeros(len(part), dtype=torch.bool)
        kept[torch.linspace(0, len(part) - 1, most).long()] = True
        part = part.select(kept)
        part = dataclasses.replace(part, log_scale=part.log_scale + 0.5 * np.log(len(kept) / most))
    both = BoundGaussians.concatenate([own.select(~in_regions(own.region, INNER)), part])
    return avatar.replace(gaussians=both, corrections=None)


@functools.cache
def shown_inside(donor: Donor) -> Tensor:
    """Which Gaussians [N] (bool) of a donor show in at least one of its opened mouths, behind its lips as well."""
    avatar, camera = donor.avatar, portrait_camera(LOOKS, zoom=ZOOM)
    # Without its lips: those of others cover less, and their rows are elsewhere.
    opacity = avatar.gaussians.opacity_logit.masked_fill(in_regions(avatar.gaussians.region, ("lips",)), -20.0)
    avatar = avatar.replace(gaussians=dataclasses.replace(avatar.gaussians, opacity_logit=opacity))
    background = torch.zeros(3)
    shown = torch.zeros(len(avatar.gaussians), dtype=torch.bool)
    for shapes in OPEN:
        motion = HeadMotion.neutral(len(TURNS))
        motion.head_pose[:, :2] = np.array(TURNS, np.float32)
        for name, strength in shapes.items():
            for column in {name, f"{name}Left", f"{name}Right"} & set(ARKIT_INDEX):
                motion.expression[:, ARKIT_INDEX[column]] = strength
        for t in range(len(motion)):
            cloud = avatar.pose(motion, t, camera)
            colors = cloud.colors.detach().clone().requires_grad_()
            image = rasterize(dataclasses.replace(cloud, colors=colors), camera, background).image
            (added,) = torch.autograd.grad(image.sum(), colors)
            shown |= added[:, 0] > LEAST_SHOWN
    return shown
