"""The Gaussians of an avatar for a browser, in steps that no picture shows, and in an order that compresses well.

The steps were chosen on the four presets at 512 pixels and zoom 1.25, where a pixel is 0.7 mm and a colour that is
wrong by one 255th hides among the ten and more Gaussians of a pixel; benchmarks/results/live.md says what they cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar.gaussians import LATENT_LIMIT
from emotalk.live.container import Packed, floats, quantised, whole

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar

POSITION_STEP = 2.5e-5
"""Metres."""
SMALLEST = 5e-5
"""Metres; anything thinner is drawn a pixel wide anyway (`rendering.footprint.LOW_PASS`)."""
SCALE_STEP = 0.03
"""Of the natural logarithm: 1.5 % of a width at most."""
ROTATION_STEP = 1 / 160
"""Of a quaternion's x, y, z, which lie within 0.53 here: a third of a degree at most."""
COLOR_STEP = 1 / 255
VIEW_COLOR_STEP = 1 / 100
"""Per unit of the viewer's direction, which is 0.5 at 30 degrees to the side."""
CORRECTION_POSITION_STEP = 2.5e-5
"""Metres per unit of latent."""
CORRECTION_COLOR_STEP = 1 / 320


def gaussian_arrays(
    avatar: GaussianAvatar,
    triangle: np.ndarray,  # [M] row of the pack's triangles (`mesh_arrays`)
) -> tuple[dict[str, Packed], dict[str, object]]:
    """The Gaussian part of a pack: arrays of N rows, and numbers for its table."""
    g, c = avatar.gaussians, avatar.corrections
    mesh, count = g.mesh_count, len(g)
    row = np.full(count, -1)
    row[c.index.numpy()] = np.arange(len(c.index))
    position = g.position.numpy()
    order = _order(triangle, row, position, mesh)
    row = row[order]

    two_of_three = np.concatenate([g.barycentric.numpy()[:, :2], g.joint_weights.numpy()[:, :2]])
    rotation, log_scale = most_upright(g.rotation.numpy()[order], g.log_scale.numpy()[order])
    opacity = np.clip(np.rint(g.opacity_logit.sigmoid().numpy()[order] * 255), 0, 255)
    corrected = row[row >= 0]
    arrays = {
        "triangle": whole(triangle[order[:mesh]][:, None]),
        "anchor": whole(np.clip(np.rint(two_of_three[order] * 255), 0, 255)),
        # Apart, as one kind is metres from the neck and the other millimetres from its triangle.
        "mesh_position": quantised(position[order[:mesh]], POSITION_STEP),
        "joint_position": quantised(position[order[mesh:]], POSITION_STEP),
        "rotation": _signed(rotation, ROTATION_STEP),
        "log_scale": quantised(np.maximum(log_scale, np.log(SMALLEST)), SCALE_STEP, bits=8),
        "color": quantised(g.color.numpy()[order], COLOR_STEP, bits=8),
        "opacity": whole(opacity[:, None]),
        "view_color": _signed(g.view_color.numpy()[order].reshape(count, 6), VIEW_COLOR_STEP),
        "sided": whole(np.packbits(avatar.one_sided.numpy()[order])[:, None]),
        "corrected": whole(np.packbits(row >= 0)[:, None]),
        "latent_mean": floats(c.mean.numpy()),
        "latent_matrix": floats(c.matrix.numpy()),
        # One column for every latent and axis.
        "correction_position": _signed(_columns(c.position, corrected), CORRECTION_POSITION_STEP),
        "correction_color": _signed(_columns(c.color, corrected), CORRECTION_COLOR_STEP),
    }
    meta = {
        "count": count, "mesh_count": mesh, "corrected": len(corrected), "latents": len(c.matrix),
        "latent_limit": LATENT_LIMIT,
    }  # fmt: skip
    return arrays, meta


