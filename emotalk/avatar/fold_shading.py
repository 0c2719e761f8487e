"""How folds look: colours of a person's Gaussians that follow the muscles, as `Corrections`.

A fold is a groove with swollen skin beside it, a height over the skin. Its slope turns the normal, which changes the
light that the skin receives; its depth hides the bottom from the sky. Both are worked out once for a fold at its full
depth and are linear in its latent from there on, so that drawing costs no more than any other correction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar.folds import FOLDS, Line, driver_row, landmarks, lines_on, near_line
from emotalk.avatar.gaussians import REGION_INDEX, SIGNAL_WIDTH, BoundGaussians, Corrections
from emotalk.head.mesh import triangle_frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from emotalk.head import HeadModel

SKIN = tuple(REGION_INDEX[name] for name in ("face", "lids"))
"""Regions that fold. Hair of brows and beards lies on the skin and keeps its colour."""
AROUND = 4.5
"""Widths of a fold beyond which nothing of it is to be seen."""
HIDDEN = 0.34
"""How much darker the bottom of a fold of `DEEP` metres is for the light that it is hidden from."""
DEEP = 0.001
DARKENS = np.array([0.82, 1.0, 1.04])
"""Shadows in skin are redder than skin: light that went through it. Shares of the darkening for red, green, blue."""
GAMMA = 1 / 2.2
"""Colours are as displayed, light is linear."""
LARGEST = 0.6
"""A fold takes at most this share of the light and adds at most half of it."""
DEFAULT_LIGHT = np.array([0.0, 0.6, 0.8, 0.6])
"""Direction of the light [3] and how strong it is against the light from everywhere, where a face does not tell."""
FLUSH = np.array([0.030, -0.014, -0.012])
"""What blood adds to displayed colours of cheeks and nose, as a share of the skin's own brightness: small."""
FLUSH_GROUP = "flush"
FLUSHED: tuple[tuple[int, float, float], ...] = (
    (50, 0.024, 1.0),
    (280, 0.024, 1.0),
    (5, 0.014, 0.7),
    (151, 0.03, 0.25),
)
"""Landmark, radius (metres) and share of the places that blush."""


def fold_corrections(
    head: HeadModel,
    gaussians: BoundGaussians,
    vertices: np.ndarray,  # [V, 3] the resting face, metres
    strength: Mapping[str, float],  # group of `FOLDS`, or "flush" -> 0 (none) to 1 (a face in its fifties)
) -> Corrections:
    """What the folds of a face add to the colours of its Gaussians; empty where nothing folds."""
    device = gaussians.position.device
    groups = [group for group in (*FOLDS, FLUSH_GROUP) if strength.get(group, 0) > 0]
    rows = (torch.isin(gaussians.region[: gaussians.mesh_count], torch.tensor(SKIN, device=device))).nonzero()[:, 0]
    if not groups or not len(rows):
        return Corrections.empty(device)
    g = gaussians.detach()
    colors = g.color[rows].cpu().numpy()
    places, normals = _skin(head, g, vertices, rows)
    light = light_of(normals, colors)
    changes: dict[tuple[str, str], np.ndarray] = {}
    for line in lines_on(head, vertices, groups):
        change = changes.setdefault((line.group, line.side), np.zeros((len(rows), 3)))
        near, light_change = _shading(line, places, normals, light, strength[line.group])
        change[near] += light_change
    added = {key: _displayed(colors, change) for key, change in changes.items()}
    if FLUSH_GROUP in groups:
        added[FLUSH_GROUP, ""] = strength[FLUSH_GROUP] * _flush(head, vertices, places, colors)
    color = np.stack(list(added.values()))
    matrix = np.stack([driver_row(group, side, SIGNAL_WIDTH) for group, side in added])
    keep = (np.abs(color) > 1 / 512).any((0, 2))
    color = torch.from_numpy(color[:, keep].astype(np.float32)).to(device)
    index = rows[torch.from_numpy(keep).to(device)]
    mean = torch.zeros(SIGNAL_WIDTH, device=device)
    return Corrections(mean, torch.from_numpy(matrix).to(device), index, torch.zeros_like(color), color)


