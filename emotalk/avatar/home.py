"""Home pose: how the person of a video usually holds the head there, and where it is.

A talk moves the head about zero, the place of the head model. A camera that filmed somebody two hand's breadths further
away and a little lower would show that face too large and cut the hair off. So the card keeps the video's usual pose:
what turns the head in it becomes the pose at rest (`held`), what carries it away goes into the camera (`home_camera`).
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.motion import HeadMotion
from emotalk.motion.habits import FARTHEST

if TYPE_CHECKING:
    from emotalk.avatar.model import GaussianAvatar
    from emotalk.core.camera import Camera

MOST_TURNED = math.radians(60.0)
"""A head that a video usually shows turned farther about an axis cannot be tracked."""
MOST_AWAY = 5.0
"""Metres from the place of the head model, on an axis."""
_HEAD = 2  # among the joints root, neck, head


def usual_pose(
    head_pose: np.ndarray,  # [T, 6] as in `HeadMotion`
    seen: np.ndarray,  # [T] bool, frames with a well-tracked face
) -> tuple[float, ...]:
    """The pose [6] (radians about x, y and z, metres) that a video usually shows; () where no frame is well tracked or
    it is no pose of somebody who is filmed.

    The median, axis by axis: glances aside and single lost frames do not count.
    """
    known = np.asarray(head_pose, np.float64)[np.asarray(seen, bool)]
    if not len(known):
        return ()
    home = tuple(round(number, 5) for number in np.median(known, 0).tolist())
    return () if problem(home) else home


def problem(home: object) -> str | None:
    """What is wrong with a home pose from a file, or None: it holds no number, or six within their limits."""
    if not isinstance(home, tuple | list) or len(home) not in (0, 6):
        return f"needs 6 numbers as 'home', or none, found {home!r:.60}"
    for number, most in zip(home, [MOST_TURNED] * 3 + [MOST_AWAY] * 3, strict=False):
        plain = isinstance(number, int | float) and not isinstance(number, bool)
        # Not `isfinite`: a whole number may be too large for any float.
        if not plain or not -most <= number <= most:
            return f"needs numbers within ±{most:.3g} as 'home', found {number!r:.40}"
    return None


def held(home: tuple[float, ...]) -> tuple[float, float, float]:
    """The rotation [3] (radians) in which the head is held at rest, at most `FARTHEST` about each axis: of somebody
    who was filmed from further aside, the camera has gone around them."""
    return tuple(float(np.clip(angle, -FARTHEST, FARTHEST)) for angle in home[:3]) if home else (0.0, 0.0, 0.0)


def home_camera(avatar: GaussianAvatar) -> Camera | None:
    """The avatar's own camera, placed so that a head which is held as usual, at the place of the head model, is seen
    where and as large as the video usually shows it. Without a home pose the camera itself; None where it has none."""
    camera, home = avatar.camera, avatar.card.home
    if camera is None or not home:
        return camera
    poses = np.zeros((2, 6), np.float32)
    poses[0], poses[1, :3] = home, held(home)
    _, rotations, translations = avatar.mesh(dataclasses.replace(HeadMotion.neutral(2), head_pose=poses))
    turn, place = rotations[:, _HEAD].double().cpu(), translations[:, _HEAD].double().cpu()
    # From the head at rest to the head as filmed.
    way = camera.world_to_camera.double().cpu().clone()
    back = turn[0] @ turn[1].T
    way[:3, 3] += way[:3, :3] @ (place[0] - back @ place[1])
    way[:3, :3] = way[:3, :3] @ back
    return dataclasses.replace(camera, world_to_camera=way.to(camera.world_to_camera))
