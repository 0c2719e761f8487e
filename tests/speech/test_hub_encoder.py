"""wav2vec 2.0 and HuBERT in place of the embedded network, with tiny models of random weights on disk."""

import json

import numpy as np
import pytest
import torch

from emotalk.core.errors import CheckpointError, HubError, InputError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.adapter import LinearAdapter
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.encoders import EMBEDDED, load_encoder
from emotalk.speech.features_file import load_features, save_features
from emotalk.speech.hub_encoder import HubSpeechEncoder

transformers = pytest.importorskip("transformers")


COLUMNS = ("features", "phones", "articulation", "voicing", "energy", "f0")


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


@pytest.fixture(scope="module")
def adapter() -> LinearAdapter:
    torch.manual_seed(1)
    return LinearAdapter(16, SpeechEncoder.load().feature_size)


@pytest.fixture(scope="module")
def adapted(folder, adapter) -> HubSpeechEncoder:
    return HubSpeechEncoder.load(str(folder), adapter)


def test_without_an_adapter_only_the_features_are_the_transformers(folder, speech):
    hub = HubSpeechEncoder.load(str(folder))
    given, embedded = hub.encode(speech), SpeechEncoder.load().encode(speech)
    assert given.features.shape == (len(embedded), 16)
    assert hub.feature_size == 16
    for name in COLUMNS[1:]:
        np.testing.assert_array_equal(getattr(given, name), getattr(embedded, name))
    with pytest.raises(CheckpointError, match="has no adapter"):
        hub.stream()


def test_with_one_phones_and_articulation_are_read_in_its_features_and_prosody_is_measured(adapted, speech):
    given, embedded = adapted.encode(speech), SpeechEncoder.load()
    assert given.features.shape == (len(embedded.encode(speech)), embedded.feature_size)
    weights = embedded.last_layers()
    scores = given.features @ weights["phones.weight"] + weights["phones.bias"]
    np.testing.assert_allclose(given.phones, torch.softmax(torch.from_numpy(scores), 1).numpy(), atol=1e-5)
    read = given.features @ weights["articulation.weight"] + weights["articulation.bias"]
    np.testing.assert_allclose(given.articulation[:, 0], read[:, 0].clip(0, 1), atol=1e-5)
    np.testing.assert_allclose(given.articulation[:, 1], read[:, 1].clip(-1, 1), atol=1e-5)
    for name in ("voicing", "energy", "f0"):
        np.testing.assert_array_equal(getattr(given, name), getattr(embedded.encode(speech), name))


def test_the_embedded_network_reads_its_own_features_as_it_does_itself(speech):
    encoder = SpeechEncoder.load()
    own = encoder.encode(speech)
    phones, articulation = encoder.read_out(own.features)
    np.testing.assert_allclose(phones, own.phones, atol=1e-4)
    np.testing.assert_allclose(articulation, own.articulation, atol=1e-4)


@pytest.mark.parametrize("pieces", [(100_000,), (1, 15_999, 320, 7, 40_000), (16_000,) * 4])
def test_a_stream_gives_the_rows_of_the_whole_sound(adapted, pieces):
    rng = np.random.default_rng(2)
    speech = Speech((rng.standard_normal(int(5.77 * SAMPLE_RATE)) * 0.05).astype(np.float32))
    stream, parts, at = adapted.stream(), [], 0
    for size in (*pieces, len(speech.samples)):
        parts.append(stream.push(speech.samples[at : at + size]))
        at += size
    parts.append(stream.finish())
    together = type(parts[-1]).concatenate([part for part in parts if part is not None])
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(together, name), getattr(adapted.encode(speech), name))


def test_peek_is_what_finish_would_give_and_changes_nothing(adapted, speech):
    one, other = adapted.stream(), adapted.stream()
    half = len(speech.samples) // 2
    for stream in (one, other):
        stream.push(speech.samples[:half])
    seen, ended = one.peek(), other.finish()
    np.testing.assert_array_equal(seen.phones, ended.phones)
    one.push(speech.samples[half:])
    np.testing.assert_array_equal(one.finish().phones[-5:], adapted.encode(speech).phones[-5:])


def test_a_row_waits_for_no_more_than_the_look_ahead(adapted):
    stream, received, pushed = adapted.stream(), 0, 0
    while pushed < 6 * SAMPLE_RATE:
        rows = stream.push(np.zeros(320, np.float32))
        pushed += 320
        received += 0 if rows is None else len(rows)
        assert received / 50 >= pushed / SAMPLE_RATE - adapted.look_ahead - 0.02
    assert adapted.digest != SpeechEncoder.load().digest