def most_upright(
    rotation: np.ndarray,  # [N, 4] wxyz, any length > 0
    log_scale: np.ndarray,  # [N, 3]
) -> tuple[np.ndarray, np.ndarray]:
    """The same ellipsoids [N, 3] and [N, 3] with their axes renamed so that the rotation is the least.

    An ellipsoid has 24 descriptions (rotations of a cube take axes to axes); in the one nearest to no rotation w is at
    least 0.85, so that x, y, z within 0.53 say all of it: w is the positive root of 1 - x² - y² - z².
    """
    unit = torch.nn.functional.normalize(torch.from_numpy(rotation), dim=1).numpy().astype(np.float64)
    cube = _cube_rotations()
    w = unit[:, :1] * cube[:, 0] - unit[:, 1:] @ cube[:, 1:].T  # of every product
    best = np.abs(w).argmax(1)
    turn, q = cube[best], unit
    product = np.stack(
        [
            q[:, 0] * turn[:, 0] - q[:, 1] * turn[:, 1] - q[:, 2] * turn[:, 2] - q[:, 3] * turn[:, 3],
            q[:, 0] * turn[:, 1] + q[:, 1] * turn[:, 0] + q[:, 2] * turn[:, 3] - q[:, 3] * turn[:, 2],
            q[:, 0] * turn[:, 2] - q[:, 1] * turn[:, 3] + q[:, 2] * turn[:, 0] + q[:, 3] * turn[:, 1],
            q[:, 0] * turn[:, 3] + q[:, 1] * turn[:, 2] - q[:, 2] * turn[:, 1] + q[:, 3] * turn[:, 0],
        ],
        1,
    )
    product *= np.where(product[:, :1] < 0, -1, 1)
    axes = np.abs(_matrices(cube)).argmax(1)[best]  # which old axis lies along each new one
    return product[:, 1:], np.take_along_axis(log_scale, axes, 1)


def _cube_rotations() -> np.ndarray:
    """The 24 rotations of a cube as unit quaternions [24, 4], one of each pair q and -q."""
    signs = np.array(np.meshgrid(*[[-1, 0, 1]] * 4, indexing="ij")).reshape(4, -1).T.astype(np.float64)
    sizes = np.abs(signs).sum(1)
    found = signs[(sizes == 1) | (sizes == 2) | (sizes == 4)]
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    first = found[np.arange(len(found)), (found != 0).argmax(1)]
    return found[first > 0]


def _matrices(quats: np.ndarray) -> np.ndarray:
    w, x, y, z = quats.T
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(rows, 1).reshape(-1, 3, 3)


def _order(triangle: np.ndarray, row: np.ndarray, position: np.ndarray, mesh: int) -> np.ndarray:
    """Neighbours on the head follow each other: by triangle, or along a curve through space; corrected ones together
    where that costs nothing else."""
    cells = np.floor((position[mesh:] - position[mesh:].min(0, initial=0)) / 0.004).astype(np.int64)
    return np.concatenate([np.lexsort((row[:mesh], triangle)), mesh + np.argsort(_morton(cells), kind="stable")])


def _morton(cells: np.ndarray) -> np.ndarray:
    """The place [N] of cells [N, 3] on the Z-order curve."""
    code = np.zeros(len(cells), np.int64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code


def _columns(basis: torch.Tensor, corrected: np.ndarray) -> np.ndarray:
    """[C, 3 K] of a basis [K, C, 3], its rows in the pack's order."""
    return basis.numpy()[:, corrected].transpose(1, 0, 2).reshape(len(corrected), 3 * len(basis))


def _signed(values: np.ndarray, step: float) -> Packed:
    """8 bits around 128, which stands for zero: what is not there is exactly nothing."""
    if not values.size:
        return Packed(np.zeros(values.shape, np.uint8), (step,) * values.shape[1], (0.0,) * values.shape[1])
    steps = np.maximum(step, np.abs(values).max(0) / 127)
    numbers = np.rint(values / steps) + 128
    return Packed(numbers.astype(np.uint8), tuple(steps.tolist()), tuple((-128 * steps).tolist()))
