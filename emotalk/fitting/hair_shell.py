"""How far hair stands off the skull, seen from the outline of the head in a few frontal frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from emotalk.core.camera import Camera, project
from emotalk.fitting.visibility import BEHIND, depth_map
from emotalk.tracking.masks import BACKGROUND, HAIR, SKIN

BINS = 72
"""Directions around the head, 5 degrees each."""
THICKNESS = (-0.008, 0.06)
"""Metres: a skull that is drawn too large is pulled in a little; more than the upper limit hangs, it does not stand."""
SOFT = 0.003
"""Metres by which masks and the Gaussians themselves reach over the outline."""
RAMP = 0.025
"""Metres from the hairline over which hair grows to its full height."""
AT_HAIRLINE = 0.12
"""Share of the full height at the hairline."""


@dataclass(frozen=True)
class OutlineView:
    """One near-frontal frame."""

    vertices: np.ndarray  # [V, 3] posed mesh
    head_rotation: np.ndarray  # [3, 3] rest to pose
    classes: np.ndarray  # [H, W] of video_frames
    camera: Camera


def hair_thickness(
    rest: np.ndarray,  # [V, 3] neutral mesh
    scalp: np.ndarray,  # [V] bool
    others: np.ndarray,  # [V] bool, the rest of head and face (not neck and shoulders)
    views: list[OutlineView],
) -> np.ndarray:
    """Metres [V] that hair stands off the mesh along its normal; 0 off the scalp.

    For every direction around the centre of the scalp, the person's outline is compared with the mesh's; a frame
    shows the rim, which is carried over the skull to front and back and lowered towards the hairline.
    """
    centre = 0.5 * (rest[scalp].min(0) + rest[scalp].max(0))
    rims = np.full((len(views), BINS), np.nan)
    for k, view in enumerate(views):
        rims[k] = _rim(rest, scalp | others, centre, view)
    known = np.isfinite(rims).sum(0) > 0
    thickness = np.zeros(len(rest))
    if not known.any():
        return thickness
    rim = np.full(BINS, np.nan)
    rim[known] = np.nanmedian(rims[:, known], 0)
    # A cut-off crop or a hand leaves gaps: neighbours on the circle fill them, and one bin alone is not trusted.
    index = np.arange(BINS)
    rim = np.interp(index, np.flatnonzero(known), rim[known], period=BINS)
    rim = np.median(np.stack([np.roll(rim, s) for s in (-1, 0, 1)]), 0)
    rim = np.stack([np.roll(rim, s) for s in (-1, 0, 1)]).mean(0)
    offset = rest[scalp] - centre
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    height = np.interp(angle / (2 * np.pi) * BINS % BINS, index + 0.5, rim, period=BINS)
    distance = cKDTree(rest[others]).query(rest[scalp])[0]
    ramp = AT_HAIRLINE + (1 - AT_HAIRLINE) * np.clip(distance / RAMP, 0, 1)
    thickness[scalp] = np.where(height > 0, height * ramp, height).clip(*THICKNESS)
    return thickness


def bald_vertices(
    views: list[OutlineView],
    triangles: np.ndarray,  # [F, 3]
    scalp: np.ndarray,  # [V] bool
) -> np.ndarray:
    """Vertices [V] (bool) of the scalp where the frames show skin: the forehead goes up to the person's hairline."""
    votes = np.zeros((2, len(scalp)))
    for view in views:
        nearest, _ = depth_map(view.vertices, triangles, view.camera)
        pixels, depth = project(view.vertices, view.camera)
        height, width = nearest.shape
        inside = (pixels >= 0).all(1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
        column = np.clip(pixels[:, 0].astype(int), 0, width - 1)
        row = np.clip(pixels[:, 1].astype(int), 0, height - 1)
        front = inside & scalp & (depth < nearest[row, column] + BEHIND)
        for k, kind in enumerate((SKIN, HAIR)):
            votes[k] += front & (view.classes[row, column] == kind)
    return scalp & (votes[0] > votes[1])


def _rim(rest: np.ndarray, head: np.ndarray, centre: np.ndarray, view: OutlineView) -> np.ndarray:
    """Metres between the mesh's and the person's outline by direction [BINS]; NaN where not to be told."""
    posed = view.vertices[head]
    # The centre goes along with the vertices around it.
    nearest = cKDTree(rest[head]).query(centre, k=64)[1]
    middle = posed[nearest].mean(0) + view.head_rotation @ (centre - rest[head][nearest].mean(0))
    pixels, _ = project(posed, view.camera)
    (origin,), (depth,) = project(middle[None], view.camera)
    metres = depth / view.camera.fx
    roll = np.arctan2(view.head_rotation[1, 0], view.head_rotation[0, 0])
    away = pixels - origin
    radius, angle = np.linalg.norm(away, axis=1), np.arctan2(-away[:, 1], away[:, 0]) - roll
    bins = (np.floor(angle / (2 * np.pi) * BINS) % BINS).astype(int)
    mesh_radius = np.zeros(BINS)
    np.maximum.at(mesh_radius, bins, radius)
    height, width = view.classes.shape
    result = np.full(BINS, np.nan)
    for k in range(BINS):
        direction = (k + 0.5) / BINS * 2 * np.pi
        if np.sin(direction) < -0.35 or mesh_radius[k] == 0:
            continue  # below the ears: neck and shoulders
        direction += roll
        steps = np.arange(0.6 * mesh_radius[k], 2.2 * mesh_radius[k], 0.5)
        x = (origin[0] + steps * np.cos(direction)).astype(int)
        y = (origin[1] - steps * np.sin(direction)).astype(int)
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        if not inside.any():
            continue
        along = view.classes[y[inside], x[inside]]
        free = np.flatnonzero(along == BACKGROUND)
        if not len(free) and not inside.all():
            continue  # hair runs out of the picture
        end = free[0] if len(free) else len(along)
        hairy = np.flatnonzero(along[:end] == HAIR)
        outline = steps[end - 1] if end else steps[0]
        if outline > mesh_radius[k] and not len(hairy):
            outline = mesh_radius[k]  # an ear or a hand: no hair there
        elif outline > mesh_radius[k]:
            outline = max(steps[hairy[-1]], mesh_radius[k])
        result[k] = (outline - mesh_radius[k]) * metres - SOFT
    return result
