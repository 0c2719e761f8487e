"""Trains the adapter that lets wav2vec 2.0 or HuBERT hear in the embedded network's place.

    python -m scripts.train_adapter facebook/hubert-base-ls960 --corpus ../speech-training/corpus --out hubert
    python -m emotalk talk --text "Hello!" --encoder hubert

`--corpus` is what `scripts.train_speech` prepares. Needs transformers; the model is downloaded at first use. An hour of
speech takes such a base model about three hours on two cores and a minute on a GPU (`--device cuda`); what it heard is
kept beside the adapter, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from emotalk.core.atomic import replacing, write_text
from emotalk.core.errors import InputError
from emotalk.core.speech import ARTICULATION_NAMES, Speech
from emotalk.learning.adapter_training import AdapterScores, HeardRows, adapter_scores, train_adapter
from emotalk.speech.hub_encoder import HubSpeechEncoder
from scripts.speech_corpus.build import HELD_OUT, Utterance, load_shard, shard_path, validation_sentence
from scripts.speech_corpus.dataset import articulation_rows, phone_rows

log = logging.getLogger("train_adapter")

_LEVEL = 0.06  # root mean square of a sound that is heard, as scripts.speech_corpus.dataset brings it to
CARD = """# Adapter: {name} in place of the embedded speech network

`emotalk talk --encoder <this folder>`. A LayerNorm and a linear layer ({hidden} -> {features} numbers,
`emotalk/speech/adapter.py`); the transformer itself is not in it and is downloaded at first use, under its own licence.

- Data: {minutes:.0f} minutes of {voices} free voices of the embedded encoder's corpus (checkpoints/speech.md).
- Training: `python -m scripts.train_adapter {name} --minutes {wish:g} --steps {steps} --seed {seed}`
- Voices never trained on, {held:.1f} minutes, disturbed sound:

| | rows with the right phone | {names} |
|---|---|---|
| embedded network | {before:.3f} | {before_r} |
| this adapter | {after:.3f} | {after_r} |

The numbers of the articulators are r with what was said.
"""


@dataclass(frozen=True)
class Options:
    """Train an adapter between a transformer and the embedded speech network's readers."""

    transformer: Annotated[str, tyro.conf.Positional]
    """A wav2vec 2.0 or HuBERT model with safetensors weights: a folder, or an address on the Hub."""
    corpus: Path = Path("../speech-training/corpus")
    """Folder with the shards of voices that scripts.train_speech made."""
    out: Path = Path("adapter")
    """Folder for the adapter, its card, and what was heard."""
    minutes: float = 60.0
    """Of speech to learn from, spread evenly over the voices; a twentieth as much of held-out voices is measured."""
    steps: int = 2000
    """Training steps of 2048 rows."""
    seed: int = 0
    """Seed of the batches."""
    device: str = "cpu"
    """Where the transformer computes."""
    revision: str | None = None
    """Of the transformer on the Hub: a branch, a tag or a commit."""


def main(options: Options) -> None:
    encoder = HubSpeechEncoder.load(options.transformer, None, options.device, options.revision)
    shards = sorted(options.corpus.glob("*.npz"))
    held_names = {shard_path(options.corpus, voice).name for voice in HELD_OUT}
    shards = [shard for shard in shards if not shard.name.endswith(".rows.npz")]
    trained = [shard for shard in shards if shard.name not in held_names]
    held = [shard for shard in shards if shard.name in held_names]
    if not trained or not held:
        raise InputError(
            f"{options.corpus} holds {len(trained)} voices to train on and {len(held)} to measure with; make the "
            "corpus with `python -m scripts.train_speech` first."
        )
    cache = options.out / "heard"
    learned = [heard(encoder, shard, 60 * options.minutes / len(trained), cache) for shard in trained]
    unseen = HeardRows.concatenate([heard(encoder, shard, 3 * options.minutes / len(held), cache) for shard in held])
    adapter = train_adapter(HeardRows.concatenate(learned), encoder.embedded, options.steps, options.seed)
    adapted = encoder.with_adapter(adapter)
    adapted.save_pretrained(options.out)
    rows = sum(len(part.phones) for part in learned)
    write_card(options, adapted, rows, len(trained), unseen)


def heard(encoder: HubSpeechEncoder, shard: Path, seconds: float, cache: Path) -> HeardRows:
    """Rows of the first sentences of a voice, about so many seconds, as the transformer hears them disturbed and the
    embedded encoder clean; kept in `cache`."""
    key = hashlib.sha256(f"{encoder.digest} {encoder.embedded.digest} {shard.name} {seconds:.1f}".encode()).hexdigest()
    path = cache / f"{key[:24]}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        parts, left = [], seconds
        for utterance in load_shard(shard):
            if left <= 0:
                break
            if not validation_sentence(utterance.text):
                parts.append(_rows(encoder, utterance))
                left -= len(utterance.clean) / 16000
        columns = vars(HeardRows.concatenate(parts))
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **columns)
        log.info("%s: %d rows", shard.stem, len(columns["phones"]))
    with np.load(path) as columns:
        return HeardRows(**{name: columns[name] for name in columns.files})


def _rows(encoder: HubSpeechEncoder, utterance: Utterance) -> HeardRows:
    features = encoder.embedded.encode(Speech(utterance.clean)).features
    level = _LEVEL / (np.sqrt(np.mean(utterance.distorted**2)) + 1e-9)
    hidden = encoder.hidden(Speech(np.clip(level * utterance.distorted, -1, 1)))
    rows = min(len(features), len(hidden))
    segments = utterance.segments
    return HeardRows(
        hidden[:rows].astype(np.float16), features[:rows].astype(np.float16), phone_rows(segments, rows),
        articulation_rows(segments, rows).astype(np.float16),
    )  # fmt: skip


def write_card(options: Options, encoder: HubSpeechEncoder, rows: int, voices: int, unseen: HeardRows) -> None:
    """What was trained on what, and how it hears voices that it never heard, beside the adapter."""
    before = adapter_scores(np.float32(unseen.features), unseen, encoder.embedded)
    after = adapter_scores(encoder.adapted(np.float32(unseen.hidden))[0], unseen, encoder.embedded)
    text = CARD.format(
        name=options.transformer, hidden=encoder.adapter.linear.in_features, features=encoder.feature_size,
        minutes=rows / 3000, voices=voices, wish=options.minutes, steps=options.steps, seed=options.seed,
        held=len(unseen.phones) / 3000, names=", ".join(ARTICULATION_NAMES), before=before.phones, after=after.phones,
        before_r=_table(before), after_r=_table(after),
    )  # fmt: skip
    write_text(options.out / "README.md", text)
    log.info("rows with the right phone: %.3f, embedded %.3f", after.phones, before.phones)


def _table(scores: AdapterScores) -> str:
    return ", ".join(f"{r:.2f}" for r in scores.articulation)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main(tyro.cli(Options))
