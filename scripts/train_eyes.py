"""Rebuilds checkpoints/eyes.safetensors and its card from Live Link Face captures.

    python -m scripts.motion_corpus --films ../shared/data/grid --out ../motion-films --whole ../motion-whole
    python -m scripts.train_eyes --captures ../shared/data/arkit --whole ../motion-whole

A few CPU minutes. Before it learns from all captures it learns without each of them and measures on it. Captures are
the four free ones (S07-001, S88-001, apfel, facial) of alexdjulin/LiveLinkFace-CSV-Retarget (MIT). Range-of-motion
exercises (names with "rom") are left out: nobody blinks or looks around naturally while exercising the face.

Films of readers (`--whole`) give the rhythm of the talk on which rates are sized. Their eyes are measured, and the card
says why nothing is learned from them.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from scipy.ndimage import gaussian_filter

from emotalk.core.atomic import write_text
from emotalk.core.blas import one_blas_thread
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.rates import FPS
from emotalk.core.speech import Speech
from emotalk.learning.eye_training import (
    EyeConfig,
    EyeRecord,
    captured,
    drift_that_trembles,
    filmed,
    fit_looks,
    fit_rates,
    log_likelihood,
    look_likelihood,
    recorded_blinks,
    sized,
    train_eyes,
    trembling,
)
from emotalk.learning.motion_data import rhythm_of
from emotalk.motion.eye_network import save_eyes
from emotalk.motion.eye_statistics import EyeStatistics, measure_eyes, median_of
from emotalk.motion.livelink import read_livelink
from emotalk.speech.encoder import SpeechEncoder
from scripts.motion_corpus.grid import ATTRIBUTION

log = logging.getLogger("train_eyes")

CARD = """# Network of eyes

When eyes jump and blink, and where they look next, at 25 fps (`emotalk/motion/eye_network.py`): rates by coefficients
of the time since the last jump and blink, the distance from where the eyes rest, and beginnings and ends of phrases;
the next look by a mixture of four normal densities. Learned by maximum likelihood
(`emotalk/learning/eye_training.py`). {bank} recorded blinks are played as they are, in units of their person's usual.
A hidden layer (4 tanh) gained nothing on left-out people: jumps .02 nats an event less, blinks the same.

- Data: {captures} of alexdjulin/LiveLinkFace-CSV-Retarget (MIT), {seconds:.0f} s, {jumps} jumps, {blinks} blinks.
  They have no sound: phrases are told from their lips. They hold no rotation of the head either: their gaze is that in
  the head.
- Each capture by eyes that learned from the three others, nats an event (more is better):

| | this network | the rules before it | constant rate, one normal density |
|---|---|---|---|
| when eyes jump | {when_learned:.2f} | {when_rules:.2f} | {when_constant:.2f} |
| where they look (square degrees) | {where_learned:.2f} | {where_rules:.2f} | {where_constant:.2f} |
| when they blink | {blink_learned:.2f} | {blink_rules:.2f} | {blink_constant:.2f} |

  Inputs and ridge were chosen by these same four people, so that strangers' gain is somewhat smaller; the blinks of
  S07-001 are better told by the constant rate. The rules' chances are what their clocks amount to, without the blinks
  that large jumps bring.
- Readers before a screen: in {films} films of 3 s the gaze trembles by {film_tremble:.1f} degrees/s from frame to
  frame (captures {tremble:.1f}), and {blinkless} of {speakers} speakers are never seen to blink. Learned with their
  blinks, too, the left-out captures' blinks have {blink_films:.2f} nats. So nothing is learned from them but the rhythm
  on which the rates are sized: over calm and strong moods they lie in the middle of the captures' range.
{attribution}.
- Not learned, as captured people have no listener: whom they look at, aversion as a phrase begins and looks back as it
  ends, that a nodding head keeps its gaze, blinks at ends of phrases and with large jumps, what emotion does
  (`emotalk/motion/eyes.py`).
