"""Rebuilds the motion network and its judges (checkpoints/{motion,sync,consistency,sync_judge,consistency_judge}
.safetensors) and their cards from free voices and licensed films; with `--shards` the motion network of corpora of your
own (docs/corpus.md).

    python -m scripts.motion_corpus --films ../shared/data/grid --out ../motion-films --whole ../motion-whole
    python -m scripts.train_motion --work ../motion-training --films ../motion-films --whole ../motion-whole \
        --captures ../shared/data/arkit
    torchrun --nproc-per-node 2 -m scripts.train_motion --work ...   # the same motion network, in parallel
    torchrun --nproc-per-node 2 -m scripts.train_motion --work ../mine --shards ../crema-d-shards --epochs 3 \
        --judges checkpoints --out ../mine/checkpoints

Needs what `scripts.train_speech` needs (its corpus can be shared with --corpus) and the shipped speech encoder and
head. Everything made on the way stays in --work; started again, it goes on where it stopped. With another speech
encoder, begin with an empty --work: all of it was heard by the old one.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import tyro

from emotalk.core import checkpoint
from emotalk.core.atomic import write_bytes, write_text
from emotalk.core.blas import one_blas_thread
from emotalk.core.errors import EmotalkError, InputError
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.rates import FPS
from emotalk.core.speech import PHONES, Speech
from emotalk.head import HeadModel
from emotalk.learning.corpus import USES, Corpus, CorpusClip, for_lips, load_corpus
from emotalk.learning.critics import emotion_critic, sync_critic
from emotalk.learning.felt_motions import captured_people, filmed_people
from emotalk.learning.filmed_lips import FilmedConfig, load_filmed, save_filmed, set_usual
from emotalk.learning.judges import CONSISTENCY, SYNC, JudgeData, train_judges
from emotalk.learning.lip_freedom import lip_critic, lip_freedom, save_freedom
from emotalk.learning.motion_data import SpokenClip, TrackedClip, load_clips, load_tracked, save_clips, spoken_clip
from emotalk.learning.pretrain import PretrainConfig, pretrain
from emotalk.learning.shared_batch import distributed
from emotalk.learning.tracked_windows import TrackedWindows, steps_of
from emotalk.motion.emotion_recogniser import load_recogniser
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.model import FORMAT, save_network
from emotalk.motion.network import MotionNetwork
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import SyncModel, load_sync
from scripts.motion_cards import card, write_cards
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
    shards: tuple[Path, ...] = ()
    """Folders of corpora (`scripts.track_corpus`) to pretrain on as well, and to learn lips from."""
    judges: Path | None = None
    """Folder of judges that are used as they are, such as checkpoints; trained where not given."""
    out: Path = CHECKPOINTS
    """Where the checkpoints and cards go; outside of the repository where a corpus may not train what is shipped."""
    steps: int = 2000
    """Training steps of the motion network: windows of 4 s, `batch` a step."""
    epochs: float | None = None
    """Instead of steps: how often every window of the tracked videos and corpora is learned from."""
    batch: int = 12
    """Windows a step, shared by all processes: their number must divide it."""
    tracked_share: float = PretrainConfig.tracked_share
    """Share of the steps that are on tracked videos and corpora; the others are on synthetic speech."""
    voices: tuple[str, ...] = ()
    """Voices of the synthetic speech, such as flite:slt; all of VOICES where not given."""
    speech: float = 1.0
    """Share of the minutes of synthetic speech that is made."""
    bfloat16: bool = PretrainConfig.bfloat16
    """Matrix products of the motion network in half precision."""
    sync_steps: int = 1200
    """Training steps of either sync network."""
    lip_steps: int = FilmedConfig.steps
    """Training steps of the lip branch, on frames of films and of synthetic speech."""
    lip_minutes: float = 10.0
    """Minutes of each corpus that the lip branch learns from at most, of all people as evenly as can be."""
    consistency_steps: int = 1200
    """Training steps of either emotion recogniser."""
    seed: int = 0
    """Seed of weights and batches."""


def main(options: Options) -> None:
    """All stages, each skipped where its result lies in `work`."""
    corpora = [load_corpus(folder) for folder in options.shards]
    check_out(options.out, corpora)
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
    tracked = _tracked(options, corpora)
    grid = load_filmed(options.work / "filmed.npz") if options.films else []
    filmed = grid + [
        clip for corpus in corpora for clip in for_lips(corpus.clips, round(options.lip_minutes * 60 * FPS))
    ]
    torch.manual_seed(options.seed)
    config = training_config(options, tracked)
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
            "steps": config.steps,
            "processes": processes,
            "tracked": len(tracked),
            "corpora": [corpus.card() for corpus in corpora],
        }
        if filmed:
            save_freedom(options.out / "lip_freedom.json", freedom, _sources(options, corpora))
            lips = FilmedConfig(steps=options.lip_steps, seed=options.seed)
            facts |= learn_from_films(network, filmed, clips, sync.basis, lips, options.work)
            facts["grid"] = len(grid)
        facts["cpu_minutes"] = round(clock.note() / 60, 1)
        save_network(network, options.out / "motion.safetensors", facts)
        judges = () if options.judges else (*SYNC, *CONSISTENCY)
        for name in judges:
            write_bytes(options.out / f"{name}.safetensors", _judge(options, name).read_bytes())
        write_cards(options.out, ("motion", *judges), facts)
        if corpora:
            _save_folder(network, options.out, facts)
        log.info("done: %s", json.dumps(facts))
    if processes > 1:
        torch.distributed.destroy_process_group()


def _save_folder(network: MotionNetwork, out: Path, facts: dict) -> None:
    """The motion network as a folder of its own, its terms in it, for `--motion-model` and the Hub."""
    config = {"format": FORMAT, "config": asdict(network.config)}
    save_network(network, checkpoint.write_config(out / "motion", config), facts)
    write_text(out / "motion" / "README.md", card("motion", facts))


def check_out(out: Path, corpora: Sequence[Corpus]) -> None:
    """Raise InputError where `out` is what is shipped and a corpus does not let its weights be."""
    for corpus in corpora:
        if corpus.weights != USES[0] and out.resolve() == CHECKPOINTS.resolve():
            raise InputError(
                f"Weights that learned from {corpus.terms.name} are {corpus.weights}: they may not be among those that "
                "are shipped. Name another folder with --out."
            )


def _tracked(options: Options, corpora: Sequence[Corpus]) -> list[TrackedClip | CorpusClip]:
    """All that was tracked, of single files and of corpora."""
    clips: list[TrackedClip | CorpusClip] = []
    if options.tracked:
        encoder = SpeechEncoder.load()
        clips += [load_tracked(path, encoder.encode) for path in sorted(options.tracked.glob("*.npz"))]
        log.info("%d tracked videos", len(clips))
    for corpus in corpora:
        log.info(
            "%s: %d clips, %.1f min, %d people", corpus.terms.name, len(corpus.clips), corpus.minutes, corpus.speakers
        )
        clips += corpus.clips
    return clips


def training_config(options: Options, tracked: Sequence[TrackedClip | CorpusClip]) -> PretrainConfig:
    """How the network is trained; epochs are counted over the windows of what was `tracked`."""
    config = PretrainConfig(
        steps=options.steps, batch=options.batch, seed=options.seed, tracked_share=options.tracked_share,
        bfloat16=options.bfloat16,
    )  # fmt: skip
    if options.epochs is None:
        return config
    windows = len(TrackedWindows(tracked, config.frames, config.seed))
    return replace(config, steps=steps_of(options.epochs, windows, config.batch, config.tracked_share))


def _sources(options: Options, corpora: Sequence[Corpus]) -> str:
    """Whom the films are owed to."""
    return "; ".join([*([ATTRIBUTION] if options.films else []), *(corpus.terms.attribution for corpus in corpora)])


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
    return (options.judges or options.work) / f"{name}.safetensors"


def _clip_path(options: Options, voice: str) -> Path:
    return options.work / ("clips_" + voice.replace(":", "_") + ".npz")


def voices(options: Options) -> dict[str, float]:
    """Minutes of sound by voice: VOICES, and those of Kokoro whose shards are there; a share of them where asked."""
    kokoro = (path.stem.replace("_", ":", 1) for path in sorted(_corpus(options).glob("kokoro_??_*.npz")))
    minutes = VOICES | {voice: KOKORO_MINUTES for voice in kokoro if "." not in voice and voice not in HELD_OUT}
    if strange := set(options.voices) - minutes.keys():
        raise InputError(f"There is no voice {sorted(strange)[0]!r} to train with; there are {', '.join(minutes)}.")
    return {voice: options.speech * own for voice, own in minutes.items() if voice in (options.voices or minutes)}


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
    if options.judges or all(_judge(options, name).exists() for name in (*SYNC, *CONSISTENCY)):
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


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except EmotalkError as error:
        raise SystemExit(f"train_motion: {error}") from error
