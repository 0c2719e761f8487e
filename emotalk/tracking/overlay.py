"""What tracking found, drawn on frames of the video: the picture by which a person judges it at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from emotalk.core.camera import project
from emotalk.core.landmarks import OUTLINES
from emotalk.core.pictures import eight_bit
from emotalk.head import HeadModel

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo

_HEAD, _SEEN = (255, 122, 96), (255, 255, 255)
SIDE = 320


def overlay(tracked: TrackedVideo, side: int = SIDE) -> np.ndarray:
    """[side, 3 side, 3] uint8: a quiet frame, the most turned one and the one with the widest open mouth, each with
    the seen landmarks (white) and the lines of the head that was fitted to them. Of one frame [side, side, 3]."""
    import torch

    head = HeadModel.load()
    person = head.with_identity(torch.from_numpy(np.asarray(tracked.identity, np.float32)))
    parts = []
    for t in _telling_frames(tracked):
        motion = tracked.motion[t : t + 1]
        with torch.no_grad():
            posed = person(**{name: torch.from_numpy(value) for name, value in vars(motion).items()})
            points = project(head.landmarks(posed.vertices, "mediapipe478"), tracked.camera)[0][0]
        parts.append(_drawn(eight_bit(tracked.frame(t)), points, tracked.landmarks[t], side))
    return np.concatenate(parts, 1)


def _telling_frames(tracked: TrackedVideo) -> list[int]:
    seen = np.flatnonzero(tracked.seen)
    if len(tracked) == 1:
        return [0]
    if not len(seen):
        return [0, len(tracked) // 2, len(tracked) - 1]
    turn = np.abs(tracked.motion.head_pose[seen, 1] - np.median(tracked.motion.head_pose[seen, 1]))
    open_mouth = np.linalg.norm(tracked.landmarks[seen, 13] - tracked.landmarks[seen, 14], axis=-1)
    quiet = turn / (turn.max() + 1e-6) + open_mouth / (open_mouth.max() + 1e-6)
    return [int(seen[i]) for i in (quiet.argmin(), turn.argmax(), open_mouth.argmax())]


def _drawn(frame: np.ndarray, fitted: np.ndarray, seen: np.ndarray, side: int) -> np.ndarray:
    low, high = fitted.min(0), fitted.max(0)
    half = min(0.85 * float((high - low).max()), frame.shape[0] / 2)  # face, hair and chin
    corner = np.clip((low + high) / 2 - half, 0, frame.shape[0] - 2 * half)
    scale = side / half  # drawn at twice the size and shrunk: smooth lines
    box = (*corner, *(corner + 2 * half))
    picture = Image.fromarray(frame).resize((2 * side, 2 * side), Image.Resampling.BILINEAR, box=box)
    draw = ImageDraw.Draw(picture)
    for line in OUTLINES:
        draw.line([tuple(point) for point in ((fitted[list(line)] - corner) * scale).tolist()], fill=_HEAD, width=3)
    for x, y in (seen[np.isfinite(seen).all(1)] - corner) * scale:
        draw.ellipse([x - 1.6, y - 1.6, x + 1.6, y + 1.6], fill=_SEEN)
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS))
