"""Rebuilds the motion network and its judges (checkpoints/{motion,sync,consistency,sync_judge,consistency_judge}
.safetensors) and their cards from free voices and licensed films.

    python -m scripts.motion_corpus --films ../shared/data/grid --out ../motion-films --whole ../motion-whole
    python -m scripts.train_motion --work ../motion-training --films ../motion-films --whole ../motion-whole \
        --captures ../shared/data/arkit
    torchrun --nproc-per-node 2 -m scripts.train_motion --work ...   # the motion network in parallel

Needs what `scripts.train_speech` needs (its corpus can be shared with --corpus) and the shipped speech encoder and
head. Everything made on the way stays in --work; started again, it goes on where it stopped. With another speech
encoder, begin with an empty --work: all of it was heard by the old one.
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

from emotalk.core.atomic import write_bytes, write_text
from emotalk.core.blas import one_blas_thread
from emotalk.core.errors import CheckpointError
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import PHONES, Speech
from emotalk.head import HeadModel
from emotalk.learning.critics import emotion_critic, sync_critic
from emotalk.learning.felt_motions import captured_people, filmed_people
from emotalk.learning.filmed_lips import FilmedConfig, load_filmed, save_filmed, set_usual
from emotalk.learning.judges import CONSISTENCY, SYNC, JudgeData, train_judges
from emotalk.learning.lip_freedom import lip_critic, lip_freedom, save_freedom
from emotalk.learning.motion_data import SpokenClip, load_clips, load_tracked, save_clips, spoken_clip
from emotalk.learning.pretrain import PretrainConfig, distributed, pretrain
from emotalk.motion.emotion_recogniser import load_recogniser
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.model import save_network
from emotalk.motion.network import MotionNetwork
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import SyncModel, load_sync
from scripts.motion_corpus.folds import learn_from_films
from scripts.motion_corpus.grid import ATTRIBUTION
from scripts.motion_corpus.heard import heard_films
from scripts.motion_corpus.shards import load_shards
from scripts.speech_corpus.build import HELD_OUT, Utterance, build_voices, load_shard, shard_path, validation_sentence

log = logging.getLogger("train_motion")

VOICES: dict[str, float] = {
    "flite:rms": 16, "flite:slt": 16, "flite:awb": 10, "festival:voice_cmu_us_slt_arctic_hts": 10,
    "festival:voice_ked_diphone": 8,
    **{f"espeak:en-us+{name}": 1.6 for name in ("m1", "m3", "m5", "f1", "f2", "f5", "Alicia", "Gene", "linda", "steph",
                                                "adam", "victor")},
}  # fmt: skip
"""Minutes of sound by voice. The held-out voices of the speech corpus are held out here, too."""
KOKORO_MINUTES = 2.5
"""The same of every voice of Kokoro whose shard the corpus holds (making them takes hours)."""

SYNCHRONY, EMOTION, LIPS = 0.15, 0.3, 0.2
"""Weights of the sync score, the recognised emotion and the strain of lips (`lip_freedom.strain`); what each is worth
tells `scripts.ablate_motion`. With .2 or .5 for the strain a recogniser read gated faces as well as ungated ones in a
short trial on a few synthetic sentences; .2 holds less of the emotion back."""

CARDS: dict[str, tuple[str, str]] = {
    "motion": (
        "Gated residual motion network",
        """Speech features, valence/arousal and a style vector to ARKit-52 expression at 25 fps
