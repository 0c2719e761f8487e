"""The emotion branch of an avatar made from a video: latents of emotions, which only extra pairs teach."""

import numpy as np
import pytest
import torch

from emotalk.avatar.gaussians import LATENT_LIMIT, REGION_INDEX, signals
from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.emotion import expression_field, named_emotion
from emotalk.fitting.gaussian_fit import FitConfig
from emotalk.fitting.gaussian_parameters import GAUSSIAN_GROUPS
from emotalk.fitting.video_corrections import (
    EMOTIONS,
    FELT,
    FELT_REGIONS,
    FULL,
    allowed,
    emotion_latents,
    spoken_latents,
    video_corrections,
)
from emotalk.fitting.video_fit import VideoFit, draw_frame
from emotalk.fitting.video_frames import ExtraPair, VideoFrames
from tests.fitting.synthetic_video import make_video


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("video"), "mira", frames=12, size=96)


def face_in(name: str) -> HeadMotion:
    neutral = HeadMotion.neutral()
    return HeadMotion(**(vars(neutral) | {"expression": expression_field(*named_emotion(name))}))


def pair_of(person, video, name: str) -> ExtraPair:
    """A picture of the person in a mood, their skin ten percent darker than it is."""
    motion = face_in(name)
    picture = 0.9 * draw_frame(person, motion, 0)
    weights = (video.labels(0) == 3).astype(np.float32)
    return ExtraPair((picture * 255).astype(np.uint8), motion, weights)


def fit_to(person, video, pairs) -> VideoFit:
    frames = VideoFrames(video, range(12))
    frames.add(pairs)
    return VideoFit(
        person.replace(corrections=None), frames, torch.zeros(len(frames), 3, 4),
        FitConfig(steps=40, densify_every=0, corrections_from=0.0, coarse=0.0), refine=(),
    )  # fmt: skip


# --- latents ------------------------------------------------------------------------------------------------------


def test_each_emotion_brings_its_own_latent_to_its_full_and_no_further_than_latents_go():
    branch = emotion_latents().numpy()
    found = np.stack([branch @ signals(face_in(name))[0] for name in EMOTIONS.values()], 1)
    assert np.allclose(np.diag(found), FULL, atol=1e-5)
    assert LATENT_LIMIT > FULL


def test_speech_gaze_and_the_turn_of_the_head_leave_the_branch_alone():
    branch = emotion_latents()
    others = [k for k in range(branch.shape[1]) if k not in FELT]
    assert branch[:, others].abs().max() == 0
    assert not [ARKIT_NAMES[k] for k in FELT if ARKIT_NAMES[k].startswith(("mouth", "jaw", "eyeLook", "eyeBlink"))]


def test_the_branch_comes_after_all_other_latents_and_is_at_rest_at_the_videos_usual_face(filmed):
    video, person = filmed
    without, branched = (video_corrections(person, video.motion, emotions=wanted) for wanted in (False, True))
    assert torch.equal(branched.matrix[: len(without.matrix)], without.matrix)
    assert len(branched.matrix) == len(without.matrix) + len(EMOTIONS)
    assert branched.latents(without.mean).abs().max() == 0


def test_the_branch_acts_on_skin_of_the_upper_face_and_not_on_lips(filmed):
    video, person = filmed
    corrections = video_corrections(person, video.motion, emotions=True)
    mask = allowed(person, corrections, len(EMOTIONS))
    assert mask.shape == (len(corrections.matrix), len(corrections.index))
    region = person.gaussians.region[corrections.index]
    felt = torch.isin(region, torch.tensor([REGION_INDEX[name] for name in FELT_REGIONS]))
    assert mask[-len(EMOTIONS) :, ~felt].max() == 0
    assert (mask[-len(EMOTIONS) :, felt].sum(1) > 100).all()


# --- what pairs teach ---------------------------------------------------------------------------------------------


def test_a_fit_without_pairs_has_no_branch(filmed):
    video, person = filmed
    with_pairs = fit_to(person, video, [pair_of(person, video, "angry")])
    without = fit_to(person, video, [])
    latents = [len(fit.parameters.corrections.matrix) for fit in (with_pairs, without)]
    assert latents[0] - latents[1] == len(EMOTIONS)


