"""Rebuilds checkpoints/body.safetensors and its card from the whole motion of licensed films.

    python -m scripts.motion_corpus --films ../shared/data/grid --out ../motion-films --whole ../motion-whole
    python -m scripts.train_body --whole ../motion-whole

A few CPU minutes. Before it learns from all films it learns without each group of speakers and measures on them.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from emotalk.core.atomic import write_text
from emotalk.core.blas import one_blas_thread
from emotalk.core.errors import InputError
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import Speech
from emotalk.learning.body_training import (
    BodyClip,
    BodyConfig,
    BodyNet,
    body_clips,
    feature_scales,
    score_of,
    train_body,
)
from emotalk.learning.motion_data import rhythm_of
from emotalk.motion.body_network import COURSES, save_body
from emotalk.motion.headpose import SPREAD
from emotalk.speech.encoder import SpeechEncoder
from scripts.motion_corpus.folds import FOLDS
from scripts.motion_corpus.grid import ATTRIBUTION

log = logging.getLogger("train_body")

_TAKES = 8
CARD = """# Body network

Smooth noise and the rhythm of speech to head pose and brows at 25 fps (`emotalk/motion/body_network.py`). Loss: energy
score of short courses of positions and changes, in units of each speaker's usual movement
(`emotalk/learning/body_training.py`). Sizes, nods, flashes of the brows and what emotion does are not learned: the
films are neutral sentences read from a screen, by heads that hardly turn (`emotalk/motion/headpose.py`).

- Data: {films} films of 3 s by {speakers} speakers.
{attribution}.
- Speakers never trained on, energy score (less is better; a still head {still:.3f}): {unseen:.3f}; with the speech of
  another film {other:.3f}.
- Training: `python -m scripts.train_body --whole FOLDER` ({minutes:.1f} CPU minutes on one core here).
- Licence: Apache-2.0 (weights and code).
- Results: benchmarks/results/motion.md
"""


@dataclass(frozen=True)
class Options:
    """Rebuild the body network."""

    whole: Path
    """Folder of shards of whole motion (`scripts.motion_corpus --whole`)."""
    out: Path = CHECKPOINTS
    """Where the checkpoint and its card go."""
    steps: int = 600
    """Training steps."""
    seed: int = 0
    """Of weights and noise."""


def main(options: Options) -> None:
    """Measure on speakers left out, learn from all, write."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    one_blas_thread()
    clips, sizes = body_clips(films_of(options.whole))
    log.info("%d films, usual sizes of speakers: %s", len(clips), {name: size.round(4) for name, size in sizes.items()})
    config = BodyConfig(steps=options.steps, seed=options.seed)
    facts: dict[str, float] = {"films": len(clips), "speakers": len(sizes), **left_out(clips, config)}
    net = train_body(clips, config)
    facts["minutes"] = round(time.process_time() / 60, 1)
    save_body(net.weights(clips, SPREAD), options.out / "body.safetensors", facts)
    write_text(options.out / "body.md", CARD.format(attribution=ATTRIBUTION, **facts))
    log.info("done: %s", facts)


def films_of(folder: Path) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """(speaker, rhythm [T, 6], head_pose [T, 6], ARKit weights [T, 52]) of every shard; InputError where none is."""
    encoder = SpeechEncoder.load()
    films = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            rhythm = rhythm_of(encoder.encode(Speech(file["audio"], source=path.name)))
            face = file["blendshapes"] if len(file["blendshapes"]) else file["expression"]
            frames = min(len(rhythm), len(face))
            films.append((str(file["speaker"]), rhythm[:frames], file["head_pose"][:frames], face[:frames]))
    if not films:
        raise InputError(f"{folder} holds no shards of whole motion; make them with scripts.motion_corpus --whole.")
    return films


def left_out(clips: list[BodyClip], config: BodyConfig) -> dict[str, float]:
    """Energy scores on speakers left out: of a still head, of the network, and of the network when it hears another
    film's speech. Means over all films."""
    scores: list[tuple[int, float, float, float]] = []
    for group in FOLDS:
        held = [clip for clip in clips if clip.speaker in group]
        others = [clip for clip in clips if clip.speaker not in group]
        if len(held) < 2 or not others:
            continue
        frames = min(len(clip.courses) for clip in clips)
        scales = feature_scales(others, frames)
        net = train_body(others, config)
        still = [np.zeros((2, frames, len(COURSES)))] * len(held)
        here, elsewhere = _played(net, held, config.seed), _played(net, [*held[1:], held[0]], config.seed)
        row = [score_of(played, held, scales, frames) for played in (still, here, elsewhere)]
        log.info("without %s: still %.4f, network %.4f, other speech %.4f", " ".join(group), *row)
        scores.append((len(held), *row))
    table = np.array(scores).reshape(-1, 4)
    means = np.average(table[:, 1:], axis=0, weights=table[:, 0]) if len(table) else np.full(3, np.nan)
    return {name: round(float(value), 4) for name, value in zip(("still", "unseen", "other"), means, strict=True)}


def _played(net: BodyNet, clips: list[BodyClip], seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [net.play(clip.rhythm, random, _TAKES) for clip in clips]


if __name__ == "__main__":
    main(tyro.cli(Options))
