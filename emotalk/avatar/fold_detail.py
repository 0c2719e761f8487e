"""Finer Gaussians where a face folds: those of smooth skin are wider than a frown line.

Each Gaussian near a line is cut across it into a few, which together have its mean and its covariance, so that the
resting face looks as before; only colours that differ from child to child show a line.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar import binding
from emotalk.avatar.fold_shading import SKIN, skin_places
from emotalk.avatar.folds import lines_on, near_line
from emotalk.avatar.gaussians import PER_GAUSSIAN, BoundGaussians, Corrections
from emotalk.core.motion import HeadMotion
from emotalk.head.mesh import triangle_frames

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.avatar.model import GaussianAvatar
    from emotalk.head import HeadModel

PASSES = 2
"""Four pieces are 0.45 times as wide as the whole; wider Gaussians are cut again."""
AROUND = 3.0
"""Widths of a fold within which skin is cut finer."""
FINE = 0.55
"""Widest standard deviation across a line, in widths of the fold."""
OFFSETS = {2: (0.6,), 3: (0.0, 1.1), 4: (0.4, 1.2)}
"""Pieces -> where they lie on one side, in standard deviations of the whole: near enough to leave no seam."""


@torch.no_grad()
def with_finer_folds(avatar: GaussianAvatar, most: int = 8000) -> GaussianAvatar:
    """The avatar with at most `most` further Gaussians along the lines where faces fold, looking the same."""
    goal = len(avatar) + most
    for _ in range(PASSES):
        avatar = _finer(avatar, goal - len(avatar))
    return avatar


def _finer(avatar: GaussianAvatar, most: int) -> GaussianAvatar:
    g, mesh = avatar.gaussians.detach(), avatar.gaussians.mesh_count
    vertices = avatar.mesh(HeadMotion.neutral())[0]
    skin = torch.isin(g.region[:mesh], torch.tensor(SKIN)).nonzero()[:, 0]
    places = skin_places(avatar.head, g, vertices[0], skin)
    across, width = (torch.from_numpy(part) for part in _across_lines(avatar.head, vertices[0].numpy(), places.numpy()))
    near = width.isfinite()
    rows, across, width = skin[near], across[near], width[near]

    # At rest a triangle's frame is a rotation: all in its coordinates.
    frames = triangle_frames(vertices, avatar.head.triangles)[0][0][g.triangle[rows]].contiguous()
    across = torch.nn.functional.normalize((frames.transpose(1, 2) @ across.float()[..., None]).squeeze(-1), dim=-1)
    turn = _matrix(g.rotation[rows])
    covariance = turn @ torch.diag_embed((2 * g.log_scale[rows]).exp()) @ turn.transpose(1, 2)
    sigma = ((covariance @ across[..., None]).squeeze(-1) * across).sum(-1).sqrt()
    pieces = _within(torch.ceil(sigma / (FINE * width.float())).clamp(1, 4).long(), sigma, most)
    cut = [(rows[chosen], _cut(g, rows[chosen], across[chosen], covariance[chosen], n))
           for n in (2, 3, 4) if (chosen := pieces == n).any()]  # fmt: skip
    if not cut:
        return avatar
    keep = torch.ones(len(g), dtype=torch.bool)
    keep[torch.cat([parents for parents, _ in cut])] = False
    gaussians = BoundGaussians.concatenate([g.select(keep), *(part for _, part in cut)])
    parents = [chosen.repeat(len(part) // len(chosen)) for chosen, part in cut]
    order = torch.cat([keep[:mesh].nonzero()[:, 0], *parents, mesh + keep[mesh:].nonzero()[:, 0]])
    return avatar.replace(gaussians=gaussians, corrections=inherited(avatar.corrections, order, len(g)))


def _across_lines(head: HeadModel, vertices: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For `places` [n, 3] on a resting face the unit direction across the nearest fold [n, 3], seen from the front, and
    that fold's width [n]; nan far away from all."""
    across, width, best = np.zeros_like(places), np.full(len(places), np.nan), np.full(len(places), AROUND)
    for line in lines_on(head, vertices):
        near, closest, distance = near_line(line, places, AROUND)
        better = distance < best[near]
        near, closest = near[better], closest[better]
        best[near], width[near] = distance[better], line.fold.width
        tangent = np.gradient(line.points, axis=0)[closest]
        side = np.stack([-tangent[:, 1], tangent[:, 0], np.zeros(len(tangent))], 1)
        across[near] = side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    return across, width


def _within(pieces: Tensor, sigma: Tensor, most: int) -> Tensor:
    """Fewer pieces where there would be more than `most` further Gaussians: the widest are cut first."""
    order = torch.argsort(sigma, descending=True)
    further = torch.cumsum(pieces[order] - 1, 0)
    pieces = pieces.clone()
    pieces[order[further > most]] = 1
    return pieces


def _cut(g: BoundGaussians, rows: Tensor, across: Tensor, covariance: Tensor, pieces: int) -> BoundGaussians:
    """The Gaussians `rows` [n] as `pieces` each, all first ones first: along directions `across` [n, 3] in the frames
    of their triangles, where they have these covariances [n, 3, 3]."""
    offsets = sorted({sign * offset for offset in OFFSETS[pieces] for sign in (-1, 1)})
    spread = sum(offset**2 for offset in offsets) / len(offsets)
    pull = (covariance @ across[..., None]).squeeze(-1)  # towards where the ellipsoid reaches furthest along `across`
    step = pull / (pull * across).sum(-1, keepdim=True).clamp_min(1e-14).sqrt()
    narrow = covariance - spread * step[:, :, None] * step[:, None, :]
    values, vectors = torch.linalg.eigh(narrow.double())
    vectors *= torch.linalg.det(vectors).sign()[:, None, None]
    # Optical depth is what adds up: a part each, more of it where the pieces are narrower than their share.
    depth = -torch.log1p(-g.opacity_logit[rows].sigmoid().clamp(max=0.999))
    opacity = 1 - torch.exp(-depth / (len(offsets) * math.sqrt(1 - spread)))
    same = {name: getattr(g, name)[rows] for name in PER_GAUSSIAN} | {
        "rotation": binding.quat_from_matrix(vectors.float()),
        "log_scale": 0.5 * values.clamp_min(1e-12).log().float(),
        "opacity_logit": torch.logit(opacity.clamp(1e-4, 1 - 1e-4)),
    }
    parts = [same | {"position": same["position"] + offset * step} for offset in offsets]
    nowhere = g.joint_weights[:0]
    return BoundGaussians.concatenate(
        [BoundGaussians(g.triangle[rows], g.barycentric[rows], nowhere, **part) for part in parts]
    )


def _matrix(quats: Tensor) -> Tensor:
    """Rotation matrices [n, 3, 3] of wxyz quaternions [n, 4] of any length."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def inherited(corrections: Corrections, order: Tensor, count: int) -> Corrections:
    """The corrections of Gaussians that are copies of the rows `order` [N] of `count` earlier ones."""
    row = torch.full((count,), -1)
    row[corrections.index] = torch.arange(len(corrections.index))
    found = row[order]
    index = (found >= 0).nonzero()[:, 0]
    rows = found[index]
    return Corrections(
        corrections.mean, corrections.matrix, index, corrections.position[:, rows], corrections.color[:, rows]
    )
