"""A spectacle frame: superellipse rims (whole, or their upper halves), a bridge and temples to the ears, as tubes."""

from __future__ import annotations

import numpy as np

from scripts.preset_scene.sheet import Glasses
from scripts.preset_scene.subject import Anchors


def centrelines(glasses: Glasses, anchors: Anchors) -> list[tuple[np.ndarray, bool]]:
    """Polylines [K, 3] (and whether each is closed) of rims, bridge and temples in the resting head."""
    lines: list[tuple[np.ndarray, bool]] = []
    plane = float(max(anchors.eye_left[2], anchors.eye_right[2])) + 0.0345
    arc = (-0.12 * np.pi, 1.12 * np.pi) if glasses.half else (0, 2 * np.pi)
    t = np.linspace(*arc, 48, endpoint=glasses.half)
    power = 2 / glasses.roundness
    hinges = []
    for eye in (anchors.eye_left, anchors.eye_right):
        side = np.sign(eye[0])
        x = eye[0] + side * 0.0025 + glasses.width * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power
        y = eye[1] - 0.004 + glasses.height * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power
        # Rims wrap back a little towards the temples.
        z = plane - 0.9 * np.clip(np.abs(x) - 0.02, 0, 1) ** 2 / 0.06 - 0.12 * (y - eye[1])
        lines.append((np.stack([x, y, z], 1), not glasses.half))
        hinges.append(np.array([eye[0] + side * (glasses.width + 0.0025), eye[1] + 0.006, plane - 0.024]))
    inner = float(anchors.eye_left[0]) + 0.0035 - glasses.width
    s = np.linspace(-1, 1, 12)
    arch = np.stack([inner * s, anchors.eye_height + 0.001 + 0.004 * (1 - s**2), plane - 0.002 + 0.003 * (1 - s**2)], 1)
    lines.append((arch, False))
    for hinge in hinges:
        side = np.sign(hinge[0])
        out = max(abs(hinge[0]), 0.0) + 0.004
        ear = np.array([side * max(out, 0.076), anchors.eye_height + 0.008, anchors.skull[2] + 0.004])
        u = np.linspace(0, 1, 14)[:, None]
        straight = hinge + (ear - hinge) * u
        straight[:, 0] += side * 0.004 * np.sin(np.pi * u[:, 0])
        tip = ear + np.array([[0, -0.008, -0.014], [-side * 0.002, -0.022, -0.022]])
        front = np.array([[hinge[0] - side * 0.002, hinge[1], hinge[2] + 0.006]])
        lines.append((np.concatenate([front, straight, tip]), False))
    return lines


def _tube(line: np.ndarray, closed: bool, radius: float, sides: int = 8) -> tuple[np.ndarray, np.ndarray]:
    ahead = np.roll(line, -1, 0) - np.roll(line, 1, 0)
    if not closed:
        ahead[0], ahead[-1] = line[1] - line[0], line[-1] - line[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    # All tubes run near-horizontally or in the rim's plane: the forward axis never lies along them for long.
    reference = np.where(np.abs(ahead[:, 2:3]) > 0.8, np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]]))
    u = np.cross(ahead, reference)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(ahead, u)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = u[:, None] * np.cos(angle)[None, :, None] + v[:, None] * np.sin(angle)[None, :, None]
    vertices = (line[:, None] + radius * ring).reshape(-1, 3)
    count = len(line)
    rows = np.arange(count if closed else count - 1)
    triangles = []
    for k in range(sides):
        a, b = rows * sides + k, rows * sides + (k + 1) % sides
        c, d = (rows + 1) % count * sides + k, (rows + 1) % count * sides + (k + 1) % sides
        triangles += [np.stack([a, c, b], 1), np.stack([b, c, d], 1)]
    return vertices, np.concatenate(triangles)


def build(glasses: Glasses, anchors: Anchors) -> tuple[np.ndarray, np.ndarray]:
    """The frame's mesh: vertices [V, 3] in the resting head and triangles [F, 3]. It follows the head joint."""
    pieces = [_tube(line, closed, glasses.thickness) for line, closed in centrelines(glasses, anchors)]
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in pieces[:-1]])
    vertices = np.concatenate([vertices for vertices, _ in pieces])
    return vertices, np.concatenate([t + start for (_, t), start in zip(pieces, starts, strict=True)])
