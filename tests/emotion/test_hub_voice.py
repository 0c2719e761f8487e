import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config

from emotalk.emotion.hub_voice import DimensionalModel, HubVoiceEmotion
from emotalk.errors import CheckpointError
from emotalk.types import SAMPLE_RATE, Speech


def tiny(labels: int = 3) -> DimensionalModel:
    """The real architecture, small and untrained."""
    torch.manual_seed(0)
    return DimensionalModel(
        Wav2Vec2Config(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_labels=labels,
            conv_dim=(8, 8, 8, 8, 8, 8, 8), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        )
    )  # fmt: skip


def set_output(model: DimensionalModel, arousal: float, dominance: float, valence: float) -> DimensionalModel:
    with torch.no_grad():
        model.classifier.out_proj.weight.zero_()
        model.classifier.out_proj.bias.copy_(torch.tensor([arousal, dominance, valence]))
    return model


def noise(seconds: float, level: float = 0.07) -> np.ndarray:
    return np.random.default_rng(0).normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)


def test_outputs_become_valence_and_arousal_between_minus_one_and_one():
    heard = HubVoiceEmotion(set_output(tiny(), arousal=0.9, dominance=0.1, valence=0.3)).listen(Speech(noise(6.3)))
    assert heard.values.shape == (158, 2)
    np.testing.assert_allclose(heard.values, [[-0.4, 0.8]] * 158, atol=1e-5)
    assert heard.confidence.min() > 0.5
    np.testing.assert_allclose(heard.curve().at(158), heard.values, atol=1e-5)
    np.testing.assert_allclose(heard.curve(valence=0.5).at(158)[:, 0], 0.5, atol=1e-5)


def test_silence_is_not_judged():
    listener = HubVoiceEmotion(set_output(tiny(), 0.9, 0.5, 0.9))
    heard = listener.listen(Speech(np.concatenate([noise(5), np.zeros(12 * SAMPLE_RATE, np.float32)])))
    assert heard.confidence[20] > 0.5
    assert heard.confidence[-1] == 0
    assert not listener.listen(Speech(np.zeros(1000))).confidence.any()


def test_a_saved_model_is_loaded_with_its_weights(tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path)
    speech = Speech(noise(3))
    direct, loaded = HubVoiceEmotion(model).listen(speech), HubVoiceEmotion.load(tmp_path).listen(speech)
    np.testing.assert_allclose(loaded.values, direct.values, atol=1e-6)


def test_other_models_and_missing_ones_are_refused(tmp_path):
    tiny(labels=5).save_pretrained(tmp_path / "five")
    with pytest.raises(CheckpointError, match="5 outputs"):
        HubVoiceEmotion.load(tmp_path / "five")
    tiny().wav2vec2.save_pretrained(tmp_path / "headless")
    with pytest.raises(CheckpointError, match="not a network for arousal"):
        HubVoiceEmotion.load(tmp_path / "headless")
    with pytest.raises(CheckpointError, match="needs no download"):
        HubVoiceEmotion.load(tmp_path / "absent")
