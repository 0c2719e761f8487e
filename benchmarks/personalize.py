"""From a clip to an avatar and back: how well a fit shows frames it never saw, and what it costs.

    python -m benchmarks.personalize CLIPS --work FOLDER                  # everything that is not there yet
    python -m benchmarks.personalize CLIPS --work FOLDER --clip mimictalk_German20s --train 5
    python -m benchmarks.personalize CLIPS --work FOLDER --report         # only write the tables again

CLIPS is the folder of the research clips (not part of the project). For each clip an avatar is fitted to the first 5 s
and to everything but the last fifth (16 s of 20); the last fifth is drawn by its tracked motion and by its sound alone,
and compared. Rows are written one by one to FOLDER/rows.jsonl, so that a stopped run goes on; tables go to
benchmarks/results/personalize.md. A fixed number of steps makes the pictures independent of the machine's load.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import resource
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import tyro

from benchmarks.personalize_table import write_tables
from emotalk.avatar import Consent, GaussianAvatar
from emotalk.core.atomic import write_json
from emotalk.core.errors import EmotalkError, InputError
from emotalk.core.rates import FPS
from emotalk.evaluation.evaluate import evaluate
from emotalk.fitting.personalize import PersonalizeConfig, PersonalizeFit
from emotalk.fitting.video_fit import scores
from emotalk.fitting.video_frames import box_mask, head_box
from emotalk.tracking import TrackedVideo, track_video
from emotalk.tracking.shoulder_alignment import torso_shifts
from emotalk.tracking.source import probe

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Source:
    """A clip and the stretch of it that is used. Of 20 seconds, all but the last fifth are 16 seconds."""

    file: str
    start: float = 0.0  # seconds
    seconds: float = 20.0
    lengths: tuple[str, ...] = ("5", "all")


SOURCES = {
    "mimictalk_German20s": Source("mimictalk_German20s.mp4"),
    "dfrf_cnn2": Source("dfrf_cnn2_25fps.mp4", start=7.2),  # after a cut
    "edtalk_Obama": Source("edtalk_uncrop_Obama.mp4"),
    "liveportrait_d6": Source("liveportrait_d6.mp4"),  # its sound is not speech
    "sadtalker_Radio2": Source("sadtalker_RD_Radio2.mp4", seconds=8.0),
    "sadtalker_AOC": Source("sadtalker_AOC.mp4", seconds=8.0),
}
SILENT = ("liveportrait_d6",)
"""Clips whose sound has nothing to do with their lips."""
TEST_SHARE = 0.2
EVERY = 5
"""Every so many frames of the last fifth are compared in the box around the head."""
CONSENT = "For measuring only: this avatar is not kept."


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured."""

    work: Path
    """Where tracks, states, avatars and rows are kept (never in the repository)."""
    clip: tuple[str, ...] = ("mimictalk_German20s", "dfrf_cnn2", "edtalk_Obama", "sadtalker_Radio2")
    train: tuple[str, ...] = ("5", "all")
    steps: int | None = 1000
    """Steps of each fit; None bounds it by `minutes` of wall clock instead."""
    minutes: float = 2.0
    report: bool = False
    """Only write the tables of the rows that are there."""


def tracked_clip(clips: Path, name: str, work: Path, train: str = "all") -> tuple[TrackedVideo, dict[str, float]]:
    """The tracked clip, its head poses aligned with the skin of the frames that are learned from alone; and what
    tracking cost the first time (kept beside it)."""
    source, folder = SOURCES[name], work / "tracks" / name
    video, cost = clips / source.file, folder / "cost.json"
    length = min(source.seconds, (probe(video).seconds or source.seconds) - source.start)
    border = (1 - TEST_SHARE) * length
    texture = border if train == "all" else min(float(train), border)
    wall, cpu = time.perf_counter(), time.process_time()
    tracked = track_video(video, folder, seconds=source.seconds, start=source.start, texture_seconds=round(texture, 2))
    if not cost.exists():
        spent = {"track_wall": time.perf_counter() - wall, "track_cpu": time.process_time() - cpu}
        write_json(cost, spent)
    return tracked, json.loads(cost.read_text())


