"""How far a piece of work is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a talk is: `stage` in words, frames done, frames in all (None while that is not known)."""

    stage: str
    frames: int = 0
    total: int | None = None
    elapsed: float = 0.0  # seconds since the start

    @property
    def share(self) -> float:
        return min(1.0, self.frames / self.total) if self.total else 0.0


ProgressCallback = Callable[[Progress], None]
