"""The motion model adapted to filmed people: nearer to them on speech that it was not adapted to?"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emotalk.core.errors import EmotalkError
from emotalk.core.rates import FPS
from emotalk.emotion import EmotionCurve
from emotalk.learning.adapt_motion import SHORTEST, adapt_motion
from emotalk.motion import MotionModel
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.lip_measures import quick
from emotalk.sync.network import SyncModel
from emotalk.tracking import TrackedVideo, load_tracked, track_video

log = logging.getLogger(__name__)

PEOPLE = ("dfrf_cnn2_25fps", "mimictalk_German20s")
"""Clips of 20 s and more that hold the filmed person's voice."""
SECONDS = 20.0  # of a clip that are used
TAIL = 0.2  # share of them, at the end, that nothing is adapted to
GIVEN = (5.0, 16.0)  # seconds to adapt to
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
    """Markdown: every person, with 5 s and with 16 s to adapt to, before -> after on the same last fifth."""
    yield (
        f"The first {SECONDS:.0f} s of each clip as tracked by `emotalk.tracking`, driven by its own sound; adapted to "
        f"the seconds given, measured on the last fifth: before -> after. Errors in hundredths of the eye distance.\n"
    )
    yield (
        "| clip | given (s) | r opening | r without what is slower than 0.6 s | error of the opening | of all measures "
        "| spread / filmed | r width | CPU s |"
    )
    yield "|" + "---|" * 9
    rows = []
    for name, tracked in tracked_people(clips, cache).items():
        features = encoder.encode(tracked.audio())
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
    if rows:
        yield f"| mean | | {_pairs(np.mean(rows, 0))} | |"


def _pairs(both: np.ndarray) -> str:
    return " | ".join(f"{before:.2f} -> {after:.2f}" for before, after in both.T)
