"""One frame of a synthetic person's video as the photo of them, with the other frames as the truth about the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotalk.avatar import GaussianAvatar
from emotalk.tracking import TrackedVideo
from tests.fitting.synthetic_video import make_video

FRAMES = 12


def photo_of(
    folder: Path, preset: str = "jun", size: int = 192, frame: int = 0
) -> tuple[TrackedVideo, TrackedVideo, GaussianAvatar]:
    """(the tracked photo, the whole tracked video, the person it shows); the photo's folder holds all frames."""
    video, person = make_video(folder, preset, frames=FRAMES, size=size)
    return video.part(frame, frame + 1), video, person


def head_error(image: np.ndarray, wanted: np.ndarray, mask: np.ndarray) -> float:
    """Mean squared difference within a mask."""
    return float(np.square(image - wanted)[mask].mean())
