"""What the lids of a photo hide of its eyes.

The colours of an avatar begin as what the photo shows at their place: on the hidden part of an eyeball those of lids
and lashes, which a lid that is raised would leave behind. An eyeball looks the same all around the middle of its iris:
what is hidden takes the colour of what is seen as far from there.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.camera import Camera
from emotalk.core.motion import HeadMotion
from emotalk.fitting.shipped_donor import template_places
from emotalk.head.mesh import JOINT_NAMES
from emotalk.portrait.flow import projected

JOINTS = ("eye_l", "eye_r")
IRISES = (468, 473)
"""Landmarks in the middles of both irises."""
SHOWN = (0.15, 0.5)
"""Share of a Gaussian that shows up to which it takes the colour of others, and from which it keeps its own."""
RING = 0.05
"""Radians: standard deviation of what counts as equally far from the middle of the iris."""
FEWEST = 20
"""Gaussians of an eyeball that must show."""


@torch.no_grad()
def with_whole_eyes(
    avatar: GaussianAvatar,
    shown: Tensor,  # [N] share of each Gaussian that the photo shows
    landmarks: np.ndarray,  # [478, 2] of the photo, pixels
    motion: HeadMotion,  # its pose, one frame
    camera: Camera,
) -> GaussianAvatar:
    """The avatar (on the CPU) whose eyeballs are whole behind their lids, as it was where the photo shows too little of
    them."""
    gaussians = avatar.gaussians
    count = gaussians.mesh_count
    eyes = (gaussians.region[:count] == REGION_INDEX["eyes"]).nonzero()[:, 0]
    places = template_places(avatar)[eyes.numpy()]
    pixels = projected(avatar.pose(motion, 0).means[eyes], camera)[0].numpy()
    color = gaussians.color.clone()
    for name in JOINTS:
        centre = avatar.head.joints[JOINT_NAMES.index(name)].double().numpy()
        mine = np.flatnonzero(np.sign(places[:, 0]) == np.sign(centre[0]))
        if not len(mine):
            continue
        rows = eyes[mine]
        towards = places[mine] - centre
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        axis = _axis(towards, pixels[mine], landmarks)
        angle = np.arccos((towards @ axis).clip(-1, 1))
        color[rows] = _whole(color[rows], angle, shown[rows].cpu().numpy())
    return avatar.replace(gaussians=dataclasses.replace(gaussians, color=color))


def _axis(towards: np.ndarray, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Unit direction [3] from the middle of an eyeball to that of its iris, of directions [n, 3] to places seen at
    `pixels` [n, 2]."""
    front = np.flatnonzero(towards[:, 2] > 0.5)
    iris = min((landmarks[k] for k in IRISES), key=lambda at: np.linalg.norm(pixels[front].mean(0) - at))
    away = np.linalg.norm(pixels[front] - iris, axis=1)
    nearest = front[np.argsort(away)[:5]]
    axis = towards[nearest].mean(0)
    return axis / np.linalg.norm(axis)


def _whole(color: Tensor, angle: np.ndarray, shown: np.ndarray) -> Tensor:
    """Colours [n, 3] of Gaussians `angle` [n] radians from the middle of the iris, of which `shown` [n] shows."""
    seen = np.flatnonzero(shown >= SHOWN[1])
    if len(seen) < FEWEST:
        return color
    # Beyond what shows, the outermost of it goes on.
    at = np.minimum(angle, np.quantile(angle[seen], 0.95))
    weight = np.exp(-0.5 * np.square((at[:, None] - angle[seen][None]) / RING)) + 1e-9
    ring = torch.from_numpy((weight / weight.sum(1, keepdims=True)).astype(np.float32)) @ color[seen]
    own = torch.from_numpy(((shown - SHOWN[0]) / (SHOWN[1] - SHOWN[0])).clip(0, 1).astype(np.float32))[:, None]
    return torch.lerp(ring, color, own)
