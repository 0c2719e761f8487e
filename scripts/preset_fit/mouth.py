"""A preset's mouth put in order after its fit: whole rows of teeth, pink gums, lips without a slit.

A fit sees the inside of a mouth in few pictures: teeth at the sides learn to be dark, gums black, and between closed
lips a tooth may shine. What is known beforehand is written over it: teeth are rigid rows of one tint that fades towards
the throat, set as wide apart as the cheeks leave room for (the head's own rows end 8 mm short of the cheeks).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar import BoundGaussians, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX, Corrections
from emotalk.avatar.mesh_gaussians import spread, triangle_regions
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.rendering import portrait_camera, rasterize

MENDED = "mended_mouth"
"""In the metrics of a card: this was done."""
TEETH = 2600
"""Gaussians of both rows."""
DEPTH = 0.032
"""Metres behind the front teeth at which what is seen past the lips ends."""
FADE = 0.28
"""Share of its light that a row has lost there."""
SPREAD = ((0.0, 0.003, 0.008, 0.014, 0.025), (0.0, 0.0008, 0.0028, 0.0043, 0.0052))
"""Metres behind the front teeth -> metres that a tooth of the upper row is moved to its side."""
LOWER_SPREAD = 0.55
"""Share of it for the lower row: an open jaw draws the lower lip over it."""
TOOTH_LIGHT = (0.66, 0.80)
"""Bounds of the mean of a row's colour."""
SIDE, ZOOM = 400, 14.0
"""The picture of the resting lips in which slits are looked for."""
SHOWN = 0.15
"""Share of a pixel that teeth must have there."""
RIM, STEP, CLOSING, ROUNDS = 0.0011, 0.00012, 0.0006, 8
"""Metres: how far from a slit the lips are drawn together, by how much at once and in all; how often."""


def mend_mouth(avatar: GaussianAvatar) -> GaussianAvatar:
    """The avatar with new rows of teeth, gums and cheeks that are lit, and lips that close.

    Once is enough: what follows the expression is damped each time."""
    vertices = avatar.mesh(HeadMotion.neutral())[0][0]
    teeth = _Teeth(avatar, vertices)
    mended = _lit(avatar, teeth)
    g = mended.gaussians
    keep = g.region != REGION_INDEX["teeth"]
    kept, corrections = g.select(keep), _selected(mended.corrections, keep)
    rows = teeth.gaussians()
    # The rows stand behind the other mesh-bound ones, so that those keep their numbers.
    index = corrections.index.clone()
    index[index >= kept.mesh_count] += rows.mesh_count
    corrections = dataclasses.replace(corrections, index=index)
    return _closed(mended.replace(gaussians=BoundGaussians.concatenate([kept, rows]), corrections=corrections))


def _selected(corrections: Corrections, keep: Tensor) -> Corrections:
    """The corrections of the Gaussians that are kept (bool [N])."""
    inside = keep[corrections.index]
    number = torch.cumsum(keep.long(), 0) - 1
    return dataclasses.replace(
        corrections, index=number[corrections.index[inside]],
        position=corrections.position[:, inside], color=corrections.color[:, inside],
    )  # fmt: skip