- Training: `python -m scripts.train_eyes --captures FOLDER --whole FOLDER` ({minutes:.1f} CPU minutes, one core).
- Licence: Apache-2.0 (weights and code).
- Results: benchmarks/results/motion.md
"""


@dataclass(frozen=True)
class Options:
    """Rebuild the network of eyes."""

    captures: Path
    """Folder of Live Link Face captures (CSV, also gzipped)."""
    whole: Path
    """Folder of shards of whole motion (`scripts.motion_corpus --whole`)."""
    out: Path = CHECKPOINTS
    """Where the checkpoint and its card go."""


def main(options: Options) -> None:
    """Measure on captures left out, learn from all, write."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    one_blas_thread()
    motions = captures_of(options.captures)
    films = films_of(options.whole)
    config = EyeConfig()
    statistics = [measure_eyes(motion) for motion in motions.values()]
    records = [captured(name, motion) for name, motion in motions.items()]
    readers = [filmed(speaker, motion, rhythm) for speaker, motion, rhythm in films]
    blinks = recorded_blinks(list(motions.values()))
    tremble = float(np.median([trembling(motion) for motion in motions.values()]))
    slope = math.exp(np.mean([math.log(max(one.lid_per_pitch, 0.01)) for one in statistics]))
    facts = left_out(records, readers, statistics, config)
    weights = train_eyes(records, blinks, drift_that_trembles(tremble), slope, config)
    targets = [middle(statistics, "saccades_per_second"), middle(statistics, "blinks_per_minute") / 60]
    weights = sized(weights, np.concatenate([rhythm for _, _, rhythm in films]), targets)
    speakers = {record.name for record in readers}
    facts |= {
        "captures": ", ".join(motions),
        "seconds": sum(len(motion) for motion in motions.values()) / FPS,
        "jumps": int(sum(record.events[:, 0].sum() for record in records)),
        "blinks": int(sum(record.events[:, 1].sum() for record in records)),
        "bank": len(blinks),
        "films": len(films),
        "film_tremble": math.degrees(np.median([trembling(motion) for _, motion, _ in films])),
        "tremble": math.degrees(tremble),
        "speakers": len(speakers),
        "blinkless": len(speakers - {record.name for record in readers if record.events[:, 1].any()}),
        "minutes": round(time.process_time() / 60, 1),
    }
    save_eyes(weights, options.out / "eyes.safetensors", facts)
    write_text(options.out / "eyes.md", CARD.format(attribution=ATTRIBUTION, **facts))
    log.info("done: %s", facts)


def middle(statistics: list[EyeStatistics], name: str) -> float:
    """Of the range of a number over people, as the logarithm sees it."""
    values = [getattr(one, name) for one in statistics]
    return math.sqrt(min(values) * max(values))


def captures_of(folder: Path) -> dict[str, HeadMotion]:
    """Every free capture in the folder by its name; InputError where there are fewer than two."""
    paths = [path for path in sorted(folder.glob("*.csv*")) if "rom" not in path.name]
    if len(paths) < 2:
        raise InputError(f"{folder} holds {len(paths)} Live Link Face captures; at least two are needed.")
    return {path.name.split(".")[0]: read_livelink(path) for path in paths}


def films_of(folder: Path) -> list[tuple[str, HeadMotion, np.ndarray]]:
    """(speaker, motion, rhythm [T, 6]) of every shard; InputError where none is."""
    encoder = SpeechEncoder.load()
    films = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            rhythm = rhythm_of(encoder.encode(Speech(file["audio"], source=path.name)))
            parts = [file[name] for name in ("expression", "jaw", "gaze", "eyelids", "head_pose")]
            frames = min(len(rhythm), len(parts[0]))
            films.append((str(file["speaker"]), HeadMotion(*(part[:frames] for part in parts)), rhythm[:frames]))
    if not films:
        raise InputError(f"{folder} holds no shards of whole motion; make them with scripts.motion_corpus --whole.")
    return films


def left_out(
    records: list[EyeRecord], readers: list[EyeRecord], statistics: list[EyeStatistics], config: EyeConfig
) -> dict[str, float]:
    """Log likelihoods an event of captures left out: of the learned eyes, of the rules and of constants."""
    sums: dict[str, list[float]] = {}
    for held in range(len(records)):
        record, others = records[held], [one for i, one in enumerate(records) if i != held]
        usual = median_of([one for i, one in enumerate(statistics) if i != held])
        rules = rule_chances(record, usual)
        for kind, name in ((0, "when"), (1, "blink")):
            seen, events = record.open[:, kind], record.events[record.open[:, kind], kind]
            ways = {"learned": rates_by(record, fit_rates(others, kind, config.rates))}
            if kind:
                ways["films"] = rates_by(record, fit_rates([*others, *readers], kind, config.rates))
            ways["rules"] = -np.log1p(-np.minimum(rules[:, kind], 0.999)) * FPS
            happened = np.concatenate([one.events[one.open[:, kind], kind] for one in others])
            ways["constant"] = np.full(len(record.features), happened.mean() * FPS)
            for way, rates in ways.items():
                sums.setdefault(f"{name}_{way}", []).append(log_likelihood(rates[seen], events))
            sums.setdefault(f"{name}_events", []).append(int(events.sum()))
        sums.setdefault("where_learned", []).append(look_likelihood(record, fit_looks(others, config.looks)).sum())
        sums.setdefault("where_rules", []).append(rule_looks(record, usual).sum())
        sums.setdefault("where_constant", []).append(one_density(record, others).sum())
        sums.setdefault("where_events", []).append(len(record.looks))
        log.info("without %s: %s", record.name, {name: round(values[-1], 2) for name, values in sums.items()})
    return {
        name: float(np.sum(values) / np.sum(sums[f"{name.split('_')[0]}_events"]))
        for name, values in sums.items()
        if not name.endswith("_events")
    }


