"""What a photo does not show of a head: from the other side in this side's light, and from what lies before the rim.

A head turned by fifteen degrees hides a cheek, an ear and half of the hair. Faces are nearly symmetrical and light is
not: the colours of the other side are taken over with the ratio that light has between the sides, a smooth function.
Hair that neither side shows goes on beyond the rim as it came there, reflected: strands stay strands. And where hair
hangs beside the face, what comes to light behind the cheek is hair and no skin.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar import GaussianAvatar
from emotalk.avatar.binding import binding_frames_torch, triangle_sizes
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.camera import eye_of, project
from emotalk.fitting.visibility import depth_map, seen
from emotalk.head.mesh import JOINT_NAMES
from emotalk.portrait.donor import template_places
from emotalk.tracking.masks import HAIR as HAIR_CLASS

if TYPE_CHECKING:
    from emotalk.core.camera import Camera
    from emotalk.core.motion import HeadMotion
    from emotalk.portrait.photo_frames import PhotoFrames

SKIN, HAIR = ("face", "ears", "neck"), ("hair", "scalp")
"""Regions that are completed, each of its own; eyes look to one side, and mouth and lids come from elsewhere."""
WELL = 0.6
"""Cosine of normal and view from which a pixel tells a colour well; at half of it the other side counts as much, if it
is seen well itself."""
LIGHT_REACH = 0.03
"""Metres: standard deviation of the neighbourhood over which light is compared between the sides. Light falls on a
head in large areas; smaller ones would carry spots and strands over."""
PAIRS = 64
"""Pairs of places, one on either side, that tell the light of a neighbourhood."""
RATIO = (0.4, 2.5)
"""Within which the light of two sides may differ."""
RIM = math.radians(68)
"""Angle between what the photo sees from the front of the skull and where hair is reflected: beyond it pixels hold
several centimetres of hair."""
HEAD = JOINT_NAMES.index("head")
APART = 0.04
"""Radians between where hair would be reflected from and where there is some, at which 60 % of it count."""
BESIDE = (4, 8, 12)
"""Pixels at 512 outwards of a cheek at which hair beside it is looked for."""
NEIGHBOURS = 24
"""Gaussians over which that is evened out."""
SAME = 0.004
"""Metres on the template within which a place on the other side is the same."""


def completed(avatar: GaussianAvatar, frames: PhotoFrames) -> GaussianAvatar:
    """The avatar of a photo in which Gaussians that the photo shows badly or not at all have the colours of the same
    places on the other side of the head, in the light of their own side, and hair that neither side shows goes on."""
    gaussians, camera, motion = avatar.gaussians, frames.camera, frames.motion
    points, normals = _placed(avatar, motion)
    shown = how_well_seen(avatar, motion, camera)
    places = template_places(avatar)
    color = gaussians.color.numpy().astype(np.float64)
    for names in (SKIN, HAIR):
        among = torch.isin(gaussians.region, torch.tensor([REGION_INDEX[name] for name in names]))
        rows = np.flatnonzero(among[: gaussians.mesh_count].numpy())
        if len(rows) > PAIRS:
            color[rows], done = mirrored_colors(color[rows], places[rows], shown[rows])
            if names == HAIR:
                color[rows] = reflected_colors(color[rows], places[rows], _view(avatar, motion, camera), done)
            else:
                hair, found = hung_colors(points[rows], normals[rows], camera, frames.picture(0), frames.classes(0))
                hair, share = _evened(hair, found * _poorly(shown[rows]), places[rows])
                color[rows] += share[:, None] * (hair - color[rows])
    color = torch.from_numpy(color.clip(0, 1).astype(np.float32))
    return avatar.replace(gaussians=dataclasses.replace(gaussians, color=color))


def mirrored_colors(
    color: np.ndarray,  # [N, 3]
    places: np.ndarray,  # [N, 3] metres on the template, x across
    shown: np.ndarray,  # [N] cosines, 0 where hidden
) -> tuple[np.ndarray, np.ndarray]:
    """Colours [N, 3] of which those that are `shown` badly come from the places across x = 0, with the light of their
    own side; and how much each is known then [N], from 0 to 1."""
    trusted = shown > WELL
    own = 1 - _poorly(shown)
    if trusted.sum() < PAIRS or trusted.all():
        return color.copy(), own
    sources = np.flatnonzero(trusted)
    distance, near = cKDTree(places[sources]).query(places * (-1, 1, 1), k=3)
    across = color[sources[near]].mean(1)
    other = np.where(distance[:, 0] < SAME, shown[sources[near[:, 0]]], 0.0)
    light = _light_ratio(color, across, places, trusted & (other > WELL))
    share = (1 - own) * (other > WELL)
    return color + share[:, None] * (across * light - color), np.maximum(own, other > WELL)


def reflected_colors(
    color: np.ndarray,  # [N, 3]
    places: np.ndarray,  # [N, 3] metres on the template
    view: np.ndarray,  # [3] unit vector towards the camera, on the template
    known: np.ndarray,  # [N] 0 to 1
) -> np.ndarray:
    """Colours [N, 3] of hair of which those beyond the rim that are not `known` repeat those before it."""
    centre = 0.5 * (places.min(0) + places.max(0))
    ray = places - centre
    length = np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), 1e-6)
    along = (ray / length) @ view
    around = ray / length - along[:, None] * view
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-6)
    angle = np.arccos(np.clip(along, -1, 1))
    beyond, before = (angle > RIM) & (known < 1), (angle <= RIM) & (known > 0.5)
    if not beyond.any() or before.sum() < PAIRS:
        return color
    back = np.maximum(2 * RIM - angle[beyond], 0)[:, None]
    mirrored = np.cos(back) * view + np.sin(back) * around[beyond]
    away, near = cKDTree(ray[before] / length[before]).query(mirrored)
    result = color.copy()
    # Beside the temples there is no hair before the rim.
    share = ((1 - known[beyond]) * np.exp(-0.5 * np.square(away / APART)))[:, None]
    result[beyond] += share * (color[before][near] - result[beyond])
    return result


def _view(avatar: GaussianAvatar, motion: HeadMotion, camera: Camera) -> np.ndarray:
    """Where the camera is as seen from the template's middle, a unit vector [3]."""
    with torch.no_grad():
        _, rotations, translations = (part[0].double().numpy() for part in avatar.mesh(motion))
    at = rotations[HEAD].T @ (eye_of(camera) - translations[HEAD])
    return at / np.linalg.norm(at)


