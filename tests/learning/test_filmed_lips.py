"""The lip branch learns from filmed people, and leaves everything else of the network as it is."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.core.rates import FPS
from emotalk.core.speech import PHONES
from emotalk.learning.filmed_lips import (
    FilmedClip,
    FilmedConfig,
    filmed_clip,
    learn_lips,
    lip_agreement,
    lips_of,
    lively_size,
    load_filmed,
    save_filmed,
    set_usual,
    shares,
    spreads,
)
from emotalk.learning.motion_data import HIDDEN, SpokenClip, spoken_clip
from emotalk.motion.network import MotionNetwork, NetworkConfig
from emotalk.speech.feature_rows import ROW_SIZE
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import SyncModel
from tests.motion.test_model import spoken

SMALL = NetworkConfig(hidden=32, inner=32, style_hidden=8, dilations=(1, 2), lips=(24, 12))
QUICK = FilmedConfig(steps=40, batch=64, warmup=4)


@pytest.fixture(scope="module")
def basis() -> LipBasis:
    return SyncModel.load().network.basis


@pytest.fixture(scope="module")
def said() -> list[SpokenClip]:
    speech, features = spoken(3)
    return [spoken_clip(speech, [features])]


@pytest.fixture(scope="module")
def filmed() -> list[FilmedClip]:
    """Two people who open their lips where the rules of speech do not: at iy and s."""
    clips = []
    for speaker, size in (("a", 0.03), ("b", 0.06)):
        _, features = spoken(3)
        frames = len(features) // 2
        said = features.phones[: 2 * frames, [PHONES.index("iy"), PHONES.index("s")]].sum(1)
        opened = np.convolve(said.reshape(frames, 2).mean(1), np.ones(3) / 3, "same")
        measures = 0.1 + size * opened[:, None] * np.array([1.0, 1.0, -0.2, 0.8])
        clips.append(filmed_clip(speaker, [features], measures))
    return clips


def _network() -> MotionNetwork:
    """A network whose lips are a little open: an untrained one sees contacts everywhere, and its shapes rest at 0."""
    torch.manual_seed(1)
    network = MotionNetwork(SMALL)
    torch.nn.init.zeros_(network.contact.weight)
    torch.nn.init.constant_(network.contact.bias, -6.0)
    torch.nn.init.constant_(network.base.bias, 0.1)
    return network


@pytest.mark.slow
def test_lips_of_films_are_learned_and_nothing_else_is_touched(filmed, said, basis):
    network = _network()
    set_usual(network, said, filmed)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    losses: list[float] = []
    films_first = dataclasses.replace(QUICK, steps=100, learning_rate=1e-2, synthetic=0.05)
    learn_lips(network, filmed, said, basis, films_first, lambda step, loss: losses.append(loss["filmed"]))
    assert losses[1] < 0.8 * losses[0]
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in changed} == {"lips", "lip_shapes", "lip_level", "learned"}
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_same_seed_gives_the_same_lips(filmed, said, basis):
    config = dataclasses.replace(QUICK, steps=3)
    one, two, other = (
        learn_lips(_network(), filmed, said, basis, dataclasses.replace(config, seed=seed)) for seed in (0, 0, 1)
    )
    assert one.fingerprint() == two.fingerprint() != other.fingerprint()


def test_films_alone_or_speech_alone_are_not_enough(filmed, said, basis):
    with pytest.raises(InputError, match="films"):
        learn_lips(_network(), [], said, basis, QUICK)
    with pytest.raises(InputError, match="synthetic"):
        learn_lips(_network(), filmed, [], basis, QUICK)
    with pytest.raises(InputError, match="steps"):
        FilmedConfig(steps=0)


@given(lag=st.integers(-6, 6))
@settings(max_examples=8, deadline=None)
def test_an_offset_of_the_picture_is_taken_out(lag):
    _, features = spoken(1)
    frames = len(features) // 2
    picture = np.repeat(np.arange(frames, dtype=np.float32)[:, None], 4, 1)
    clip = filmed_clip("a", [features, features], picture, lag)
    whole = filmed_clip("a", [features], picture)
    assert len(clip) == frames - abs(lag)
    first = max(0, -lag)  # of the sound
    np.testing.assert_array_equal(clip.measures[:, 0], np.arange(len(clip)) + first + lag)
    np.testing.assert_array_equal(clip.rows[1], whole.rows[0][first : first + len(clip)])
    assert clip.rows.shape[-1] == 2 * (ROW_SIZE + HIDDEN)


def test_a_film_without_sound_is_refused():
    _, features = spoken(1)
    with pytest.raises(InputError, match=r"a has 10 frames"):
        filmed_clip("a", [features[:20]], np.zeros((60, 4)))


def test_films_survive_their_file(filmed, tmp_path):
    save_filmed(tmp_path / "filmed.npz", filmed)
    for clip, again in zip(filmed, load_filmed(tmp_path / "filmed.npz"), strict=True):
        assert again.speaker == clip.speaker
        for name in ("rows", "rhythm", "measures"):
            np.testing.assert_array_equal(getattr(again, name), getattr(clip, name))


def test_every_speaker_has_a_spread_of_their_own(filmed):
    found = spreads(filmed)
    np.testing.assert_allclose(found["b"][[0, 1, 3]], 2 * found["a"][[0, 1, 3]], rtol=0.02)


def test_a_speaker_of_few_films_is_shown_more_often_within_limits(filmed):
    many, few = (dataclasses.replace(filmed[0], speaker=name) for name in ("many", "few"))
    share = shares([many] * 9 + [few])
    assert share.sum() == pytest.approx(1)
    assert share[-1] == pytest.approx(3 * share[0])
    assert shares([many] * 400 + [few])[-1] == pytest.approx(4 * shares([many] * 400 + [few])[0])


def test_agreement_with_ones_own_lips_is_perfect(filmed, basis, said):
    network = learn_lips(_network(), filmed, said, basis, dataclasses.replace(QUICK, steps=5, learning_rate=0.02))
    own = [dataclasses.replace(clip, measures=lips_of(network, clip, basis)) for clip in filmed]
    agreement = lip_agreement(network, own, basis)
    assert agreement.r == pytest.approx(np.ones(4), abs=1e-3)
    assert (agreement.slope, agreement.spread) == pytest.approx((1, 1), abs=1e-3)
    assert agreement.clips == len(own)
    larger = lip_agreement(network, own, basis, size=1.5)
    assert larger.spread > 1.005


def test_lively_lips_spread_as_far_as_filmed_ones():
    at = np.arange(4 * FPS) / FPS
    course = np.repeat(np.sin(2 * np.pi * 3 * at)[:, None], 4, 1)
    assert lively_size([0.5 * course] * 3, [0.55 * course] * 3, ["a"] * 3) == pytest.approx(1.1)
    assert lively_size([0.01 * course], [course], ["a"]) == 1.2  # within what a face can do
    assert lively_size([course], [0.1 * course], ["a"]) == 0.8
    # Whoever was filmed more often counts no more: 1.2 and .9 make 1.04.
    often = lively_size([course] * 4, [1.2 * course, *[0.9 * course] * 3], ["a", "b", "b", "b"])
    assert often == pytest.approx((1.2 * 0.9) ** 0.5)
