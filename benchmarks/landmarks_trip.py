"""Landmarks of real clips -> head motion -> drawn avatar -> landmarks: what of them comes through.

`python -m benchmarks.landmarks_trip` writes benchmarks/results/landmarks.md. The clips are research material outside of
the repository; nothing of them but these numbers is kept.
"""

from __future__ import annotations

import itertools
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image

from benchmarks.portrait_clips import CLIPS, CONSENT
from benchmarks.results_file import with_remarks
from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.core.atomic import write_text
from emotalk.core.errors import EmotalkError
from emotalk.core.landmarks import BROWS, EYE_CORNERS, EYES, MOUTH, NOSE, PAIRS, apertures
from emotalk.core.motion import HeadMotion
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.portrait import read_photo, track_photo
from emotalk.portrait.make import make_portrait
from emotalk.talk.request import Look
from emotalk.talk.scene import Scene
from emotalk.tracking.landmark_drive import landmark_motion
from emotalk.tracking.landmark_file import read_landmarks, write_landmarks
from emotalk.tracking.landmark_layouts import LandmarkTrack
from emotalk.tracking.source import crop_frames, probe
from emotalk.tracking.survey import survey

RESULTS = Path(__file__).parent / "results" / "landmarks.md"
RECORDED = {
    "German": ("mimictalk_German20s.mp4", None),
    "Obama": ("edtalk_uncrop_Obama.mp4", None),
    "cnn2": ("dfrf_cnn2_25fps.mp4", None),
    "M030, joy": (
        "mead/dreamtalk_M030_front_happy_level3_001.mp4", "mead/dreamtalk_M030_front_neutral_level1_001.mp4",
    ),
}  # fmt: skip
"""Clips, and the one that shows the person at rest where it is another one."""
PRESET = "mira"
SIDE = 512
FRAMES = 60
LIDS = sorted({index for pair in PAIRS[7:] for index in pair})
PARTS = {"face": range(468), "mouth": MOUTH, "lids": LIDS, "brows": BROWS}
_FIRM = (*EYE_CORNERS, *NOSE)


@dataclass(frozen=True)
class Options:
    """Measure what of landmarks comes through."""

    frames: int = FRAMES
    """Of each clip."""
    only: tuple[str, ...] = tuple(RECORDED)
    """Clips to run."""
    out: Path = RESULTS
    """Where the table goes."""


@dataclass(frozen=True)
class Recording:
    """What was seen of a clip."""

    points: np.ndarray  # [T, 478, 2] px of a square of SIDE
    neutral: np.ndarray  # [478, 2] px, the person at rest
    photo: np.ndarray  # [SIDE, SIDE, 3] uint8 of that moment


def recording(name: str, frames: int) -> Recording:
    """A clip's landmarks."""
    file, calm = RECORDED[name]
    points, pictures = _seen(CLIPS / file, frames)
    rest, shown = (points, pictures) if calm is None else _seen(CLIPS / calm, frames)
    best = _calmest(rest)
    return Recording(points, rest[best], shown[best])


def _seen(video: Path, frames: int) -> tuple[np.ndarray, list[np.ndarray]]:
    info = probe(video)
    looked = survey(video, info, seconds=max(2.4, frames / 25))
    pictures = crop_frames(video, info, looked.crop, SIDE, looked.start, frames / 25 + 0.5)
    kept = [picture.copy() for picture in itertools.islice(pictures, frames)]
    return _landmarks(kept), kept


def _landmarks(pictures: list[np.ndarray]) -> np.ndarray:
    with ClipDetector() as detector:
        for picture in pictures:
            detector.detect(picture)
        return detector.detections().landmarks.astype(np.float64)


def _calmest(points: np.ndarray) -> int:
    """The frame with the lips shut and the eyes open that is nearest to the usual face."""
    placed = in_place(points, points[0])
    gaps = apertures(placed)
    usual = np.linalg.norm(placed - np.nanmedian(placed, 0), axis=-1).mean(-1)
    cost = 3 * gaps[:, 0] - 1.5 * gaps[:, 1:].mean(1) + usual
    return int(np.nanargmin(cost))


