"""The motion model adapted to filmed people: nearer to them on speech that it was not adapted to?"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from emotalk.core.errors import EmotalkError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.core.speech import Speech
from emotalk.emotion import EmotionCurve
from emotalk.learning.adapt_motion import SHORTEST, adapt_motion
from emotalk.motion import MotionModel
from emotalk.motion.eye_statistics import blink_tops
from emotalk.motion.habits import Habits
from emotalk.speech import load_audio
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.lip_measures import quick
from emotalk.sync.network import SyncModel
from emotalk.tracking import TrackedVideo, load_tracked, track_video

log = logging.getLogger(__name__)

PEOPLE = ("dfrf_cnn2_25fps", "mimictalk_German20s", "edtalk_uncrop_Obama", "styletalk_andrew_clip_2")
"""Clips of 20 s and more that hold the filmed person's voice."""
SECONDS = 20.0  # of a clip that are used
TAIL = 0.2  # share of them, at the end, that nothing is adapted to
GIVEN = (5.0, 16.0)  # seconds to adapt to
SEEDS = 8  # takes whose head, gaze and blinks are compared

OPENING, WIDTH = 0, 2


def tracked_people(clips: Path, cache: Path) -> dict[str, TrackedVideo]:
    """The tracked clips, from `<cache>/tracked` where they lie there, else tracked now."""
    people = {}
    for name in PEOPLE:
        folder = cache / "tracked" / name
        try:
            people[name] = load_tracked(folder)
        except EmotalkError:
            if (clips / f"{name}.mp4").exists():
                people[name] = track_video(clips / f"{name}.mp4", folder, seconds=SECONDS)
    return people


def sound_of(name: str, tracked: TrackedVideo, clips: Path) -> Speech:
    """The clip's own sound: of its video, or the file beside a silent one (tracking begins at its start)."""
    beside = clips / f"{name}.wav"
    return tracked.audio() or load_audio(beside)


def body_numbers(motions: list[HeadMotion], rows: np.ndarray) -> np.ndarray:
    """[12] of takes on `rows` [T] bool: standard deviation of pitch, yaw and roll (degrees), median speed (degrees/s),
    usual pitch, yaw and roll, blinks a minute, usual gaze in the head (yaw, pitch), its standard deviation; means."""
    every = []
    for motion in motions:
        angles = np.degrees(gaussian_filter1d(motion.head_pose[:, :3].astype(float), 1.0, axis=0))[rows]
        gaze = np.degrees(motion.gaze[rows])
        blinks = rows[blink_tops(motion.eyelids)].sum() * 60 * FPS / rows.sum()
        speed = np.median(np.linalg.norm(np.diff(angles, axis=0), axis=1)) * FPS
        usual = np.median(gaze, 0)
        spread = np.sqrt(((gaze - usual) ** 2).sum(1).mean())
        every.append([*angles.std(0), speed, *np.median(angles, 0), blinks, *usual, spread])
    return np.mean(every, 0)


def scores(made: np.ndarray, filmed: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """[6] of lip measures [T, 4] on `rows` [T] bool: r of the opening, without what is slower than 0.6 s, mean error of
    the opening and of all four (hundredths of the eye distance), spread of the opening against the filmed, r of the
    width."""

    def r(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a[rows], b[rows])[0, 1])

    off = made[rows] - filmed[rows]
    return np.array([
        r(made[:, OPENING], filmed[:, OPENING]),
        r(quick(made[:, OPENING]), quick(filmed[:, OPENING])),
        100 * np.abs(off[:, OPENING]).mean(),
        100 * np.linalg.norm(off, axis=1).mean(),
        made[rows, OPENING].std() / filmed[rows, OPENING].std(),
        r(made[:, WIDTH], filmed[:, WIDTH]),
    ])  # fmt: skip