(`emotalk/motion/network.py`). Its teacher is a coarticulation model over known phone times, joined with the
valence/arousal field (`emotalk/learning/teacher.py`). Losses: face, base branch, residual, contacts, sync score,
recognised emotion, and strain: how far an emotion moves lips in units of the
freedom that filmed people's lips have at the sound (`emotalk/learning/lip_freedom.py`). The gate has no target of its
own. The lip branch then learns from filmed people, mixed with the teacher (`emotalk/learning/filmed_lips.py`): squared
error of lip measures in units of each speaker's spread.""",
    ),
    "sync": (
        "Audio-visual sync network",
        """Scores whether lips (four measures, from ARKit coefficients or from face landmarks) belong to a sound, and
finds their offset (`emotalk/sync/network.py`). Contrastive, trained on the teacher's lips as a camera would see them
and on filmed ones. A training loss, of adaptation to a person as well. Not fit for telling who speaks or whether a
video is genuine.""",
    ),
    "sync_judge": (
        "Audio-visual sync network for measuring",
        """The same as `sync.safetensors` from another seed, other voices and other films: nothing was trained to
please it. Benchmarks and `emotalk evaluate` score with it.""",
    ),
    "consistency": (
        "Emotion recogniser over whole motions",
        """Reads expression, gaze, lids, jaw and head pose and gives valence and arousal, judging face and body apart
(`emotalk/motion/emotion_recogniser.py`). Trained on motions of strange people: the field of faces bent, mixed and
unequal, other sizes and tempos of body, time stretched, seen as a tracker sees, with mouths and eyes lent by filmed and
captured people (`emotalk/learning/felt_motions.py`). A training loss. It says nothing about the feelings of real
people.""",
    ),
    "consistency_judge": (
        "Emotion recogniser for measuring",
        """The same as `consistency.safetensors` from another seed, other voices and other people: nothing was trained
to please it. Benchmarks and `emotalk evaluate` read moods with it.""",
    ),
}
DATA = """Voices of flite, festival, espeak-ng and (where their shards were there) Kokoro saying sentences from Debian's
fortunes and wamerican, heard by the shipped speech encoder clean and through simulated microphones, rooms and codecs,
and as exact phone times. kal16, kal_diphone, six espeak-ng variants and one sentence in twenty were kept for
measurements."""


@dataclass(frozen=True)
class Options:
    """Rebuild the motion network and its two judges."""

    work: Path
    """Folder for the clips, the training state and the log."""
    corpus: Path | None = None
    """Folder of speech corpus shards; `<work>/corpus` where not given. Missing voices are made."""
    films: Path | None = None
    """Folder of shards of filmed lips (`scripts.motion_corpus`); without one lips are the teacher's alone."""
    whole: Path | None = None
    """Folder of shards of whole motion (`scripts.motion_corpus --whole`), from which the recognisers learn."""
    captures: Path | None = None
    """Folder of Live Link Face captures, from which the recognisers learn, too."""
    tracked: Path | None = None
    """Folder of tracked videos (npz, see emotalk/learning/motion_data.py) to pretrain on as well."""
    out: Path = CHECKPOINTS
    """Where the checkpoints and cards go."""
    steps: int = 2000
    """Training steps of the motion network: windows of 4 s, 12 a step and process."""
    sync_steps: int = 1200
    """Training steps of either sync network."""
    lip_steps: int = FilmedConfig.steps
    """Training steps of the lip branch, on frames of films and of synthetic speech."""
    consistency_steps: int = 1200
    """Training steps of either emotion recogniser."""
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
    one_blas_thread()
    rank, processes = distributed()
    clock = CpuClock(options.work / "cpu_seconds.txt")
    if rank == 0:
        _make_clips(options)
        clock.note()
        _train_judges(options)
        clock.note()
    if processes > 1:
        torch.distributed.barrier()
    clips = _all_clips(options)
    sync, recogniser = load_sync(_judge(options, SYNC[0])), load_recogniser(_judge(options, CONSISTENCY[0]))
    tracked = None
    if options.tracked:
        encoder = SpeechEncoder.load()
        tracked = [load_tracked(path, encoder.encode) for path in sorted(options.tracked.glob("*.npz"))]
        log.info("%d tracked videos", len(tracked))
    filmed = load_filmed(options.work / "filmed.npz") if options.films else []
    torch.manual_seed(options.seed)
    config = PretrainConfig(steps=options.steps, batch=12, seed=options.seed)
    critics = {"sync": (SYNCHRONY, sync_critic(sync, config.frames)), "emotion": (EMOTION, emotion_critic(recogniser))}
    if filmed:
        freedom = lip_freedom(filmed)
        critics["lips"] = (LIPS, lip_critic(sync.basis, freedom))
    network = MotionNetwork()
    set_usual(network, clips, filmed)
    network = pretrain(
        network,
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
        }
        if filmed:
            save_freedom(options.out / "lip_freedom.json", freedom, ATTRIBUTION)
            lips = FilmedConfig(steps=options.lip_steps, seed=options.seed)
            facts |= learn_from_films(network, filmed, clips, sync.basis, lips, options.work)
        facts["cpu_minutes"] = round(clock.note() / 60, 1)
        save_network(network, options.out / "motion.safetensors", facts)
        for name in (*SYNC, *CONSISTENCY):
            write_bytes(options.out / f"{name}.safetensors", _judge(options, name).read_bytes())
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


