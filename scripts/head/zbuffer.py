"""A small software z-buffer: shaded pictures of a mesh, good enough to judge shapes and to find landmarks."""

from __future__ import annotations

import numpy as np

from emotalk.core.kernels.cache import EXACT, kernel


@kernel(**EXACT)
def _fill(xy: np.ndarray, depth: np.ndarray, triangles: np.ndarray, owner: np.ndarray, bary: np.ndarray) -> None:
    height, width = owner.shape
    nearest = np.full((height, width), np.inf, np.float32)
    for f in range(len(triangles)):
        a, b, c = triangles[f]
        ax, ay, bx, by, cx, cy = xy[a, 0], xy[a, 1], xy[b, 0], xy[b, 1], xy[c, 0], xy[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        x0, x1 = max(0, int(np.floor(min(ax, bx, cx) - 0.5))), min(width - 1, int(np.ceil(max(ax, bx, cx))))
        y0, y1 = max(0, int(np.floor(min(ay, by, cy) - 0.5))), min(height - 1, int(np.ceil(max(ay, by, cy))))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px, py = x + 0.5, y + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                w = 1.0 - u - v
                if u < 0 or v < 0 or w < 0:
                    continue
                z = u * depth[a] + v * depth[b] + w * depth[c]
                if z < nearest[y, x]:
                    nearest[y, x] = z
                    owner[y, x] = f
                    bary[y, x, 0], bary[y, x, 1], bary[y, x, 2] = u, v, w


def project(
    vertices: np.ndarray, size: int, yaw: float = 0.0, pitch: float = 0.0, centre=(0.0, 0.045, 0.05), span: float = 0.32
) -> tuple[np.ndarray, np.ndarray]:
    """Orthographic view from the front, turned by yaw/pitch (radians): pixels [V, 2] and depth [V].

    `span` is how many metres the picture's edge covers, `centre` what lies in its middle.
    """
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    seen = (vertices - np.asarray(centre)) @ turn.T
    pixels = np.stack([seen[:, 0], -seen[:, 1]], 1) * (size / span) + size / 2
    return pixels, -seen[:, 2]


def visibility(pixels: np.ndarray, depth: np.ndarray, triangles: np.ndarray, size: int):
    """Which triangle each pixel shows ([size, size] int, -1: none) and where in it ([size, size, 3])."""
    owner = np.full((size, size), -1, np.int32)
    bary = np.zeros((size, size, 3), np.float32)
    _fill(pixels.astype(np.float32), depth.astype(np.float32), triangles.astype(np.int32), owner, bary)
    return owner, bary


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = vertices[triangles]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def shade(
    vertices: np.ndarray, triangles: np.ndarray, colors: np.ndarray, size: int = 512, smooth: bool = True, **view
) -> np.ndarray:
    """A lit picture [size, size, 3] in [0, 1] of a mesh with vertex colours [V, 3]; drawn at twice the size."""
    pixels, depth = project(vertices, 2 * size, **view)
    owner, bary = visibility(pixels, depth, triangles, 2 * size)
    turned = np.column_stack([pixels[:, 0], -pixels[:, 1], -depth * 2 * size / view.get("span", 0.32)])
    normals = vertex_normals(turned, triangles)
    hit = owner >= 0
    corner = triangles[owner[hit]]
    weight = bary[hit][:, :, None]
    normal = (normals[corner] * weight).sum(1)
    if not smooth:
        p = turned[corner]
        normal = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    normal *= np.sign(normal[:, 2:] + 1e-9)
    light = 0.30 + 0.55 * np.clip(normal @ np.array([0.35, 0.45, 0.82]), 0, 1)
    light += 0.20 * np.clip(normal @ np.array([-0.7, 0.1, 0.7]), 0, 1)
    image = np.full((2 * size, 2 * size, 3), 0.92, np.float32)
    image[hit] = np.clip((colors[corner] * weight).sum(1) * light[:, None], 0, 1)
    return image.reshape(size, 2, size, 2, 3).mean((1, 3))
