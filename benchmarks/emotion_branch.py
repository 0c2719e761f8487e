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
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from PIL import Image, ImageDraw

from benchmarks.results_file import with_remarks
from emotalk.avatar import Consent, GaussianAvatar
from emotalk.core.atomic import write_text
from emotalk.core.camera import Camera
from emotalk.core.image_metrics import peak_ratio
from emotalk.core.landmarks import BROWS, EYE_CORNERS, EYES, MOUTH, NOSE_BASE, OVAL, PAIRS, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.core.ssim import ssim
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.fitting.personalize import ExtraPairs, PersonalizeConfig, PersonalizeFit, one_thread
from emotalk.fitting.video_fit import draw_frame
from emotalk.head import HeadModel
from emotalk.learning.driven_photo import camera_of
from emotalk.portrait.emotional_faces import EmotionalFaces
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
EVERY = 4
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


def measure(clips: Path, who: str, work: Path, branch: bool, steps: int) -> Iterator[dict[str, object]]:
    """Rows of one person's avatar, made with or without emotional faces: its fit, then each mood."""
    tracked, shots = tracked_clip(clip_of(clips, who, "neutral"), work)
    faces = EmotionalFaces() if branch else None
    label = "with" if branch else "without"
    avatar = fitted(who, tracked, work / "fits" / f"{who}-{label}", faces, steps)
    metrics = avatar.card.metrics
    yield {
        "who": who, "branch": branch, "mood": "neutral", "steps": steps, "head": metrics["psnr_head"],
        "head_ssim": metrics["ssim_head"],
        "faces": None if faces is None else dict(faces.counts),
    }  # fmt: skip
    face = face_of(tracked, shots)
    for mood in MOODS:
        driven = driven_by(face, *tracked_clip(clip_of(clips, who, mood), work))
        rows = np.flatnonzero(driven.tracked.seen)[::EVERY]
        yield {"who": who, "branch": branch, "mood": mood, "steps": steps} | compare(avatar, driven, rows)


def clip_of(clips: Path, who: str, mood: str) -> Path:
    """The file of a mood."""
    level = 1 if mood == "neutral" else 3
    return clips / "mead" / f"dreamtalk_{who}_front_{mood}_level{level}_001.mp4"


COLUMNS = ("box", "upper", "ssim", "mouth", "brows and lids", "all")


def write_tables(rows: list[dict], path: Path = RESULTS) -> None:
    """The Markdown file of everything measured so far."""
    lines = [
        "# The emotion branch",
        "",
        "`python -m benchmarks.emotion_branch CLIPS --work FOLDER`. An avatar of a neutral clip (4 s, 256 pixels),",
        "made with and without the emotional face generator, the same steps and seed; drawn by the motion of clips in",
        "which the same person acts emotions at their strongest (MEAD, level 3; research material), tracked with the",
        "identity of the neutral clip. Neither fit nor generator saw them. *Box*: around the face; *upper face*:",
        "within its outline, above the base of the nose. Distances of landmarks in percent of the eye distance: the",
        "mouth's with both mouths at one place, all others with both heads laid over each other by nose and corners of",
        "the eyes. Choices were made on M030, the last two (lips do not count; share of pairs) after looking at both.",
        "",
    ]
    for who in PEOPLE:
        own = [row for row in rows if row["who"] == who]
        fits = {row["branch"]: row for row in own if row["mood"] == "neutral"}
        if len(fits) < 2:
            continue
        counts = fits[True]["faces"]
        lines += [
            f"## {who}",
            "",
            f"Held-out neutral frames, box of the head: {fits[False]['head']:.2f} dB without, "
            f"**{fits[True]['head']:.2f}** with. Faces: {sum(counts.values())} made, "
            + ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
            + f". {fits[False]['steps']} steps each.",
            "",
            "| mood | PSNR box, dB | PSNR upper face | SSIM box | mouth | brows and lids | all landmarks |",
            "|---|---|---|---|---|---|---|",
        ]
        table = {}
        for mood in MOODS:
            pair = [next((r for r in own if r["mood"] == mood and r["branch"] == with_), None) for with_ in (0, 1)]
            if None not in pair:
                table[mood] = [[row[name] for name in COLUMNS] for row in pair]
        table["mean"] = np.mean(list(table.values()), 0).tolist()
        for mood, (without, with_) in table.items():
            cells = [cell(name, a, b) for name, a, b in zip(COLUMNS, without, with_, strict=True)]
            lines.append(f"| {mood} | {' | '.join(cells)} |")
        lines.append("")
    write_text(path, with_remarks("\n".join(lines), path))


def cell(name: str, before: float, after: float) -> str:
    """A figure without and with the branch; the latter bold where it is better."""
    digits, better = 3 if name == "ssim" else 2, after > before if name in COLUMNS[:3] else after < before
    now = f"{after:.{digits}f}"
    return f"{before:.{digits}f} → {f'**{now}**' if better else now}"


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured."""

    work: Path
    """Where tracks, fits and rows are kept (never in the repository)."""
    person: tuple[str, ...] = PEOPLE
    steps: int = STEPS
    report: bool = False
    """Only write the tables of the rows that are there."""


def main(clips: tyro.conf.Positional[Path], options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    options.work.mkdir(parents=True, exist_ok=True)
    table = options.work / "rows.jsonl"
    rows = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []
    for who in () if options.report else options.person:
        for branch in (False, True):
            done = {row["mood"] for row in rows if (row["who"], row["branch"]) == (who, branch)}
            if done >= {"neutral", *MOODS}:
                continue
            log.info("%s, %s", who, "with" if branch else "without")
            with one_thread():
                for row in measure(clips, who, options.work, branch, options.steps):
                    if row["mood"] not in done:
                        rows.append(row)
                        with table.open("a") as file:
                            file.write(json.dumps(row) + "\n")
    write_tables(rows)


if __name__ == "__main__":
    tyro.cli(main)
