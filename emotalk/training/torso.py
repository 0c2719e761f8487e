"""What a video shows beside the head mesh: shoulders and clothes, and hair that hangs; and how shoulders move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_erosion, label
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.training.cloth_motion import ClothMotion
from emotalk.training.video_frames import BODY, HAIR, SKIN
from emotalk.training.visibility import unproject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emotalk.tracking import TrackedVideo
    from emotalk.types import Camera

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
LEAST_FIT = 0.35
"""Share of the edges of the clothes (`ClothMotion.follow`) that must fit for a map to be believed."""
CHIN = 152
"""The chin's tip among the 478 landmarks."""
OVERLAP = 0.62
"""Standard deviation in units of the distance of neighbours."""


def torso_shifts(tracked: TrackedVideo, reference: int, rows: Iterable[int] | None = None) -> Tensor:
    """How the shoulders move against where each frame's `HeadMotion` has them, [T, 3, 4] for `binding.shift_torso`;
    with frame `reference` as the one whose shoulders hang on the root joint as they are.

    Every frame's clothes are aligned with those of the reference frame (`ClothMotion`), from where the frame before
    had them or `TrackedVideo.torso` has them; `rows`: only for these frames, all others as `TrackedVideo.torso` says.
    An affine map of the picture becomes one of space that is right at every depth. Where clothes are neither seen nor
    tracked the shoulders go with the motion: 0.
    """
    camera, root = tracked.camera, np.asarray(tracked.motion.head_pose[:, 3:], np.float64)
    maps, known = _similarities(tracked, reference)
    for t, found in _followed(tracked, reference, maps, known, rows):
        maps[t], known[t] = found, True
    matrix = camera.world_to_camera.detach().double().cpu().numpy()
    turn, place = matrix[:3, :3], matrix[:3, 3]
    shifts = np.zeros((len(maps), 3, 4))
    for t in np.flatnonzero(known):
        local = _in_space(maps[t], camera)
        linear = turn.T @ local @ turn
        constant = turn.T @ (local @ place - place)
        shifts[t, :, :3] = linear - np.eye(3)
        shifts[t, :, 3] = linear @ (root[reference] - root[t]) + constant
    return torch.from_numpy(shifts.astype(np.float32))


def _similarities(tracked: TrackedVideo, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps of the picture [T, 6] (as those of `ClothMotion`) from the reference frame to every other one, as
    `TrackedVideo.torso` has them, and where that is known [T]."""
    torso = np.asarray(tracked.torso, np.float64)
    grow = np.exp(torso[:, 2] - torso[reference, 2])
    moved = torso[:, :2] - grow[:, None] * torso[reference, :2]
    larger = (grow - 1) * tracked.size / 2
    none = np.zeros_like(grow)
    maps = np.stack([*moved.T, larger, none, none, larger], 1)
    unknown = unknown_rows(torso)
    maps[unknown] = 0
    return maps, ~unknown


def _followed(
    tracked: TrackedVideo, reference: int, maps: np.ndarray, known: np.ndarray, rows: Iterable[int] | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Frames with the map [6] from the reference frame's clothes to theirs, those in which it was found."""
    rows = np.unique(np.asarray(list(range(len(maps)) if rows is None else rows), np.int64))
    below = np.arange(tracked.size)[:, None] > _chin_row(tracked)

    def clothes(t: int) -> np.ndarray:
        return (tracked.labels(t) == BODY) & below

    cloth = ClothMotion(tracked.frame_bytes(reference), clothes(reference))
    if not cloth.levels:
        return
    for side in (rows[rows >= reference], rows[rows < reference][::-1]):
        last = np.zeros(6)
        for t in map(int, side):
            starts = [last, maps[t]] if known[t] else [last]
            found, quality = cloth.follow(tracked.frame_bytes(t), clothes(t), starts)
            if quality >= LEAST_FIT:
                last = found
                yield t, found


def _in_space(flat: np.ndarray, camera: Camera) -> np.ndarray:
    """The linear map [3, 3] of space, in the camera's axes, that a map [6] of its picture stands for: points keep
    their direction to the camera's eye as the map says, and come nearer where it enlarges."""
    middle, half = np.array([camera.width, camera.height]) / 2, camera.width / 2
    linear = np.eye(2) + np.stack([flat[2:4], flat[4:6]], 1) / half
    principal, focal = np.array([camera.cx, camera.cy]), np.array([camera.fx, camera.fy])
    shift = linear @ (principal - middle) + middle - principal + flat[:2]  # about the principal point
    space = np.eye(3)
    space[:2, :2] = linear * focal[None] / focal[:, None]
    space[:2, 2] = shift / focal
    return space / np.sqrt(max(np.linalg.det(linear), 0.1))


def _chin_row(tracked: TrackedVideo) -> float:
    """Pixels from the top below which there are clothes: the chin, where it usually is; 0 without landmarks."""
    rows = tracked.landmarks[np.asarray(tracked.seen, bool), CHIN, 1]
    rows = rows[np.isfinite(rows)]
    return float(np.median(rows)) if len(rows) else 0.0


def unknown_rows(torso: np.ndarray) -> np.ndarray:
    """Rows [T] (bool) of `TrackedVideo.torso` that hold zeros because nothing was found: more than one in a row, as the
    frame that all others are measured against is 0 by itself."""
    zero = (torso == 0).all(1)
    beside = np.zeros_like(zero)
    beside[:-1] |= zero[1:]
    beside[1:] |= zero[:-1]
    return zero & beside


def neck_point(tracked: TrackedVideo) -> np.ndarray:
    """The place [3] at rest of the shoulders' surface below the chin: its depth stands for the whole torso."""
    from emotalk.head import HeadModel

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
    classes = without_strays(classes, chin)
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


def without_strays(classes: np.ndarray, chin: float) -> np.ndarray:
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
