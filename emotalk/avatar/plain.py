"""A rough avatar straight from the head mesh: Gaussians spread over its triangles in plain colours.

It is the starting point of every fit, and good enough to talk with before one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from emotalk.avatar.card import AvatarCard
from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.avatar.model import GaussianAvatar
from emotalk.avatar.strands import COVER, hang
from emotalk.errors import InputError
from emotalk.head import HeadModel

Color = tuple[float, float, float]

MESH_REGIONS = {
    "shoulders": "shoulders", "neck": "neck", "scalp": "scalp", "face": "face", "ears": "ears", "lids": "lids",
    "lips": "lips", "inner_mouth": "mouth", "eyes": "eyes", "gums": "gums", "teeth": "teeth", "tongue": "tongue",
    "lashes": "lashes",
}  # fmt: skip
"""Region masks of the head model -> regions of an avatar; where masks overlap the later one wins."""
DENSITY = {
    "shoulders": 0.45, "neck": 1.6, "scalp": 1.0, "face": 3.2, "ears": 2.0, "lids": 8.0, "lips": 8.0, "mouth": 1.5,
    "eyes": 7.0, "gums": 2.5, "teeth": 6.0, "tongue": 3.0, "lashes": 4.0,
}  # fmt: skip
"""Gaussians per area relative to each other: what people look at gets more."""
LIGHT = np.array([0.25, 0.55, 0.8])


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
    gaussians = spread(vertices, triangles, region, count, rng)
    points, normals = _points(vertices, triangles, gaussians)
    colors = _mesh_colors(head, look, gaussians, points, normals)
    parts = [BoundGaussians(**{**vars(gaussians), "color": torch.from_numpy(colors.astype(np.float32))})]
    if hair and look.hair_thickness > 0:
        parts.append(_cap(gaussians, points, normals, look, rng))
    card = card or AvatarCard("Plain", "CC0-1.0", "Drawn on the head model without any picture.", synthetic=True)
    return GaussianAvatar(head, identity, BoundGaussians.concatenate(parts), card)


def triangle_regions(head: HeadModel) -> np.ndarray:
    """The avatar region of every triangle [F] of the head: that of at least two of its corners."""
    triangles = head.triangles.numpy()
    region = np.full(len(triangles), REGION_INDEX["face"])
    masks = head.regions
    for mask, name in MESH_REGIONS.items():
        if mask in masks:
            region[masks[mask].numpy()[triangles].sum(1) >= 2] = REGION_INDEX[name]
    return region


def spread(
    vertices: np.ndarray,  # [V, 3] neutral face
    triangles: np.ndarray,  # [F, 3]
    region: np.ndarray,  # [F]
    count: int,
    rng: np.random.Generator,
    density: dict[str, float] | None = None,
) -> BoundGaussians:
    """About `count` grey Gaussians over the mesh, denser where people look (`density`: region -> Gaussians per area
    relative to each other), each as wide as its share of the area."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    weight = np.zeros(len(triangles))
    for name, wanted in (density or DENSITY).items():
        weight[region == REGION_INDEX[name]] = wanted
    centre = (a + b + c) / 3
    # The rear half of the eyeballs is inside the head for good.
    eyes = region == REGION_INDEX["eyes"]
    weight[eyes & (centre[:, 2] < centre[eyes, 2].mean())] = 0
    # The back of head and shoulders is seen in no portrait from the front: cover it, no more.
    weight[(centre[:, 2] < -0.02) & ~eyes] *= 0.5
    share = weight * area
    wanted = share * (count / share.sum())
    number = np.floor(wanted + rng.random(len(wanted))).astype(int)
    # Every patch of skin gets at least one; teeth and gums have far more triangles than anyone sees.
    fine = np.isin(region, [REGION_INDEX["teeth"], REGION_INDEX["gums"]])
    number = np.maximum(number, (weight > 0) & ~fine)
    triangle = np.repeat(np.arange(len(triangles)), number)
    corner = _spread_in_triangles(number, rng)
    sigma = COVER * np.sqrt(area / np.maximum(number, 1))[triangle]
    scale = np.stack([sigma, sigma, 0.25 * sigma], 1)
    total = len(triangle)
    # Nearly opaque from the start: fits that begin translucent keep eyeballs shining through lids. Lashes are thin.
    lashes = region[triangle] == REGION_INDEX["lashes"]
    opacity = torch.from_numpy(np.where(lashes, 0.2, 0.95).astype(np.float32))
    return BoundGaussians(
        triangle=torch.from_numpy(triangle),
        barycentric=torch.from_numpy(corner.astype(np.float32)),
        joint_weights=torch.zeros(0, 3),
        position=torch.zeros(total, 3),
        rotation=torch.tensor([1.0, 0, 0, 0]).repeat(total, 1),
        log_scale=torch.from_numpy(np.log(np.maximum(scale, 1e-5)).astype(np.float32)),
        opacity_logit=torch.logit(opacity),
        color=torch.full((total, 3), 0.5),
        view_color=torch.zeros(total, 2, 3),
        region=torch.from_numpy(region[triangle]),
    )


def _spread_in_triangles(number: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Barycentric coordinates [sum(number), 3]: a rotated R2 sequence in each triangle, its centre for one point."""
    first = np.cumsum(number) - number
    step = np.arange(number.sum()) - np.repeat(first, number)
    shift = np.repeat(rng.random((len(number), 2)), number, axis=0)
    u, v = ((shift + step[:, None] * [0.7548776662, 0.5698402910]) % 1).T  # plastic number: even spacing in the plane
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    corner = np.stack([1 - u - v, u, v], 1)
    corner[np.repeat(number == 1, number)] = 1 / 3
    return corner


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