def measure(tracked: TrackedVideo, name: str, train: str, options: Options) -> dict[str, object]:
    """One row: fit to the beginning, judge on the last fifth."""
    border = len(tracked) - round(TEST_SHARE * len(tracked))
    stop = border if train == "all" else min(int(train) * FPS, border)
    folder = options.work / "fits" / f"{name}-{train}-{options.steps or options.minutes}"
    consent = Consent(CONSENT, datetime.now(UTC).isoformat(timespec="seconds"))
    config = PersonalizeConfig(minutes=options.minutes, steps=options.steps, size=tracked.size)
    fit = PersonalizeFit(tracked.part(0, stop), folder, config, name=name, consent=consent)
    wall, cpu = time.perf_counter(), time.process_time()
    avatar = fit.run()
    row: dict[str, object] = {
        "clip": name, "train": train, "train_seconds": stop / FPS, "steps": fit.fit.step_count,
        "gaussians": len(avatar), "fit_wall": time.perf_counter() - wall, "fit_cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip
    avatar = with_own_voice(avatar, tracked.part(0, stop))
    avatar.save(options.work / "avatars" / f"{name}-{train}")
    torso = torso_shifts(tracked, fit.start.reference)
    rows = np.array([t for t in range(border, len(tracked), EVERY) if tracked.seen[t]])
    mask = box_mask(head_box(tracked), tracked.size)
    for label, who in (("box", avatar), ("start", fit.start.avatar)):
        found = scores(who, tracked.motion, torso, tracked.frame_bytes, rows, mask)
        row |= {f"{label}_{key}": value for key, value in found.items()}
    test = tracked.part(border, len(tracked))
    drives = ("motion",) if test.audio() is None or name in SILENT else ("motion", "audio")
    for drive in drives:
        report = evaluate(avatar, test, drive, torso=torso[border:])
        row |= {f"{drive}_{key}": value for key, value in report.scores.items()}
    return row


def with_own_voice(avatar: GaussianAvatar, train: TrackedVideo) -> GaussianAvatar:
    """The avatar with its motion adapted to how the person speaks, where they do."""
    from emotalk.learning.adapt_motion import adapt_motion
    from emotalk.motion import MotionModel
    from emotalk.speech import SpeechEncoder

    sound = train.audio()
    if sound is None or not hasattr(avatar, "motion"):
        return avatar
    try:
        adapted = adapt_motion(SpeechEncoder.load().encode(sound), train.motion, train.seen, MotionModel.load())
    except InputError as error:
        log.info("%s", error)
        return avatar
    return avatar.replace(motion=adapted)


def measure_strange_drive(name: str, other: str, tracks: dict[str, TrackedVideo], options: Options) -> dict:
    """One row: the avatar of `name` driven by the expressions and head turns of `other`: does a landmarker still find
    the face, and where the driven head has it? The head stays where its own video has it."""
    from emotalk.avatar import load_avatar
    from emotalk.core.motion import HeadMotion

    own, foreign = tracks[name], tracks[other]
    avatar = load_avatar(options.work / "avatars" / f"{name}-all")
    frames = min(len(foreign), 100)
    channels = {key: value[:frames].copy() for key, value in vars(foreign.motion).items()}
    channels["head_pose"] += np.median(own.motion.head_pose, 0) - np.median(foreign.motion.head_pose, 0)
    driven = dataclasses.replace(
        own.part(0, frames), motion=HeadMotion(**channels), seen=np.ones(frames, bool)
    ) if frames <= len(own) else None  # fmt: skip
    if driven is None:
        raise InputError(f"{name} is shorter than the {frames} frames of {other}.")
    report = evaluate(avatar, driven, "motion")
    return {"clip": name, "driven_by": other, "faces_found": report.scores["faces_found"],
            "rig_error": report.scores.get("rig_error", float("nan"))}  # fmt: skip


def main(clips: tyro.conf.Positional[Path], options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    table = options.work / "rows.jsonl"
    rows = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []

    def done(**key: object) -> bool:
        return any(all(row.get(k) == v for k, v in key.items()) for row in rows)

    def keep(row: dict) -> None:
        rows.append(row)
        with table.open("a") as file:
            file.write(json.dumps(row) + "\n")
        write_tables(rows)

    if not options.report:
        tracks: dict[str, TrackedVideo] = {}
        for name in options.clip:
            for train in SOURCES[name].lengths:
                if train in options.train and not done(clip=name, train=train):
                    log.info("%s, %s s", name, train)
                    try:
                        tracks[name], cost = tracked_clip(clips, name, options.work, train)
                        keep(measure(tracks[name], name, train, options) | cost)
                    except EmotalkError as error:
                        log.warning("%s, %s: %s", name, train, error)
        for name, other in zip(options.clip, [*options.clip[1:], options.clip[0]], strict=True):
            ready = (options.work / "avatars" / f"{name}-all").exists()
            if name != other and ready and not done(clip=name, driven_by=other):
                for one in (name, other):
                    if one not in tracks:
                        tracks[one] = tracked_clip(clips, one, options.work)[0]
                keep(measure_strange_drive(name, other, tracks, options))
    write_tables(rows)


if __name__ == "__main__":
    tyro.cli(main)
