"""A film -> a shard: face-mesh landmarks, lip measures and the sound, kept in the build folder.

Only numbers leave the film; the pictures are looked at one at a time and kept nowhere.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotalk.core.atomic import replacing
from emotalk.core.errors import EmotalkError, InputError
from emotalk.core.rates import FPS
from emotalk.speech import load_audio
from emotalk.sync.lip_measures import measures_of_landmarks
from emotalk.tracking.landmarks import open_landmarks
from emotalk.tracking.source import probe, small_frames
from scripts.motion_corpus.grid import Film

log = logging.getLogger(__name__)

LEAST_SEEN = 0.9
"""Share of a film's frames that must show a face."""
_LARGEST_SIDE = 4096


@dataclass(frozen=True)
class FilmedSentence:
    """What a film shows of the lips, and its sound; T frames at 25 fps, the picture as it is beside the sound."""

    name: str
    speaker: str
    measures: np.ndarray  # [T, 4] `lip_measures.MEASURES` in eye distances
    samples: np.ndarray  # [N] mono at 16 kHz


def shard_path(folder: Path, name: str) -> Path:
    """Where the shard of that film lies."""
    return folder / f"{name}.npz"


def build_shards(folder: Path, films: list[Film]) -> None:
    """Make the missing shards of `films` in `folder`, about 2 s of one core each. A film that shows no face often
    enough is left out, and the log says so; what was left out is tried again by the next run."""
    folder.mkdir(parents=True, exist_ok=True)
    for film in films:
        path = shard_path(folder, film.name)
        if path.exists():
            continue
        try:
            points = landmarks_of(film.path)
            sound = load_audio(film.path).samples
        except EmotalkError as error:
            log.warning("%s is left out: %s", film.name, error)
            continue
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                speaker=np.array(film.speaker),
                landmarks=points,
                samples=np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16),
            )
        log.info("%s: %.1f s", film.name, len(points) / FPS)


def landmarks_of(video: Path) -> np.ndarray:
    """[T, 478, 3] float32 in pixels at 25 fps, NaN where no face is seen; InputError where that is too often."""
    info = probe(video)
    rows = []
    with open_landmarks() as finder:
        for picture in small_frames(video, info, _LARGEST_SIDE):
            found = finder.find(picture)
            rows.append(np.full((478, 3), np.nan, np.float32) if found is None else found)
    points = np.array(rows, np.float32).reshape(-1, 478, 3)
    seen = np.isfinite(points).all((1, 2)).mean() if len(points) else 0.0
    if seen < LEAST_SEEN:
        raise InputError(
            f"{video.name} shows a face in {seen:.0%} of its frames; at least {LEAST_SEEN:.0%} are needed."
        )
    return points


def load_shard(path: Path) -> FilmedSentence:
    """What `build_shards` wrote."""
    with np.load(path) as file:
        measures = measures_of_landmarks(file["landmarks"], FPS)
        return FilmedSentence(path.stem, str(file["speaker"]), measures, file["samples"].astype(np.float32) / 32768)


def load_shards(folder: Path) -> list[FilmedSentence]:
    """All shards of a folder, by name."""
    return [load_shard(path) for path in sorted(folder.glob("*.npz"))]