def test_a_pair_teaches_corrections_alone(filmed):
    video, person = filmed
    fit = fit_to(person, video, [pair_of(person, video, "angry")])
    before = {name: fit.parameters.values[name].detach().clone() for name in GAUSSIAN_GROUPS}
    poses, steps = fit.poses.values["expression"].clone(), fit.step_count
    for _ in range(3):
        fit._learn_pair(0)
    for name, value in before.items():
        assert torch.equal(fit.parameters.values[name].detach(), value)
    assert torch.equal(fit.poses.values["expression"], poses)
    assert fit.step_count == steps
    changed = fit.parameters.values["correction_color"].detach()
    assert changed.abs().max() > 0
    inner = torch.isin(fit.parameters.fixed.region[fit.parameters.index], torch.tensor([REGION_INDEX["teeth"]]))
    assert changed[:, inner].abs().max() == 0
    assert changed[spoken_latents()].abs().max() == 0


def test_a_pair_goes_with_what_is_learned_of_the_pose_of_its_frame(filmed):
    video, person = filmed
    pair = pair_of(person, video, "happy")
    frames = VideoFrames(video, range(2, 12))
    frames.add([pair, pair._replace(row=7)])
    fit = VideoFit(person.replace(corrections=None), frames, torch.zeros(12, 3, 4), FitConfig(steps=40))
    assert [fit._source(k) for k in (0, 9, 10, 11)] == [0, 9, 10, 5]


@pytest.mark.slow
def test_frames_come_in_the_order_in_which_they_come_without_pairs(filmed):
    video, person = filmed
    fits = [fit_to(person, video, pairs) for pairs in ([pair_of(person, video, "angry")], [])]
    for fit in fits:
        for _ in range(3):
            fit.step()
    assert fits[0]._order == fits[1]._order
    assert [fit.step_count for fit in fits] == [3, 3]


@pytest.mark.slow
def test_what_pairs_teach_shows_in_that_mood_and_not_at_rest(filmed):
    video, person = filmed
    pair = pair_of(person, video, "angry")
    fit = fit_to(person, video, [pair])
    for _ in range(60):
        fit._learn_pair(0)
    learned, bare = fit.result(), person.replace(corrections=None)
    skin = video.labels(0) == 3
    wanted = pair.picture / 255

    def error(avatar):
        return float(np.abs(draw_frame(avatar, pair.motion, 0) - wanted)[skin].mean())

    assert error(learned) < 0.6 * error(bare)
    usual = HeadMotion(**{name: np.median(value, 0, keepdims=True) for name, value in vars(video.motion).items()})
    at_rest = np.abs(draw_frame(learned, usual, 0) - draw_frame(bare, usual, 0))
    assert at_rest[skin].mean() < 0.2 * error(bare)


def test_a_pairs_weights_are_checked_and_say_what_counts(filmed):
    video, person = filmed
    pair = pair_of(person, video, "sad")
    frames = VideoFrames(video, [3, 5])
    frames.add([pair])
    assert np.array_equal(frames.target(2).weights.numpy(), pair.weights)
    assert len(frames.filmed) == 2
    assert len(frames.motion) == 3
    for wrong in (pair.weights[:50], -pair.weights, 0 * pair.weights):
        with pytest.raises(InputError, match="weights of an extra training pair"):
            frames.add([pair._replace(weights=wrong)])


def test_pairs_are_kept_packed_and_come_back_as_they_were(filmed):
    video, person = filmed
    pair = pair_of(person, video, "happy")
    frames = VideoFrames(video, [3])
    frames.add([pair, (pair.picture, pair.motion)])
    assert np.array_equal(frames.picture(1), pair.picture)
    assert frames.extra[0].share == pytest.approx(pair.weights.mean())
    assert (frames.extra[1].share, frames.target(2).weights.min()) == (1.0, 1.0)
    assert np.abs(frames.target(1).color.numpy() * 255 - pair.picture).max() < 1e-3