def rates_by(record: EyeRecord, fitted: tuple[np.ndarray, float]) -> np.ndarray:
    """[T] events a second."""
    slopes, level = fitted
    return np.exp(np.minimum(record.features @ slopes + level, 6.0))


def one_density(record: EyeRecord, others: list[EyeRecord]) -> np.ndarray:
    """[S] logarithms of the normal density that others' looks have about their place of rest, in square degrees."""
    spread = np.degrees(np.concatenate([one.looks for one in others])).std(0)
    return -0.5 * ((np.degrees(record.looks) / spread) ** 2).sum(1) - np.log(2 * math.pi * spread.prod())


# --- the rules that this network took the place of ------------------------------------------------------------------


def rule_chances(record: EyeRecord, usual: EyeStatistics) -> np.ndarray:
    """[T, 2] chances of a jump and a blink in each frame: log-normal clocks, half of the looks at the listener's face
    staying, jumps at .45 of beginnings and .7 of ends of phrases, blinks at .35 of the ends."""
    random = np.random.default_rng(0)
    count = 200_000
    fixations = np.exp(
        math.log(usual.fixation) + 0.8 + 0.78 * usual.fixation_spread * random.standard_normal((8, count))
    ).clip(0.12, 4.0)
    staying = np.cumprod(random.random((8, count)) < 0.55 * 0.55 * 0.5, axis=0)
    jumps = fixations[0] + (fixations[1:] * staying[:-1]).sum(0)
    blinks = 1.2 * usual.blink_interval * np.exp(1.2 * usual.blink_interval_spread * random.standard_normal(count))
    chances = np.zeros((len(record.features), 2))
    for kind, intervals in ((0, jumps), (1, blinks.clip(0.5, 15.0))):
        ends = np.ceil(intervals * FPS).astype(int)
        happen = np.bincount(ends, minlength=1000)[:1000]
        alive = count - np.cumsum(happen) + happen
        hazard = np.where(alive > 100, happen / np.maximum(alive, 1), np.nan)
        since = 10**6
        for i, event in enumerate(record.events[:, kind]):
            since += 1
            chances[i, kind] = hazard[since] if since < 1000 and np.isfinite(hazard[since]) else np.nanmean(hazard)
            if event:
                since = 0
    begins, ends = record.breaks.T
    chances[:, 0] = 1 - (1 - chances[:, 0]) * (1 - 0.45 * begins) * (1 - 0.7 * ends)
    chances[:, 1] = 1 - (1 - chances[:, 1]) * (1 - 0.35 * ends)
    return chances.clip(1e-4, 1)


def rule_looks(record: EyeRecord, usual: EyeStatistics) -> np.ndarray:
    """[S] logarithms of the density, in square degrees: .55 on a face of 2.2 degrees, the others around it."""
    random = np.random.default_rng(0)
    count = 400_000
    size = math.log(usual.saccade_degrees) + 0.8 * usual.saccade_degrees_spread * random.standard_normal(count)
    angle, far = random.uniform(0, 2 * math.pi, count), np.maximum(np.exp(size), 3.0) * 2.3
    away = np.stack([np.cos(angle), 0.6 * np.sin(angle)], -1) * far[:, None]
    away = away.clip([-22.0, -13.2], [22.0, 13.2])
    on = 2.2 * random.standard_normal((count, 2)).clip(-2, 2) * [1.0, 0.8]
    looks = np.where(random.random((count, 1)) < 0.55, on, away)
    density, *edges = np.histogram2d(*looks.T, bins=[np.arange(-60.0, 61), np.arange(-40.0, 41)], density=True)
    density = gaussian_filter(density, 1.0) + 1e-5
    places = zip(np.degrees(record.looks).T, edges, strict=True)
    cells = [np.floor(column - edge[0]).astype(int) for column, edge in places]
    rows, columns = (cell.clip(0, size - 1) for cell, size in zip(cells, density.shape, strict=True))
    return np.log(density[rows, columns])


if __name__ == "__main__":
    main(tyro.cli(Options))
