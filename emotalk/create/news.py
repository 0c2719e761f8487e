"""How far the making of an avatar is, as a page shows it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotalk.core.progress import Progress

if TYPE_CHECKING:
    import numpy as np

PICTURE_SIDE = 720
"""Pixels across at most of the pictures that the child sends: two or three squares side by side."""


@dataclass(frozen=True)
class FitNews(Progress):
    """How far a fit is, its stage in words. Pictures are JPEG data addresses."""

    stage: str = "Starting"
    psnr: float | None = None  # dB
    preview: str = ""  # what the avatar looks like now
    overlay: str = ""  # what tracking found, drawn on frames of the video
    verdict: str = ""  # tracking's: good, usable or poor
    quality: tuple[str, ...] = ()  # and why, in sentences
    curve: tuple[tuple[float, float], ...] = field(default=())  # (seconds, PSNR)


def picture_address(picture: np.ndarray, side: int = PICTURE_SIDE) -> str:
    """A picture [H, W, 3] uint8 as a JPEG data address, at most `side` pixels wide."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
