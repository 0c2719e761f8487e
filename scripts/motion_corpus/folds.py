"""The lip branch learned from all films, and measured on speakers that were left out."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import numpy as np

from emotalk.learning.filmed_lips import FilmedClip, FilmedConfig, learn_lips, lip_agreement, lips_of, lively_size
from emotalk.learning.motion_data import SpokenClip
from emotalk.motion.model import load_network, save_network
from emotalk.motion.network import MotionNetwork
from emotalk.sync.lip_measures import LipBasis

log = logging.getLogger(__name__)

FOLDS: tuple[tuple[str, ...], ...] = (("s1",), ("s26",), ("s31",), ("s33", "s34", "id2"), ("s30", "id23"))
"""Speakers of GRID that are left out together, to measure lips on people who were never seen."""


def learn_from_films(
    network: MotionNetwork,
    filmed: list[FilmedClip],
    clips: list[SpokenClip],
    basis: LipBasis,
    config: FilmedConfig,
    work: Path,
) -> dict[str, float]:
    """Trains the lip branch of `network` on all films, after measuring on speakers left out: what they agree, and the
    size at which lips are lively. Returns the facts of it; folds that lie in `work` are not trained again."""
    made: list[np.ndarray] = []
    true: list[np.ndarray] = []
    who: list[str] = []
    results: list[tuple[int, np.ndarray, np.ndarray]] = []
    for left_out in FOLDS:
        held = [clip for clip in filmed if clip.speaker in left_out]
        others = [clip for clip in filmed if clip.speaker not in left_out]
        if not held or not others:
            continue
        path = work / f"fold_{'_'.join(left_out)}.safetensors"
        if path.exists():
            fold = load_network(path)
        else:
            fold = learn_lips(copy.deepcopy(network), others, clips, basis, config)
            save_network(fold, path)
        before, after = (lip_agreement(n, held, basis) for n in (network, fold))
        log.info(
            "without %s: r %s -> %s, slope %.2f -> %.2f, spread %.2f -> %.2f",
            " ".join(left_out),
            before.r.round(3),
            after.r.round(3),
            before.slope,
            after.slope,
            before.spread,
            after.spread,
        )
        results.append((len(held), before.r, after.r))
        made += [lips_of(fold, clip, basis) for clip in held]
        true += [clip.measures for clip in held]
        who += [clip.speaker for clip in held]
    learn_lips(network, filmed, clips, basis, config)
    facts: dict[str, float] = {"films": len(filmed)}
    if results:
        network.lively.fill_(lively_size(made, true, who))
        weights = [count for count, *_ in results]
        facts |= {
            "unseen_r_before": round(float(np.average([r[0] for _, r, _ in results], weights=weights)), 3),
            "unseen_r": round(float(np.average([r[0] for *_, r in results], weights=weights)), 3),
            "lively": round(float(network.lively), 3),
        }
    return facts
