"""Head hair: one function per style, all laid out from the anchors so that any identity can wear them."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from scripts.preset_scene.sheet import Hair
from scripts.preset_scene.strands import Roots, Scalp, Strands, clump, grow, taper
from scripts.preset_scene.subject import Anchors

# Height of the hairline over the eyes in skull heights, by the angle from the face's front (0) to the nape
# (180 degrees): trichion, temple recess, in front of the ear, behind it, nape.
_ANGLES = (0, 18, 32, 48, 62, 74, 84, 92, 104, 125, 150, 180)
_HEIGHTS = (0.60, 0.61, 0.63, 0.56, 0.42, 0.22, -0.02, -0.05, -0.06, -0.24, -0.42, -0.46)
_DOWN = np.array([0.0, -1.0, 0.0])


def hairline_density(points: np.ndarray, anchors: Anchors, ears: np.ndarray, hair: Hair) -> np.ndarray:
    """How much hair grows at skin points [N, 3]: 0 below the hairline, 1 a centimetre above it; [N].

    `ears` [N] in [0, 1] marks the ears, which stay bare.
    """
    from_axis = points - anchors.skull
    angle = np.degrees(np.arctan2(np.abs(from_axis[:, 0]), from_axis[:, 2]))
    line = np.interp(angle, _ANGLES, _HEIGHTS) * anchors.skull_height
    # Recession moves the front and the temples, never the nape.
    line = line + hair.hairline * np.interp(angle, (0, 15, 35, 55, 80), (0.4, 0.7, 1.0, 0.6, 0.0))
    line -= hair.sideburns * anchors.skull_height * np.interp(angle, (40, 58, 72, 84, 95), (0.0, 0.5, 1.0, 1.0, 0.0))
    density = np.clip((points[:, 1] - anchors.eye_height - line) / 0.008, 0, 1)
    # Ears and the few millimetres around them stay bare: strands from there would grow through them.
    distance, _ = cKDTree(points[ears > 0.5]).query(points)
    return density * np.clip((distance - 0.002) / 0.004, 0, 1)


def _strand_colors(hair: Hair, count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Colours [S, K, 3] from root to tip with strand-to-strand variation and some white strands."""
    t = np.linspace(0, 1, steps)[None, :, None] ** 1.4
    color = np.array(hair.color) * (1 - t) + np.array(hair.tip) * t
    color = color * rng.lognormal(0, 0.28, (count, 1, 1))
    white = rng.random(count) < hair.grey
    color = np.where(white[:, None, None], np.array([0.62, 0.60, 0.57]) * rng.uniform(0.7, 1.1, (count, 1, 1)), color)
    return np.clip(color, 0.001, 0.95)


def _finish(points: np.ndarray, roots: Roots, hair: Hair, rng: np.random.Generator, ends: float = 0.35) -> Strands:
    count, steps = points.shape[:2]
    ends = ends if hair.ends is None else hair.ends
    return Strands(points, taper(hair.radius, steps, count, rng, ends), _strand_colors(hair, count, steps, rng),
                   joint="head", roots=None)  # fmt: skip


def _crown_distance(roots: Roots, anchors: Anchors) -> np.ndarray:
    """0 at the hairline's height, 1 at the crown."""
    return np.clip((roots.position[:, 1] - anchors.eye_height) / anchors.skull_height, 0, 1)


def draped(roots: Roots, scalp: Scalp, anchors: Anchors, hair: Hair, rng: np.random.Generator) -> Strands:
    """Chin- to shoulder-length hair: combed from the parting over the skull, falling free, ends curving in.

    `wave` gives whole clumps an S shape; the front strands are swept off the face behind the cheekbones.
    """
    steps, count = 22, len(roots)
    high = _crown_distance(roots, anchors)
    side = np.sign(roots.position[:, 0] - hair.part)[:, None]
    # Strands from the crown travel over the skull first: they need that much more length to end level.
    length = hair.length * (0.55 + 0.62 * high) * rng.uniform(0.86, 1.04, count)
    coherent = rng.normal(size=(160, 3)) * 0.12
    cell = rng.choice(count, 160, replace=False)
    drift = coherent[np.argmin(((roots.position[:, None] - roots.position[cell][None]) ** 2).sum(-1), 1)]
    front = np.clip((roots.position[:, 2] - anchors.skull[2]) / 0.07, 0, 1)[:, None]
    half_width = 0.082

    def field(position, direction, normal, height, t):
        sideways = np.concatenate([side, 0 * side, 0 * side], 1)
        back = np.array([[0.0, 0.0, -1.0]])
        over = np.clip(1 - 1.7 * t, 0, 1)  # combing outwards ends where the hair leaves the skull
        wanted = sideways * 0.75 * over + back * (0.95 * front + 0.12) * over + _DOWN * (0.25 + 1.5 * t)
        wanted = wanted + drift + rng.normal(size=position.shape) * 0.02
        # Lay the wish along the skin while near it, with a little lift at the root.
        inward = np.einsum("sx,sx->s", wanted, normal)[:, None]
        near = np.clip(1 - (height[:, None] - 0.004) / 0.02, 0, 1) * (inward < 0)
        wanted = wanted - normal * inward * near + normal * 0.22 * max(0.0, 0.14 - t) / 0.14
        # Below the cheekbones the curtain hangs straight and its ends turn towards the neck.
        offset = (position - anchors.skull) * [1.0, 0.0, 1.0]
        reach = np.linalg.norm(offset, axis=1, keepdims=True)
        # The curtain may be as wide as `half_width` at the sides and a little deeper behind.
        room = half_width + 0.022 * np.clip(-offset[:, 2:] / np.maximum(reach, 1e-6), 0, 1)
        pull = 14 * np.clip(reach - room, 0, 1) + 0.28 * t**3
        return wanted - offset / np.maximum(reach, 1e-6) * pull

    lift = 0.002 + 0.009 * rng.random(count) ** 1.3 + 0.003 * high
    points = grow(roots, length, steps, field, scalp, lift)
    if hair.wave:
        t = np.linspace(0, 1, steps)[None]
        phase = (drift @ np.array([9.0, 7.0, 11.0]))[:, None] + rng.normal(size=(count, 1)) * 0.25
        swing = hair.wave * np.clip((t - 0.25) / 0.4, 0, 1)
        along = t * length[:, None] / 0.055 * 2 * np.pi
        points[..., 0] += swing * np.sin(along + phase)
        points[..., 2] += swing * np.cos(along + phase)
    points = clump(points, roots.position, 420, hair.clump, rng, spread=0.55)
    points = _fly(points, hair, rng)
    height, normal = scalp.nearest(points.reshape(-1, 3))
    t = np.tile(np.linspace(0, 1, steps), count)
    push = np.clip(np.minimum(0.002, 0.02 * t) - height, 0, 0.02)
    # Over the skull no lock may stand off further than the groom's volume, by default a finger's breadth.
    above = np.clip((points.reshape(-1, 3)[:, 1] - anchors.eye_height) / 0.10, 0, 1)
    push -= np.clip(height - hair.volume, 0, 0.05) * above
    return _finish((points.reshape(-1, 3) + normal * push[:, None]).reshape(points.shape), roots, hair, rng)


