"""The training corpus: phone names, sentences, distortion that keeps time, batches that can be taken up anywhere."""

import shutil

import numpy as np
import pytest

from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import PHONES
from emotalk.speech.inference import NetworkConfig
from emotalk.speech.mel import BANDS

pytest.importorskip("pocketsphinx")

from scripts.speech_corpus import build, dataset, text, voices
from scripts.speech_corpus.distort import distort


@pytest.fixture
def click() -> np.ndarray:
    """Noise bursts with sharp onsets at 0.5, 1.1 and 1.4 s."""
    sound = np.zeros(2 * SAMPLE_RATE, np.float32)
    rng = np.random.default_rng(0)
    for onset in (0.5, 1.1, 1.4):
        start = int(onset * SAMPLE_RATE)
        sound[start : start + 1600] = rng.standard_normal(1600) * 0.2
    return sound


def test_engines_names_of_phones_are_understood():
    assert [PHONES[voices.phone_index(name)] for name in ("pau", "AX", "hh", "SIL", "dx")] == [
        "sil", "ah", "hh", "sil", "t"
    ]  # fmt: skip
    with pytest.raises(KeyError):
        voices.phone_index("qq")


@pytest.mark.parametrize(
    ("ipa", "phones"), [("ˈaɪ", "ay"), ("ɑːɹ", "aa r"), ("əl", "ah l"), ("tʃ", "ch"), ("_:", "sil"), ("oʊ", "ow")]
)
def test_espeak_phonemes_become_arpabet(ipa, phones):
    assert [PHONES[i] for i in voices.arpabet(ipa)] == phones.split()


@pytest.mark.skipif(not text.FORTUNES.is_dir(), reason="the Debian package fortunes is not installed")
def test_sentences_are_plain_words_in_a_fixed_order():
    sentences = text.sentences()
    assert sentences == text.sentences()
    assert len(sentences) > 10_000
    assert not any(character.isdigit() for sentence in sentences for character in sentence)
    held_out = sum(map(build.validation_sentence, sentences)) / len(sentences)
    assert 0.03 < held_out < 0.07


@pytest.mark.skipif(shutil.which("flite") is None, reason="the Debian package flite is not installed")
@pytest.mark.parametrize("voice", ["slt", "kal16"])
def test_flite_times_fit_its_sound(voice):
    spoken = voices.flite(voice, "Maybe she saw the boats.", 1.1)
    names = [PHONES[phone] for _, _, phone in spoken.segments]
    assert names[:6] == ["sil", "m", "ey", "b", "iy", "sh"]
    hiss = {}
    for name in ("m", "sh", "ow"):
        start, end, _ = spoken.segments[names.index(name)]
        part = slice(int((0.8 * start + 0.2 * end) * spoken.rate), int((0.2 * start + 0.8 * end) * spoken.rate))
        inner = spoken.samples[part]
        hiss[name] = np.mean(np.diff(np.sign(inner)) != 0)  # zero crossings
    assert hiss["sh"] > 2 * max(hiss["m"], hiss["ow"])


def test_held_out_voices_are_spoken_but_not_trained_on():
    assert set(build.HELD_OUT) < set(build.MINUTES)
    trained = {voice: minutes for voice, minutes in build.MINUTES.items() if voice not in build.HELD_OUT}
    assert sum(trained.values()) >= 150
    assert sum(voice.startswith("espeak") for voice in trained) >= 20
    assert not any("kal" in voice for voice in trained)


@pytest.mark.parametrize("seed", range(12))
def test_distortion_keeps_length_and_timing(click, seed):
    rng = np.random.default_rng(seed)
    babble = rng.standard_normal(3 * SAMPLE_RATE).astype(np.float32) * 0.05
    distorted = distort(click, babble, rng)
    assert distorted.shape == click.shape
    assert np.isfinite(distorted).all()
    assert np.abs(distorted).max() <= 1
    envelope, other = (np.abs(s).reshape(-1, 160).mean(1) for s in (click, distorted))
    lags = range(-8, 9)
    shift = max(lags, key=lambda lag: np.corrcoef(envelope[20:-20], np.roll(other, -lag)[20:-20])[0, 1])
    assert abs(shift) <= 2  # frames of 10 ms; reverberation blurs onsets


def test_shards_keep_what_was_said(tmp_path, click):
    utterance = build.Utterance("a:b", "Hello.", click, click * 0.5, np.array([[0, 1, 0], [1, 2, 5]], np.float32))
    build.save_shard(tmp_path / "x.npz", [utterance, utterance])
    first, _ = build.load_shard(tmp_path / "x.npz")
    assert (first.voice, first.text) == ("a:b", "Hello.")
    np.testing.assert_allclose(first.clean, click, atol=1 / 32768)
    np.testing.assert_array_equal(first.segments, utterance.segments)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_batches_depend_on_seed_and_step_alone(tmp_path, click):
    segments = np.array([[0, 0.5, 0], [0.5, 1.1, 5], [1.1, 2.0, 1]], np.float32)
    said = [build.Utterance("a:b", f"Number {i}.", click, click, segments) for i in range(8)]
    build.save_shard(tmp_path / "v.npz", said)
    rows = dataset.voice_rows(tmp_path, tmp_path / "v.npz")
    assert len(rows.clean) == len(rows.phones) == len(rows.articulation)
    sampler, again = (
        dataset.Sampler([rows], [rows], np.full(BANDS, -8.0), NetworkConfig(), batch=3, rows=32, seed=1) for _ in "ab"
    )
    sampler.draw(0)
    first, second = sampler.draw(5), again.draw(5)
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.phones, second.phones)
    assert first.rows.shape == (3, 32 + 24 + 11, 2 * BANDS)
    assert np.isfinite(first.rows).all()
    assert (first.phones != again.draw(6).phones).any()


def voice_of(number: int, rows: int) -> dataset.VoiceRows:
    """A voice that says one phone all the time."""
    mel = np.zeros((rows, 2 * BANDS), np.float16)
    return dataset.VoiceRows(mel, mel, np.full(rows, number, np.uint8), np.zeros((rows, 6), np.float16))


def test_voices_are_drawn_by_length_and_weight_and_recordings_may_be_absent():
    sources = [voice_of(1, 400), voice_of(2, 400)]
    sampler = dataset.Sampler(
        sources, [], np.full(BANDS, -8.0), NetworkConfig(), batch=300, rows=16, weights=[3.0, 1.0]
    )
    share = (sampler.draw(0).phones[:, 0] == 1).mean()
    assert 0.65 < share < 0.85


def test_rows_carry_the_phone_at_their_centre():
    phones = dataset.phone_rows(np.array([[0, 0.029, 3], [0.029, 0.1, 7]]), 6)
    assert phones.tolist() == [3, 7, 7, 7, 7, 0]
