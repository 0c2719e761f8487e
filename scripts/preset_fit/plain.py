"""A rough avatar straight from the head mesh: Gaussians spread over its triangles in plain colours.

It is the starting point of every fit, and good enough to talk with before one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from emotalk.avatar.card import AvatarCard
from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.avatar.mesh_gaussians import DENSITY, spread, triangle_regions
from emotalk.avatar.model import GaussianAvatar
from emotalk.core.errors import InputError
from emotalk.head import HeadModel
from scripts.preset_fit.strands import hang

Color = tuple[float, float, float]

LIGHT = np.array([0.25, 0.55, 0.8])
MOUTHS = DENSITY | {"lips": 10.0, "mouth": 2.2, "gums": 3.5}
"""Gaussians per area: the pictures show mouths closer up than a video does."""


@dataclass(frozen=True)
class PlainLook:
    """Colours (RGB in [0, 1]) of a rough avatar."""

    skin: Color = (0.80, 0.60, 0.50)
    lips: Color = (0.68, 0.38, 0.36)
    iris: Color = (0.30, 0.42, 0.32)
    hair: Color = (0.30, 0.20, 0.13)
    clothes: Color = (0.20, 0.30, 0.42)
    hair_thickness: float = 0.012  # metres over the scalp; 0 for none
    brows: bool = True  # painted on the skin
    extra: dict[str, Color] = field(default_factory=dict)  # region -> colour, for anything else


def build_plain_avatar(
    head: HeadModel,
    identity: torch.Tensor | None = None,  # [K]
    look: PlainLook | None = None,
    count: int = 26_000,
    card: AvatarCard | None = None,
    hair: bool = True,
    seed: int = 0,
) -> GaussianAvatar:
    """A rough avatar of about `count` Gaussians on the head's mesh, plus a cap of hair where `hair` is true."""
    if count < 1000:
        raise InputError(f"An avatar needs at least 1000 Gaussians, {count} were asked for.")
    look = look if look is not None else PlainLook()
    identity = torch.zeros(head.components) if identity is None else identity
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        vertices = head.with_identity(identity)(expression=torch.zeros(1, 52)).vertices[0].numpy()
    triangles = head.triangles.numpy()
    region = triangle_regions(head)
    gaussians = spread(vertices, triangles, region, count, rng, MOUTHS)
    points, normals = _points(vertices, triangles, gaussians)
    colors = _mesh_colors(head, look, gaussians, points, normals)
    parts = [BoundGaussians(**{**vars(gaussians), "color": torch.from_numpy(colors.astype(np.float32))})]
    if hair and look.hair_thickness > 0:
        parts.append(_cap(gaussians, points, normals, look, rng))
    card = card or AvatarCard("Plain", "CC0-1.0", "Drawn on the head model without any picture.", synthetic=True)
    return GaussianAvatar(head, identity, BoundGaussians.concatenate(parts), card)


def _points(vertices: np.ndarray, triangles: np.ndarray, gaussians: BoundGaussians) -> tuple[np.ndarray, np.ndarray]:
    """Places [M, 3] and smooth normals [M, 3] of mesh-bound Gaussians on the neutral face."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face_normal = np.cross(b - a, c - a)
    normal = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normal, triangles[:, k], face_normal)
    corners = triangles[gaussians.triangle.numpy()]
    weights = gaussians.barycentric.numpy()[..., None]
    smooth = (normal[corners] * weights).sum(1)
    return (vertices[corners] * weights).sum(1), smooth / np.maximum(
        np.linalg.norm(smooth, axis=1, keepdims=True), 1e-12
    )


def _mesh_colors(
    head: HeadModel, look: PlainLook, gaussians: BoundGaussians, points: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    region = gaussians.region.numpy()
    named = {
        "lips": look.lips, "mouth": (0.24, 0.08, 0.08), "teeth": (0.86, 0.83, 0.78),
        "gums": (0.58, 0.30, 0.29), "tongue": (0.62, 0.30, 0.30),
        "eyes": (0.90, 0.88, 0.86), "lashes": tuple(0.3 * x for x in look.hair), "shoulders": look.clothes,
        **look.extra,
    }  # fmt: skip
    colors = np.tile(np.array(look.skin), (len(region), 1))
    for name, color in named.items():
        colors[region == REGION_INDEX[name]] = color
    shade = 0.72 + 0.36 * np.clip(normals @ (LIGHT / np.linalg.norm(LIGHT)), -0.5, 1)
    flat = np.isin(region, [REGION_INDEX[name] for name in ("mouth", "gums", "teeth", "tongue", "eyes", "lashes")])
    colors *= np.where(flat, 1.0, shade)[:, None]
    # Teeth and tongue darken toward the throat.
    deep = np.isin(region, [REGION_INDEX[name] for name in ("teeth", "gums", "tongue", "mouth")])
    if deep.any():
        front = points[deep, 2].max()
        colors[deep] *= np.clip(1 - (front - points[deep, 2:3]) / 0.06, 0.25, 1)
    for name, color in (("iris", look.iris), ("pupil", (0.02, 0.02, 0.02))):
        if name in head.regions:
            inside = head.regions[name].numpy()[head.triangles.numpy()].all(1)
            colors[inside[gaussians.triangle.numpy()]] = color
    if look.brows:
        _paint_brows(head, look, gaussians, points, colors)
    return np.clip(colors, 0, 1)


def _paint_brows(
    head: HeadModel, look: PlainLook, gaussians: BoundGaussians, points: np.ndarray, colors: np.ndarray
) -> None:
    """Colour the skin under the brows, an arch 2 cm above each eye's centre."""
    skin = gaussians.region.numpy() == REGION_INDEX["face"]
    for eye in head.joints.numpy()[4:6]:
        outward = np.sign(eye[0]) * (points[:, 0] - eye[0])
        height = 0.021 - 6 * np.square(outward - 0.006)
        half = 0.0035 - 0.08 * np.clip(outward, 0, 0.05)
        off = np.abs(points[:, 1] - eye[1] - height)
        brow = skin & (off < half) & (np.abs(outward - 0.003) < 0.024) & (points[:, 2] > eye[2])
        colors[brow] = 0.35 * colors[brow] + 0.65 * np.array(look.hair)


def _cap(
    gaussians: BoundGaussians, points: np.ndarray, normals: np.ndarray, look: PlainLook, rng: np.random.Generator
) -> BoundGaussians:
    """A cap of hair: long Gaussians over the scalp in three layers, combed down and back."""
    scalp = gaussians.region.numpy() == REGION_INDEX["scalp"]
    root, out = np.repeat(points[scalp], 6, axis=0), np.repeat(normals[scalp], 6, axis=0)
    layer = np.tile(np.array([0.35, 0.35, 0.7, 0.7, 1.0, 1.0]), int(scalp.sum()))
    place = root + rng.normal(0, 0.004, root.shape) + out * (look.hair_thickness * layer)[:, None]
    down = np.array([0, -1.0, -0.4]) + rng.normal(0, 0.25, root.shape)
    down -= (down * out).sum(1, keepdims=True) * out
    light = 0.7 + 0.45 * np.clip(out @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1) + rng.normal(0, 0.08, len(out))
    colors = np.clip(np.array(look.hair) * (light * (0.7 + 0.3 * layer))[:, None], 0, 1)
    weights = np.tile([0.0, 0.0, 1.0], (len(root), 1))
    lengths, widths = np.full(len(root), 0.006), np.full(len(root), 0.0016)
    return hang(place, down, lengths, widths, colors, weights, "hair")
