"""Frames as numbered PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from emotalk.core.atomic import replacing
from emotalk.core.errors import VideoError


class FrameFolder:
    """Writes `000000.png`, `000001.png`... into a folder, made if needed. Raises VideoError where it cannot."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._next = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VideoError(f"The folder for frames cannot be made: {error}.") from error

    def write(self, frame: np.ndarray) -> None:
        """Append one frame [H, W, 3] uint8."""
        path = self.folder / f"{self._next:06d}.png"
        try:
            with replacing(path, flush=False) as temporary:  # many, and they can be made again
                # Level 1: the fastest that still halves the size.
                Image.fromarray(frame).save(temporary, "PNG", compress_level=1)
        except OSError as error:
            raise VideoError(f"Frame {self._next} could not be written to {self.folder}: {error}.") from error
        self._next += 1