class _Teeth:
    """The two rows of a person: which triangle is of which tooth, where it stands, how light it is."""

    def __init__(self, avatar: GaussianAvatar, vertices: Tensor) -> None:
        self.avatar = avatar
        self.vertices, self.triangles = vertices.numpy().astype(float), avatar.head.triangles.numpy()
        self.regions = triangle_regions(avatar.head)
        parts = avatar.head.metadata["parts"]
        self.rows = {name: parts[f"teeth_{name}"] for name in ("upper", "lower")}
        self.front = max(self.vertices[a:b, 2].max() for a, b in self.rows.values())
        self.tint = _tint(avatar, self)

    def depth(self, z: np.ndarray) -> np.ndarray:
        """Metres behind the front teeth."""
        return np.maximum(self.front - z, 0)

    def fade(self, z: np.ndarray) -> np.ndarray:
        """Share of light at places of height z [N] along the line of sight, smooth."""
        t = np.clip(self.depth(z) / DEPTH, 0, 1)
        return 1 - FADE * t * t * (3 - 2 * t)

    def gaussians(self) -> BoundGaussians:
        """Both rows, dense where lips show them."""
        v, t = self.vertices, self.triangles
        corners = v[t]
        centre = corners.mean(1)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        # The arch is round: what points away from its middle is the outside.
        middle = np.array([0.0, 0.0, self.front - 0.030])
        away = (centre - middle) * [1.0, 0.0, 1.0]
        outer = (normal * away).sum(1) / np.maximum(np.linalg.norm(away, axis=1), 1e-9)
        seen = self.depth(centre[:, 2]) < DEPTH
        region = np.where(self.regions == REGION_INDEX["teeth"], self.regions, -1)
        front = (region >= 0) & seen & (outer > 0.25)
        made = []
        for share, mine in ((0.7, front), (0.3, (region >= 0) & ~front)):
            rng = np.random.default_rng(0)
            chosen = np.where(mine | (self.regions == REGION_INDEX["eyes"]), self.regions, -1)
            made.append(spread(v, t, chosen, round(share * TEETH), rng, {"teeth": 1.0}))
        g = BoundGaussians.concatenate(made)
        triangle, weights = g.triangle.numpy(), g.barycentric.numpy()
        place = np.einsum("nk,nkx->nx", weights, corners[triangle])
        tooth = self._teeth()[triangle]
        across, height = self._within(tooth, place)
        light = self.fade(place[:, 2]) * (1 - 0.16 * np.abs(across) ** 5) * (1 - 0.16 * (1 - height) ** 2)
        light *= np.where(outer[triangle] > 0.0, 1.0, 0.92)
        rows = np.isin(t[triangle][:, 0], np.arange(*self.rows["upper"]))
        color = light[:, None] * self.tint * np.where(rows, 1.0, 0.96)[:, None]
        color *= 1 - np.array([0.0, 0.010, 0.030]) * ((1 - light) / 0.3)[:, None]  # what is darker is warmer
        # Whole teeth move, as much as their middle does.
        mid = np.array(
            [place[tooth == k].mean(0) if (tooth == k).any() else place.mean(0) for k in range(tooth.max() + 1)]
        )
        shift = (
            np.interp(self.depth(mid[tooth, 2]), *SPREAD) * np.where(rows, 1.0, LOWER_SPREAD) * np.sign(mid[tooth, 0])
        )
        edge = corners[triangle][:, 1] - corners[triangle][:, 0]
        edge /= np.maximum(np.linalg.norm(edge, axis=1, keepdims=True), 1e-12)
        n = normal[triangle]
        frame = np.stack([edge, np.cross(n, edge), n], -1)
        local = np.einsum("nji,nj->ni", frame, np.outer(shift, [1.0, 0.0, 0.0]))
        wider = torch.tensor([np.log(1.3), np.log(1.3), 0.0], dtype=torch.float32)
        return dataclasses.replace(
            g, position=torch.from_numpy(local.astype(np.float32)), log_scale=g.log_scale + wider,
            color=torch.from_numpy(np.clip(color, 0, 1).astype(np.float32)),
        )  # fmt: skip

    def _teeth(self) -> np.ndarray:
        """The number of the tooth of every triangle [F]: teeth are separate pieces of the mesh."""
        t = self.triangles
        pairs = np.concatenate([t[:, [0, 1]], t[:, [1, 2]]])
        graph = coo_matrix((np.ones(len(pairs)), pairs.T), (len(self.vertices),) * 2)
        piece = connected_components(graph, directed=False)[1][t[:, 0]]
        mine = self.regions == REGION_INDEX["teeth"]
        result = np.full(len(t), -1)
        result[mine] = np.unique(piece[mine], return_inverse=True)[1]
        return result

    def _within(self, tooth: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where places [N, 3] lie in their teeth: -1..1 along the arch, 0 (gum) to 1 (biting edge)."""
        across, height = np.zeros(len(place)), np.zeros(len(place))
        for k in np.unique(tooth):
            mine = tooth == k
            p = place[mine]
            mid = p.mean(0)
            along = np.array([self.front - 0.030 - mid[2], 0.0, mid[0]])  # at right angles to the way out
            along /= np.linalg.norm(along)
            u = (p - mid) @ along
            across[mine] = np.clip(u / np.quantile(np.abs(u), 0.95), -1, 1)
            low, high = p[:, 1].min(), p[:, 1].max()
            h = (p[:, 1] - low) / (high - low)
            upper = mid[1] > self._bite
            height[mine] = 1 - h if upper else h
        return across, height

    @property
    def _bite(self) -> float:
        """Height where the rows meet."""
        (a, b), (c, d) = self.rows["upper"], self.rows["lower"]
        return float(self.vertices[a:b, 1].mean() + self.vertices[c:d, 1].mean()) / 2


def _tint(avatar: GaussianAvatar, teeth: _Teeth) -> np.ndarray:
    """The colour [3] of the front teeth as the fit saw them, kept within what teeth look like."""
    g = avatar.gaussians
    mine = (g.region[: g.mesh_count] == REGION_INDEX["teeth"]).nonzero()[:, 0]
    z = teeth.vertices[teeth.triangles[g.triangle[mine].numpy()]].mean(1)[:, 2]
    color = g.color[mine].numpy()[teeth.depth(z) < 0.008]
    tint = np.median(color[color.mean(1) >= np.median(color.mean(1))], 0)
    return tint * np.clip(tint.mean(), *TOOTH_LIGHT) / tint.mean()


def _lit(avatar: GaussianAvatar, teeth: _Teeth) -> GaussianAvatar:
    """Gums and cheeks beside the teeth at least as light as this person's lips make likely; what changes with the
    expression is damped there, for the fit saw it too rarely."""
    g = avatar.gaussians
    mesh = g.mesh_count
    z = torch.from_numpy(teeth.vertices[teeth.triangles[g.triangle.numpy()]].mean(1))
    depth = torch.from_numpy(teeth.depth(z[:, 2].numpy())).float()
    lips = g.color[g.region == REGION_INDEX["lips"]].median(0).values
    color, view = g.color.clone(), g.view_color.clone()
    region = g.region[:mesh]
    gums = region == REGION_INDEX["gums"]
    cheeks = (region == REGION_INDEX["mouth"]) & (depth < DEPTH) & (z[:, 0].abs() > 0.013)
    for mine, share in ((gums, (0.86, 0.76, 0.76)), (cheeks, (0.52, 0.40, 0.40))):
        fade = torch.from_numpy(teeth.fade(z[mine, 2].numpy())).float()[:, None]
        floor = lips * torch.tensor(share) * fade
        rows = mine.nonzero()[:, 0]
        color[rows] = torch.maximum(color[rows], floor)
        view[rows] = 0.3 * view[rows]
    corrections = avatar.corrections
    calm = torch.zeros(len(g), dtype=torch.bool)
    calm[:mesh] = gums | cheeks
    mine = calm[corrections.index]
    by_color, by_place = corrections.color.clone(), corrections.position.clone()
    by_color[:, mine] *= 0.25
    by_place[:, mine] *= 0.25
    return avatar.replace(
        gaussians=dataclasses.replace(g, color=color, view_color=view),
        corrections=dataclasses.replace(corrections, color=by_color, position=by_place),
    )


def _closed(avatar: GaussianAvatar) -> GaussianAvatar:
    """The rims of both lips drawn together, tenths of a millimetre, where a tooth shows between resting lips."""
    head, triangles = avatar.head, avatar.head.triangles.numpy()
    neutral = HeadMotion.neutral()
    vertices = avatar.mesh(neutral)[0][0]
    fall = vertices[:, 1] - avatar.mesh(_open())[0][0][:, 1]
    lips = head.regions["lips"]
    falls = (fall > 0.5 * fall[lips].max()).numpy()[triangles].sum(1) >= 2
    g = avatar.gaussians
    triangle = g.triangle.numpy()
    rim = np.flatnonzero(np.isin(g.region[: g.mesh_count].numpy(), [REGION_INDEX["lips"], REGION_INDEX["mouth"]]))
    up = np.where(falls[triangle[rim]], 1.0, -1.0)
    corners = vertices.numpy()[triangles[triangle[rim]]]
    edge = corners[:, 1] - corners[:, 0]
    edge /= np.maximum(np.linalg.norm(edge, axis=1, keepdims=True), 1e-12)
    normal = np.cross(edge, corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    upwards = np.stack([edge[:, 1], np.cross(normal, edge)[:, 1], normal[:, 1]], 1)  # (0, 1, 0) in the frames
    moved = np.zeros(len(rim))
    for _ in range(ROUNDS):
        slit = _slit(avatar)
        means = avatar.pose(neutral, 0).means.numpy()[rim]
        if not len(slit):
            break
        distance, nearest = cKDTree(slit[:, :2]).query(means[:, :2])
        near = np.clip(1 - distance / RIM, 0, 1) * (means[:, 2] > slit[nearest, 2] - 0.003)
        step = np.minimum(STEP * near, np.maximum(CLOSING - moved, 0))
        moved += step
        position = avatar.gaussians.position.clone()
        position[rim] += torch.from_numpy((upwards * (up * step)[:, None]).astype(np.float32))
        avatar = avatar.replace(gaussians=dataclasses.replace(avatar.gaussians, position=position))
    return avatar


def _slit(avatar: GaussianAvatar) -> np.ndarray:
    """Places [P, 3] (metres) on the resting lips where teeth shine through from in front."""
    g = avatar.gaussians
    neutral = HeadMotion.neutral()
    middle = avatar.mesh(neutral)[0][0][avatar.head.regions["lips"]].mean(0)
    camera = portrait_camera(SIDE, zoom=ZOOM)
    turn, move = camera.world_to_camera[:3, :3], camera.world_to_camera[:3, 3]
    local = turn @ middle + move
    at = camera.fx * local[:2] / local[2]
    camera = dataclasses.replace(camera, cx=SIDE / 2 - float(at[0]), cy=SIDE / 2 - float(at[1]))
    white = (g.region == REGION_INDEX["teeth"]).float()[:, None].expand(-1, 3).contiguous()
    cloud = dataclasses.replace(avatar.pose(neutral, 0, camera), colors=white)
    shown = rasterize(cloud, camera, (0.0, 0.0, 0.0)).image[..., 0].numpy()
    rows, columns = np.nonzero(shown > SHOWN)
    flat = np.column_stack([(columns + 0.5 - camera.cx) / camera.fx, (rows + 0.5 - camera.cy) / camera.fy])
    red = cloud.means.numpy()[g.region.numpy() == REGION_INDEX["lips"]] @ turn.numpy().T + move.numpy()
    if not len(flat):
        return np.zeros((0, 3))
    z = red[cKDTree(red[:, :2] / red[:, 2:]).query(flat, k=8)[1], 2].mean(1)
    return (np.column_stack([flat * z[:, None], z]) - move.numpy()) @ turn.numpy()


def _open() -> HeadMotion:
    motion = HeadMotion.neutral()
    motion.expression[0, ARKIT_INDEX["jawOpen"]] = 1.0
    return motion
