"""Gaussians spread over the triangles of the head's mesh: where every avatar begins."""

from __future__ import annotations

import numpy as np
import torch

from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.head import HeadModel

COVER = 0.85
"""Standard deviation of a flat Gaussian in units of the root of the area it stands for: enough to leave no holes."""

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


def triangle_regions(head: HeadModel) -> np.ndarray:
    """The avatar region of every triangle [F] of the head: that of at least two of its corners."""
    triangles = head.triangles.cpu().numpy()
    region = np.full(len(triangles), REGION_INDEX["face"])
    masks = head.regions
    for mask, name in MESH_REGIONS.items():
        if mask in masks:
            region[masks[mask].cpu().numpy()[triangles].sum(1) >= 2] = REGION_INDEX[name]
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
