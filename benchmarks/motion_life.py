"""Emotion that shows, sliders that are never dead, natural rhythm, and speed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.signal import welch

from benchmarks.motion_clips import FilmedClip, auc, window_scores, windows_right
from benchmarks.motion_lips import Line, mesh_points
from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.blas import one_blas_thread
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.core.speech import SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.head import HeadModel
from emotalk.motion import MotionModel, MotionStyle, read_livelink
from emotalk.motion.emotion_recogniser import EmotionRecogniser, concordance
from emotalk.motion.eye_statistics import EyeStatistics, measure_eyes
from emotalk.sync.network import SyncModel

MOODS = ((0.0, 0.0), *((0.7 * v, 0.7 * a) for v in (1, 0, -1) for a in (1, 0, -1) if v or a))
"""Valence and arousal of the nine moods that body motion is measured in."""
SEEN = {
    "whole motion": ("expression", "jaw", "gaze", "eyelids", "head_pose"),
    "expression and lids only": ("expression", "eyelids"),
    "gaze, jaw swing and head only": ("gaze", "jaw", "head_pose"),
}
"""What of a motion the recogniser is shown."""
FREE_CAPTURES = ("S07-001", "S88-001", "apfel", "facial")


def joined(lines: list[Line], known: bool) -> SpeechFeatures:
    """All lines one after the other, as one long talk."""
    parts = [line.known if known else line.heard for line in lines]
    return SpeechFeatures(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(SpeechFeatures)}
    )


def emotion_table(model: MotionModel, recogniser: EmotionRecogniser, lines: list[Line]) -> Iterator[str]:
    """How well the recogniser reads valence and arousal back from motions of unseen sentences and random people.

    `recogniser` is the one that only measures; beside it stands the one that was a training loss.
    """
    random = np.random.default_rng(0)
    wanted, motions = [], []
    for line in lines:
        for _ in range(6):
            wanted.append(random.uniform(-1, 1, 2))
            seed = int(random.integers(2**31))
            motions.append(model(line.heard, EmotionCurve.constant(*wanted[-1]), MotionStyle.random(seed), seed))
    moods = np.array(wanted)
    seconds = np.mean([len(motion) for motion in motions]) / FPS
    yield (
        f"{len(moods)} motions of {seconds:.1f} s: constant emotion drawn evenly from the square, random style and "
        "seed.\n"
    )
    yield "| recogniser | seen | valence CCC | arousal CCC | valence MAE | arousal MAE |\n|---|---|---|---|---|---|"
    for name, reads in (("measures only", recogniser), ("training loss", EmotionRecogniser.load())):
        for seen, parts in SEEN.items():
            found = np.array([reads(only(motion, parts)).mean(0) for motion in motions])
            ccc = [concordance(found[:, k], moods[:, k]) for k in (0, 1)]
            mae = np.abs(found - moods).mean(0)
            yield f"| {name} | {seen} | {ccc[0]:.3f} | {ccc[1]:.3f} | {mae[0]:.3f} | {mae[1]:.3f} |"


def only(motion: HeadMotion, parts: tuple[str, ...]) -> HeadMotion:
    """The motion with all but the named channels at rest."""
    still = HeadMotion.neutral(len(motion))
    return dataclasses.replace(still, **{name: getattr(motion, name) for name in parts})


def slider_table(model: MotionModel, head: HeadModel, line: Line) -> Iterator[str]:
    """What a tenth of a slider does, and what a slider thrown across does."""
    axis = np.linspace(-1, 1, 21)
    columns: dict[str, list[float]] = {"valence": [], "arousal": []}
    faces = {}
    style = MotionStyle(blink_rate=0.0, face=0)  # blinks at other moments would pass for the slider's work
    short = line.known[:64]
    for v in axis[::2]:
        for a in axis[::2]:
            for dv, da in ((0, 0), (0.1, 0), (0, 0.1)):
                point = (round(min(v + dv, 1.0), 4), round(min(a + da, 1.0), 4))
                if point not in faces:
                    motion = model(short, EmotionCurve.constant(*point), style, 0)
                    faces[point] = mesh_points(head, motion)[0]
    for v in axis[::2]:
        for a in axis[::2]:
            here = faces[round(v, 4), round(a, 4)]
            for name, (dv, da) in (("valence", (0.1, 0)), ("arousal", (0, 0.1))):
                point = (round(min(v + dv, 1.0), 4), round(min(a + da, 1.0), 4))
                if point != (round(v, 4), round(a, 4)):
                    # The landmark that moves most, over the clip: what an eye would notice.
                    moved = (faces[point] - here).norm(dim=-1).mean(0).max()
                    columns[name].append(float(moved) * 1e3)
    yield "Landmark of the face that moves most when one slider moves by 0.1 (mm, mean over 32 frames of speech):\n"
    yield "| slider | least over the square | median | most |\n|---|---|---|---|"
    for name, values in columns.items():
        yield f"| {name} | {min(values):.2f} | {np.median(values):.2f} | {max(values):.2f} |"
    frames = len(line.known) // 2
    thrown = EmotionCurve.from_keys([(0, -1, -1), (frames / 2 / FPS, -1, -1), (frames / 2 / FPS + 0.04, 1, 1)])
    rows = []
    for name, curve in (("constant (0, 0)", EmotionCurve.constant(0, 0)), ("thrown from (-1, -1) to (1, 1)", thrown)):
        motion = model(line.known, curve, style, 0)
        step = np.abs(np.diff(motion.expression, axis=0)).max()
        points, _ = mesh_points(head, motion)
        rows.append((name, step, float(points.diff(dim=0).norm(dim=-1).max()) * 1e3))
    yield "\n| curve | largest change of a coefficient per frame | of a landmark (mm) |\n|---|---|---|"
    for name, step, moved in rows:
        yield f"| {name} | {step:.2f} | {moved:.1f} |"


def rhythm_table(model: MotionModel, lines: list[Line], captures: Path, clips: list[FilmedClip]) -> Iterator[str]:
    """Blinks and gaze of generated talks beside the Live Link captures, heads beside the filmed ones."""
    talk = joined(lines, known=False)
    recorded = []
    for name in FREE_CAPTURES:
        path = captures / f"{name}.csv.gz"
        if path.exists():
            recorded.append(measure_eyes(read_livelink(path)))
    moods = MOODS
    made = {mood: [model(talk, EmotionCurve.constant(*mood), seed=seed) for seed in range(8)] for mood in moods}
    measured = {mood: [measure_eyes(motion) for motion in motions] for mood, motions in made.items()}
    yield (
        "Means over eight seeds. Blinks are meant to be fuller than a phone records them: less than full leaves a slit "
        "of the eye.\n"
    )
    yield "| measure | Live Link captures, range | " + " | ".join(f"({v:+.1f}, {a:+.1f})" for v, a in moods) + " |"
    yield "|" + "---|" * (2 + len(moods))
    for f in dataclasses.fields(EyeStatistics):
        if f.name == "blink_profile":
            continue
        span = [getattr(r, f.name) for r in recorded]
        known = f"{min(span):.2f} .. {max(span):.2f}" if span else "not there"
        cells = [f"{np.mean([getattr(m, f.name) for m in measured[mood]]):.2f}" for mood in moods]
        yield f"| {f.name.replace('_', ' ')} | {known} | " + " | ".join(cells) + " |"
    yield "\nHead (the captures hold no head rotation, all zeros; so beside the filmed clips, tracked):\n"
    yield "| measure | filmed clips, range | " + " | ".join(f"({v:+.1f}, {a:+.1f})" for v, a in moods) + " |"
    yield "|" + "---|" * (2 + len(moods))
    filmed = [_head_numbers([clip.head]) for clip in clips]
    generated = [_head_numbers([np.degrees(m.head_pose[:, :3]) for m in made[mood]]) for mood in moods]
    for name in generated[0]:
        span = [numbers[name] for numbers in filmed]
        known = f"{min(span):.2f} .. {max(span):.2f}" if span else "not there"
        yield f"| {name} | {known} | " + " | ".join(f"{numbers[name]:.2f}" for numbers in generated) + " |"
    yield "\nBrows (ARKit weights, standard deviation; what emotion adds included):\n"
    yield "| shape | " + " | ".join(f"({v:+.1f}, {a:+.1f})" for v, a in moods) + " |"
    yield "|" + "---|" * (1 + len(moods))
    for name in (name for name in ARKIT_NAMES if name.startswith("brow")):
        sizes = [np.mean([m.expression[:, ARKIT_INDEX[name]].std() for m in made[mood]]) for mood in moods]
        yield f"| {name} | " + " | ".join(f"{size:.3f}" for size in sizes) + " |"
    neutral = [m.head_pose[:, :3] for m in made[0.0, 0.0]]
    alike = [np.corrcoef(a[:, k], b[:, k])[0, 1] for i, a in enumerate(neutral) for b in neutral[:i] for k in range(3)]
    yield f"\nTwo seeds' heads in the same neutral talk: r {np.mean(alike):.2f} (mean of pitch, yaw, roll)."


def _head_numbers(takes: list[np.ndarray]) -> dict[str, float]:
    """Sizes, speed and spectrum of pitch, yaw, roll [T, 3] in degrees, means over takes."""
    every: list[dict[str, float]] = []
    for angles in takes:
        smooth = gaussian_filter1d(angles, 1.0, axis=0)  # a tracker trembles by some tenths of a degree
        speed = np.linalg.norm(np.diff(smooth, axis=0), axis=1) * FPS
        numbers = {f"{name} sd (degrees)": smooth[:, k].std() for k, name in enumerate(("pitch", "yaw", "roll"))}
        numbers["speed, median (degrees/s)"] = np.median(speed)
        numbers |= {
            f"share of movement power {low:g}-{high:g} Hz": band_share(smooth, low, high)
            for low, high in ((0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 5.0))
        }
        every.append(numbers)
    return {name: float(np.mean([numbers[name] for numbers in every])) for name in every[0]}


def band_share(angles: np.ndarray, low: float, high: float) -> float:
    """Share of the power of [T, 3] angles between two frequencies, without the mean."""
    frequencies, power = welch(angles, FPS, nperseg=min(128, len(angles)), axis=0)
    inside = (frequencies >= low) & (frequencies < high)
    return float(power[inside].sum() / power.sum())


def own_sync_table(model: MotionModel, sync: SyncModel, lines: list[Line]) -> Iterator[str]:
    """The sync network on our own motions: sentences it never heard, one voice that nothing was trained on."""
    yield "| voice | features | 2-s windows: right offset within ±1 frame | AUC true / mismatched, 2-s windows |"
    yield "|---|---|---|---|"
    random = np.random.default_rng(0)
    for voice in sorted({line.voice for line in lines}):
        mine = [line for line in lines if line.voice == voice]
        for known in (True, False):
            heard_parts, seen_parts = [], []
            for part in range(0, len(mine), 5):
                talk = joined(mine[part : part + 5], known)
                point = random.uniform(-1, 1, 2)
                motion = model(talk, EmotionCurve.constant(*point), MotionStyle.random(part), part)
                heard = joined(mine[part : part + 5], False)
                a, b = sync.embeddings(heard, sync.lips(motion))
                heard_parts.append(a)
                seen_parts.append(b)
            right, true, false = [], [], []
            for i, heard in enumerate(heard_parts):
                for j, seen in enumerate(seen_parts):
                    frames = min(len(heard), len(seen))
                    scores = window_scores(heard[:frames], seen[:frames], 0)
                    if i == j:
                        true += scores
                        for shift in (-7, -3, 0, 4, 8):
                            right += windows_right(heard, np.roll(seen, shift, 0), shift)
                    else:
                        false += scores
            name = "known phones" if known else "encoder"
            yield f"| {voice} | {name} | {np.mean(right):.3f} (n={len(right)}) | {auc(true, false):.3f} |"


def speed_table(model: MotionModel, lines: list[Line]) -> Iterator[str]:
    """Seconds of motion per second of one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    one_blas_thread()
    talk = joined(lines, known=False)
    seconds = len(talk) / 50
    curve = EmotionCurve.from_keys([(0, 0, 0), (seconds / 2, 0.8, 0.5), (seconds, -0.7, 0.6)])
    model(talk, curve)
    runs = []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.process_time()
        model(talk, curve)
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    torch.set_num_threads(threads)
    wall, cpu = np.min(runs, 0)
    yield "| seconds of motion | seconds of CPU | times real time (CPU) | times real time (wall) |\n|---|---|---|---|"
    yield f"| {seconds:.0f} | {cpu:.2f} | {seconds / cpu:.0f} | {seconds / wall:.0f} |"
