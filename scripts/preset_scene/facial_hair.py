"""Hair that rides on the moving skin: eyebrows, lashes and short beards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from scripts.preset_scene.sheet import Beard, Brows
from scripts.preset_scene.strands import Roots, Scalp, Strands, taper
from scripts.preset_scene.subject import Anchors


def _curve(points: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height and depth of an anchor polyline [5, 3] at the distances `at` from the middle of the face."""
    order = np.argsort(np.abs(points[:, 0]))
    x, y, z = np.abs(points[order, 0]), points[order, 1], points[order, 2]
    return np.interp(at, x, y), np.interp(at, x, z)


def _brow_span(anchors: Anchors) -> tuple[float, float]:
    """Distances from the middle of the face at which a brow begins and ends."""
    across = np.abs(anchors.brow_left[:, 0])
    return float(across.min()) - 0.002, float(across.max()) + 0.003


def brow_density(points: np.ndarray, anchors: Anchors, sheet: Brows) -> np.ndarray:
    """How densely brow hair grows at skin points [N, 3]; [N] in [0, 1.35]."""
    inner, outer = _brow_span(anchors)
    x = np.abs(points[:, 0])
    along = (x - inner) / (outer - inner)
    total = np.zeros(len(points))
    for sign, line in ((1, anchors.brow_left), (-1, anchors.brow_right)):
        height, depth = _curve(line, x)
        height = height + sheet.lift * np.sin(np.pi * np.clip(along, 0, 1) ** 1.2)
        half = sheet.width * np.interp(along, (0, 0.15, 0.6, 1), (0.0030, 0.0040, 0.0030, 0.0010))
        near = np.clip(1.35 - np.abs(points[:, 1] - height) / half, 0, 1)
        here = (points[:, 0] * sign > 0) & (np.abs(points[:, 2] - depth) < 0.02) & (along > 0) & (along < 1)
        total += near * here * np.interp(along, (0, 0.12, 0.5, 0.85, 1), (0.35, 0.9, 1.0, 0.8, 0.2))
    return total


def brows(scalp: Scalp, anchors: Anchors, sheet: Brows, seed: int) -> Strands:
    """Two eyebrows: upright hairs at the nose end that lean outwards along a soft arch and thin to a tail."""
    rng = np.random.default_rng(seed)
    inner, outer = _brow_span(anchors)

    def density(points: np.ndarray) -> np.ndarray:
        return brow_density(points, anchors, sheet)

    fine = scalp.refined(density)
    roots = fine.sample(sheet.strands, density, rng)
    along = np.clip((np.abs(roots.position[:, 0]) - inner) / (outer - inner), 0, 1)
    side = np.sign(roots.position[:, 0])
    rise = np.interp(along, (0, 0.2, 0.55, 1), (1.5, 0.75, 0.15, -0.55))
    lean = np.stack([side * np.interp(along, (0, 0.2), (0.25, 1.0)), rise, 0 * side], 1)
    lean += rng.normal(size=lean.shape) * 0.13
    lean -= roots.normal * np.einsum("sx,sx->s", lean, roots.normal)[:, None]
    lean /= np.linalg.norm(lean, axis=1, keepdims=True)
    length = sheet.length * rng.uniform(0.6, 1.1, len(roots)) * np.interp(along, (0, 0.3, 1), (0.8, 1.0, 0.7))
    t = np.linspace(0, 1, 4)[None, :, None]
    points = roots.position[:, None] + lean[:, None] * t * length[:, None, None]
    points = points + roots.normal[:, None] * (0.0003 + 0.0007 * np.sin(np.pi * t))
    color = np.clip(np.array(sheet.color) * rng.lognormal(0, 0.2, (len(roots), 1, 1)) + 0 * t, 0.001, 1)
    thickness = taper(sheet.radius, 4, len(roots), rng, 0.6)
    color = _greyed(color, np.full(len(roots), sheet.grey), rng)
    return Strands(points, thickness, color, None, fine.parent_roots(roots))


