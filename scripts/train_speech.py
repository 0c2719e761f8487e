"""Rebuilds the speech encoder: corpus, alignment, training, `checkpoints/speech.safetensors` and its card.

    python -m scripts.train_speech --work ../speech-training

Needs the Debian packages flite, festival, festvox-us-slt-hts, festvox-kdlpc16k, festvox-kallpc16k, fortunes,
wamerican, fortunes-es, fortunes-it, fortunes-br, manpages-fr and hunspell-hi, the Python packages of
requirements-build.txt, the npm package kokoro-js 1.2.1 (`--kokoro`: `npm pack kokoro-js@1.2.1 && tar xf kokoro-js-*`),
and recordings of GRID (`--grid`) and LJSpeech (`--ljspeech`). Everything it makes on the way stays in `--work`; started
again, it goes on where it stopped.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import tyro

from emotalk.core import checkpoint
from emotalk.core.atomic import replacing, write_json
from emotalk.core.blas import one_blas_thread
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import ARTICULATION_NAMES, PHONES
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.inference import NetworkConfig
from emotalk.speech.network import SpeechNetwork, to_numpy
from scripts.speech_corpus.build import HELD_OUT, MINUTES, build_voices, shard_path
from scripts.speech_corpus.card import write_card
from scripts.speech_corpus.dataset import Sampler, average_voice, voice_rows
from scripts.speech_corpus.recordings import TRAINED, build_recordings

log = logging.getLogger("train_speech")


@dataclass(frozen=True)
class Options:
    """Rebuild checkpoints/speech.safetensors from free voices and public-domain recordings."""

    work: Path
    """Folder for the corpus, the training state and the log."""
    ljspeech: Path = Path("../shared/data/speech/ljspeech")
    """Folder with LJSpeech's metadata.csv and its recordings as 16 kHz FLAC."""
    grid: Path = Path("../shared/data/grid")
    """Folder with GRID's videos: those of one speaker in s1, of others in others."""
    out: Path = CHECKPOINTS
    """Where speech.safetensors, speech.json and speech.md go."""
    steps: int = 3600
    """Training steps of 24 stretches of 2.56 s."""
    kokoro: Path = Path("../kokoro-js/package")
    """Folder `package` of the npm package kokoro-js 1.2.1: voices of Kokoro that are not shipped."""
    seed: int = 0
    """Seed of weights, batches and dropout."""


LEARNING_RATE = 2e-3
DECAY = 0.25  # of the steps at the end bring the learning rate down to zero
AVERAGED = 0.998  # the shipped weights are a running mean over about 500 steps
# Half precision is faster only where the processor has it: on one with AVX2 alone a step took 11 times as long with it.
_BFLOAT16 = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
# A minute of a neural voice is drawn as often as two of the others: half of what is heard then sounds like people.
NEURAL_WEIGHT = 2.0
RECORDED = 0.15  # of every batch is recordings of people, where there are any
# Errors of the articulators against the phones' cross entropy; the contacts are rare, so they weigh more.
ARTICULATION_WEIGHTS = torch.tensor([4.0, 3.0, 4.0, 6.0, 5.0, 2.0])
# A viewer sees at once whether lips close. What closes them counts twice among the phones, and so does a closure said
# where the tongue closes instead (k, g, ng) or hardly anything sounds (dh): most false ones stood there in RAVDESS.
_OF_PHONE = torch.tensor([2.0 if phone in ("p", "b", "m") else 1.0 for phone in PHONES])
_OF_CLOSURE = torch.tensor([2.0 if phone in ("k", "g", "ng", "dh") else 1.0 for phone in PHONES])
_CLOSURE = ARTICULATION_NAMES.index("closure")


def main(options: Options) -> None:
    options.work.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(options.work / "train.log")],
    )
    torch.set_num_threads(1)
    one_blas_thread()
    corpus = options.work / "corpus"
    build_voices(corpus, kokoro=options.kokoro)
    build_recordings(corpus, options.ljspeech, options.grid)
    weights, config = train(options, corpus)
    export(weights, config, options.out)
    encoder = SpeechEncoder.load(options.out / "speech.safetensors")
    write_card(options.out / "speech.md", encoder, corpus, options.steps, options.seed, RECORDED)


