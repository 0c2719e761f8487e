"""Strands that stand off the outline of the hair: small, thin, translucent Gaussians where the matte of a photo knows
of more than the avatar covers.

A head model with a shell of hair has an outline as smooth as a helmet's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from emotalk.avatar import BoundGaussians, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.camera import project, unproject
from emotalk.head.mesh import JOINT_NAMES
from emotalk.rendering import rasterize
from emotalk.tracking.masks import HAIR

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.portrait.photo_frames import PhotoFrames

STEP = 2
"""Pixels at 512 between strands."""
LENGTH, WIDTH = 2.4, 0.8
"""Pixels at 512: standard deviations of a strand along and across."""
MISSING = 0.12
"""Coverage that must be missing for a strand."""
FROM_HAIR = 22
"""Pixels at 512 from hair up to which what is missing is hair."""
MOST = 1500
TURNS = (0.0, -10.0, 10.0)
"""Degrees about the vertical axis: the outline of the hair when the head turns has strands too."""
HEAD = JOINT_NAMES.index("head")
DENSE = 0.9
"""Opacity at most."""


@torch.no_grad()
def with_fringe(avatar: GaussianAvatar, frames: PhotoFrames, torso: Tensor) -> GaussianAvatar:
    """The starting avatar of a photo with strands around its hair. `torso` is how its shoulders are moved in the photo
    ([3] or [3, 4])."""
    cloud = avatar.pose(frames.motion, 0, frames.camera, torso)
    covered = rasterize(cloud, frames.camera, (0.0, 0.0, 0.0)).alpha.numpy()
    pixels, missing, angle = missing_strands(frames.matte.alpha, covered, frames.classes(0))
    region, mesh = avatar.gaussians.region, avatar.gaussians.mesh_count
    hair = torch.isin(region, torch.tensor([REGION_INDEX["hair"], REGION_INDEX["scalp"]])).numpy()
    if not len(pixels) or not hair.any():
        return avatar
    rows = np.flatnonzero(hair)
    places, depth = project(cloud.means[torch.from_numpy(rows)].double().numpy(), frames.camera)
    # The outermost hair near a strand is the rim, and has its depth.
    nearest = cKDTree(places).query(pixels)[1]
    joints = np.tile([0.0, 0.0, 1.0], (len(pixels), 1))
    beside = rows[nearest] >= mesh
    joints[beside] = avatar.gaussians.joint_weights[torch.from_numpy(rows[nearest][beside] - mesh)].numpy()
    color = frames.matte.foreground[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
    strands = _bound(avatar, frames, pixels, depth[nearest], angle, missing, color, joints)
    return avatar.replace(gaussians=BoundGaussians.concatenate([avatar.gaussians, strands]))


def missing_strands(
    alpha: np.ndarray,  # [H, W] of the matte
    covered: np.ndarray,  # [H, W] by the avatar
    classes: np.ndarray,  # [H, W]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where strands are missing [N, 2] (pixels, x and y), how much is [N], and their direction in the picture [N]
    (radians), of at most `MOST`."""
    size = len(alpha)
    near = distance_transform_edt(classes != HAIR) < FROM_HAIR * size / 512
    step = max(1, round(STEP * size / 512))
    lacking = np.where(near, np.clip(alpha - covered, 0, 1), 0).astype(np.float32)
    mean = cv2.blur(lacking, (step, step))
    rows, columns = np.nonzero(mean > MISSING)
    on_grid = (rows % step == 0) & (columns % step == 0)
    rows, columns = rows[on_grid], columns[on_grid]
    if len(rows) > MOST:
        most = np.sort(np.argsort(-mean[rows, columns], kind="stable")[:MOST])
        rows, columns = rows[most], columns[most]
    return np.stack([columns + 0.5, rows + 0.5], 1), mean[rows, columns], _direction(alpha)[rows, columns]


def _direction(alpha: np.ndarray) -> np.ndarray:
    """The direction [H, W] along which alpha changes least, radians (structure tensor)."""
    smooth = cv2.GaussianBlur(alpha, (0, 0), 1.0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(part, (0, 0), 2.0) for part in (across * across, down * down, across * down))
    return 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2


def _bound(
    avatar: GaussianAvatar, frames: PhotoFrames, pixels: np.ndarray, depth: np.ndarray, angle: np.ndarray,
    opacity: np.ndarray, color: np.ndarray, joints: np.ndarray,
) -> BoundGaussians:  # fmt: skip
    camera = frames.camera
    _, rotations, translations = (part[0].double().numpy() for part in avatar.mesh(frames.motion))
    points = unproject(pixels, depth, camera)
    blended = np.einsum("nj,jab->nab", joints, rotations)
    rest = np.linalg.solve(blended, (points - joints @ translations)[..., None])[..., 0]
    right, down, ahead = camera.world_to_camera.double().cpu().numpy()[:3, :3]
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    axes = np.stack([c * right + s * down, c * down - s * right, np.tile(ahead, (len(angle), 1))], -1)
    turned = rotations[joints.argmax(1)].transpose(0, 2, 1) @ axes
    metres = depth / camera.fx * camera.width / 512
    size = metres[:, None] * np.array([LENGTH, WIDTH, 0.5 * WIDTH])
    centre = rest.mean(0) * (0, 1, 0) + avatar.person.joints[HEAD].double().numpy() * (1, 0, 1)
    parts = []
    for degrees in TURNS:
        # What hangs beside the head has no rim behind which it goes on.
        kept = slice(None) if degrees == 0 else joints[:, HEAD] == 1
        around = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
        place = (rest[kept] - centre) @ around.T + centre
        quats = Rotation.from_matrix(around @ turned[kept]).as_quat()[:, [3, 0, 1, 2]]
        parts.append(_gaussians(place, quats, size[kept], opacity[kept], color[kept], joints[kept]))
    return BoundGaussians.concatenate(parts)


def _gaussians(
    place: np.ndarray, quats: np.ndarray, size: np.ndarray, opacity: np.ndarray, color: np.ndarray, joints: np.ndarray
) -> BoundGaussians:
    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32))

    return BoundGaussians(
        triangle=torch.zeros(0, dtype=torch.int64),
        barycentric=torch.zeros(0, 3),
        joint_weights=tensor(joints),
        position=tensor(place),
        rotation=tensor(quats),
        log_scale=tensor(size).log(),
        opacity_logit=tensor(opacity).clamp(0.05, DENSE).logit(),
        color=tensor(color),
        view_color=torch.zeros(len(place), 2, 3),
        region=torch.full((len(place),), REGION_INDEX["hair"]),
    )
