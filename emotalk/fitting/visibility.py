"""Which points of a posed mesh a camera sees, and the colours they have in its picture."""

from __future__ import annotations

import math

import numpy as np

from emotalk.core.camera import Camera
from emotalk.core.kernels.cache import EXACT, kernel

BEHIND = 0.004
"""Metres behind the nearest surface at which a point still counts as seen: the tolerance of a fitted mesh."""
LEAST_COSINE = 0.15
"""Between normal and view: flatter than this a pixel holds too much surface to tell its colour."""


def project(points: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N, 2] and depths [N] (metres) of points [N, 3]."""
    matrix = camera.world_to_camera.detach().double().cpu().numpy()
    local = points @ matrix[:3, :3].T + matrix[:3, 3]
    depth = np.maximum(local[:, 2], 1e-6)
    return np.stack(
        [camera.fx * local[:, 0] / depth + camera.cx, camera.fy * local[:, 1] / depth + camera.cy], 1
    ), depth


def unproject(pixels: np.ndarray, depth: np.ndarray, camera: Camera) -> np.ndarray:
    """World points [N, 3] at depths [N] behind pixels [N, 2]."""
    matrix = camera.world_to_camera.detach().double().cpu().numpy()
    ray = np.stack([(pixels[:, 0] - camera.cx) / camera.fx, (pixels[:, 1] - camera.cy) / camera.fy], 1)
    local = np.concatenate([ray * depth[:, None], depth[:, None]], 1)
    return (local - matrix[:3, 3]) @ matrix[:3, :3]


def eye_of(camera: Camera) -> np.ndarray:
    """Where the camera stands [3]."""
    matrix = camera.world_to_camera.detach().double().cpu().numpy()
    return -matrix[:3, :3].T @ matrix[:3, 3]


def depth_map(vertices: np.ndarray, triangles: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Depth [H, W] in metres (infinite where nothing is) and the triangle seen at each pixel [H, W] (-1: none)."""
    pixels, depth = project(vertices, camera)
    nearest = np.full((camera.height, camera.width), np.inf)
    owner = np.full((camera.height, camera.width), -1, np.int64)
    _draw(pixels, depth, np.ascontiguousarray(triangles, np.int64), nearest, owner)
    return nearest, owner


def seen(
    points: np.ndarray,  # [N, 3]
    normals: np.ndarray,  # [N, 3]
    nearest: np.ndarray,  # [H, W] of `depth_map`
    camera: Camera,
) -> tuple[np.ndarray, np.ndarray]:
    """How well a camera sees points: cosine of normal and view, 0 where hidden or outside [N]; and their pixels."""
    pixels, depth = project(points, camera)
    height, width = nearest.shape
    inside = (pixels[:, 0] >= 0) & (pixels[:, 1] >= 0) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    column = np.clip(pixels[:, 0].astype(int), 0, width - 1)
    row = np.clip(pixels[:, 1].astype(int), 0, height - 1)
    toward = eye_of(camera) - points
    cosine = (normals * toward).sum(1) / np.maximum(np.linalg.norm(toward, axis=1), 1e-12)
    open_view = depth < nearest[row, column] + BEHIND
    return np.where(inside & open_view & (cosine > LEAST_COSINE), cosine, 0.0), pixels


def colors_at(picture: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Bilinear colours [N, 3] in [0, 1] of a picture [H, W, 3] uint8 at pixels [N, 2] (centres at +0.5)."""
    height, width = picture.shape[:2]
    x = np.clip(pixels[:, 0] - 0.5, 0, width - 1.001)
    y = np.clip(pixels[:, 1] - 0.5, 0, height - 1.001)
    column, row = x.astype(int), y.astype(int)
    right, down = (x - column)[:, None], (y - row)[:, None]
    top = picture[row, column] * (1 - right) + picture[row, column + 1] * right
    bottom = picture[row + 1, column] * (1 - right) + picture[row + 1, column + 1] * right
    return (top * (1 - down) + bottom * down) / 255


@kernel(**EXACT)
def _draw(pixels, depth, triangles, nearest, owner):
    height, width = nearest.shape
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f]
        ax, ay, bx, by, cx, cy = pixels[a, 0], pixels[a, 1], pixels[b, 0], pixels[b, 1], pixels[c, 0], pixels[c, 1]
        double_area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(double_area) < 1e-9:
            continue
        top, bottom = max(0, math.floor(min(ay, by, cy) - 0.5)), min(height - 1, int(max(ay, by, cy)))
        left, right = max(0, math.floor(min(ax, bx, cx) - 0.5)), min(width - 1, int(max(ax, bx, cx)))
        for row in range(top, bottom + 1):
            y = row + 0.5
            for column in range(left, right + 1):
                x = column + 0.5
                second = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / double_area
                third = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / double_area
                first = 1 - second - third
                if first < -1e-6 or second < -1e-6 or third < -1e-6:
                    continue
                z = first * depth[a] + second * depth[b] + third * depth[c]
                if z < nearest[row, column]:
                    nearest[row, column] = z
                    owner[row, column] = f
