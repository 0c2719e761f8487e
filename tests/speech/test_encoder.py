"""The speech encoder: rows in time, the same bits for any chunks, honest about broken files."""

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest
import torch

from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import ARTICULATION_NAMES, PHONES, Speech, SpeechFeatures
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.inference import NetworkConfig
from emotalk.speech.mel import BANDS, SMALL_GROUP, MelStream, SpectralLeveller
from emotalk.speech.network import SpeechNetwork, to_numpy

COLUMNS = [field.name for field in dataclasses.fields(SpeechFeatures)]
SMALL = NetworkConfig(width=24, hidden=32, taps=((-1, 0, 1), (-4, 0, 2), (-2, 0)))


@pytest.fixture(scope="module")
def network() -> SpeechNetwork:
    torch.manual_seed(0)
    return SpeechNetwork(SMALL).eval()


@pytest.fixture(scope="module")
def encoder(network) -> SpeechEncoder:
    return SpeechEncoder(SMALL, to_numpy(network) | {"prior": np.full(BANDS, -8.0)})


@pytest.fixture(scope="module")
def shipped() -> SpeechEncoder:
    return SpeechEncoder.load()


@pytest.fixture
def sound() -> np.ndarray:
    rng = np.random.default_rng(3)
    moments = np.arange(int(2.345 * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = np.sign(np.sin(2 * np.pi * 130 * moments)) * np.maximum(np.sin(2 * np.pi * 3 * moments), 0)
    return (0.1 * buzz + 0.01 * rng.standard_normal(len(moments))).astype(np.float32)


def streamed(encoder: SpeechEncoder, sound: np.ndarray, longest: int) -> SpeechFeatures:
    rng = np.random.default_rng(longest)
    stream, parts, start = encoder.stream(), [], 0
    while start < len(sound):
        length = int(rng.integers(0, longest))
        parts.append(stream.push(sound[start : start + length]))
        start += length
    parts.append(stream.finish())
    return SpeechFeatures.concatenate([part for part in parts if part is not None])


def test_numpy_computes_what_torch_was_trained_to(network, encoder, sound):
    config = encoder.config
    silence = np.zeros(config.past * 320, np.float32)
    after = np.zeros(config.future * 320 + 120 + 320, np.float32)
    rows = MelStream().push(np.concatenate([silence, sound, after]))
    levelled = SpectralLeveller(np.full(BANDS, -8.0)).push(rows[None])
    with torch.no_grad():
        features, phones, articulation = (part[0].numpy() for part in network(torch.from_numpy(levelled)))
    given = encoder.encode(Speech(sound))
    rows = len(given)
    np.testing.assert_allclose(given.features, features[:rows], atol=2e-5)
    np.testing.assert_allclose(given.phones, torch.from_numpy(phones[:rows]).softmax(-1).numpy(), atol=2e-5)
    width = ARTICULATION_NAMES.index("width")
    inside = np.clip(articulation[:rows], [-1 if i == width else 0 for i in range(6)], 1)
    np.testing.assert_allclose(given.articulation, inside, atol=2e-5)


@pytest.mark.parametrize("longest", [40, 900, 5000, 30000])
def test_any_chunks_give_the_same_bits(encoder, sound, longest):
    whole, pieces = encoder.encode(Speech(sound)), streamed(encoder, sound, longest)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 5000, 16001])
def test_every_20_ms_begun_has_a_row(encoder, samples):
    assert len(encoder.encode(Speech(np.full(samples, 0.01, np.float32)))) == -(-samples // 320)


def test_a_row_depends_on_nothing_beyond_the_look_ahead(encoder, sound):
    row = 40
    reach = round((row + 1) * 320 + encoder.look_ahead * SAMPLE_RATE)
    assert encoder.look_ahead <= 0.25
    changed = sound.copy()
    changed[reach:] = np.random.default_rng(0).standard_normal(len(sound) - reach) * 0.3
    whole, other = encoder.encode(Speech(sound)), encoder.encode(Speech(changed))
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(whole, name)[: row + 1], getattr(other, name)[: row + 1])


def test_a_stream_gives_a_row_as_soon_as_its_look_ahead_is_heard(encoder, sound):
    stream = encoder.stream()
    rows = 40
    given = stream.push(sound[: round(rows * 320 + encoder.look_ahead * SAMPLE_RATE)])
    assert len(given) >= rows


def test_streams_do_not_disturb_each_other(encoder, sound):
    first, second = encoder.stream(), encoder.stream()
    a, b = [], []
    for start in range(0, len(sound), 4000):
        a.append(first.push(sound[start : start + 4000]))
        b.append(second.push(sound[::-1][start : start + 4000]))
    a.append(first.finish())
    expected = encoder.encode(Speech(sound))
    joined = SpeechFeatures.concatenate([part for part in a if part is not None])
    np.testing.assert_array_equal(joined.features, expected.features)


