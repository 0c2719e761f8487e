"""How far a piece of work is: one class for talking, tracking, fitting, downloading and comparing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Progress:
    """What a progress callback is told."""

    stage: str  # what is being done: a name, or words where people read it
    done: int = 0  # frames, steps, percent or bytes, as the stage counts
    total: int | None = None  # of the same; None while that is not known
    seconds: float = 0.0  # since the start, without interruptions
    remaining: float | None = None  # seconds, estimated; None while that is not known

    @property
    def share(self) -> float:
        """Share in [0, 1] of `total` that is done; 0 while that is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def time_left(self) -> str:
        """`remaining` in minutes and seconds, "1:05 left"; empty while that is not known."""
        if self.remaining is None:
            return ""
        return f"{int(self.remaining) // 60}:{int(self.remaining) % 60:02d} left"


@dataclass(frozen=True)
class FitProgress(Progress):
    """What the callback of a fit is told besides."""

    psnr: float | None = None  # dB over the head in frames that are only judged by, latest
    loss: float | None = None  # mean of the last steps
    gaussians: int | None = None
    preview: np.ndarray | None = None  # [H, 2 W, 3] uint8, such a frame and the avatar in its pose; now and then


ProgressCallback = Callable[[Progress], None]
FitCallback = Callable[[FitProgress], None]