def table(model: MotionModel, sync: SyncModel, encoder: SpeechEncoder, clips: Path, cache: Path) -> Iterator[str]:
    """Markdown: every person, with 5 s and with 16 s to adapt to, before -> after on the same last fifth; then head,
    gaze and blinks on all that was not given."""
    yield (
        f"The first {SECONDS:.0f} s of each clip as tracked by `emotalk.tracking`, driven by its own sound; adapted to "
        f"the seconds given, measured on the last fifth: before -> after. Errors in hundredths of the eye distance.\n"
    )
    yield (
        "| clip | given (s) | r opening | r without what is slower than 0.6 s | error of the opening | of all measures "
        "| spread / filmed | r width | CPU s |"
    )
    yield "|" + "---|" * 9
    rows, habits = [], []
    for name, tracked in tracked_people(clips, cache).items():
        features = encoder.encode(sound_of(name, tracked, clips))
        frames = min(len(features) // 2, len(tracked))
        filmed = sync.lips(tracked.motion)[:frames]
        tail = (np.arange(frames) >= round((1 - TAIL) * frames)) & tracked.seen[:frames]
        calm = EmotionCurve.constant(0, 0)
        before = scores(sync.lips(model(features, calm))[:frames], filmed, tail)
        for seconds in GIVEN:
            given = min(round(seconds * FPS), round((1 - TAIL) * frames))
            if int(tracked.seen[:given].sum()) < SHORTEST:
                continue
            started = time.process_time()
            part = features[: 2 * given]
            own = adapt_motion(part, tracked.motion[:given], tracked.seen[:given], model)
            spent = time.process_time() - started
            after = scores(sync.lips(model.adapted(own)(features, calm))[:frames], filmed, tail)
            rows.append(np.stack([before, after]))
            yield f"| {name} | {given / FPS:.0f} | {_pairs(rows[-1])} | {spent:.1f} |"
            rest = (np.arange(frames) >= given) & tracked.seen[:frames]
            takes = [
                [m(features, calm, seed=seed)[:frames] for seed in range(SEEDS)] for m in (model, model.adapted(own))
            ]
            numbers = [body_numbers(group, rest) for group in ([tracked.motion[:frames]], *takes)]
            habits.append((name, given / FPS, rest.sum() / FPS, numbers, own.habits))
    if rows:
        yield f"| mean | | {_pairs(np.mean(rows, 0))} | |"
        yield from _habits_table(habits)


def _habits_table(habits: list[tuple[str, float, float, list[np.ndarray], Habits]]) -> Iterator[str]:
    yield (
        f"\nHead, gaze and blinks of the seconds that were not given: filmed; average person -> adapted, means over "
        f"{SEEDS} seeds. Degrees; errors are of the logarithm for sizes and speed.\n"
    )
    yield (
        "| clip | given (s) | rest (s) | sd pitch | sd yaw | sd roll | median speed | usual pitch | usual yaw | usual "
        "roll | blinks a minute | gaze yaw | gaze pitch | gaze sd |"
    )
    yield "|" + "---|" * 14
    for name, given, rest, (filmed, before, after), _ in habits:
        cells = [f"{f:.1f}; {b:.1f} -> {a:.1f}" for f, b, a in zip(filmed, before, after, strict=True)]
        yield f"| {name} | {given:.0f} | {rest:.0f} | {' | '.join(cells)} |"
    offs = []
    for _, _, _, (filmed, *both), _ in habits:
        row = []
        for made in both:
            by_factor = np.abs(np.log((np.abs(made) + 0.05) / (np.abs(filmed) + 0.05)))
            row.append(np.where(np.isin(np.arange(len(made)), (0, 1, 2, 3, 10)), by_factor, np.abs(made - filmed)))
        offs.append(row)
    yield f"| mean error | | | {_pairs(np.mean(offs, 0))} |"


def _pairs(both: np.ndarray) -> str:
    return " | ".join(f"{before:.2f} -> {after:.2f}" for before, after in both.T)
