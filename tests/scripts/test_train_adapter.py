"""The command that trains an adapter, with a tiny HuBERT on a Hub of this machine and a corpus of two voices."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.core.speech import PHONES
from emotalk.speech import say
from emotalk.speech.encoders import load_encoder
from scripts.speech_corpus.build import Utterance, save_shard, shard_path
from scripts.train_adapter import Options, main

transformers = pytest.importorskip("transformers")
TEXTS = ("The boat came back in the morning.", "Peter may have seen them both.", "She put a blue map above the fire.")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """A HuBERT of random weights, as files of a repository."""
    config = transformers.HubertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, vocab_size=4,
    )  # fmt: skip
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hubert")
    transformers.HubertModel(config).save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for voice, speaker in (("flite:slt", "flite:slt"), ("flite:kal16", "flite:kal16")):
        save_shard(shard_path(folder, voice), [utterance(text, speaker) for text in TEXTS])
    return folder


def utterance(text: str, voice: str) -> Utterance:
    speech = say(text, voice)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(len(speech.samples)).astype(np.float32)
    segments = np.array([(start, end, PHONES.index(name)) for start, end, name in speech.phones])
    return Utterance(voice, text, speech.samples, speech.samples + 0.003 * noise, segments)


def test_it_writes_an_encoder_that_talks_may_use_and_a_card(hub, files, corpus, tmp_path) -> None:
    hub.add("org/hubert", files)
    options = Options("org/hubert", corpus, tmp_path / "mine", minutes=0.1, steps=20)
    main(options)
    encoder = load_encoder(str(tmp_path / "mine"))
    assert encoder.name == "org/hubert"
    assert encoder.encode(say(TEXTS[0], "flite:slt")).phones.shape[1] == 40
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "--minutes 0.1 --steps 20 --seed 0" in card
    assert "| this adapter | 0." in card
    # What was heard is kept: a second run hears nothing anew, and ends with the same.
    heard = {path: path.stat().st_mtime_ns for path in (tmp_path / "mine" / "heard").iterdir()}
    main(options)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "mine" / "heard").iterdir()} == heard
    assert load_encoder(str(tmp_path / "mine")).digest == encoder.digest


def test_without_a_corpus_it_says_how_one_is_made(hub, files, tmp_path) -> None:
    hub.add("org/hubert", files)
    with pytest.raises(InputError, match=r"scripts\.train_speech"):
        main(Options("org/hubert", tmp_path, tmp_path / "mine"))
