"""How well videos are followed: real clips against their landmarks, films of synthetic people against the truth.

    python -m benchmarks.tracking [--seconds 12] [--only NAME...]

Clips lie in ../shared/data/clips and are used where they are; films are drawn from the shipped avatars. Writes
benchmarks/results/tracking.md; nothing of the clips but numbers.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.results_file import with_remarks
from benchmarks.tracking_truth import Truth, compare, film, lively_motion
from emotalk.core.atomic import write_text
from emotalk.core.errors import TrackingError
from emotalk.core.landmarks import apertures
from emotalk.head import HeadModel
from emotalk.tracking import TrackedVideo, track_video
from emotalk.tracking.rig import FaceRig, pose_of
from emotalk.tracking.solve import Frames, Lens

RESULTS = Path(__file__).parent / "results" / "tracking.md"
CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"
NAMES = (
    "mimictalk_German20s", "dfrf_cnn2_25fps", "edtalk_uncrop_Obama", "liveportrait_d6", "sadtalker_AOC",
    "sadtalker_RD_Radio2", "styletalk_andrew_clip_2", "mead/eamm_M030_sad",
    "mead/dreamtalk_W009_front_happy_level3_001",
)  # fmt: skip
PRESETS = ("mira", "kofi", "elena", "jun")
FILM_FRAMES = 200


def cpu_seconds() -> float:
    """Of this process and of ffmpeg's that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def skin_points(tracked: TrackedVideo, head: HeadModel) -> np.ndarray:
    """The fitted head's own landmarks [T, 478, 2] in pixels: no bias of the detector is in them."""
    rig = FaceRig.of(head, tracked.identity)
    rotation, place, controls = pose_of(rig, tracked.motion)
    camera = tracked.camera
    lens = Lens(camera.fx, camera.cx, camera.cy, float(camera.world_to_camera[2, 3]))
    return lens.project(Frames(rotation, place, controls).world(rig.points(controls)))


def slopes(tracked: TrackedVideo, head: HeadModel) -> list[tuple[float, float]]:
    """(slope, r) of tracked against seen opening of mouth, right and left eye."""
    mine, seen = (apertures(points[tracked.seen]) for points in (skin_points(tracked, head), tracked.landmarks))
    return [
        (float(np.polyfit(seen[:, k], mine[:, k], 1)[0]), float(np.corrcoef(seen[:, k], mine[:, k])[0, 1]))
        for k in range(3)
    ]


def jitter(tracked: TrackedVideo) -> tuple[float, float, float]:
    """Median size of the second difference from frame to frame: degrees of the head, mm of its place in the picture's
    plane, coefficients of the expression (mean over those in use)."""
    motion = tracked.motion

    def second(values: np.ndarray) -> np.ndarray:
        return np.median(np.linalg.norm(np.diff(values, 2, axis=0), axis=-1))

    used = motion.expression[:, motion.expression.std(0) > 0.01]
    return (
        float(np.degrees(second(motion.head_pose[:, :3]))),
        float(1000 * second(motion.head_pose[:, 3:5])),
        float(np.abs(np.diff(used, 2, axis=0)).mean()) if used.size else 0.0,
    )


def clip_rows(names: list[str], seconds: float, work: Path, head: HeadModel) -> Iterator[str]:
    """One line for every clip."""
    yield (
        "| clip | frames | used | error px | error / eye distance | mouth slope (r) | right eye | left eye | "
        "head jitter deg | place mm | expression | blinks | sound late by | CPU ms a frame | verdict |"
    )
    yield "|" + "---|" * 15
    for name in names:
        video = CLIPS / f"{name}.mp4"
        if not video.is_file():
            continue
        before = cpu_seconds()
        try:
            tracked = track_video(video, work / Path(name).name, seconds=seconds)
        except TrackingError as error:
            yield f"| {name} | refused: {error} |" + " |" * 13
            continue
        spent = 1000 * (cpu_seconds() - before) / len(tracked)
        q = tracked.quality
        opening = " | ".join(f"{slope:.2f} ({r:.3f})" for slope, r in slopes(tracked, head))
        turn, place, expression = jitter(tracked)
        yield (
            f"| {Path(name).name} | {len(tracked)} | {100 * q.seen:.0f} % | {q.error:.2f} | {q.relative_error:.4f} | "
            f"{opening} | {turn:.2f} | {place:.2f} | {expression:.3f} | {q.blinks} | {-q.sound_offset:+d} | "
            f"{spent:.0f} | {q.verdict} |"
        )


def film_rows(names: list[str], work: Path, head: HeadModel) -> Iterator[str]:
    """One line for every synthetic person."""
    yield (
        "| film | error / eye distance | head deg | its motion | expression, all 52 | those in use | their r | "
        "jawOpen r | lids r | gaze deg | identity mm | CPU ms a frame |"
    )
    yield "|" + "---|" * 12
    rows: list[Truth] = []
    for seed, name in enumerate(names):
        made = film(work / f"{name}.mp4", name, lively_motion(FILM_FRAMES, seed))
        before = cpu_seconds()
        tracked = track_video(made.path, work / f"film_{name}")
        spent = 1000 * (cpu_seconds() - before) / len(tracked)
        truth = compare(tracked, made, head)
        rows.append(truth)
        yield f"| {name} | {tracked.quality.relative_error:.4f} | {_numbers(truth)} | {spent:.0f} |"
    if rows:
        mean = Truth(*(float(np.nanmean([getattr(row, field) for row in rows])) for field in vars(rows[0])))
        yield f"| mean | | {_numbers(mean)} | |"


def _numbers(truth: Truth) -> str:
    return (
        f"{truth.rotation:.2f} | {truth.rotation_motion:.2f} | {truth.expression:.3f} | {truth.active:.3f} | "
        f"{truth.correlation:.2f} | {truth.jaw:.2f} | {truth.lids:.2f} | {truth.gaze:.1f} | {truth.identity:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each clip")
    parser.add_argument("--only", nargs="*", default=[], help="names of clips and avatars")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    wanted = lambda names: [n for n in names if not arguments.only or Path(n).name in arguments.only]  # noqa: E731
    head = HeadModel.load()
    lines = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    with tempfile.TemporaryDirectory() as folder:
        say("# Tracking\n")
        say(f"`python -m benchmarks.tracking --seconds {arguments.seconds:g}`; one thread.\n")
        say("## Real clips\n")
        say(
            "Error: mean distance of 478 landmarks seen and predicted, median frame. Slope: opening of the fitted mesh "
            "against the seen one (eyes above 1: the detector leaves shut eyes open, the mesh shuts them). Jitter: "
            "second difference from frame to frame. CPU: everything from file to labels, ffmpeg included.\n"
        )
        for line in clip_rows(wanted(NAMES), arguments.seconds, Path(folder), head):
            say(line)
        say("\n## Synthetic people whose motion is known\n")
        say(
            f"{FILM_FRAMES} frames of random speech, feelings, blinks, glances and head turns (up to 25 degrees). "
            "Head: angle between tracked and true rotation, and with its constant part taken out. Expression: mean "
            "difference of coefficients in [0, 1]. Identity: resting face after aligning place, turn and size.\n"
        )
        for line in film_rows(wanted(PRESETS), Path(folder), head):
            say(line)
    write_text(arguments.out, with_remarks("\n".join(lines), arguments.out))


if __name__ == "__main__":
    main()
