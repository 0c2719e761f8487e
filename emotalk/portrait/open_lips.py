"""Lips of a photo with an open mouth.

Most of what is lips lies at the inner edge of an open mouth, where the photo mixes it with teeth, gums and the dark
between them, and a mouth opens further than the head model does, so that a fit gives it their colours. Shut, it would
look like a gap. Colours of lips beside the gap are trusted; all others are mostly the donor's, in the light and tint of
those.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar import GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.camera import Camera
from emotalk.core.landmarks import apertures, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.fitting.shipped_donor import Donor, in_regions, skin, template_places
from emotalk.portrait.donor import MOVED
from emotalk.portrait.evened import SHOWN
from emotalk.portrait.flow import projected
from emotalk.portrait.lips import FEWEST, OPEN, RIM, between_lips, lips_among

OWN = 0.4
"""Share of its own colour that a lip at the gap keeps: by eye, on photos 009, 014, 071 and 089 of the portraits folder.
With none of it one mouth of four read as open in anger."""
WIDE = 0.1
"""Gap between the lips in eye distances from which that is so; it keeps the more the less the mouth is open."""
DARK = 0.7
"""Lightness of the corner of a mouth in that of the skin below which it is a gap."""


@torch.no_grad()
def with_own_lips(
    avatar: GaussianAvatar,  # on the CPU, its first Gaussians those that `portrait.donor.with_donor` moved over
    donor: Donor,
    shown: Tensor,  # [N] share of each Gaussian that the photo shows
    landmarks: np.ndarray,  # [478, 2] pixels
    motion: HeadMotion,  # that of the photo, one frame
    camera: Camera,
) -> GaussianAvatar:
    """The avatar of a photo with an open mouth whose lips have nothing of what shows between them; as it was where
    hardly any lips show."""
    gaussians, mesh = avatar.gaussians, avatar.gaussians.mesh_count
    own, region = gaussians.color[:mesh], gaussians.region[:mesh]
    lips, seen = region == REGION_INDEX["lips"], shown.cpu()[:mesh] > SHOWN[1]
    gap, rim = _within_gap(avatar, landmarks, motion, camera)
    lent = torch.zeros_like(own)
    moved = in_regions(donor.avatar.gaussians.region, MOVED)
    moved[donor.avatar.gaussians.mesh_count :] = False
    lent[: int(moved.sum())] = donor.avatar.gaussians.color[moved]

    trusted = torch.zeros_like(lips)
    trusted[lips] = lips_among(own[lips], skin(avatar))
    trusted &= seen & ~gap
    if int((trusted & ~rim).sum()) >= FEWEST:
        trusted &= ~rim
    if int(trusted.sum()) < FEWEST:
        return avatar
    tint = (own[trusted] / lent[trusted].clamp_min(0.05)).median(0).values
    color = gaussians.color.clone()
    others = lips & ~trusted
    color[:mesh][others] = torch.lerp((lent * tint).clamp(0, 1), own, _own_share(landmarks))[others]

    face = region == REGION_INDEX["face"]
    dark = face & gap & (own.mean(1) < DARK * skin(avatar).mean())
    beside = (face & seen & ~gap) | lips
    if dark.any():
        places = template_places(avatar)
        near = cKDTree(places[beside.numpy()]).query(places[dark.numpy()], k=FEWEST)[1]
        color[:mesh][dark] = color[:mesh][beside][torch.from_numpy(near)].median(1).values
    return avatar.replace(gaussians=dataclasses.replace(gaussians, color=color))


def _own_share(landmarks: np.ndarray) -> float:
    points = landmarks[None].astype(np.float64)
    wide = (float(apertures(points)[0, 0] / eye_distance(points)) - OPEN) / (WIDE - OPEN)
    return 1 - (1 - OWN) * float(np.clip(wide, 0, 1))


def _within_gap(
    avatar: GaussianAvatar, landmarks: np.ndarray, motion: HeadMotion, camera: Camera
) -> tuple[Tensor, Tensor]:
    """Which mesh-bound Gaussians [M] (bool) the photo shows between its lips, and which there or right beside it."""
    gap = between_lips(landmarks, (camera.height, camera.width))
    radius = max(1, round(RIM * camera.height / 512))
    rim = cv2.dilate(gap.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)).astype(bool)
    pixels = projected(avatar.pose(motion, 0).means[: avatar.gaussians.mesh_count], camera)[0].numpy()
    x, y = np.floor(pixels).astype(int).clip(0, (camera.width - 1, camera.height - 1)).T
    return torch.from_numpy(gap[y, x]), torch.from_numpy(rim[y, x])
