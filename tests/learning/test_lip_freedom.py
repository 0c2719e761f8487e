"""How free lips are at a sound is measured on films; an emotion that moves them further is paid for, and closes the
gate."""

import json

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.speech import PHONES
from emotalk.head import HeadModel
from emotalk.learning.filmed_lips import FilmedClip
from emotalk.learning.lip_freedom import lip_critic, lip_freedom, load_freedom, save_freedom, strain, without_emotion
from emotalk.learning.motion_data import ClipSampler, spoken_clip
from emotalk.learning.pretrain import PretrainConfig, pretrain, run_network
from emotalk.motion.network import REGIONS, MotionNetwork, NetworkConfig
from emotalk.speech.feature_rows import ROW_SIZE
from emotalk.sync.lip_measures import MEASURES, LipBasis
from tests.motion.test_model import spoken

P, T_ = PHONES.index("p"), PHONES.index("t")
OPENING, WIDTH = MEASURES.index("inner"), MEASURES.index("width")
JAW = ARKIT_INDEX["jawOpen"]


@pytest.fixture(scope="module")
def basis() -> LipBasis:
    return LipBasis.of_head(HeadModel.load())


def film(speaker: str, frames: int = 4000, size: float = 1.0) -> FilmedClip:
    """Somebody who says p and t in turns: the lips of p are within .01 of one place, those of t within .04."""
    random = np.random.default_rng(len(speaker))
    said = np.arange(frames) % 4 < 2
    single = np.zeros((frames, 2, ROW_SIZE), np.float32)
    single[said, :, P] = single[~said, :, T_] = 1
    lips = random.standard_normal((frames, 4)) * np.where(said, 0.01, 0.04)[:, None]
    rows = single.reshape(1, frames, -1).astype(np.float16)
    return FilmedClip(speaker, rows, np.zeros((1, frames, 6), np.float32), (size * lips).astype(np.float32))


def test_the_freedom_of_a_phone_is_how_far_filmed_lips_spread_at_it():
    freedom = lip_freedom([film("anna")])
    np.testing.assert_allclose(freedom[P], 0.01, rtol=0.15)
    np.testing.assert_allclose(freedom[T_], 0.04, rtol=0.15)
    heard_never = freedom[PHONES.index("zh")]
    assert ((heard_never > freedom[P]) & (heard_never < freedom[T_])).all()  # the mean of those that were heard


def test_a_larger_mouth_has_no_more_freedom_than_it_is_larger():
    one, both = lip_freedom([film("anna")]), lip_freedom([film("anna"), film("bo", size=3.0)])
    np.testing.assert_allclose(both[T_] / one[T_], 2.0, rtol=0.1)  # of the average of the two mouths
    np.testing.assert_allclose(both[T_] / both[P], one[T_] / one[P], rtol=0.15)


def test_without_films_there_is_nothing_to_measure():
    with pytest.raises(InputError, match="films"):
        lip_freedom([])


def test_strain_counts_in_units_of_the_freedom_at_what_is_said(basis):
    calm, felt = torch.zeros(2, 1, 20, 52).unbind(0)
    felt[..., JAW] = 0.2
    moved = float((basis.measures(felt) - basis.measures(calm))[0, 0, OPENING])
    phones = torch.zeros(1, 20, 40)
    phones[:, :10, P] = phones[:, 10:, T_] = 1
    freedom = torch.full((40, 4), 0.05)
    freedom[P] = 0.01
    strained = strain(felt, calm, phones, basis, freedom)[0, :, OPENING]
    torch.testing.assert_close(strained[:10], torch.full((10,), moved / 0.01), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(strained[10:], torch.full((10,), moved / 0.05), rtol=1e-4, atol=1e-4)


def test_a_lasting_smile_widens_without_strain_and_a_twitch_does_not(basis):
    calm, smile, twitch = torch.zeros(3, 1, 100, 52).unbind(0)
    corners = [ARKIT_INDEX["mouthStretchLeft"], ARKIT_INDEX["mouthStretchRight"]]
    smile[..., corners] = 0.5
    twitch[:, 48:52, corners] = 0.5
    phones, freedom = torch.full((1, 100, 40), 1 / 40), torch.full((40, 4), 0.05)
    lasting, short = (strain(face, calm, phones, basis, freedom)[0, :, WIDTH] for face in (smile, twitch))
    assert lasting.abs().max() < 1e-3
    assert short[49].abs() > 0.5


def test_freedom_survives_its_file_and_a_damaged_one_is_explained(tmp_path):
    path = tmp_path / "lips.json"
    freedom = lip_freedom([film("anna")])
    save_freedom(path, freedom, "films of nobody")
    np.testing.assert_allclose(load_freedom(path), freedom, atol=1e-5)
    table = json.loads(path.read_text())
    table["freedom"]["p"] = [0.0, 1.0, 1.0, 1.0]
    path.write_text(json.dumps(table))
    with pytest.raises(CheckpointError, match="four numbers > 0"):
        load_freedom(path)


def test_the_shipped_freedom_is_least_where_lips_are_together():
    freedom = load_freedom()
    assert freedom.shape == (40, 4)
    assert freedom[PHONES.index("sil"), OPENING] < freedom[:, OPENING].mean()
    assert freedom[PHONES.index("b"), OPENING] < freedom[PHONES.index("t"), OPENING]


@pytest.mark.slow
def test_strain_and_nothing_else_closes_the_gate(basis):
    """No loss names a gate: with lips that are bound everywhere it closes at the jaw, and stays open at the brows."""
    speech, features = spoken(2)
    clips = [spoken_clip(speech, [features])]
    config = PretrainConfig(steps=80, batch=4, frames=40, warmup=5, learning_rate=5e-3)
    bound = np.full((40, 4), 0.01, np.float32)
    gates = []
    for critics in ({}, {"lips": (1.0, lip_critic(basis, bound))}):
        torch.manual_seed(1)
        small = NetworkConfig(hidden=48, inner=64, style_hidden=16, dilations=(1, 2))
        trained = pretrain(MotionNetwork(small), clips, config, critics=critics)
        with torch.no_grad():
            output = run_network(trained, ClipSampler(clips, 40, 3).spoken(8))
        gates.append(output.gate.mean((0, 1)))
        assert (without_emotion(output)[..., ARKIT_INDEX["browInnerUp"]] == 0).all()
    free, held = (dict(zip(REGIONS, gate.tolist(), strict=True)) for gate in gates)
    assert held["jaw"] < free["jaw"] - 0.2
    assert held["brows"] > free["brows"] - 0.1