def test_probabilities_and_ranges(shipped, sound):
    features = shipped.encode(Speech(sound))
    np.testing.assert_allclose(features.phones.sum(1), 1, atol=1e-5)
    assert features.features.shape[1] == shipped.feature_size
    width = ARTICULATION_NAMES.index("width")
    assert np.delete(features.articulation, width, 1).min() >= 0
    assert np.abs(features.articulation).max() <= 1
    assert ((features.f0 > 0) == (features.voicing >= 0.5)).all()


def test_silence_is_heard_as_silence_with_a_resting_mouth(shipped):
    features = shipped.encode(Speech(np.zeros(2 * SAMPLE_RATE, np.float32)))
    assert features.phones[:, PHONES.index("sil")].min() > 0.5
    assert features.articulation[:, ARTICULATION_NAMES.index("jaw")].max() < 0.15


def test_a_peek_is_the_end_of_a_stream_that_hears_no_more(encoder, sound):
    for heard in (0, 1, 500, 5000, 16001):
        peeked, ended = encoder.stream(), encoder.stream()
        peeked.push(sound[:heard])
        ended.push(sound[:heard])
        a, b = peeked.peek(), ended.finish()
        assert (a is None) == (b is None)
        for name in COLUMNS if a is not None else ():
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("group", [SMALL_GROUP, 48])
def test_a_stream_goes_on_as_if_nobody_had_peeked(encoder, sound, group):
    quiet, watched = encoder.stream(group), encoder.stream(group)
    for start in range(0, len(sound), 2000):
        piece = sound[start : start + 2000]
        a, b = quiet.push(piece), watched.push(piece)
        assert (a is None) == (b is None)
        for name in COLUMNS if a is not None else ():
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        for _ in range(start // 2000 % 3):
            watched.peek()
    a, b = quiet.finish(), watched.finish()
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    with pytest.raises(InputError, match="finished"):
        watched.peek()


def test_the_size_of_a_group_changes_nothing_but_rounding(shipped, sound):
    stream = shipped.stream(SMALL_GROUP)
    few = SpeechFeatures.concatenate([part for part in (stream.push(sound), stream.finish()) if part is not None])
    many = shipped.encode(Speech(sound))
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(few, name), getattr(many, name), atol=1e-4)


def test_an_empty_stream_ends_with_nothing(encoder):
    assert encoder.stream().finish() is None


def test_what_is_no_sound_is_refused(encoder):
    with pytest.raises(InputError, match="0 samples"):
        encoder.encode(Speech(np.zeros(0, np.float32)))
    with pytest.raises(InputError, match=r"shape \[2, 100\]"):
        encoder.stream().push(np.zeros((2, 100), np.float32))
    with pytest.raises(InputError, match="NaN"):
        encoder.stream().push(np.full(10, np.nan, np.float32))
    stream = encoder.stream()
    stream.finish()
    with pytest.raises(InputError, match="finished"):
        stream.push(np.zeros(10, np.float32))
    with pytest.raises(InputError, match="finished"):
        stream.finish()


def test_saving_and_loading_keeps_the_encoder(shipped, sound, tmp_path):
    shipped.save_pretrained(tmp_path / "copy")
    again = SpeechEncoder.from_pretrained(tmp_path / "copy")
    np.testing.assert_array_equal(again.encode(Speech(sound)).phones, shipped.encode(Speech(sound)).phones)
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["config.json", "model.safetensors"]


def test_broken_checkpoints_are_explained(shipped, tmp_path):
    with pytest.raises(CheckpointError, match="missing"):
        SpeechEncoder.load(tmp_path / "speech.safetensors")
    shipped.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"width": 192, "hidden": 256, "taps": [[-1, 0, 1]] * 9}))
    with pytest.raises(CheckpointError, match=r"blocks\.6"):
        SpeechEncoder.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"width": 192')
    with pytest.raises(CheckpointError, match=r"config\.json cannot be used"):
        SpeechEncoder.from_pretrained(tmp_path)
    shipped.save_pretrained(tmp_path)
    model = tmp_path / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be used"):
        SpeechEncoder.from_pretrained(tmp_path)


def test_the_shipped_file_is_small():
    assert (CHECKPOINTS / "speech.safetensors").stat().st_size <= 4_000_000


def test_a_long_stream_keeps_its_memory(encoder):
    piece = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32) * 0.05
    stream = encoder.stream()
    for _ in range(5):
        stream.push(piece)
    tracemalloc.start()
    stream.push(piece)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(30):
        stream.push(piece)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 100_000


def test_spoken_bilabials_close_the_lips(shipped, shared_data):
    """Sentences of a real speaker that were not trained on: most p, b and m of the text are seen."""
    import soundfile

    closure = ARTICULATION_NAMES.index("closure")
    sound, _ = soundfile.read(shared_data / "speech/ravdess/03-01-01-01-01-01-01.flac", dtype="float32")
    features = shipped.encode(Speech(sound))  # "kids are talking by the door": one b
    closed = features.articulation[:, closure] > 0.5
    runs = np.flatnonzero(np.diff(closed.astype(int), prepend=0) == 1)
    assert 1 <= len(runs) <= 2
    phones = {PHONES[i] for i in features.phones.argmax(1)}
    assert {"sil", "k", "t", "d"} <= phones
