"""The emotion branch with and without the emotional face generator: a person is made into an avatar from a neutral clip
alone, and drawn as the same person acts emotions in other clips.

    python -m benchmarks.emotion_branch CLIPS --work FOLDER            # everything that is not there yet
    python -m benchmarks.emotion_branch CLIPS --work FOLDER --report   # only write the tables again

CLIPS is the folder of the research clips (not part of the project), whose `mead` holds acted emotions. Both avatars
take the same number of steps with the same seed. The emotional clips are tracked with the identity of the neutral clip;
neither fit nor generator ever sees them. Rows are written one by one to FOLDER/rows.jsonl.
"""

from __future__ import annotations

import dataclasses
import logging
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw

from benchmarks.portrait_clips import camera_of
from emotalk.avatar import Consent, GaussianAvatar
from emotalk.core.camera import Camera
from emotalk.core.image_metrics import peak_ratio
from emotalk.core.landmarks import BROWS, EYE_CORNERS, EYES, MOUTH, NOSE_BASE, OVAL, PAIRS, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.core.ssim import ssim
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.fitting.personalize import ExtraPairs, PersonalizeConfig, PersonalizeFit
from emotalk.fitting.video_fit import draw_frame
from emotalk.head import HeadModel
from emotalk.tracking import TrackedVideo, track_video
from emotalk.tracking.fit import fit_person, fit_video, key_frames, lens_for, start_frames
from emotalk.tracking.landmark_bias import without_bias
from emotalk.tracking.pose_refinement import refine
from emotalk.tracking.reading import Shots
from emotalk.tracking.rig import FaceRig, motion_of
from emotalk.tracking.solve import Face

log = logging.getLogger(__name__)

RESULTS = Path(__file__).parent / "results" / "emotion_branch.md"
PEOPLE = ("M030", "W009")
MOODS = ("happy", "angry", "sad", "surprised", "disgusted", "fear", "contempt")
SIZE = 256
"""Pixels: that of the clips."""
STEPS = 600
EVERY = 3
"""Of the frames of an emotional clip, every so many are compared."""
CONSENT = "For measuring only: this avatar is not kept."
LIDS = tuple(sorted({k for pair in PAIRS[7:] for k in pair} | set(EYE_CORNERS)))
"""Landmarks of both eyes' lids."""


@dataclasses.dataclass(frozen=True)
class Driven:
    """A clip as another clip's person sees it: motion fitted to their face, through a camera of its own."""

    tracked: TrackedVideo
    motion: HeadMotion
    camera: Camera


def tracked_clip(video: Path, work: Path) -> tuple[TrackedVideo, Shots]:
    """The clip, tracked once, and what was seen in it."""
    folder = work / "tracks" / video.stem
    tracked = track_video(video, folder, size=SIZE)
    with np.load(folder / "landmarks.npz") as file:
        return tracked, Shots(**{name: file[name] for name in file.files if name != "version"})


def face_of(tracked: TrackedVideo, shots: Shots) -> Face:
    """The person of a tracked clip, as tracking fitted them."""
    head = HeadModel.load()
    scale = eye_distance(shots.points)
    points = without_bias(shots.points.astype(np.float64), scale, shots.contrast)
    there = np.isfinite(points).all((1, 2))
    lens = lens_for(head, tracked.size, scale)
    rotation = np.tile(np.eye(3), (len(points), 1, 1))
    rotation[there] = start_frames(FaceRig.of(head, np.zeros(head.components)), lens, points[there]).rotation
    return fit_person(head, lens, points, key_frames(points, rotation, there))[0]


