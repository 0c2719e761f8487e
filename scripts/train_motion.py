"""Rebuilds checkpoints/{motion,sync,consistency}.safetensors and their cards from nothing but free voices.

    python -m scripts.train_motion --work ../motion-training
    torchrun --nproc-per-node 2 -m scripts.train_motion --work ../motion-training   # the motion network in parallel

Needs what `scripts.train_speech` needs (its corpus can be shared with --corpus) and the shipped speech encoder and
head. Everything made on the way stays in --work; started again, it goes on where it stopped.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from emotalk.core.atomic import write_text
from emotalk.core.errors import CheckpointError
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import PHONES, Speech
from emotalk.head import HeadModel
from emotalk.learning.critics import (
    CriticConfig,
    emotion_critic,
    sync_critic,
    taught_motions,
    train_recogniser,
    train_sync,
)
from emotalk.learning.motion_data import SpokenClip, load_clips, load_tracked, save_clips, spoken_clip
from emotalk.learning.pretrain import PretrainConfig, distributed, pretrain
from emotalk.motion.emotion_recogniser import load_recogniser, save_recogniser
from emotalk.motion.eye_statistics import load_eye_statistics
from emotalk.motion.model import save_network
from emotalk.motion.network import MotionNetwork
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import load_sync, save_sync
from scripts.speech_corpus.build import Utterance, build_voices, load_shard, shard_path, validation_sentence

log = logging.getLogger("train_motion")

VOICES: dict[str, float] = {
    "flite:rms": 16, "flite:slt": 16, "flite:awb": 10, "festival:voice_cmu_us_slt_arctic_hts": 10,
    "festival:voice_ked_diphone": 8,
    **{f"espeak:en-us+{name}": 1.6 for name in ("m1", "m3", "m5", "f1", "f2", "f5", "Alicia", "Gene", "linda", "steph",
                                                "adam", "victor")},
}  # fmt: skip
"""Minutes of sound by voice. The held-out voices of the speech corpus are held out here, too."""


CARDS: dict[str, tuple[str, str]] = {
    "motion": (
        "Gated residual motion network",
        """Speech features, valence/arousal and a style vector to ARKit-52 expression at 25 fps
(`emotalk/motion/network.py`). Its teacher is a coarticulation model over known phone times, joined with the
valence/arousal field by the lip rules (`emotalk/learning/teacher.py`). Losses: face, velocity, base branch, contacts,
gate, sync score, recognised emotion.""",
    ),
    "sync": (
        "Audio-visual sync network",
        """Scores whether lips (four measures, from ARKit coefficients or from face landmarks) belong to a sound, and
finds their offset (`emotalk/sync/network.py`). Contrastive, trained on the teacher's lips as a camera would see them.
Not fit for telling who speaks or whether a video is genuine.""",
    ),
    "consistency": (
        "Emotion recogniser over whole motions",
        """Reads expression, gaze, lids, jaw and head pose of generated motion and gives valence and arousal
(`emotalk/motion/emotion_recogniser.py`). It knows this project's generated faces only and says nothing about the
feelings of real people.""",
    ),
}
DATA = """Voices of flite, festival and espeak-ng saying sentences from Debian's fortunes and wamerican, heard by the
shipped speech encoder clean and through simulated microphones, rooms and codecs, and as exact phone times. No
recording of a person was used. kal16, kal_diphone, six espeak-ng variants and one sentence in twenty were kept for
measurements."""


@dataclass(frozen=True)
class Options:
    """Rebuild the motion network and its two judges."""

    work: Path
    """Folder for the clips, the training state and the log."""
    corpus: Path | None = None
    """Folder of speech corpus shards; `<work>/corpus` where not given. Missing voices are made."""
    tracked: Path | None = None
    """Folder of tracked videos (npz, see emotalk/learning/motion_data.py) to pretrain on as well."""
    out: Path = CHECKPOINTS
    """Where the checkpoints and cards go."""
    steps: int = 2000
    """Training steps of the motion network: windows of 4 s, 12 a step and process."""
    sync_steps: int = 1200
    """Training steps of the sync network."""
    consistency_steps: int = 900
    """Training steps of the emotion recogniser."""
    seed: int = 0
    """Seed of weights and batches."""


def main(options: Options) -> None:
    """All stages, each skipped where its result lies in `work`."""
    options.work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(options.work / "train.log")],
    )
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    rank, processes = distributed()
    clock = CpuClock(options.work / "cpu_seconds.txt")
    if rank == 0:
        _make_clips(options)
        clock.note()
        _train_judges(options)
        clock.note()
    if processes > 1:
        torch.distributed.barrier()
    clips = [clip for voice in VOICES for clip in load_clips(_clip_path(options, voice))]
    sync, recogniser = load_sync(_judge(options, "sync")), load_recogniser(_judge(options, "consistency"))
    tracked = None
    if options.tracked:
        encoder = SpeechEncoder.load()
        tracked = [load_tracked(path, encoder.encode) for path in sorted(options.tracked.glob("*.npz"))]
        log.info("%d tracked videos", len(tracked))
    torch.manual_seed(options.seed)
    config = PretrainConfig(steps=options.steps, batch=12, seed=options.seed)
    critics = {"sync": (0.15, sync_critic(sync, config.frames)), "emotion": (0.3, emotion_critic(recogniser))}
    network = pretrain(
        MotionNetwork(),
        clips,
        config,
        options.work / "motion.state",
        tracked,
        critics,
        progress=lambda step, losses: clock.note(),
    )
    if rank == 0:
        facts = {
            "minutes": round(sum(map(len, clips)) / 1500, 1),
            "clips": len(clips),
            "steps": options.steps,
            "processes": processes,
            "tracked": len(tracked or ()),
            "cpu_minutes": round(clock.note() / 60, 1),
        }
        save_network(network, options.out / "motion.safetensors", facts)
        save_sync(sync, options.out / "sync.safetensors", {"steps": options.sync_steps})
        save_recogniser(recogniser, options.out / "consistency.safetensors")
        write_cards(options, facts)
        log.info("done: %s", json.dumps(facts))


class CpuClock:
    """CPU seconds of this process and of interrupted ones before it, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = float(path.read_text()) if path.exists() else 0.0

    def note(self) -> float:
        """Writes and returns the seconds so far."""
        seconds = self._before + time.process_time()
        if int(os.environ.get("RANK", "0")) == 0:
            write_text(self._path, f"{seconds:.1f}\n")
        return seconds