def _skin(head: HeadModel, g: BoundGaussians, vertices: np.ndarray, rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Where the Gaussians `rows` [n] lie on a face with vertices [V, 3], and the unit normals there, [n, 3] each."""
    at = torch.from_numpy(np.ascontiguousarray(vertices, np.float32))
    triangles = head.triangles.cpu().numpy()
    corners = triangles[g.triangle[rows].cpu().numpy()]
    weights = g.barycentric[rows].cpu().numpy()
    normals = np.einsum("nc,ncd->nd", weights, _normals(vertices, triangles)[corners])
    return skin_places(head, g, at, rows).cpu().numpy(), _unit(normals)


def skin_places(head: HeadModel, gaussians: BoundGaussians, vertices: Tensor, rows: Tensor) -> Tensor:
    """Where mesh-bound Gaussians `rows` [n] lie [n, 3] on a resting face with vertices [V, 3], metres."""
    triangle = gaussians.triangle[rows]
    frames = triangle_frames(vertices[None].to(triangle.device), head.triangles[triangle])[0][0]
    anchors = (vertices.to(triangle.device)[head.triangles[triangle]] * gaussians.barycentric[rows][..., None]).sum(1)
    return anchors + (frames @ gaussians.position[rows][..., None]).squeeze(-1)


def light_of(normals: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """[4] direction (unit) of the light on a face and its strength against the light from everywhere (0 to 1.2), read
    off its skin: brightness is a constant and a part that is linear in the normal (Ramamoorthi & Hanrahan 2001, with
    one harmonic), for Gaussians with unit `normals` [N, 3] and displayed `colors` [N, 3]."""
    bright = (colors.clip(0, 1) @ [0.2126, 0.7152, 0.0722]) ** (1 / GAMMA)
    front = normals[:, 2] > 0.2
    if front.sum() < 100:
        return DEFAULT_LIGHT
    bright, normals = bright[front], normals[front]
    inside = (bright >= np.quantile(bright, 0.1)) & (bright <= np.quantile(bright, 0.98))  # no nostrils, no highlights
    design = np.concatenate([np.ones((inside.sum(), 1)), normals[inside]], 1)
    ridge = np.diag([0, 1e-3, 1e-3, 1e-3]) * len(design)
    mean, *slope = np.linalg.solve(design.T @ design + ridge, design.T @ bright[inside])
    direction = np.array([slope[0], max(slope[1], 0.0), max(slope[2], 0.0)])
    # Baked shadows hide how high the light stands; a lamp below the face is not believed.
    strength = np.linalg.norm(direction) / max(mean, 1e-3)
    seen = np.clip(strength / 0.5, 0, 1)
    towards = _unit(seen * direction / max(np.linalg.norm(direction), 1e-9) + (1 - seen) * DEFAULT_LIGHT[:3])
    towards = _unit(0.5 * towards + 0.5 * DEFAULT_LIGHT[:3])
    return np.append(towards, np.clip(0.5 * strength + 0.5 * DEFAULT_LIGHT[3], 0.3, 1.2))


def _shading(
    line: Line, places: np.ndarray, normals: np.ndarray, light: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n] near a line, and the change of their light [n, 3] as a share of what they receive."""
    fold = line.fold
    near, closest, _ = near_line(line, places, AROUND)
    if not len(near):
        return near, np.zeros((0, 3))
    tangent = _unit(np.gradient(line.points, axis=0))[closest]
    normal = normals[near]
    across = _unit(np.cross(normal, tangent))  # within the skin, at right angles to the line
    away = places[near] - line.points[closest]
    if line.ridge is not None:
        across *= np.sign(((line.ridge - line.points[closest]) * across).sum(1, keepdims=True))
    x = (away * across).sum(1) / fold.width
    # Beyond an end the line is a round hole: distance counts there too.
    beyond = (away * tangent).sum(1) / fold.width
    share = strength * line.share[closest] * np.exp(-(beyond**2))
    groove = np.exp(-(x**2))
    slope = 2 * x * groove * fold.depth
    if line.ridge is None:
        reach = np.abs(x) - fold.reach
        slope += -2 * reach * np.exp(-(reach**2)) * fold.swell * np.sign(x)
    else:
        reach = (x - fold.reach) / 1.4
        slope += -2 / 1.4 * reach * np.exp(-(reach**2)) * fold.swell
    slope *= share / fold.width
    turned = _unit(normal - slope[:, None] * across)
    direction, strong = light[:3], light[3]
    before = 1 + strong * np.clip(normal @ direction, 0, None)
    after = 1 + strong * np.clip(turned @ direction, 0, None)
    hidden = 1 - HIDDEN * np.minimum(share * fold.depth / DEEP, 1.6) * groove
    relative = (after / before * hidden - 1)[:, None]
    return near, np.where(relative < 0, relative * DARKENS, relative)


def _flush(head: HeadModel, vertices: np.ndarray, places: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """What a blush adds to the colours [N, 3] of Gaussians at `places` [N, 3]."""
    marks = landmarks(head, vertices)
    share = np.zeros(len(places))
    for mark, radius, most in FLUSHED:
        distance = np.linalg.norm(places - marks[mark], axis=1) / radius
        share = np.maximum(share, most * np.exp(-(distance**2)))
    return share[:, None] * FLUSH * (colors.mean(1, keepdims=True) / 0.6).clip(0, 1)


def _displayed(colors: np.ndarray, change: np.ndarray) -> np.ndarray:
    """What a change [N, 3] of the light, as a share of it, adds to displayed colours [N, 3]."""
    return colors * ((1 + change.clip(-LARGEST, LARGEST / 2)) ** GAMMA - 1)


def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals [V, 3] of a mesh."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    return _unit(normals)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def joined(first: Corrections, second: Corrections) -> Corrections:
    """Both kinds of corrections as one; Gaussians that either changes are listed once."""
    if not len(second.index):
        return first
    if not len(first.index):
        return second if len(first.mean) == len(second.mean) else _widened(second, len(first.mean))
    second = _widened(second, len(first.mean))
    index = torch.unique(torch.cat([first.index, second.index]))

    def spread(part: Corrections, name: str) -> Tensor:
        rows = getattr(part, name)
        wide = rows.new_zeros(len(rows), len(index), 3)
        wide[:, torch.searchsorted(index, part.index)] = rows
        return wide

    # The usual expression of the first is taken from the second's signals too, rightly: the colours at rest are those
    # of that expression, with what it folds.
    return Corrections(
        first.mean,
        torch.cat([first.matrix, second.matrix]),
        index,
        torch.cat([spread(first, "position"), spread(second, "position")]),
        torch.cat([spread(first, "color"), spread(second, "color")]),
    )


def _widened(part: Corrections, width: int) -> Corrections:
    pad = width - len(part.mean)
    if pad <= 0:
        return part
    grow = torch.nn.functional.pad
    return Corrections(grow(part.mean, (0, pad)), grow(part.matrix, (0, pad)), part.index, part.position, part.color)