def driven_by(face: Face, tracked: TrackedVideo, shots: Shots) -> Driven:
    """A clip of that person: motion for that face, poses refined with the skin of this clip as tracking does."""
    head = HeadModel.load()
    scale = eye_distance(shots.points)
    lens = lens_for(head, tracked.size, scale, face.rig.identity)
    points = without_bias(shots.points.astype(np.float64), scale, shots.contrast)
    face = dataclasses.replace(face, lens=lens, scale=scale)
    there = np.flatnonzero(np.isfinite(points).all((1, 2)))[:1]
    start = start_frames(face.rig, lens, points[there])
    shapes = shots.blendshapes if len(shots.blendshapes) else None
    fit = fit_video(face, points, there, start, shapes, calm=False)

    def grey(t: int) -> np.ndarray:
        return cv2.cvtColor(tracked.frame_bytes(t), cv2.COLOR_RGB2GRAY)

    fit = refine(head, fit, points, grey, tracked.labels, tracked.size, np.flatnonzero(~shots.covered))
    motion = motion_of(fit.face.rig, fit.frames.rotation, fit.frames.place, fit.frames.controls)
    return Driven(tracked, motion, camera_of(lens, tracked.size))


def fitted(
    name: str, tracked: TrackedVideo, folder: Path, extra: ExtraPairs | None, steps: int = STEPS
) -> GaussianAvatar:
    """The avatar of a neutral clip after so many steps."""
    consent = Consent(CONSENT, datetime.now(UTC).isoformat(timespec="seconds"))
    config = PersonalizeConfig(steps=steps, size=tracked.size)
    return PersonalizeFit(tracked, folder, config, name=name, consent=consent, extra_pairs=extra).run()


def compare(avatar: GaussianAvatar, driven: Driven, rows: np.ndarray) -> dict[str, float]:
    """Means over the rows: PSNR (dB) and SSIM of the box around the face and of its upper half, and distances of
    landmarks in percent of the eye distance."""
    avatar = avatar.replace(camera=driven.camera)
    found = []
    with ClipDetector() as ours, ClipDetector() as theirs:
        for t in rows:
            image, wanted = draw_frame(avatar, driven.motion, int(t)), driven.tracked.frame(int(t))
            drawn = ours.detect(image)
            points = theirs.detect(wanted)
            box, upper = face_masks(points, driven.tracked.size)
            squares = np.square(image - wanted).mean(-1)
            alike = float(ssim(torch.from_numpy(image), torch.from_numpy(wanted), torch.from_numpy(box).float()))
            found.append(
                [peak_ratio(float(squares[mask].mean())) for mask in (box, upper)] + [alike, *distances(drawn, points)]
            )
    return dict(zip(("box", "upper", "ssim", *DISTANCES), np.nanmean(found, 0).tolist(), strict=True))


DISTANCES = ("mouth", "brows and lids", "all")


def distances(drawn: np.ndarray, seen: np.ndarray) -> list[float]:
    """Mean distance of landmarks [478, 2] in percent of the eye distance: of the mouth's once both are moved to one
    centre, of brows and lids and of all once both heads are moved to one centre of the firm points; NaN without a
    face."""
    unit = np.linalg.norm(seen[EYES[0]] - seen[EYES[1]]) / 100

    def apart(rows: tuple[int, ...], about: tuple[int, ...]) -> float:
        rows, about = list(rows), list(about)
        shift = (drawn[about] - seen[about]).mean(0)
        return float(np.linalg.norm(drawn[rows] - seen[rows] - shift, axis=-1).mean() / unit)

    firm = (168, 6, 197, 195, 5, 4, *EYE_CORNERS)
    return [apart(MOUTH, MOUTH), apart((*BROWS, *LIDS), firm), apart(tuple(range(478)), firm)]


def face_masks(points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [size, size] (bool) of the box of the landmarks [478, 2], and of the face's outline above the nose's
    base."""
    if not np.isfinite(points).all():
        return (np.zeros((size, size), bool),) * 2
    low, high = points.min(0), points.max(0)
    box = np.zeros((size, size), bool)
    box[max(0, int(low[1])) : int(high[1]) + 1, max(0, int(low[0])) : int(high[0]) + 1] = True
    picture = Image.new("1", (size, size))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in points[list(OVAL)].tolist()], fill=1)
    rows, columns = np.mgrid[:size, :size]
    down = points[152] - points[10]
    above = (columns - points[NOSE_BASE, 0]) * down[0] + (rows - points[NOSE_BASE, 1]) * down[1] < 0
    return box, np.array(picture) & above
