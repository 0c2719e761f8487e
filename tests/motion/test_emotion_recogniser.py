"""The emotion recogniser reads whole motions."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.core.errors import CheckpointError
from emotalk.core.motion import HeadMotion
from emotalk.emotion import EmotionCurve
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.emotion_recogniser import (
    BODY_REACH,
    FACE_REACH,
    EmotionRecogniser,
    Impression,
    RecogniserConfig,
    RecogniserNetwork,
    concordance,
    face_tensor,
    load_recogniser,
    motion_tensor,
    save_recogniser,
    together,
)
from tests.motion.test_model import spoken

RECOGNISERS = [EmotionRecogniser.load, EmotionRecogniser.load_judge]


@pytest.fixture(scope="module")
def talks() -> list[tuple[tuple[float, float], HeadMotion]]:
    """(valence and arousal, motion) of nine moods, each of somebody else."""
    model, (_, features) = MotionModel.load(), spoken(3)
    points = [(v, a) for v in (-0.8, 0.0, 0.8) for a in (-0.8, 0.0, 0.8)]
    return [
        (point, model(features, EmotionCurve.constant(*point), MotionStyle.random(i), i))
        for i, point in enumerate(points)
    ]


@pytest.mark.parametrize("load", RECOGNISERS)
def test_valence_and_arousal_are_read_back_from_generated_motion(load, talks):
    recogniser = load()
    found = np.array([recogniser(motion).mean(0) for _, motion in talks])
    for axis in (0, 1):
        assert concordance(found[:, axis], np.array([point for point, _ in talks])[:, axis]) > 0.8


@pytest.mark.parametrize("load", RECOGNISERS)
def test_a_body_alone_shows_arousal_and_a_little_valence(load, talks):
    """No face, no lids: gaze, jaw swing and head of a few seconds."""
    recogniser = load()
    found = []
    for _, motion in talks:
        still = HeadMotion.neutral(len(motion))
        found.append(
            recogniser(dataclasses.replace(motion, expression=still.expression, eyelids=still.eyelids)).mean(0)
        )
    wanted = np.array([point for point, _ in talks])
    assert np.corrcoef(np.array(found)[:, 0], wanted[:, 0])[0, 1] > 0.3
    assert np.corrcoef(np.array(found)[:, 1], wanted[:, 1])[0, 1] > 0.5


@pytest.mark.parametrize("load", RECOGNISERS)
def test_what_is_not_there_counts_little(load, talks):
    """A face that is not there at all is no neutral face: the body decides, and the other way round."""
    network = load().network
    for _, motion in talks:
        whole = motion_tensor(motion)
        bodiless = whole.clone()
        bodiless[..., 52:57] = 0
        bodiless[..., 59:] = 0
        with torch.inference_mode():
            face, body = network.impressions(whole)
            absent, _ = network.impressions(torch.zeros_like(whole))
            _, gone = network.impressions(bodiless)
        assert face.evidence.mean() > 4 * absent.evidence.mean()
        assert body.evidence.mean() > gone.evidence.mean()


def test_the_judge_is_another_network_than_the_training_loss():
    loss, judge = EmotionRecogniser.load().network, EmotionRecogniser.load_judge().network
    assert not torch.equal(loss.face.moment[0].weight, judge.face.moment[0].weight)


def test_a_moment_is_judged_by_the_seconds_around_it():
    torch.manual_seed(0)
    network = RecogniserNetwork().eval()
    motion = torch.rand(1, 260, 65)
    later = motion.clone()
    later[:, 180:] += 1
    # Speed sees one frame back, never ahead.
    reach = max(FACE_REACH, BODY_REACH)
    with torch.no_grad():
        for part, seen in ((network.face, FACE_REACH), (network.body, BODY_REACH)):
            torch.testing.assert_close(part(motion).va[:, : 180 - seen - 6], part(later).va[:, : 180 - seen - 6])
            assert (part(motion).va[:, 180 - seen] - part(later).va[:, 180 - seen]).abs().max() > 0
        a, b = network(motion), network(later)
    torch.testing.assert_close(a[:, : 180 - reach - 6], b[:, : 180 - reach - 6])


def test_two_impressions_count_by_their_evidence():
    """Equal ones meet in the middle; with nothing seen, mood is neutral; the prior holds back what is weakly seen."""

    def say(value: float, evidence: float) -> Impression:
        return Impression(torch.full((1, 1, 2), value), torch.full((1, 1, 2), evidence))

    assert together((say(0.8, 10.0), say(0.2, 10.0)), 0.0)[0][0, 0, 0] == pytest.approx(0.5)
    assert together((say(0.8, 30.0), say(-0.8, 1e-6)), 0.0)[0][0, 0, 0] == pytest.approx(0.8, abs=1e-4)
    assert together((say(0.8, 1e-6),), 3.0)[0][0, 0, 0] == pytest.approx(0, abs=1e-5)
    mean, precision = together((say(0.8, 3.0),), 3.0)
    assert (float(mean[0, 0, 0]), float(precision[0, 0, 0])) == pytest.approx((0.4, 6.0))


def test_faces_alone_pass_gradients():
    face = torch.rand(2, 40, 52, requires_grad=True)
    RecogniserNetwork()(face_tensor(face)).square().sum().backward()
    assert torch.isfinite(face.grad).all()
    assert face.grad.abs().sum() > 0


def test_faces_alone_are_laid_out_as_whole_motions_are():
    face = torch.rand(1, 5, 52)
    from emotalk.emotion import split_eyes

    expression, eyelids, _ = split_eyes(face[0].numpy())
    still = HeadMotion.neutral(5)
    whole = dataclasses.replace(still, expression=expression, eyelids=eyelids)
    torch.testing.assert_close(face_tensor(face), motion_tensor(whole))


def test_concordance_is_one_for_agreement_and_punishes_bias():
    x = np.linspace(-1, 1, 50)
    assert concordance(x, x) == pytest.approx(1)
    assert concordance(x + 0.5, x) < 0.8
    assert concordance(-x, x) == pytest.approx(-1)


def test_saving_and_loading(tmp_path):
    network = RecogniserNetwork(RecogniserConfig(face=24, body=16)).eval()
    save_recogniser(network, tmp_path / "c.safetensors")
    again = load_recogniser(tmp_path / "c.safetensors").eval()
    x = torch.rand(1, 30, 65)
    torch.testing.assert_close(again(x), network(x), atol=5e-3, rtol=0)
    with pytest.raises(CheckpointError, match="train_motion"):
        load_recogniser(tmp_path / "absent.safetensors")
