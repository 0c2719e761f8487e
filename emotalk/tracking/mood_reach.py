"""How far a face must go in a mood to be read: told by what a landmark detector sees on pictures of it.

The same muscles show more on one face than on another: wide lids, brows that stand out, a large mouth, against a beard,
narrow lids or dark rims around the eyes. Faces on which less is seen to move go further (`AvatarCard.reach`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.core.motion import HeadMotion
from emotalk.emotion import NAMED_EMOTIONS, expression_field, split_eyes
from emotalk.rendering import portrait_camera, rasterize
from emotalk.tracking.landmarks import FaceLandmarks

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar

MOODS = ("happy", "surprised", "afraid", "angry", "disgusted", "sad")
SIDE, ZOOM = 320, 1.6
"""Pixels and nearness of the pictures: the face fills them."""
PARTS: dict[str, tuple[int, ...]] = {
    "brows": (55, 65, 52, 53, 46, 107, 66, 105, 63, 70, 285, 295, 282, 283, 276, 336, 296, 334, 293, 300),
    "lids": (159, 158, 160, 145, 144, 153, 386, 385, 387, 374, 373, 380),
    "mouth": (61, 291, 0, 17, 13, 14, 37, 267, 84, 314, 40, 270, 91, 321),
}
"""Landmarks of the parts that tell a mood; each part counts alike."""
LOWERED = ("angry", "disgusted")
"""Moods in which brows do not count: pale ones are lost in the folds that they are lowered to, and a face that went
further for that would lose them altogether."""
FIXED = (33, 133, 362, 263, 168, 6, 197, 4, 129, 358, 127, 356)
"""Landmarks that moods hardly move: corners of the eyes, nose, temples."""
EYES = (33, 263)
USUAL = {"brows": 0.0252, "lids": 0.0158, "mouth": 0.0427}
"""How far the parts of the presets go on average, in distances of the outer corners of the eyes."""
LIMITS = (0.9, 1.25)
"""Beyond, a face would freeze or turn into a mask."""


def reach_for(avatar: GaussianAvatar) -> float:
    """The factor on emotional shapes with which a face is seen to move as far as the presets' in a mood; 1 where the
    detector does not find the face."""
    moves = seen_moves(avatar)
    if moves is None:
        return 1.0
    share = np.mean([moves[part] / usual for part, usual in USUAL.items()])
    return round(float(np.clip(1 / max(share, 1e-6), *LIMITS)), 3)


@torch.no_grad()
def seen_moves(avatar: GaussianAvatar) -> dict[str, float] | None:
    """Part of the face -> how far its landmarks are seen to go from rest, the mean over `MOODS` (of brows over
    those that do not lower them), in distances of the outer corners of the eyes; None where no face is found."""
    pictures = [_picture(avatar, *NAMED_EMOTIONS[name]) for name in ("neutral", *MOODS)]
    found = []
    for picture in pictures:
        with FaceLandmarks() as detector:  # a new one each time: it follows faces from picture to picture
            found.append(detector.find(picture))
    if any(points is None for points in found):
        return None
    rest, *moved = (_placed(points[:, :2]) for points in found)
    counted = dict(zip(MOODS, moved, strict=True))
    raised = {mood: points for mood, points in counted.items() if mood not in LOWERED}
    return {
        part: float(
            np.mean([_moved(points, rest, marks) for points in (raised if part == "brows" else counted).values()])
        )
        for part, marks in PARTS.items()
    }


def _moved(points: np.ndarray, rest: np.ndarray, marks: tuple[int, ...]) -> float:
    """How far these landmarks are from where they rest, on average."""
    return float(np.linalg.norm((points - rest)[list(marks)], axis=1).mean())


def _placed(points: np.ndarray) -> np.ndarray:
    """Landmarks [478, 2] with the centre of the fixed ones at the origin, the eyes level and a unit apart."""
    right, left = points[list(EYES)]
    across = left - right
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]]) / (across @ across)
    return (points - points[list(FIXED)].mean(0)) @ turn.T


def _picture(avatar: GaussianAvatar, valence: float, arousal: float) -> np.ndarray:
    """[SIDE, SIDE, 3] uint8 of the face in a mood."""
    expression, eyelids, gaze = split_eyes(expression_field(valence, arousal))
    still = HeadMotion.neutral()
    camera = portrait_camera(SIDE, zoom=ZOOM)
    cloud = avatar.to("cpu").pose(HeadMotion(expression, still.jaw, gaze, eyelids, still.head_pose), 0, camera)
    picture = rasterize(cloud, camera, (0.6, 0.6, 0.6)).image.clamp(0, 1)
    return np.ascontiguousarray((picture * 255).round().byte().numpy())