def _greyed(color: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Strand colours [S, K, 3] with some white hairs: `share` [S] in [0, 1] is how likely each is one."""
    if not share.any():
        return color
    white = np.array([0.50, 0.48, 0.45]) * rng.uniform(0.6, 1.1, (len(color), 1, 1))
    return np.where((rng.random(len(color)) < share)[:, None, None], white, color)


def beard(scalp: Scalp, anchors: Anchors, lips: np.ndarray, ears: np.ndarray, sheet: Beard, seed: int) -> Strands:
    """A short beard: moustache, chin and cheeks below a line from the ear to the mouth corner.

    `lips` [V] in [0, 1] marks the red of the lips and `ears` [V] the ears, which stay bare.
    """
    rng = np.random.default_rng(seed)
    mouth = (anchors.mouth_left + anchors.mouth_right) / 2
    half_mouth = float(anchors.mouth_left[0] - anchors.mouth_right[0]) / 2
    drop = float(mouth[1] - anchors.chin[1])

    def density(points: np.ndarray) -> np.ndarray:
        x, y, z = np.abs(points[:, 0]), points[:, 1] - mouth[1], points[:, 2] - mouth[2]
        # Cheek line: from just above the mouth corner to the middle of the ear; lower edge above the throat.
        upper = np.interp(x, (half_mouth, half_mouth + 0.03, half_mouth + 0.05), (0.004, 0.016, 0.034))
        front = np.interp(z, (-0.105, -0.085), (0.0, 1.0))
        cheek = np.clip((upper - y) / 0.006, 0, 1) * np.clip((y + drop + 0.010 + 0.25 * (z + 0.03)) / 0.008, 0, 1)
        cheek = cheek * np.clip((x - half_mouth + 0.004) / 0.010, 0, 1) * front * sheet.cheek
        chin = np.clip((-0.006 - y) / 0.006, 0, 1) * np.clip((y + drop + 0.012) / 0.006, 0, 1)
        chin = chin * np.clip((half_mouth + 0.010 - x) / 0.008, 0, 1) * (z > -0.055) * sheet.chin
        nose_gap = float(anchors.nose_base[1] - mouth[1])
        lip = np.clip((y - 0.002) / 0.003, 0, 1) * np.clip((nose_gap - 0.0015 - y) / 0.003, 0, 1)
        lip = lip * np.clip((half_mouth + 0.006 - x) / 0.006, 0, 1) * (z > -0.03) * sheet.lip
        bare = np.ones(len(points))
        bare[: len(lips)] = 1 - np.clip(2.5 * lips, 0, 1)
        bare *= np.clip((cKDTree(points[: len(ears)][ears > 0.5]).query(points)[0] - 0.003) / 0.004, 0, 1)
        return np.maximum(np.maximum(cheek, chin), lip) * bare

    roots = scalp.sample(sheet.strands, density, rng)
    down = np.stack([0.35 * np.sign(roots.position[:, 0]), -np.ones(len(roots)), 0.25 * np.ones(len(roots))], 1)
    lean = 0.75 * roots.normal + down * 0.6 + rng.normal(size=down.shape) * 0.28
    lean /= np.linalg.norm(lean, axis=1, keepdims=True)
    t = np.linspace(0, 1, 4)[None, :, None]
    length = sheet.length * rng.uniform(0.5, 1.1, (len(roots), 1, 1))
    bend = rng.normal(size=(len(roots), 1, 3)) * 0.0012
    points = roots.position[:, None] + lean[:, None] * t * length + bend * np.sin(np.pi * t)
    color = np.clip(np.array(sheet.color) * rng.lognormal(0, 0.25, (len(roots), 1, 1)) + 0 * t, 0.001, 1)
    thickness = taper(sheet.radius, 4, len(roots), rng, 0.6)
    chinward = np.exp(-((np.linalg.norm(roots.position - anchors.chin, axis=1) / 0.03) ** 2))
    return Strands(points, thickness, _greyed(color, sheet.grey * (0.5 + 0.5 * chinward), rng), None, roots)


def lashes(vertices: np.ndarray, triangles: np.ndarray, strip: Strip, count: int, length: float, seed: int) -> Strands:
    """`count` lash hairs over one lash strip of the head: each runs from the lid margin to the strip's free edge.

    `length` in (0, 1] shortens them. Roots lie on strip triangles, so lashes follow the lids.
    """
    rng = np.random.default_rng(seed)
    low, high = strip.uv.reshape(-1, 2).min(0), strip.uv.reshape(-1, 2).max(0)
    found = []
    span = high - low
    # The strips' ends bend round the corners of the eye: hair there would lie along the lid.
    for u in np.linspace(low[0] + 0.06 * span[0], high[0] - 0.06 * span[0], count) + rng.normal(size=count) * 0.002:
        depths = np.linspace(low[1], high[1], 40)
        hits = [hit for v in (depths if strip.outward else depths[::-1]) if (hit := _in_uv(strip, u, v)) is not None]
        if len(hits) < 5:
            continue
        reach = max(4, int(len(hits) * length * rng.uniform(0.72, 1.0)) - 1)
        found.append([hits[i] for i in np.linspace(0, min(reach, len(hits) - 1), 5).astype(int)])
    face = np.array([[hit[0] for hit in hair] for hair in found])
    weight = np.array([[hit[1] for hit in hair] for hair in found])
    points = np.einsum("skc,skcx->skx", weight, vertices[triangles[strip.triangles[face]]])
    # Neighbouring hairs converge a little: real lashes stick together in points.
    sideways = np.roll(points, 1, 0) - points
    near = (np.linalg.norm(sideways, axis=-1) < 0.002).all(1) & (rng.random(len(points)) < 0.5)
    points = points + near[:, None, None] * sideways * (0.45 * np.linspace(0, 1, 5) ** 2)[None, :, None]
    roots = Roots(strip.triangles[face[:, 0]], weight[:, 0], points[:, 0], np.zeros((len(points), 3)))
    color = np.full((len(roots), 5, 3), 0.004)
    return Strands(points, taper(0.00012, 5, len(roots), rng, 0.8), color, None, roots)


@dataclass(frozen=True)
class Strip:
    """One lash strip: triangles [F] of the head, their texture corners [F, 3, 2] (u along the lid) and whether v
    grows outwards from the eye."""

    triangles: np.ndarray
    uv: np.ndarray
    outward: bool


def strips(
    vertices: np.ndarray, triangles: np.ndarray, uv: np.ndarray, lash: np.ndarray, eyes: np.ndarray
) -> list[Strip]:
    """The separate lash strips among the triangles `lash` [L]; `uv` [F, 3, 2] per corner, `eyes` [2, 3] centres."""
    used, local = np.unique(triangles[lash], return_inverse=True)
    local = local.reshape(-1, 3)
    edges = np.concatenate([local[:, [0, 1]], local[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), (len(used), len(used)))
    count, label = connected_components(graph, directed=False)
    found = []
    for piece in range(count):
        mine = lash[label[local[:, 0]] == piece]
        corners = vertices[triangles[mine]].reshape(-1, 3)
        eye = eyes[np.argmin(np.linalg.norm(eyes - corners.mean(0), axis=1))]
        away = np.linalg.norm(corners - eye, axis=1)
        found.append(Strip(mine, uv[mine], bool(np.corrcoef(uv[mine].reshape(-1, 2)[:, 1], away)[0, 1] > 0)))
    return found


def _in_uv(strip: Strip, u: float, v: float) -> tuple[int, np.ndarray] | None:
    """Triangle of the strip (its row) and barycentric weights at a texture point, None outside the strip."""
    a, b, c = strip.uv[:, 0], strip.uv[:, 1], strip.uv[:, 2]
    area = (b[:, 1] - c[:, 1]) * (a[:, 0] - c[:, 0]) + (c[:, 0] - b[:, 0]) * (a[:, 1] - c[:, 1])
    area = np.where(np.abs(area) < 1e-12, 1e-12, area)
    first = ((b[:, 1] - c[:, 1]) * (u - c[:, 0]) + (c[:, 0] - b[:, 0]) * (v - c[:, 1])) / area
    second = ((c[:, 1] - a[:, 1]) * (u - c[:, 0]) + (a[:, 0] - c[:, 0]) * (v - c[:, 1])) / area
    weights = np.stack([first, second, 1 - first - second], 1)
    best = int(np.argmax(weights.min(1)))
    return (best, weights[best]) if weights[best].min() > -1e-4 else None


def join(parts: list[Strands]) -> Strands:
    """Several skin-riding grooms with equal step counts as one."""
    roots = Roots(*(np.concatenate([getattr(p.roots, name) for p in parts])
                    for name in ("triangle", "barycentric", "position", "normal")))  # fmt: skip
    return Strands(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("points", "radius", "color")),
                   None, roots)  # fmt: skip
