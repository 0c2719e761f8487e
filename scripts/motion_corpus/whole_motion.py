"""Films of one speaker -> what the whole head does in each: expression, lids, gaze and head pose, beside the sound.

All films of a speaker share one face and one camera, so that also the posture from film to film is known. Only numbers
leave the films. The files are those that `emotalk.learning.motion_data.load_tracked` reads.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.atomic import replacing
from emotalk.core.errors import EmotalkError
from emotalk.core.landmarks import eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.speech import load_audio
from emotalk.tracking.fit import Fit, fit_person, fit_video, key_frames, lens_for, start_frames
from emotalk.tracking.landmark_bias import eye_contrast, without_bias
from emotalk.tracking.landmarks import open_landmarks
from emotalk.tracking.rig import FaceRig, motion_of
from emotalk.tracking.source import probe, small_frames
from scripts.motion_corpus.grid import Film
from scripts.motion_corpus.shards import LEAST_SEEN, shard_path

log = logging.getLogger(__name__)

WORST_ERROR = 0.02
"""Median distance of landmarks seen and predicted, in eye distances, above which a film is left out."""
_LARGEST_SIDE = 4096


@dataclass(frozen=True)
class Sight:
    """What was seen in the T frames of one film."""

    landmarks: np.ndarray  # [T, 478, 3] px, NaN where no face
    contrast: np.ndarray  # [T] brightness range between the lids, NaN where no face
    blendshapes: np.ndarray  # [T, 52], or [0, 52] where the landmark model judges none


def build_whole_motion(folder: Path, films: list[Film]) -> None:
    """Make what is missing of `films` in `folder`: about 2 s of one core a film to look at it, 1 s to fit it.

    A speaker is fitted anew when one of the films is missing; a film that shows no face often enough, or that the fit
    does not explain, is left out, and the log says so.
    """
    of: dict[str, list[Film]] = {}
    for film in films:
        of.setdefault(film.speaker, []).append(film)
    (folder / "seen").mkdir(parents=True, exist_ok=True)
    for speaker, group in of.items():
        if all(shard_path(folder, film.name).exists() for film in group):
            continue
        whole = [(film, sight) for film in group if (sight := _sight(folder / "seen", film)) is not None]
        if whole:
            _fit_speaker(folder, speaker, whole)


def _sight(folder: Path, film: Film) -> Sight | None:
    """What is seen in a film, kept in `folder`; None where that is too little."""
    path = shard_path(folder, film.name)
    if not path.exists():
        try:
            seen = look(film.path)
        except EmotalkError as error:
            log.warning("%s is left out: %s", film.name, error)
            return None
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(seen))
        log.info("%s: seen", film.name)
    with np.load(path) as file:
        seen = Sight(**{name: file[name] for name in file.files})
    there = np.isfinite(seen.landmarks).all((1, 2))
    if not len(there) or there.mean() < LEAST_SEEN:
        log.warning("%s is left out: it shows a face in %.0f %% of its frames", film.name, 100 * there.mean())
        return None
    return seen


def look(video: Path) -> Sight:
    """Landmarks, contrast of the eyes and blendshapes (with the FaceLandmarker task at hand) of a film's frames."""
    points, contrast, shapes = [], [], []
    with open_landmarks() as finder:
        for picture in small_frames(video, probe(video), _LARGEST_SIDE):
            found = finder.find(picture)
            points.append(np.full((478, 3), np.nan, np.float32) if found is None else found)
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            contrast.append(np.nan if found is None else eye_contrast(grey, found[:, :2]))
            if finder.blendshapes is not None:
                shapes.append(finder.blendshapes)
    return Sight(
        np.array(points, np.float32).reshape(-1, 478, 3),
        np.array(contrast),
        np.array(shapes, np.float32).reshape(-1, len(ARKIT_NAMES)),
    )


def _fit_speaker(folder: Path, speaker: str, whole: list[tuple[Film, Sight]]) -> None:
    fit, rig = fit_films([sight for _, sight in whole])
    motion = motion_of(rig, fit.frames.rotation, fit.frames.place, fit.frames.controls)
    first = 0
    for film, sight in whole:
        rows = slice(first, first + len(sight.landmarks))
        first = rows.stop
        error = float(np.nanmedian(fit.error[rows]) / fit.face.scale)
        if error > WORST_ERROR:
            log.warning("%s is left out: landmarks are off by %.3f eye distances", film.name, error)
            continue
        _save(shard_path(folder, film.name), film, motion[rows], error, sight.blendshapes)
    log.info("%s: %d films, landmarks off by %.4f", speaker, len(whole), np.nanmedian(fit.error) / fit.face.scale)


def fit_films(sights: list[Sight]) -> tuple[Fit, FaceRig]:
    """Face and motion of one person before one camera, over all films one after the other."""
    head = HeadModel.load()
    points = np.concatenate([sight.landmarks for sight in sights]).astype(np.float64)
    contrast = np.concatenate([sight.contrast for sight in sights])
    there = np.isfinite(points).all((1, 2))
    scale = eye_distance(points)
    points = without_bias(points, scale, contrast)
    size = round(float(np.nanmax(points[..., :2])) + scale)  # only the lens's middle hangs on it
    lens = lens_for(head, size, scale)
    rotation = np.tile(np.eye(3), (len(points), 1, 1))
    rotation[there] = start_frames(FaceRig.of(head, np.zeros(head.components)), lens, points[there]).rotation
    keys = key_frames(points, rotation, there)
    face, key_fit = fit_person(head, lens, points, keys)
    shapes = [sight.blendshapes for sight in sights]
    known = all(len(rows) for rows in shapes)
    return fit_video(face, points, keys, key_fit, np.concatenate(shapes) if known else None), face.rig


def _save(path: Path, film: Film, motion: HeadMotion, error: float, blendshapes: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            speaker=np.array(film.speaker),
            error=np.array(error),
            blendshapes=blendshapes,
            audio=load_audio(film.path).samples.astype(np.float32),
            **{name: getattr(motion, name) for name in ("expression", "jaw", "gaze", "eyelids", "head_pose")},
        )
