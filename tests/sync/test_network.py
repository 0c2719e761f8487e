"""Sync scores and offsets, on lips whose truth is known."""

import numpy as np
import pytest
import torch

from emotalk.core.errors import CheckpointError, InputError
from emotalk.emotion import EmotionCurve
from emotalk.motion import MotionModel, MotionStyle
from emotalk.sync.lip_measures import POINTS, LipBasis, jitter, measures_of_landmarks
from emotalk.sync.network import SyncConfig, SyncModel, SyncNetwork, best_offset, lip_features, load_sync, save_sync
from tests.motion.test_model import spoken


@pytest.fixture(scope="module", params=[SyncModel.load, SyncModel.load_judge], ids=["loss", "judge"])
def sync(request) -> SyncModel:
    """The network that is a training loss, and the one that only measures."""
    return request.param()


@pytest.fixture(scope="module")
def talk(sync):
    """Features of nonsense syllables and the lips that our model makes for them."""
    _, features = spoken(4)
    motion = MotionModel.load()(features, EmotionCurve.constant(0.4, 0.3), MotionStyle.random(2))
    return features, sync.lips(motion)


def _some_basis() -> LipBasis:
    random = torch.Generator().manual_seed(0)
    return LipBasis(
        torch.randn(len(POINTS), 3, generator=random), 0.1 * torch.randn(52, len(POINTS), 3, generator=random)
    )


@pytest.mark.parametrize("shift", [-8, -3, 0, 2, 6])
def test_a_shift_of_the_lips_is_found(sync, talk, shift):
    features, lips = talk
    assert abs(sync.offset(features, np.roll(lips, shift, axis=0)).frames - shift) <= 1


def test_lips_in_step_score_higher_than_shifted_ones_and_still_ones(sync, talk):
    features, lips = talk
    true = sync.score(features, lips)
    assert true > sync.score(features, np.roll(lips, 5, axis=0)) + 0.2
    assert true > sync.score(features, np.repeat(lips[:1], len(lips), 0)) + 0.2


def test_scores_do_not_care_about_size_or_rest_position_of_a_mouth(sync, talk):
    features, lips = talk
    other = lips * [1.3, 1.1, 0.9, 1.2] + [0.02, 0.1, -0.05, 0.1]
    assert sync.score(features, other) == pytest.approx(sync.score(features, lips), abs=0.1)


def test_the_judge_is_another_network_than_the_training_loss():
    loss, judge = SyncModel.load().network, SyncModel.load_judge().network
    assert not torch.equal(loss.see[0].weight, judge.see[0].weight)


def test_the_offset_of_unit_vectors_is_where_they_agree():
    random = np.random.default_rng(0)
    heard = random.standard_normal((120, 16))
    heard /= np.linalg.norm(heard, axis=1, keepdims=True)
    found = best_offset(heard, np.roll(heard, 4, axis=0))
    assert found.frames == 4
    assert found.score == pytest.approx(1.0)
    assert found.confidence > 0.9
    assert found.scores.shape == (31,)


def test_the_score_passes_gradients_to_the_face():
    network = SyncNetwork(_some_basis(), SyncConfig(hidden=16, size=8)).eval()
    face = torch.rand(2, 30, 52, requires_grad=True)
    network.loss(torch.rand(2, 30, 96), face).backward()
    assert torch.isfinite(face.grad).all()
    assert face.grad.abs().sum() > 0


def test_a_mouth_that_does_not_move_gives_no_features():
    still = torch.full((1, 60, 4), 0.3)
    assert lip_features(still).abs().max() < 1e-3


def test_trembling_lips_raise_the_jitter_and_speech_does_not():
    t = np.arange(200) / 25
    smooth = np.stack([np.sin(2 * np.pi * f * t) for f in (2.0, 3.0, 1.5, 2.5)], -1) * 0.05
    shaky = smooth + 0.02 * np.random.default_rng(0).standard_normal(smooth.shape)
    assert jitter(smooth) < 0.02
    assert jitter(shaky) > 0.2
    with pytest.raises(InputError, match="25"):
        jitter(smooth[:10])


def _landmarks(frames: int = 60) -> np.ndarray:
    points = np.random.default_rng(0).uniform(100, 400, (1, 478, 2)).repeat(frames, 0)
    points[:, 14, 1] += 10 * np.sin(np.arange(frames) / 4)
    return points


def test_landmark_measures_ignore_place_and_size_of_the_face():
    points = _landmarks()
    plain = measures_of_landmarks(points)
    np.testing.assert_allclose(measures_of_landmarks(points * 2.5 + 300), plain, rtol=1e-5)


def test_landmark_measures_come_at_25_frames_per_second_and_bridge_lost_faces():
    points = _landmarks(90)
    assert len(measures_of_landmarks(points, fps=30)) == 75
    gone = points.copy()
    gone[40:43] = np.nan
    lost = measures_of_landmarks(gone)
    assert np.isfinite(lost).all()
    np.testing.assert_allclose(lost[:38], measures_of_landmarks(points)[:38], atol=0.02)


@pytest.mark.parametrize("points", [np.zeros((5, 68, 2)), np.full((5, 478, 2), np.nan)])
def test_landmarks_without_a_face_are_refused(points):
    with pytest.raises(InputError):
        measures_of_landmarks(points)


def test_too_little_is_refused(sync, talk):
    with pytest.raises(InputError, match="at least"):
        sync.score(talk[0], talk[1][:4])


def test_saving_and_loading_keeps_the_scores(tmp_path):
    network = SyncNetwork(_some_basis(), SyncConfig(hidden=16, size=8)).eval()
    save_sync(network, tmp_path / "s.safetensors")
    again = load_sync(tmp_path / "s.safetensors").eval()
    rows, face = torch.rand(1, 30, 96), torch.rand(1, 30, 52)
    torch.testing.assert_close(again.loss(rows, face), network.loss(rows, face), atol=0.02, rtol=0.02)
    with pytest.raises(CheckpointError, match="train_motion"):
        load_sync(tmp_path / "absent.safetensors")


def test_the_shipped_basis_is_that_of_the_shipped_head(sync):
    from emotalk.head import HeadModel

    fresh, shipped = LipBasis.of_head(HeadModel.load()), sync.network.basis
    torch.testing.assert_close(shipped.neutral, fresh.neutral, atol=2e-4, rtol=0)
    torch.testing.assert_close(shipped.shapes, fresh.shapes, atol=2e-4, rtol=0)


@pytest.mark.slow
def test_real_lips_are_found_in_step(sync, shared_data):
    """A real clip at its own offset, whose sound moved by 8 frames is found to be 8 frames off."""
    from benchmarks.motion_clips import track
    from emotalk.speech import SpeechEncoder, load_audio

    video = shared_data / "clips" / "sadtalker_AOC.mp4"
    points, fps = track(video)
    lips = measures_of_landmarks(points, fps)
    features = SpeechEncoder.load().encode(load_audio(video))
    own = sync.offset(features, lips)
    moved = sync.offset(features, lips[8:])
    assert own.confidence > 0.2
    assert abs(moved.frames - (own.frames - 8)) <= 1
