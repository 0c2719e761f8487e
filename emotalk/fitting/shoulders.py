"""What a video shows beside the head mesh: shoulders and clothes, and hair that hangs; and how shoulders move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter, label
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.core.camera import project, unproject
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
"""Metres that hair goes on outside of the picture."""
BELOW = 0.08
"""Metres that clothes go on below the picture: raised shoulders show them, and whoever looks from above or below."""
ARM = 0.25
"""Metres from the neck to the outside of an arm."""
ASIDE = (0.06, 0.22)
"""Metres that shoulders which leave the picture go on beside it, at least and at most."""
ROUND = 0.14
"""Metres by which a shoulder comes down on its way to the outside of the arm, beside its slope."""
STEEPEST = 1.0
"""Slope of a shoulder's line where it leaves the picture, at most; below 0 it would go up again."""
LINE = 0.12
"""Share of the picture's width from which that slope is taken."""
NEAR = 0.03
"""Metres outside of the picture up to which Gaussians are as dense as inside: frames of the video show that much."""
COARSE = 2.2
"""Further outside, the distance of neighbours is so many times larger."""
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
        if name == "clothes":
            (middle, _), _ = project(world, camera)
            wider = continued_clothes(mask, float(middle), metres)
        else:
            wider = _continued_hair(mask, BEYOND / metres)
        pixels, colors, sizes = _spread(picture, mask, room, step, UNDER[name] / metres, wider, NEAR / metres)
        if name == "clothes":
            colors = _neck_colors(picture, classes, mask, pixels, colors)
        points = unproject(pixels, np.full(len(pixels), depth), camera)
        if name == "clothes":
            weights = np.tile([1.0, 0.0, 0.0], (len(points), 1))
        else:
            # Hair above the chin turns with the head; what lies on the shoulders stays there.
            low = np.clip((pixels[:, 1] - chin) / (0.2 * height), 0, 1)
            weights = np.stack([low, np.zeros_like(low), 1 - low], 1)
        parts.append(_bound(points, weights, rotations, translations, OVERLAP * sizes * metres, colors, name))
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


@dataclass(frozen=True)
class Continued:
    """A mask with what goes on outside of its picture; the picture begins at column `left` and row `above` of it."""

    mask: np.ndarray  # [H', W'] bool
    left: int  # pixels
    above: int
    row: np.ndarray  # [H', W'] int, the picture's pixel that it looks like
    column: np.ndarray  # [H', W'] int


def continued_clothes(
    mask: np.ndarray,  # [H, W] bool
    middle: float,  # column of the neck
    metres: float,  # of a pixel at the depth of the clothes
) -> Continued:
    """Clothes that go on below their picture, and beside it as a shoulder does: along its line, rounded, down the
    outside of the arm. They look like what lies inside, mirrored at the border: the border's own pixels, repeated,
    would be stripes."""
    height, width = mask.shape
    below = int(np.ceil(BELOW / metres))
    middle = float(np.clip(middle, 8, width - 8))
    ends = [_side(side, away, metres) for side, away in ((mask, middle), (mask[:, ::-1], width - middle))]
    left, right = (len(tops) for tops, _, _ in ends)
    row = np.tile(np.arange(height + below)[:, None], (1, left + width + right))
    column = np.tile(np.arange(-left, width + right), (height + below, 1))
    wide = np.zeros(row.shape, bool)
    wide[:height, left : left + width] = mask
    wide[height:, left : left + width] = mask[-1]
    places = (np.arange(left)[::-1], np.arange(left + width, left + width + right))
    for (tops, inside, down), place in zip(ends, places, strict=True):
        wide[:, place] = row[:, place] >= tops
        column[:, place] = inside if place is places[0] else width - 1 - inside
        row[:, place] -= down
    return Continued(wide, left, 0, _mirrored(row, height), column)