def hung_colors(
    points: np.ndarray,  # [N, 3] in the photo's pose
    normals: np.ndarray,  # [N, 3]
    camera: Camera,
    picture: np.ndarray,  # [H, W, 3] uint8
    classes: np.ndarray,  # [H, W]
) -> tuple[np.ndarray, np.ndarray]:
    """Colours [N, 3] of the hair that a photo shows just outwards of points, and whether there is any [N] (bool)."""
    pixels, _ = project(points, camera)
    outwards = normals @ camera.world_to_camera.double().cpu().numpy()[:2, :3].T
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    height, width = classes.shape
    colors, hairy = [], []
    for away in BESIDE:
        x, y = (pixels + away * height / 512 * outwards).T
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        column, row = np.clip(x, 0, width - 1).astype(int), np.clip(y, 0, height - 1).astype(int)
        colors.append(picture[row, column] / 255.0)
        hairy.append(inside & (classes[row, column] == HAIR_CLASS))
    hairy = np.stack(hairy)
    count = hairy.sum(0)
    mean = (np.stack(colors) * hairy[..., None]).sum(0) / np.maximum(count, 1)[:, None]
    return mean, 2 * count > len(BESIDE)


def _evened(color: np.ndarray, share: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours [N, 3] and how much they count [N], both as around each place [N, 3]: one alone would be a spot."""
    near = cKDTree(places).query(places, k=min(NEIGHBOURS, len(places)))[1]
    total = share[near].sum(1)
    mean = (share[near][..., None] * color[near]).sum(1) / np.maximum(total, 1e-6)[:, None]
    return mean, total / near.shape[1]


def how_well_seen(avatar: GaussianAvatar, motion: HeadMotion, camera: Camera) -> np.ndarray:
    """Cosine of normal and view [M] of mesh-bound Gaussians in the first frame of a motion; 0 where they are hidden."""
    gaussians = avatar.gaussians
    with torch.no_grad():
        vertices = avatar.mesh(motion)[0][0].double().numpy()
    solid = np.unique(gaussians.triangle[_outer(gaussians.region[: gaussians.mesh_count])].numpy())
    nearest, _ = depth_map(vertices, avatar.head.triangles.numpy()[solid], camera)
    points, normals = _placed(avatar, motion)
    return seen(points, normals, nearest, camera)[0]


def _placed(avatar: GaussianAvatar, motion: HeadMotion) -> tuple[np.ndarray, np.ndarray]:
    """Points [M, 3] and normals [M, 3] of mesh-bound Gaussians in the first frame of a motion."""
    gaussians, triangles = avatar.gaussians, avatar.head.triangles
    with torch.no_grad():
        vertices, rotations, translations = (part[0] for part in avatar.mesh(motion))
        sizes = triangle_sizes(vertices, triangles)
        frames = binding_frames_torch(gaussians, vertices, triangles, sizes, rotations, translations)
        points = frames.base + (frames.matrix @ gaussians.position[..., None])[..., 0]
    count = gaussians.mesh_count
    return points[:count].double().numpy(), frames.matrix[:count, :, 2].double().numpy()


def _poorly(shown: np.ndarray) -> np.ndarray:
    """How much a colour that was seen at a cosine [N] is to be replaced, from 0 to 1."""
    return 1 - np.clip((shown / WELL - 0.5) * 2, 0, 1)


def _outer(region: Tensor) -> Tensor:
    inner = [REGION_INDEX[name] for name in ("mouth", "gums", "teeth", "tongue", "lashes")]
    return ~torch.isin(region, torch.tensor(inner))


def _light_ratio(color: np.ndarray, across: np.ndarray, places: np.ndarray, both: np.ndarray) -> np.ndarray:
    """How much more light places [N, 3] have than their mirror images, per channel [N, 3], of those where `both` sides
    are seen: what is hidden lies beyond them, where the nearest of them know best."""
    if both.sum() < PAIRS:
        return np.ones_like(color)
    log = np.log(np.maximum(color[both], 0.02)) - np.log(np.maximum(across[both], 0.02))
    distance, near = cKDTree(places[both]).query(places, k=PAIRS)
    weight = np.exp(-0.5 * np.square((distance - distance[:, :1]) / LIGHT_REACH))
    mean = (weight[..., None] * log[near]).sum(1) / weight.sum(1)[:, None]
    return np.exp(mean).clip(*RATIO)