def _fly(points: np.ndarray, hair: Hair, rng: np.random.Generator) -> np.ndarray:
    """Let a few strands leave the groom: smooth, growing departures, largest at the tips."""
    count, steps, _ = points.shape
    loose = rng.random(count) < hair.flyaways
    t = np.linspace(0, 1, steps)[None, :, None]
    away = rng.normal(size=(count, 1, 3)) * 0.007 + rng.normal(size=(count, 1, 3)) * 0.003 * np.sin(7 * t)
    return points + loose[:, None, None] * away * t


def cropped(roots: Roots, scalp: Scalp, anchors: Anchors, hair: Hair, rng: np.random.Generator) -> Strands:
    """Short hair in loose locks, combed up and across on top, fading to a close cut at the sides."""
    steps, count = 9, len(roots)
    # Temples and sides stay close to the skin; only the top stands.
    aside = np.clip((np.abs(roots.position[:, 0]) - 0.045) / 0.025, 0, 1)
    high = np.clip((_crown_distance(roots, anchors) - 0.38) / 0.4, 0, 1) * (1 - 0.75 * aside)
    length = (0.010 + (hair.length - 0.010) * high**1.2) * rng.uniform(0.75, 1.15, count)
    cell = rng.choice(count, 140, replace=False)
    owner = np.argmin(((roots.position[:, None] - roots.position[cell][None]) ** 2).sum(-1), 1)
    tilt = (rng.normal(size=(140, 3)) * 0.30)[owner]
    across = np.array([[0.55, 0.15, 0.62]]) * high[:, None] + np.array([[0.0, -1.0, -0.45]]) * (1 - high)[:, None]

    def field(position, direction, normal, height, t):
        rise = normal * (0.8 * (1 - t) * high + 0.03)[:, None]
        return across + tilt * (0.12 + 0.88 * high)[:, None] + rise + _DOWN * 0.35 * t

    lift = 0.0015 + 0.010 * high * rng.random(count)
    points = grow(roots, length, steps, field, scalp, lift, inertia=0.5)
    points = clump(points, roots.position, 300, hair.clump, rng, spread=0.45, start=0.1)
    return _finish(_fly(points, hair, rng), roots, hair, rng, ends=0.6)


def coiled(roots: Roots, scalp: Scalp, anchors: Anchors, hair: Hair, rng: np.random.Generator) -> Strands:
    """Close-cut coils: each strand a small helix that stands off the scalp, shorter towards the hairline."""
    steps, count = 8, len(roots)
    high = np.clip((_crown_distance(roots, anchors) + 0.1) / 0.6, 0, 1)
    length = hair.length * (0.45 + 0.55 * high) * rng.uniform(0.8, 1.1, count)
    t = np.linspace(0, 1, steps)[None, :, None]
    tangent = np.cross(roots.normal, rng.normal(size=(count, 3)))
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    other = np.cross(roots.normal, tangent)
    turn = 2 * np.pi * 1.6 * t + rng.random((count, 1, 1)) * 2 * np.pi
    coil = hair.wave * t**0.5 * (np.cos(turn) * tangent[:, None] + np.sin(turn) * other[:, None])
    lean = rng.normal(size=(count, 1, 3)) * 0.25
    points = roots.position[:, None] + (roots.normal[:, None] + lean) * t * length[:, None, None] * 0.75 + coil
    return _finish(points, roots, hair, rng, ends=0.5)


STYLES = {"draped": draped, "cropped": cropped, "coiled": coiled}


def comb(scalp: Scalp, anchors: Anchors, ears: np.ndarray, hair: Hair, seed: int) -> Strands:
    """Head hair in the style of the sheet. `ears` [V] in [0, 1] belongs to the scalp's vertices."""
    rng = np.random.default_rng(seed)
    roots = scalp.sample(hair.strands, lambda points: hairline_density(points, anchors, ears, hair), rng)
    return STYLES[hair.style](roots, scalp, anchors, hair, rng)