def in_place(points: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Landmarks [T, 478, 2] moved, turned and scaled so that eyes and nose lie on those of `where` [478, 2], in units
    of its eye distance."""
    firm = list(_FIRM)
    target = where[firm] - where[firm].mean(0)
    seen = points - points[:, firm].mean(1, keepdims=True)
    # A turn and a scale in the plane are one complex factor, found by least squares.
    a, b = seen[..., 0] + 1j * seen[..., 1], target[:, 0] + 1j * target[:, 1]
    factor = (a[:, firm].conj() * b).sum(1) / (np.abs(a[:, firm]) ** 2).sum(1)
    moved = a * factor[:, None] / np.linalg.norm(where[EYES[0]] - where[EYES[1]])
    return np.stack([moved.real, moved.imag], -1)


def moves(points: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """How far landmarks [T, 478, 2] are from where they are at rest [478, 2], in eye distances: nothing of this tells
    whose face it is, or where."""
    placed = in_place(points, rest)
    return placed - in_place(rest[None], rest)


def drawn(avatar: GaussianAvatar, motion: HeadMotion) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks seen in drawn pictures of a motion [T, 478, 2], and at rest [478, 2]."""
    scene = Scene(avatar, Look(SIDE, mark="off"))
    rest = _landmarks([scene.draw(HeadMotion.neutral()).copy() for _ in range(3)])[-1]
    return _landmarks([scene.draw(motion, t).copy() for t in range(len(motion))]), rest


def table(options: Options) -> Iterator[str]:
    """Markdown."""
    yield (
        f"{options.frames} frames a clip, as a file that the program reads back; drawn at {SIDE} x {SIDE}, seen by the "
        "same landmarker. Displacements from the face at rest, head pose and size taken out, in percent of the eye "
        "distance: mean distance between recorded and drawn (face: 468 points). Still: how far the recorded face "
        "itself is from rest, so the error of an avatar that never moves. Lips: correlation and slope of the inner "
        "opening. Rest: whether the file says how the face looks at rest. Fit: points seen and fitted.\n"
    )
    yield (
        "| clip | avatar | layout | rest | fit | still: face, mouth, lids, brows | error: face, mouth, lids, brows | "
        "lip r | slope | lid r |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            seen = recording(name, options.frames)
            avatars = {PRESET: load_avatar(PRESET)}
            try:
                avatars["own portrait"] = _portrait(seen.photo, Path(folder) / name.replace(", ", "-"))
            except EmotalkError as error:
                yield f"| {name} | own portrait | refused: {error} | | | | | | | |"
            for layout, known in itertools.product(("478", "68"), (True, False)):
                motion, fit = _motion(seen, layout, known, Path(folder) / "trip.npz")
                for whose, avatar in avatars.items():
                    if known or whose == PRESET:
                        told = "told" if known else "unknown"
                        yield _line(
                            f"| {name} | {whose} | {layout} | {told} | {100 * fit:.1f} % ", seen, avatar, motion
                        )


def _motion(seen: Recording, layout: str, known: bool, file: Path) -> tuple[HeadMotion, float]:
    track = LandmarkTrack(seen.points, "mediapipe478", 25.0, (SIDE, SIDE), seen.neutral if known else None)
    write_landmarks(track if layout == "478" else track.as_ibug68(), file)
    found = landmark_motion(read_landmarks(file))
    return found.motion, found.error


def _portrait(photo: np.ndarray, folder: Path) -> GaussianAvatar:
    folder.mkdir()
    Image.fromarray(photo).save(folder / "photo.png")
    tracked = track_photo(read_photo(folder / "photo.png"), folder / "tracked")
    return make_portrait(tracked, name="measured", consent=CONSENT)


def _line(head: str, seen: Recording, avatar: GaussianAvatar, motion: HeadMotion) -> str:
    points, rest = drawn(avatar, motion)
    both = np.isfinite(points).all((1, 2)) & np.isfinite(seen.points).all((1, 2))
    ours, theirs = moves(points[both], rest), moves(seen.points[both], seen.neutral)

    def means(apart: np.ndarray) -> str:
        return ", ".join(f"{100 * np.linalg.norm(apart[:, list(part)], axis=-1).mean():.1f}" for part in PARTS.values())

    lips, lids = ([apertures(in_place(*pair))[:, column] for pair in
                   ((points[both], rest), (seen.points[both], seen.neutral))]
                  for column in (0, slice(1, 3)))  # fmt: skip
    r, slope = np.corrcoef(*lips)[0, 1], np.cov(*lips)[0, 1] / lips[1].var(ddof=1)
    lid_r = np.corrcoef(*(lid.mean(-1) for lid in lids))[0, 1]
    return f"{head}| {means(theirs)} | {means(ours - theirs)} | {r:.2f} | {slope:.2f} | {lid_r:.2f} |"


def main(options: Options) -> None:
    """Print the table and write the file."""
    if not CLIPS.is_dir():
        print("The clips are not on this machine: nothing is measured.")
        return
    torch.set_num_threads(1)
    lines = []
    for line in table(options):
        lines.append(line)
        print(line, flush=True)
    about = f"{os.cpu_count()} cores ({platform.machine()})."
    title = "# Landmarks in, landmarks out\n\n`python -m benchmarks.landmarks_trip`"
    write_text(options.out, with_remarks("\n\n".join([title, "\n".join(lines), about]) + "\n", options.out))


if __name__ == "__main__":
    main(tyro.cli(Options))
