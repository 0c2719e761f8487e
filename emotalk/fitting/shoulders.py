"""What a video shows beside the head mesh: shoulders and clothes, and hair that hangs; and how shoulders move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_erosion, label
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.core.camera import unproject
from emotalk.head import HeadModel
from emotalk.tracking.masks import BODY, HAIR, SKIN

if TYPE_CHECKING:
    from emotalk.core.camera import Camera
    from emotalk.tracking import TrackedVideo

BEHIND_NECK = 0.015
"""Metres that cloth lies in front of the neck joint: behind the chin and the front of the neck."""
UNDER = {"clothes": 0.03, "hair": 0.03}
"""Metres that they go on behind the head: turning it shows them."""
BEYOND = 0.05
"""Metres that shoulders go on outside of the picture: moving them up shows it."""
COLLAR = 0.12
"""Share of the picture's height that a collar may reach above the chin."""
SEAM = 10
"""Pixels at 512 beyond the mesh and its hair up to which nothing is added above the chin."""
SPARE = 1.25
"""Distances of neighbours are this much larger than the mask alone asks for, as it is continued on all sides."""
OVERLAP = 0.62
"""Standard deviation in units of the distance of neighbours."""


def neck_point(tracked: TrackedVideo) -> np.ndarray:
    """The place [3] at rest of the shoulders' surface below the chin: its depth stands for the whole torso."""

    joint = HeadModel.load().with_identity(torch.from_numpy(np.asarray(tracked.identity, np.float32))).joints[1]
    return joint.double().numpy() + np.array([0, 0, BEHIND_NECK])


def outside_gaussians(
    picture: np.ndarray,  # [H, W, 3] uint8, reference frame
    classes: np.ndarray,  # [H, W]
    covered: np.ndarray,  # [H, W] bool, where the mesh (with its hair) is
    chin: float,  # pixels from the top
    camera: Camera,
    rotations: np.ndarray,  # [3, 3, 3] root, neck, head in the reference frame
    translations: np.ndarray,  # [3, 3]
    neck: np.ndarray,  # [3] rest, `neck_point`
    ears: np.ndarray,  # [3] rest, middle between the ears
    count: int,
) -> BoundGaussians:
    """About `count` Gaussians for the person's pixels that the mesh does not cover, in the reference frame's colours.

    What lies below the chin hangs on the root joint at the neck's depth, hair and the like above it on the head at the
    depth of the ears, and in between on both. Both go on behind the mesh and outside of the picture.
    """
    height = len(classes)
    classes = without_outliers(classes, chin)
    solid = binary_erosion(covered, iterations=2, border_value=1)
    row = np.arange(height)[:, None]
    body = ((classes == BODY) | ((classes == SKIN) & (row > chin))) & ~solid & (row > chin - COLLAR * height)
    hair = ((classes == HAIR) | ((classes == SKIN) & (row <= chin))) & ~solid & ~body
    # A seam along the outline is no hair of its own: on the plane of the ears it would come off when the head turns.
    seam = max(2, round(SEAM * height / 512))
    hangs = hair & ~binary_dilation(covered, iterations=seam)
    hair = hair & binary_dilation(hangs, iterations=2 * seam) if hangs.any() else hangs
    matrix = camera.world_to_camera.detach().double().cpu().numpy()
    parts = []
    share = max(int(body.sum() + hair.sum()), 1)
    for mask, anchor, joint, name in ((body, neck, 0, "clothes"), (hair, ears, 2, "hair")):
        if not mask.any():
            continue
        world = rotations[joint] @ anchor + translations[joint]
        depth = float(matrix[2, :3] @ world + matrix[2, 3])
        metres = depth / camera.fx
        step = max(2.0, SPARE * np.sqrt(share / max(count, 1)))
        # Hair goes on behind the face, not before the clothes.
        below = binary_dilation(covered, iterations=3) & (classes > 0) & (row > chin - COLLAR * height)
        room = below if name == "clothes" else (classes == HAIR) | (classes == SKIN)
        pixels, colors = _spread(picture, mask, room, step, UNDER[name] / metres, BEYOND / metres)
        if name == "clothes":
            colors = _neck_colors(picture, classes, mask, pixels, colors)
        points = unproject(pixels, np.full(len(pixels), depth), camera)
        if name == "clothes":
            weights = np.tile([1.0, 0.0, 0.0], (len(points), 1))
        else:
            # Hair above the chin turns with the head; what lies on the shoulders stays there.
            low = np.clip((pixels[:, 1] - chin) / (0.2 * height), 0, 1)
            weights = np.stack([low, np.zeros_like(low), 1 - low], 1)
        parts.append(_bound(points, weights, rotations, translations, OVERLAP * step * metres, colors, name))
    return BoundGaussians.concatenate(parts) if parts else _nothing()