def test_long_sounds_are_heard_in_windows(folder):
    rng = np.random.default_rng(1)
    long = Speech((rng.standard_normal(45 * SAMPLE_RATE) * 0.05).astype(np.float32))
    hidden = HubSpeechEncoder.load(str(folder)).hidden(long)
    assert hidden.shape == (45 * 50, 16)
    assert np.isfinite(hidden).all()


def test_faint_noise_is_not_made_as_loud_as_speech(folder):
    heard = []
    hub = HubSpeechEncoder.load(str(folder))
    hub._listen = lambda window: heard.append(window.std()) or np.zeros((len(window) // 320, 16), np.float32)
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    hub.hidden(Speech(0.1 * noise))
    assert heard[0] == pytest.approx(1, abs=0.01)
    heard.clear()
    hub.hidden(Speech(1e-5 * noise))
    assert heard[0] == pytest.approx(0.01, abs=0.002)


class TestAnAdapterAsAFolder:
    def test_it_comes_back_as_it_was(self, adapted, speech, tmp_path):
        adapted.save_pretrained(tmp_path / "mine")
        assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["config.json", "model.safetensors"]
        again = load_encoder(str(tmp_path / "mine"))
        assert again.digest == adapted.digest
        np.testing.assert_array_equal(again.encode(speech).phones, adapted.encode(speech).phones)

    def test_it_brings_its_transformer_from_the_hub(self, hub, folder, adapter, speech, tmp_path):
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        hub.add("org/wav2vec2", files)
        HubSpeechEncoder.load("org/wav2vec2", adapter).save_pretrained(tmp_path / "mine")
        hub.add("org/adapter", {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()})
        found = load_encoder("org/adapter")
        assert found.name == "org/wav2vec2"
        np.testing.assert_array_equal(
            found.encode(speech).phones, HubSpeechEncoder.load(str(folder), adapter).encode(speech).phones
        )

    def test_one_that_was_downloaded_may_name_no_folder_of_this_machine(self, hub, adapted, tmp_path):
        adapted.save_pretrained(tmp_path / "mine")  # its transformer is a folder here
        hub.add("org/adapter", {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()})
        with pytest.raises(CheckpointError, match="no address on the Hub"):
            load_encoder("org/adapter")

    @pytest.mark.parametrize(
        ("entry", "value", "said"),
        [
            ("embedded", "0" * 64, "another version"),
            ("hidden", 17, "cannot be used"),
            ("features", 3, "cannot be used"),
            ("revision", 5, "no text"),
            ("hidden", "many", "cannot be used"),
        ],
    )
    def test_what_does_not_fit_is_explained(self, adapted, tmp_path, entry, value, said):
        adapted.save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {entry: value}))
        with pytest.raises(CheckpointError, match=said):
            load_encoder(str(tmp_path))


def test_fitting_finds_a_linear_relation():
    rng = torch.Generator().manual_seed(0)
    hidden = torch.randn(400, 8, generator=rng)
    adapter = LinearAdapter(8, 3)
    wanted = adapter.norm(hidden) @ torch.randn(8, 3, generator=rng) + 0.5
    fitted = adapter.fit(hidden, wanted.detach(), damping=1e-6)
    torch.testing.assert_close(fitted(hidden), wanted, atol=1e-3, rtol=1e-3)


def test_hubert_is_heard_as_well(tmp_path, speech):
    settings = tiny_config().to_dict()
    settings.pop("model_type")
    torch.manual_seed(0)
    transformers.HubertModel(transformers.HubertConfig(**settings)).save_pretrained(tmp_path)
    assert load_encoder(str(tmp_path)).encode(speech).features.shape == (76, 16)


def test_what_is_no_speech_model_is_explained(folder, tmp_path):
    for name in (str(tmp_path / "nothing"), str(tmp_path)):  # not there, and an empty folder
        with pytest.raises(CheckpointError, match="could not be loaded"):
            load_encoder(name)
    coarse = transformers.Wav2Vec2Model(tiny_config(conv_stride=(5, 2, 2, 2, 2, 2, 4)))
    with pytest.raises(CheckpointError, match="every 640 samples"):
        HubSpeechEncoder(coarse, SpeechEncoder.load())
    with pytest.raises(CheckpointError, match="made for 8 hidden numbers"):
        HubSpeechEncoder.load(str(folder), LinearAdapter(8, 3))
    with pytest.raises(InputError, match="no adapter"):
        HubSpeechEncoder.load(str(folder)).save_pretrained(tmp_path)


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
    np.savez(tmp_path / "b.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="holds no speech features"):
        load_features(tmp_path / "b.npz")
