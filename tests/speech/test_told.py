"""Speech whose phones are told: prosody is measured, the hidden layer comes from a table."""

import dataclasses

import numpy as np
import pytest

from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import SpeechFeatures
from emotalk.speech import SpeechEncoder, say
from emotalk.speech.known_phones import known_phones
from emotalk.speech.told_hidden import ToldHidden
from emotalk.speech.told_stream import ToldStream


def told(sound: np.ndarray, piece: int) -> SpeechFeatures:
    stream = ToldStream()
    parts = [stream.push(sound[start : start + piece]) for start in range(0, len(sound), piece)]
    return SpeechFeatures.concatenate([part for part in (*parts, stream.finish()) if part is not None])


def test_prosody_is_the_encoders_and_everything_else_is_silence():
    speech = say("My boat moves.", "flite:slt")
    features, heard = told(speech.samples, 3000), SpeechEncoder.load().encode(speech)
    for name in ("voicing", "energy", "f0"):
        np.testing.assert_array_equal(getattr(features, name), getattr(heard, name))
    assert features.phones[:, 0].min() == 1
    assert not features.articulation.any()
    assert not features.features.any()


def test_a_stream_without_sound_has_no_rows():
    stream = ToldStream()
    assert stream.push(np.zeros(100, np.float32)) is None
    assert len(stream.finish()) == 1
    assert ToldStream().finish() is None
    with pytest.raises(InputError, match="finished"):
        stream.push(np.zeros(100, np.float32))


def test_the_table_knows_most_of_what_the_encoder_hears():
    """On a sentence and a voice that it was not made of."""
    speech = say("Above the bumpy valley, a brave fox jumped for fun.", "flite:kal16")
    heard = known_phones(SpeechEncoder.load().encode(speech), speech)
    hidden = ToldHidden.load()(heard).features
    assert hidden.shape == heard.features.shape
    left = np.square(hidden - heard.features).sum() / np.square(heard.features - heard.features.mean(0)).sum()
    assert left < 0.6


def test_a_table_is_fitted_saved_and_loaded(tmp_path, monkeypatch):
    speech = say("My boat moves.", "flite:slt")
    features = known_phones(told(speech.samples, 16000), speech)
    random = np.random.default_rng(0)
    table = random.standard_normal((49, 3))
    examples = dataclasses.replace(features, features=ToldHidden(table)(features).features)
    fitted = ToldHidden.fit([examples] * 1000)
    np.testing.assert_allclose(fitted(features).features, examples.features, atol=0.05)
    fitted.save(tmp_path / "told.safetensors")
    monkeypatch.setattr("emotalk.speech.told_hidden.CHECKPOINTS", tmp_path)
    ToldHidden.load.cache_clear()
    try:
        np.testing.assert_allclose(ToldHidden.load().table, fitted.table, atol=2e-3)
        ToldHidden.load.cache_clear()
        (tmp_path / "told.safetensors").write_bytes(b"\x10" * 100)
        with pytest.raises(CheckpointError, match="fit_told"):
            ToldHidden.load()
    finally:
        ToldHidden.load.cache_clear()


def test_the_shipped_table_is_small():
    assert (CHECKPOINTS / "told.safetensors").stat().st_size < 20_000


def test_the_shipped_table_stands_in_for_the_shipped_encoder():
    assert ToldHidden.load().encoder == SpeechEncoder.load().digest, "run `python -m scripts.fit_told`"
