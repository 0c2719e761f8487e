"""The colours of an avatar's mesh-bound Gaussians, taken from the frames that see them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from emotalk.avatar import binding
from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.core.camera import Camera
from emotalk.fitting.visibility import colors_at, seen
from emotalk.head import HeadModel
from emotalk.tracking.masks import BACKGROUND, HAIR

SPREAD = 0.08
"""Distance of a frame's colour from the mean of all at which it counts 60 %: highlights and misfits count less."""
OFF = 0.6
"""Share of the frames in which a point must fall on the background to be dropped as outside of the person."""
UNLIKE_SKIN = 0.15
"""Sum of the differences of red, green and blue shares (of their sum) from the face's: white differs by 0.2."""
BORROW = {
    "hair": ("hair", "scalp"), "scalp": ("scalp", "hair"), "lips": ("lips",), "eyes": ("eyes",),
    "lids": ("face",), "face": ("face",), "ears": ("ears", "face"), "neck": ("neck", "face"),
}  # fmt: skip
"""Regions from which a Gaussian that no frame sees takes the colour of its nearest neighbour."""


@dataclass(frozen=True)
class View:
    """One frame with what the fitted head does in it."""

    vertices: np.ndarray  # [V, 3] posed
    rotations: np.ndarray  # [3, 3, 3] of root, neck, head
    translations: np.ndarray  # [3, 3]
    nearest: np.ndarray  # [H, W] depth of the mesh with its hair
    picture: np.ndarray  # [H, W, 3] uint8
    classes: np.ndarray  # [H, W] of video_frames
    unsure: np.ndarray  # [H, W] bool, near the outline of the person


def paint(gaussians: BoundGaussians, head: HeadModel, views: list[View], camera: Camera) -> BoundGaussians:
    """The Gaussians in the colours of the views; those that lie on the background in most of them are dropped."""
    count = len(gaussians)
    colors, weights = np.zeros((len(views), count, 3)), np.zeros((len(views), count))
    on_background, looked = np.zeros(count), np.zeros(count)
    region = gaussians.region.numpy()
    lids = region == REGION_INDEX["lids"]
    hair = np.isin(region, [REGION_INDEX["hair"], REGION_INDEX["scalp"]])
    places = np.zeros((count, 3))
    for k, view in enumerate(views):
        points, normals = _placed(gaussians, head, view)
        places = points if k == 0 else places
        cosine, pixels = seen(points, normals, view.nearest, camera)
        column = np.clip(pixels[:, 0].astype(int), 0, view.classes.shape[1] - 1)
        row = np.clip(pixels[:, 1].astype(int), 0, view.classes.shape[0] - 1)
        kind = view.classes[row, column]
        looked += cosine > 0
        on_background += (cosine > 0) & (kind == BACKGROUND)
        # Skin takes no colour from hair that hangs over it nor hair from skin, where the classes know.
        fits = (kind != BACKGROUND) & (~hair | (kind == HAIR) | (view.classes != HAIR).all())
        fits &= ~view.unsure[row, column]  # the background shines through
        fits &= ~lids  # an eyelid that is seen is open: all lashes and folds
        colors[k] = colors_at(view.picture, pixels)
        weights[k] = np.where(fits, cosine**2, 0.0)
    color, known = _agreed(colors, weights)
    outside = (looked >= 2) & (on_background > OFF * looked)
    color = _filled(color, known & ~outside, places, region)
    painted = dataclasses.replace(gaussians, color=torch.from_numpy(color.clip(0, 1).astype(np.float32)))
    # Below the chin the mesh may run into collar and cloth, which the picture's own Gaussians show better.
    share = color / np.maximum(color.sum(1, keepdims=True), 1e-6)
    face = known & (region == REGION_INDEX["face"])
    if face.any():
        unlike = np.abs(share - np.median(share[face], axis=0)).sum(1) > UNLIKE_SKIN
        outside |= (region == REGION_INDEX["neck"]) & unlike
    return painted.select(torch.from_numpy(~outside | (region == REGION_INDEX["eyes"])))


def _placed(gaussians: BoundGaussians, head: HeadModel, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Points [N, 3] and normals [N, 3] in a view."""
    vertices = torch.from_numpy(view.vertices).float()
    # Stretch matters to the lift of hair alone, and the skull is rigid.
    sizes = binding.triangle_sizes(vertices, head.triangles)
    frames = binding.binding_frames_torch(
        gaussians, vertices, head.triangles, sizes,
        torch.from_numpy(view.rotations).float(), torch.from_numpy(view.translations).float(),
    )  # fmt: skip
    points = frames.base + (frames.matrix @ gaussians.position[..., None])[..., 0]
    return points.double().numpy(), frames.matrix[:, :, 2].double().numpy()


def _agreed(colors: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the views agree on [N, 3], and whether any saw it [N]: a mean that outliers move little."""
    total = weights.sum(0)
    known = total > 0
    mean = np.einsum("kn,knc->nc", weights, colors) / np.maximum(total, 1e-9)[:, None]
    for _ in range(3):
        off = np.square(colors - mean).sum(-1)
        robust = weights / (1 + off / SPREAD**2)
        mean = np.einsum("kn,knc->nc", robust, colors) / np.maximum(robust.sum(0), 1e-9)[:, None]
    return mean, known


def _filled(color: np.ndarray, known: np.ndarray, points: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Colours [N, 3] for those that no frame saw."""
    color = color.copy()
    face = known & (region == REGION_INDEX["face"])
    skin = np.median(color[face if face.any() else known], axis=0) if known.any() else np.full(3, 0.5)
    for name, source_regions in BORROW.items():
        blind = (region == REGION_INDEX[name]) & ~known
        source = known & np.isin(region, [REGION_INDEX[n] for n in source_regions])
        if not source.any():
            source = known
        if blind.any() and source.any():
            near = (
                cKDTree(points[source])
                .query(points[blind], k=min(8, int(source.sum())))[1]
                .reshape(int(blind.sum()), -1)
            )
            color[blind] = np.median(color[source][near], axis=1)
    lashes = region == REGION_INDEX["lashes"]
    color[lashes] = 0.4 * skin
    return color