def train(options: Options, corpus: Path) -> tuple[dict[str, np.ndarray], NetworkConfig]:
    """The averaged weights after `options.steps` steps, as `forward.NetworkStream` takes them."""
    names = [voice for voice in MINUTES if voice not in HELD_OUT]
    voices = [voice_rows(corpus, shard_path(corpus, voice)) for voice in names]
    shards = [shard_path(corpus, name) for name in TRAINED]
    recordings = [voice_rows(corpus, shard) for shard in shards if shard.exists()]
    prior = average_voice([*voices, *recordings])
    spoken, recorded = (sum(len(source.phones) for source in sources) / 3000 for sources in (voices, recordings))
    log.info("%.0f min of voices, %.0f min of recordings", spoken, recorded)
    torch.manual_seed(options.seed)
    config = NetworkConfig()
    network = SpeechNetwork(config)
    average = SpeechNetwork(config)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    weights = [NEURAL_WEIGHT if voice.startswith("kokoro") else 1.0 for voice in names]
    sampler = Sampler(voices, recordings, prior, config, recorded=RECORDED, seed=options.seed, weights=weights)
    state = options.work / "state.pt"
    step, cpu = 0, 0.0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        network.load_state_dict(kept["network"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        step, cpu = kept["step"], kept["cpu"]
        log.info("going on at step %d", step)
    started = time.process_time() - cpu
    losses = []
    network.train()
    while step < options.steps:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min((step + 1) / 200, 1, (1 - step / options.steps) / DECAY)
        losses.append(_train_step(network, optimiser, sampler, step))
        step += 1
        keep = min(AVERAGED, step / (step + 10))
        with torch.no_grad():
            for mean, value in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        if step % 100 == 0:
            phones, articulation = np.mean(losses, 0)
            cpu = time.process_time() - started
            log.info("step %d: phones %.3f articulation %.4f, CPU %.1f min", step, phones, articulation, cpu / 60)
            losses.clear()
        if step % 250 == 0 or step == options.steps:
            kept = {"network": network.state_dict(), "average": average.state_dict()}
            kept |= {"optimiser": optimiser.state_dict(), "step": step, "cpu": time.process_time() - started}
            with replacing(state) as temporary:
                torch.save(kept, temporary)
            export(to_numpy(average) | {"prior": prior}, config, options.work)
    return to_numpy(average) | {"prior": prior}, config


def _train_step(
    network: SpeechNetwork, optimiser: torch.optim.Optimizer, sampler: Sampler, step: int
) -> tuple[float, float]:
    """One step of gradient descent; returns the phones' and the articulation's loss before it."""
    batch = sampler.draw(step)
    with torch.autocast("cpu", torch.bfloat16, enabled=_BFLOAT16):
        _, phones, articulation = network(torch.from_numpy(batch.rows))
    true = torch.from_numpy(batch.phones)
    phone_loss = F.cross_entropy(phones.float().flatten(0, 1), true.flatten(), weight=_OF_PHONE, label_smoothing=0.05)
    error = (articulation.float() - torch.from_numpy(batch.articulation)).square()
    error[..., _CLOSURE] = error[..., _CLOSURE] * _OF_CLOSURE[true]
    articulation_loss = (error.mean((0, 1)) * ARTICULATION_WEIGHTS).sum()
    optimiser.zero_grad()
    (phone_loss + articulation_loss).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return phone_loss.item(), articulation_loss.item()


def export(weights: dict[str, np.ndarray], config: NetworkConfig, folder: Path) -> None:
    """Writes speech.safetensors (half precision) and speech.json into `folder`, each moved into place."""
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    checkpoint.save(folder / "speech.safetensors", halves)
    write_json(folder / "speech.json", asdict(config), indent=2)


if __name__ == "__main__":
    main(tyro.cli(Options))
