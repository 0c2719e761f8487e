"""What each loss of the motion network is worth: the same short training without one after the other.

    python -m scripts.ablate_motion --work ../motion-training

Needs the folder of a finished `scripts.train_motion`. Networks are measured before lips are learned from films, by the
judges that nothing was trained to please, on sentences and voices of `benchmarks.motion`. 4 CPU minutes a variant.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from benchmarks.motion_gate import effect
from benchmarks.motion_lips import spoken_lines
from emotalk.core.atomic import write_text
from emotalk.core.blas import one_blas_thread
from emotalk.head import HeadModel
from emotalk.learning.critics import emotion_critic, sync_critic
from emotalk.learning.filmed_lips import load_filmed, set_usual
from emotalk.learning.judges import CONSISTENCY, SYNC
from emotalk.learning.lip_freedom import lip_critic, lip_freedom
from emotalk.learning.motion_data import SpokenClip, load_clips
from emotalk.learning.pretrain import PretrainConfig, pretrain
from emotalk.motion import MotionModel
from emotalk.motion.body_network import load_body
from emotalk.motion.emotion_recogniser import EmotionRecogniser, load_recogniser
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.model import load_network, save_network
from emotalk.motion.network import MotionNetwork
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.network import SyncModel, load_sync
from scripts.train_motion import EMOTION, LIPS, SYNCHRONY

VARIANTS = ("all losses", "no sync score", "no recogniser", "no strain")


@dataclass(frozen=True)
class Options:
    """Train and measure the motion network without single losses."""

    work: Path
    """Folder of a finished `scripts.train_motion`; the variants are kept in it."""
    variants: tuple[str, ...] = VARIANTS
    """Which ones; those that were trained before are only measured."""
    steps: int = 700
    """Training steps of each."""
    measure: bool = True
    """Measure and write the table; False trains only."""
    out: Path = Path("benchmarks/results/motion_losses.md")
    """Where the table goes."""


def main(options: Options) -> None:
    """All variants, then their table."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    one_blas_thread()
    clips: list[SpokenClip] = []
    for variant in options.variants:
        path = _path(options, variant)
        if not path.exists():
            clips = clips or [clip for file in sorted(options.work.glob("clips_*.npz")) for clip in load_clips(file)]
            save_network(trained(variant, clips, options), path)
    if options.measure:
        write_text(options.out, "\n".join(table(options)) + "\n")


def _path(options: Options, variant: str) -> Path:
    return options.work / f"ablation_{variant.replace(' ', '_')}_{options.steps}.safetensors"


def trained(variant: str, clips: list[SpokenClip], options: Options) -> MotionNetwork:
    """The motion network after `options.steps` without the loss that `variant` names."""
    config = PretrainConfig(steps=options.steps, batch=12)
    sync = load_sync(options.work / f"{SYNC[0]}.safetensors")
    recogniser = load_recogniser(options.work / f"{CONSISTENCY[0]}.safetensors")
    filmed = load_filmed(options.work / "filmed.npz")
    critics = {
        "sync": (SYNCHRONY, sync_critic(sync, config.frames)),
        "recogniser": (EMOTION, emotion_critic(recogniser)),
        "strain": (LIPS, lip_critic(sync.basis, lip_freedom(filmed))),
    }
    torch.manual_seed(0)
    network = MotionNetwork()
    set_usual(network, clips, filmed)
    return pretrain(network, clips, config, critics={k: v for k, v in critics.items() if k not in variant})


def table(options: Options) -> list[str]:
    """Lines of the table."""
    lines, head = spoken_lines(SpeechEncoder.load())[::3], HeadModel.load()
    sync, recogniser = SyncModel.load_judge(), EmotionRecogniser.load_judge()
    rows = [
        "# Losses of the motion network",
        "",
        f"`python -m scripts.ablate_motion`: {options.steps} steps each, before lips are learned from films, measured",
        f"on {len(lines)} sentences in eight moods, phones known, by judges that nothing was trained to please. Strain",
        "is that of motion.md.",
        "",
        "| variant | strain, speech | silence | p b m closed | open vowels, of neutral | sync score | "
        "valence CCC (face) | arousal CCC (face) |",
        "|" + "---|" * 8,
    ]
    for variant in options.variants:
        model = MotionModel(load_network(_path(options, variant)), load_eyes(), None, load_body())
        e = effect(model, lines, head, sync, recogniser)
        rows.append(
            f"| {variant} | {e.strain:.2f} | {e.silent:.2f} | {e.closed:.3f} | {e.openings:.2f} | {e.sync:.3f} | "
            f"{e.emotion[0]:.3f} | {e.emotion[1]:.3f} |"
        )
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main(tyro.cli(Options))
