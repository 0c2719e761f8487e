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
    REACH,
    EmotionRecogniser,
    RecogniserNetwork,
    concordance,
    face_tensor,
    load_recogniser,
    motion_tensor,
    save_recogniser,
)
from tests.motion.test_model import spoken


def test_valence_and_arousal_are_read_back_from_generated_motion():
    model, recogniser = MotionModel.load(), EmotionRecogniser.load()
    _, features = spoken(2)
    points = [(v, a) for v in (-0.8, 0.0, 0.8) for a in (-0.8, 0.0, 0.8)]
    found = []
    for i, point in enumerate(points):
        motion = model(features, EmotionCurve.constant(*point), MotionStyle.random(i), i)
        found.append(recogniser(motion).mean(0))
    for axis in (0, 1):
        assert concordance(np.array(found)[:, axis], np.array(points)[:, axis]) > 0.8


@pytest.mark.parametrize(
    ("channel", "least"), [("expression", (1.0, 1.0)), ("eyelids", (0, 0.15)), ("head_pose", (0, 0.06))]
)
def test_not_only_the_face_is_read(channel, least):
    """The shipped recogniser moves towards joy when one channel of a sad talk is exchanged for that of a happy one."""
    model, recogniser = MotionModel.load(), EmotionRecogniser.load()
    _, features = spoken(2)
    sad, happy = (model(features, EmotionCurve.constant(va, va), MotionStyle.random(1), 1) for va in (-0.8, 0.8))
    changed = dataclasses.replace(sad, **{channel: getattr(happy, channel)})
    gained = (recogniser(changed) - recogniser(sad)).mean(0)
    assert gained[0] >= least[0]
    assert gained[1] >= least[1]


def test_a_moment_is_judged_by_the_second_around_it():
    torch.manual_seed(0)
    network = RecogniserNetwork().eval()
    motion = torch.rand(1, 120, 65)
    later = motion.clone()
    later[:, 80:] += 1
    with torch.no_grad():
        a, b = network(motion), network(later)
    torch.testing.assert_close(a[:, : 80 - REACH], b[:, : 80 - REACH])
    assert (a[:, 80 - REACH] - b[:, 80 - REACH]).abs().max() > 0


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
    network = RecogniserNetwork(24).eval()
    save_recogniser(network, tmp_path / "c.safetensors")
    again = load_recogniser(tmp_path / "c.safetensors").eval()
    x = torch.rand(1, 30, 65)
    torch.testing.assert_close(again(x), network(x), atol=5e-3, rtol=0)
    with pytest.raises(CheckpointError, match="train_motion"):
        load_recogniser(tmp_path / "absent.safetensors")
