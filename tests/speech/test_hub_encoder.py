"""wav2vec 2.0 in place of the embedded features, with a tiny model of random weights on disk."""

import numpy as np
import pytest
import torch

from emotalk.core.errors import CheckpointError, HubError, InputError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.features_file import EMBEDDED, load_encoder, load_features, save_features
from emotalk.speech.hub_encoder import HubSpeechEncoder, LinearAdapter

transformers = pytest.importorskip("transformers")


def tiny_config(**changes):
    settings = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
        "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "vocab_size": 4,
    }  # fmt: skip
    return transformers.Wav2Vec2Config(**(settings | changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("wav2vec2")
    transformers.Wav2Vec2Model(tiny_config()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def speech() -> Speech:
    rng = np.random.default_rng(0)
    return Speech((rng.standard_normal(int(1.513 * SAMPLE_RATE)) * 0.05).astype(np.float32))


def test_only_the_features_are_the_transformers(folder, speech):
    hub = HubSpeechEncoder.load(str(folder))
    given, embedded = hub.encode(speech), SpeechEncoder.load().encode(speech)
    assert given.features.shape == (len(embedded), 16)
    assert hub.feature_size == 16
    for name in ("phones", "articulation", "voicing", "energy", "f0"):
        np.testing.assert_array_equal(getattr(given, name), getattr(embedded, name))


def test_an_adapter_brings_them_to_the_embedded_size_and_survives_a_file(folder, speech, tmp_path):
    embedded = SpeechEncoder.load()
    model = transformers.Wav2Vec2Model.from_pretrained(folder)
    hub = HubSpeechEncoder(model, embedded, LinearAdapter(16, embedded.feature_size))
    assert hub.encode(speech).features.shape[1] == embedded.feature_size
    hub.save_adapter(tmp_path / "adapter.safetensors")
    again = HubSpeechEncoder.load(str(folder), adapter=tmp_path / "adapter.safetensors")
    np.testing.assert_allclose(again.encode(speech).features, hub.encode(speech).features, atol=1e-5)


def test_fitting_finds_a_linear_relation():
    rng = torch.Generator().manual_seed(0)
    hidden = torch.randn(400, 8, generator=rng)
    adapter = LinearAdapter(8, 3)
    wanted = adapter.norm(hidden) @ torch.randn(8, 3, generator=rng) + 0.5
    fitted = adapter.fit(hidden, wanted.detach(), damping=1e-6)
    torch.testing.assert_close(fitted(hidden), wanted, atol=1e-3, rtol=1e-3)


def test_long_sounds_are_heard_in_pieces_without_a_seam(folder):
    rng = np.random.default_rng(1)
    long = Speech((rng.standard_normal(45 * SAMPLE_RATE) * 0.05).astype(np.float32))
    hidden = HubSpeechEncoder.load(str(folder)).hidden(long)
    assert hidden.shape == (45 * 50, 16)
    assert torch.isfinite(hidden).all()


def test_what_does_not_fit_is_explained(folder, tmp_path):
    for name in (str(tmp_path / "nothing"), str(tmp_path)):  # not there, and an empty folder
        with pytest.raises(CheckpointError, match="could not be loaded"):
            HubSpeechEncoder.load(name)
    coarse = transformers.Wav2Vec2Model(tiny_config(conv_stride=(5, 2, 2, 2, 2, 2, 4)))
    with pytest.raises(CheckpointError, match="every 640 samples"):
        HubSpeechEncoder(coarse, SpeechEncoder.load())
    with pytest.raises(InputError, match="no adapter"):
        HubSpeechEncoder.load(str(folder)).save_adapter(tmp_path / "a.safetensors")
    torch.save({}, tmp_path / "bad")
    with pytest.raises(CheckpointError, match="does not fit"):
        HubSpeechEncoder.load(str(folder), adapter=tmp_path / "bad")


def test_a_model_of_the_hub_is_fetched_by_its_rules_and_kept(hub, folder, speech):
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    commit = hub.add("org/wav2vec2", files | {"modeling.py": b"x", "pytorch_model.bin": b"x"})
    hub.add("org/wav2vec2", {"config.json": b"{}"})
    given = HubSpeechEncoder.load("org/wav2vec2", revision=commit).encode(speech)
    np.testing.assert_array_equal(given.features, HubSpeechEncoder.load(str(folder)).encode(speech).features)
    assert sorted(hub.downloads()) == ["config.json", "model.safetensors"]
    hub.requests.clear()
    HubSpeechEncoder.load(f"org/wav2vec2@{commit}")
    assert hub.requests == []
    with pytest.raises(HubError, match=r"holds no model\.safetensors"):
        HubSpeechEncoder.load("org/wav2vec2")


def test_features_survive_a_file_and_only_such_a_file_is_read(folder, speech, tmp_path):
    for name in (EMBEDDED, str(folder)):
        features = load_encoder(name).encode(speech)
        save_features(features, tmp_path / "a.npz")
        again = load_features(tmp_path / "a.npz")
        for column, values in vars(features).items():
            np.testing.assert_array_equal(getattr(again, column), values)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    with pytest.raises(InputError, match=r"written as \.npz"):
        save_features(features, tmp_path / "a.json")
    with pytest.raises(InputError, match="needs none"):
        load_encoder(EMBEDDED, adapter=tmp_path / "x.safetensors")
    np.savez(tmp_path / "b.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="holds no speech features"):
        load_features(tmp_path / "b.npz")
