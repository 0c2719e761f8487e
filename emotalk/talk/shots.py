"""How the camera moves during a talk, and where the person looks.

A shot goes between two framings: that of the look, and a nearer one in which the head still fits. Both are the look's
picture enlarged and shifted, and so is everything between them; the head is inside both, so it always is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotalk.core.camera import Camera
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS

SHOTS = ("still", "push-in", "drift", "cut-in")
"""The camera stands; comes nearer, ever more slowly; sways around the head; is near in every other sentence."""

_NEAREST = {"push-in": 1.25, "cut-in": 1.4}
"""How much larger the nearer framing is, where the head fits."""
_MARGIN = 0.04  # of the shorter side that stays free around a head at rest: talking, it moves that far
_PUSH_SECONDS = 8.0
"""In which two thirds of the way are gone: slow enough that the picture seems to stand."""
_SWAY = ((math.radians(2.5), 11.0), (math.radians(0.8), 17.0))
"""Sideways and upwards: how far a drifting camera goes, and the seconds after which it is back."""
_SHORTEST = 2 * FPS
"""Frames for which a framing stays before the camera cuts again: a shorter one is a flicker."""
_EYES = math.radians(12.0)
"""So far eyes turn alone; the head turns the rest (people begin to move it at 10 to 20 degrees: Freedman 2008)."""
_GAZE_LIMIT = math.radians(26.0)
GAZES = ("ahead", "camera", "aside")
"""Where people look: straight ahead, at whoever watches, past them."""
ASIDE = (18.0, -4.0)
"""Degrees to the right and up, as seen in the picture, that "aside" means."""
GAZE_DEGREES = (35.0, 20.0)
"""How far to the sides, and up or down, a point to look at may lie."""


def parse_gaze(text: str) -> str | tuple[float, ...]:
    """What somebody wrote as the place to look at, for a `Look`: a word, or a point "20,-5"; anything else as it is."""
    try:
        return tuple(float(part) for part in text.split(",")) if isinstance(text, str) and "," in text else text
    except ValueError:
        return text


@dataclass(frozen=True)
class Framing:
    """A picture's part that is shown: the point (x, y) of the picture comes to `scale` * (x, y) + (right, down)."""

    scale: float = 1.0
    right: float = 0.0  # pixels
    down: float = 0.0

    def of(self, camera: Camera) -> Camera:
        """What a camera sees so framed."""
        if self == Framing():
            return camera
        return dataclasses.replace(
            camera,
            fx=camera.fx * self.scale,
            fy=camera.fy * self.scale,
            cx=camera.cx * self.scale + self.right,
            cy=camera.cy * self.scale + self.down,
        )

    def part(self, share: float) -> Framing:
        """So far from the whole picture (0) towards this framing (1)."""
        return Framing(1 + share * (self.scale - 1), share * self.right, share * self.down)


def near_framing(shot: str, width: int, height: int, head: tuple[float, float, float, float]) -> Framing:
    """The nearer framing of a shot; `head` is what it must hold, (left, top, right, bottom) in pixels. The whole
    picture where that leaves no room, or where the shot has no nearer framing."""
    margin = _MARGIN * min(width, height)
    room = min((width - 2 * margin) / max(head[2] - head[0], 1.0), (height - 2 * margin) / max(head[3] - head[1], 1.0))
    scale = min(_NEAREST.get(shot, 1.0), room)
    if scale <= 1:
        return Framing()
    shifts = []
    for side, low, high in ((width, head[0], head[2]), (height, head[1], head[3])):
        middle = side / 2 * (1 - scale)  # the picture's middle stays where it is
        # The head stays inside, and what lies beyond the picture's own borders stays outside.
        lowest, highest = margin - scale * low, side - margin - scale * high
        shifts.append(min(max(middle, lowest, side * (1 - scale)), max(highest, side * (1 - scale)), 0.0))
    return Framing(scale, *shifts)


def cuts(sentences: Sequence[int]) -> list[int]:
    """The frames at which the camera cuts, of those (in order) at which sentences begin. A later sentence changes none
    of them."""
    found: list[int] = []
    for frame in sentences:
        if frame - (found[-1] if found else 0) >= _SHORTEST:
            found.append(frame)
    return found


def nearness(shot: str, frame: int, sentences: Sequence[int]) -> float:
    """How far towards the nearer framing the camera is at a frame: from 0 to 1. `sentences` are the frames at which
    sentences begin, as far as they are known: up to this one they must be."""
    if shot == "push-in":
        return 1 - math.exp(-frame / FPS / _PUSH_SECONDS)
    if shot == "cut-in":
        return float(sum(cut <= frame for cut in cuts(sentences)) % 2)
    return 0.0


def sway(shot: str, frame: int) -> tuple[float, float]:
    """How far the camera has gone around the head at a frame: radians to the person's left and upwards."""
    if shot != "drift":
        return 0.0, 0.0
    yaw, pitch = (size * math.sin(2 * math.pi * frame / FPS / seconds) for size, seconds in _SWAY)
    return yaw, pitch


def looking(motion: HeadMotion, yaw: np.ndarray, pitch: np.ndarray) -> HeadMotion:
    """A motion that is directed at a point instead of straight ahead: `yaw` [T] to the person's left and `pitch` [T]
    up, in radians. Eyes turn first, the head with them where it is far."""
    target = np.clip(np.stack([yaw, pitch], 1), -np.radians(GAZE_DEGREES), np.radians(GAZE_DEGREES))
    eyes = _EYES * np.tanh(target / _EYES)
    head_pose = motion.head_pose.copy()
    head_pose[:, 1] += target[:, 0] - eyes[:, 0]
    head_pose[:, 0] -= target[:, 1] - eyes[:, 1]  # a turn about +x lowers the face
    gaze = np.clip(motion.gaze + eyes, -_GAZE_LIMIT, _GAZE_LIMIT)
    return dataclasses.replace(motion, gaze=gaze, head_pose=head_pose)