def _side(mask: np.ndarray, away: float, metres: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of clothes that leave a picture at its column 0, `away` pixels from the neck, for the columns beyond it: the rows
    [D] from which on they are there, the columns [D] inside that they look like, and how many rows [D] lower they lie.
    No columns where the clothes stay inside."""
    height, width = mask.shape
    near = np.arange(max(4, round(LINE * width)))
    shown = np.where(mask.any(0), mask.argmax(0), height)
    near = near[shown[near] < height]
    nothing = np.zeros(0, int)
    if not mask[:, :2].any() or len(near) < 4:
        return nothing, nothing, nothing
    slope, start = np.polyfit(near, shown[near], 1)  # inwards a shoulder rises: its rows fall
    slope = float(np.clip(-slope, 0, STEEPEST))
    start = float(np.clip(start, shown[near].min(), height - 1))
    reach = int(np.clip(ARM / metres - away, ASIDE[0] / metres, ASIDE[1] / metres))
    steps = np.arange(1, reach + 1)
    tops = start + slope * steps + ROUND / metres * (1 - np.sqrt(1 - (steps / reach) ** 2))
    inside = _mirrored(steps - 1, max(4, int(0.5 * away)))  # what lies nearer to the neck is no shoulder
    return tops, inside, np.rint(tops - np.minimum(shown[inside], height - 1)).astype(int)


def _mirrored(index: np.ndarray, length: int) -> np.ndarray:
    """Indices into a line of pixels for any number, back and forth."""
    index = np.mod(index, 2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def _continued_hair(mask: np.ndarray, beyond: float) -> Continued:
    """A mask whose outermost pixels go on beyond the border of its picture."""
    height, width = mask.shape
    margin = int(np.ceil(beyond))
    row = np.clip(np.arange(-margin, height + margin), 0, height - 1)[:, None]
    column = np.clip(np.arange(-margin, width + margin), 0, width - 1)[None]
    row, column = np.broadcast_arrays(row, column)
    return Continued(mask[row, column], margin, margin, row, column)


def _spread(
    picture: np.ndarray, mask: np.ndarray, room: np.ndarray, step: float, under: float, wider: Continued, near: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels [N, 2] on a grid over a mask, its continuation within `room`, and outside of the picture where `wider`
    has it; their colours [N, 3], those of the nearest pixel of the mask; and how far their neighbours are [N]."""
    height, width = mask.shape
    wide = wider.mask.copy()
    behind = binary_dilation(mask, iterations=max(1, int(under))) & room
    wide[wider.above : wider.above + height, wider.left : wider.left + width] |= behind
    # Colours from well inside the mask: its rim may already be background.
    core = binary_erosion(mask, iterations=2)
    core = core if core.any() else mask
    rows, columns = np.nonzero(core)
    nearest = cKDTree(np.stack([columns, rows], 1) + 0.5)
    soft = _smoothed(picture, core, step)
    parts = []
    for distance, outside in ((step, False), (COARSE * step, True)):
        ys, xs = (np.arange(0.5 * distance, n, distance) for n in wide.shape)
        grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
        at = tuple(grid.astype(int).T[::-1])
        pixels = grid - [wider.left, wider.above]
        away = np.maximum(-pixels, pixels - [width, height]).max(1)
        # They overlap by half a neighbour: side by side, a line would show.
        chosen = wide[at] & (away > near - 0.5 * distance if outside else away <= near)
        pixels, like = pixels[chosen], np.stack([wider.column[at], wider.row[at]], 1)[chosen] + 0.5
        inside = away[chosen] <= 0
        own = nearest.query(np.where(inside[:, None], pixels, like))[1]
        own = rows[own], columns[own]
        colors = np.where(inside[:, None], picture[own] / 255.0, soft[own])
        parts.append((pixels, colors, np.full(len(colors), distance)))
    pixels, colors, sizes = (np.concatenate(part) for part in zip(*parts, strict=True))
    return pixels, colors, sizes


def _smoothed(picture: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """The colours [H, W, 3] in [0, 1] of a mask without what is finer than `sigma` pixels."""
    weight = gaussian_filter(mask.astype(float), sigma)[..., None]
    planes = [gaussian_filter(plane * mask, sigma) for plane in np.moveaxis(picture / 255.0, -1, 0)]
    return np.stack(planes, -1) / np.maximum(weight, 1e-6)


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
    points: np.ndarray, weights: np.ndarray, rotations: np.ndarray, translations: np.ndarray, sigma: np.ndarray,
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
        log_scale=tensor(np.log(sigma[:, None] * [1, 1, 0.3])),
        opacity_logit=torch.full((count,), 2.95),
        color=tensor(colors),
        view_color=torch.zeros(count, 2, 3),
        region=torch.full((count,), REGION_INDEX[name]),
    )


def _nothing() -> BoundGaussians:
    none = np.zeros((0, 3))
    return _bound(none, none, np.tile(np.eye(3), (3, 1, 1)), np.zeros((3, 3)), np.zeros(0), none, "clothes")
