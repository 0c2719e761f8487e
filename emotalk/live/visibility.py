"""Which Gaussians anybody can ever see: what no pose and no view shows need not travel to a browser.

A Gaussian's weight in a picture is the sum of what it adds to pixels (`rendering.weights`). Faces and views are chosen
to uncover everything a talk uncovers: moods, a jaw wide open, the tongue, bared teeth, shut eyes, every direction of
gaze, and all views that the page's sliders allow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.camera import PORTRAIT_ZOOM
from emotalk.core.motion import HeadMotion
from emotalk.talk.scene import still_motion

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.core.camera import Camera

SIZE = 384
"""Pixels of a picture to look at. Smaller ones hide more: what is thinner than a pixel is drawn a pixel wide."""
LEAST_WEIGHT = 0.2
"""Pixels of a 512 pixel portrait that a Gaussian must be worth in one of the pictures."""
ALWAYS = ("lips", "mouth", "teeth", "tongue", "gums", "eyes", "lids", "lashes")
"""Regions that are kept whole: they are few, and mouths and eyes uncover them in more ways than can be tried. Pruned
like the rest they cost the upper teeth of elena and kofi 7 dB of a picture with the jaw wide open."""
YAWS, PITCHES = (-41, -20, 0, 20, 41), (-21, 0, 21)
"""Degrees of the viewer around the head: those of the page's sliders (±40, ±20) and the camera's own sway."""
FAR = 0.6
"""The smallest zoom of the page. From there the hem of the clothes is seen, which lies below the picture else: without
it the clothes of mira and elena ended in ragged edges, 37 dB, from a zoom of 1 down."""
MOODS = ((0.0, 0.0), (0.9, 0.8), (0.9, -0.6), (-0.9, 0.8), (-0.9, -0.6), (0.0, 1.0), (0.0, -1.0), (-1.0, 0.1))
_MOUTHS: tuple[dict[str, float], ...] = (
    {"jawOpen": 1.0, "mouthLowerDown": 0.5, "mouthUpperUp": 0.5},
    {"jawOpen": 0.6, "tongueOut": 1.0},
    {"jawOpen": 0.25, "mouthSmile": 0.8, "mouthUpperUp": 0.8, "mouthLowerDown": 0.8},
    {"mouthPress": 0.6, "mouthRollLower": 0.6, "mouthRollUpper": 0.6},
    {"jawOpen": 0.35, "mouthFunnel": 0.7, "mouthPucker": 0.4},
    {"jawOpen": 0.5, "jawLeft": 0.7, "mouthStretch": 0.7},
    {"jawOpen": 0.5, "jawRight": 0.7, "mouthFrown": 0.7},
    {"jawOpen": 1.0, "tongueOut": 0.5, "noseSneer": 1.0},
)
_EYES: tuple[tuple[float, float, float], ...] = (
    (0, 0, 1), (0.5, 0, 0), (-0.5, 0, 0), (0, 0.35, 0), (0, -0.35, 0), (0.35, 0.2, 0), (-0.35, -0.2, 0), (0, 0, 0.5),
)  # fmt: skip
"""Yaw and pitch of the gaze, closure of the lids."""
_TURNS = (
    (0, 0.3, 0),
    (0, -0.3, 0),
    (0.2, 0, 0.12),
    (-0.2, 0, -0.12),
    (0, 0, 0),
    (0.1, 0.2, 0),
    (-0.1, -0.2, 0),
    (0, 0, 0),
)
"""Radians of the head against the shoulders."""


def shown_faces(held: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> HeadMotion:
    """One frame for every face that is looked at: the moods as they are, then again with a mouth, eyes and a head that
    move about how it is `held` at rest (`GaussianAvatar.held`)."""
    frames = [still_motion(*mood, held) for mood in MOODS]
    for mood, mouth, (yaw, pitch, closed), turn in zip(MOODS, _MOUTHS, _EYES, _TURNS, strict=True):
        face = still_motion(*mood)
        expression = face.expression.copy()
        for name, amount in mouth.items():
            for suffix in ("", "Left", "Right"):
                if name + suffix in ARKIT_INDEX:
                    expression[0, ARKIT_INDEX[name + suffix]] = amount
        head = np.float32([[*np.add(turn, held), 0, 0, 0]])
        frames.append(HeadMotion(expression, face.jaw, np.float32([[yaw, pitch]]), np.float32([[closed] * 2]), head))
    return HeadMotion.concatenate(frames)


def views() -> list[tuple[int, int, list[int]]]:
    """Yaw and pitch in degrees, and which of `shown_faces` are drawn from there: all from the front and from the sides,
    a few from above and below."""
    faces, moving = 2 * len(MOODS), list(range(len(MOODS), 2 * len(MOODS)))
    found = []
    for i, (yaw, pitch) in enumerate((y, p) for p in PITCHES for y in YAWS):
        if pitch == 0:
            found.append((yaw, pitch, list(range(faces)) if yaw == 0 else [0, *moving]))
        else:
            found.append((yaw, pitch, [(3 * i + 5 * k) % faces for k in range(3)]))
    return found


def far_views() -> list[tuple[int, int, list[int]]]:
    """The same for views from as far as the page goes: a few faces, since it is clothes and hair that come in."""
    faces = 2 * len(MOODS)
    return [
        (yaw, pitch, [0, (5 * i + 8) % faces]) for i, (yaw, pitch) in enumerate((y, p) for p in PITCHES for y in YAWS)
    ]


def weights(avatar: GaussianAvatar) -> np.ndarray:
    """The largest weight [N] of every Gaussian in any of the pictures, in pixels of a 512 pixel portrait."""
    # Imported here: numba when something is drawn.
    from emotalk.rendering.weights import shown_weights

    motion = shown_faces(avatar.held)
    largest = torch.zeros(len(avatar))
    near = [(PORTRAIT_ZOOM, *view) for view in views()]
    for zoom, yaw, pitch, faces in [*near, *((FAR, *view) for view in far_views())]:
        camera = _camera(avatar, math.radians(yaw), math.radians(pitch), zoom)
        for t in faces:
            largest = torch.maximum(largest, shown_weights(avatar.pose(motion, t, camera), camera))
    return (largest * (512 / SIZE) ** 2).numpy()


def worth_sending(avatar: GaussianAvatar, least_weight: float = LEAST_WEIGHT) -> np.ndarray:
    """Which Gaussians [N] (bool) a browser needs; at least one. `least_weight` in pixels of a 512 pixel portrait."""
    always = [REGION_INDEX[name] for name in ALWAYS]
    keep = (weights(avatar) >= least_weight) | np.isin(avatar.gaussians.region.numpy(), always)
    keep[0] |= not keep.any()
    return keep


def _camera(avatar: GaussianAvatar, yaw: float, pitch: float, zoom: float) -> Camera:
    # Imported here: as above.
    from emotalk.avatar.view import own_view
    from emotalk.rendering import portrait_camera

    if avatar.camera is None:
        return portrait_camera(SIZE, yaw, pitch, zoom)
    return own_view(avatar, SIZE, yaw, pitch, zoom / PORTRAIT_ZOOM)[0]
