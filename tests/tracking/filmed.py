"""Short films for the tests, drawn from the shipped synthetic people when the tests run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.tracking_truth import Film, film, lively_motion
from emotalk.video import ffmpeg_path

FRAMES = 75
SIZE = 256


def short_film(folder: Path, name: str = "mira") -> Film:
    """Three seconds of a preset that talks, blinks and turns."""
    return film(folder / f"{name}.mp4", name, lively_motion(FRAMES, seed=2, turn=0.15), size=SIZE, zoom=1.1)


def ffmpeg(target: Path, *arguments: str) -> Path:
    """Another video made of existing ones."""
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", *arguments, str(target)], check=True)
    return target