def _judge(options: Options, name: str) -> Path:
    return options.work / f"{name}.safetensors"


def _clip_path(options: Options, voice: str) -> Path:
    return options.work / ("clips_" + voice.replace(":", "_") + ".npz")


def _make_clips(options: Options) -> None:
    """Every voice's sentences as the encoder hears them, clean and distorted, beside their true phones."""
    missing = [voice for voice in VOICES if not _clip_path(options, voice).exists()]
    if not missing:
        return
    corpus = options.corpus or options.work / "corpus"
    build_voices(corpus, missing)
    encoder = SpeechEncoder.load()
    for voice in missing:
        clips, frames = [], 0
        for utterance in training_sentences(load_shard(shard_path(corpus, voice))):
            clips.append(heard_clip(utterance, encoder))
            frames += len(clips[-1])
            if frames > VOICES[voice] * 1500:
                break
        save_clips(_clip_path(options, voice), clips)
        log.info("%s: %d clips, %.1f min", voice, len(clips), frames / 1500)


def training_sentences(utterances: list[Utterance]) -> Iterator[Utterance]:
    """Those whose text is not kept for validation."""
    return (utterance for utterance in utterances if not validation_sentence(utterance.text))


def speech_of(utterance: Utterance, distorted: bool = False) -> Speech:
    """An utterance of the corpus as Speech with its phone times."""
    phones = tuple((float(start), float(end), PHONES[int(phone)]) for start, end, phone in utterance.segments)
    samples = utterance.distorted if distorted else utterance.clean
    return Speech(samples, utterance.voice, utterance.text, phones)


def heard_clip(utterance: Utterance, encoder: SpeechEncoder) -> SpokenClip:
    """A training clip of one utterance."""
    heard = [encoder.encode(speech_of(utterance, distorted)) for distorted in (False, True)]
    return spoken_clip(speech_of(utterance), heard)


def _train_judges(options: Options) -> None:
    if not _judge(options, "sync").exists():
        clips = [clip for voice in VOICES for clip in load_clips(_clip_path(options, voice))]
        basis = LipBasis.of_head(HeadModel.load())
        config = CriticConfig(options.sync_steps, seed=options.seed)
        save_sync(train_sync(clips, basis, config), _judge(options, "sync"), {"steps": options.sync_steps})
    if not _judge(options, "consistency").exists():
        clips = [clip for voice in VOICES for clip in load_clips(_clip_path(options, voice))]
        labelled = taught_motions(clips, load_eye_statistics(), 1600, 100, options.seed)
        config = CriticConfig(options.consistency_steps, batch=24, seed=options.seed)
        save_recogniser(train_recogniser(labelled, config), _judge(options, "consistency"))


def write_cards(options: Options, facts: dict) -> None:
    """Model cards beside the checkpoints; results are added by `python -m benchmarks.motion`."""
    cost = f"{facts['cpu_minutes']} CPU minutes on one core here, after the corpus was heard"
    recipe = f"`python -m scripts.train_motion --work FOLDER` ({cost})."
    for name, (title, what) in CARDS.items():
        text = (
            f"# {title}\n\n{what}\n\n- Data: {facts['minutes']} minutes of text-to-speech. {DATA}\n"
            f"- Training: {recipe}\n- Licence: Apache-2.0 (weights and code).\n"
            "- Results: benchmarks/results/motion.md\n"
        )
        write_text(options.out / f"{name}.md", text)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except CheckpointError as error:
        raise SystemExit(f"train_motion: {error}") from error