def voices(options: Options) -> dict[str, float]:
    """Minutes of sound by voice: VOICES, and those of Kokoro whose shards are there."""
    kokoro = (path.stem.replace("_", ":", 1) for path in sorted(_corpus(options).glob("kokoro_??_*.npz")))
    return VOICES | {voice: KOKORO_MINUTES for voice in kokoro if "." not in voice and voice not in HELD_OUT}


def _corpus(options: Options) -> Path:
    return options.corpus or options.work / "corpus"


def _all_clips(options: Options) -> list[SpokenClip]:
    return [clip for voice in voices(options) for clip in load_clips(_clip_path(options, voice))]


def _make_clips(options: Options) -> None:
    """Every voice's sentences as the encoder hears them, clean and distorted, beside their true phones; and the films'
    sound beside their lips."""
    minutes = voices(options)
    missing = [voice for voice in minutes if not _clip_path(options, voice).exists()]
    encoder = SpeechEncoder.load()
    if missing:
        build_voices(_corpus(options), [voice for voice in missing if voice in VOICES])
    for voice in missing:
        clips, frames = [], 0
        for utterance in training_sentences(load_shard(shard_path(_corpus(options), voice))):
            clips.append(heard_clip(utterance, encoder))
            frames += len(clips[-1])
            if frames > minutes[voice] * 1500:
                break
        save_clips(_clip_path(options, voice), clips)
        log.info("%s: %d clips, %.1f min", voice, len(clips), frames / 1500)
    if options.films and not (options.work / "filmed.npz").exists():
        films = heard_films(load_shards(options.films), encoder, SyncModel.load())
        save_filmed(options.work / "filmed.npz", films)


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
    """The two judges that are losses, and the two that only measure."""
    if all(_judge(options, name).exists() for name in (*SYNC, *CONSISTENCY)):
        return
    data = JudgeData(
        {voice: load_clips(_clip_path(options, voice)) for voice in voices(options)},
        load_filmed(options.work / "filmed.npz") if options.films else [],
        filmed_people(options.whole) if options.whole else {},
        captured_people(options.captures) if options.captures else [],
    )
    basis = LipBasis.of_head(HeadModel.load())
    steps = options.sync_steps, options.consistency_steps
    train_judges(options.work, data, basis, load_eyes(), *steps, seed=options.seed)


def write_cards(options: Options, facts: dict) -> None:
    """Model cards beside the checkpoints; results are added by `python -m benchmarks.motion`."""
    cost = f"{facts['cpu_minutes']} CPU minutes on one core here, after the corpus was heard"
    recipe = f"`python -m scripts.train_motion --work FOLDER` ({cost})."
    for name, (title, what) in CARDS.items():
        films = f"- Films: {facts['films']} sentences. {ATTRIBUTION}.\n" if "films" in facts else ""
        text = (
            f"# {title}\n\n{what}\n\n- Data: {facts['minutes']} minutes of text-to-speech. {DATA}\n{films}"
            f"- Training: {recipe}\n- Licence: Apache-2.0 (weights and code).\n"
            "- Results: benchmarks/results/motion.md\n"
        )
        write_text(options.out / f"{name}.md", text)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except CheckpointError as error:
        raise SystemExit(f"train_motion: {error}") from error