def without_outliers(classes: np.ndarray, chin: float) -> np.ndarray:
    """`classes` [H, W] in which patches of hair or skin that lie wholly beside the collar or lower count as clothes: a
    pattern or a bright edge that the mask took for them would fly off with the head."""
    cleaned = classes.copy()
    for kind in (HAIR, SKIN):
        patches, count = label(classes == kind)
        high = np.zeros(count + 1, bool)
        high[np.unique(patches[: max(0, int(chin - COLLAR * len(classes)))])] = True
        cleaned[(classes == kind) & ~high[patches]] = BODY
    return cleaned


def _spread(
    picture: np.ndarray, mask: np.ndarray, room: np.ndarray, step: float, under: float, beyond: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N, 2] on a grid over a mask, its continuation within `room`, and outside of the picture where the
    mask touches the border; and their colours [N, 3], those of the nearest pixel of the mask."""
    height, width = mask.shape
    margin = int(np.ceil(beyond))
    wide = np.pad(mask, margin)
    # Beyond the border the outermost pixels go on.
    wide[:margin, margin : margin + width] = mask[0]
    wide[margin + height :, margin : margin + width] = mask[-1]
    wide[margin:, :margin] = wide[margin:, margin : margin + 1]
    wide[margin:, margin + width :] = wide[margin:, margin + width - 1 : margin + width]
    behind = binary_dilation(mask, iterations=max(1, int(under))) & room
    wide[margin : margin + height, margin : margin + width] |= behind
    ys, xs = (np.arange(0.5 * step, n, step) for n in wide.shape)
    grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    inside = wide[grid[:, 1].astype(int), grid[:, 0].astype(int)]
    pixels = grid[inside] - margin
    # Colours from well inside the mask: its rim may already be background.
    core = binary_erosion(mask, iterations=2)
    rows, columns = np.nonzero(core if core.any() else mask)
    own = cKDTree(np.stack([columns, rows], 1) + 0.5).query(pixels)[1]
    return pixels, picture[rows[own], columns[own]] / 255.0


def _neck_colors(
    picture: np.ndarray, classes: np.ndarray, mask: np.ndarray, pixels: np.ndarray, colors: np.ndarray
) -> np.ndarray:
    """`colors` [N, 3] with those behind the neck in its own, a little darker: raising the chin shows a throat there."""
    height, width = mask.shape
    column, row = (np.clip(pixels[:, k].astype(int), 0, side - 1) for k, side in enumerate((width, height)))
    throat = ~mask[row, column] & (classes[row, column] == SKIN)
    throat &= (pixels >= 0).all(1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    return np.where(throat[:, None], 0.85 * picture[row, column] / 255.0, colors)


def _bound(
    points: np.ndarray, weights: np.ndarray, rotations: np.ndarray, translations: np.ndarray, sigma: float,
    colors: np.ndarray, name: str,
) -> BoundGaussians:  # fmt: skip
    """Flat Gaussians facing the camera at world points, bound to joints."""
    blended = np.einsum("nj,jab->nab", weights, rotations)
    rest = np.linalg.solve(blended, (points - weights @ translations)[..., None])[..., 0]
    count = len(points)

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32))

    return BoundGaussians(
        triangle=torch.zeros(0, dtype=torch.int64),
        barycentric=torch.zeros(0, 3),
        joint_weights=tensor(weights),
        position=tensor(rest),
        rotation=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        log_scale=torch.tensor([sigma, sigma, 0.3 * sigma], dtype=torch.float32).log().repeat(count, 1),
        opacity_logit=torch.full((count,), 2.95),
        color=tensor(colors),
        view_color=torch.zeros(count, 2, 3),
        region=torch.full((count,), REGION_INDEX[name]),
    )


def _nothing() -> BoundGaussians:
    none = np.zeros((0, 3))
    return _bound(none, none, np.tile(np.eye(3), (3, 1, 1)), np.zeros((3, 3)), 1e-3, none, "clothes")
