"""What body motion is learned from, and that the loss asks for people's spread: neither stillness nor one mean."""

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import InputError
from emotalk.learning.body_training import (
    BodyClip,
    BodyConfig,
    body_clips,
    brow_courses,
    energy_score,
    feature_scales,
    mirror,
    score_of,
    train_body,
)
from emotalk.motion.body_network import COURSES, NoiseBank

FRAMES = 60


def _clips(count: int = 12) -> list[BodyClip]:
    """People whose courses are slow noise, alike in all."""
    bank = NoiseBank(np.random.default_rng(0), (count, len(COURSES)))
    courses = np.stack([bank.step()[..., 2] for _ in range(FRAMES)], 1)
    return [BodyClip(f"s{i % 3}", np.zeros((FRAMES, 6)), course) for i, course in enumerate(courses)]


def test_turns_count_from_the_speakers_mean_and_people_are_sized_alike():
    random = np.random.default_rng(1)
    films = [
        (speaker, np.zeros((FRAMES, 6)), size * random.standard_normal((FRAMES, 6)) + 5, np.zeros((FRAMES, 52)))
        for speaker, size in (("a", 0.1), ("a", 0.1), ("b", 3.0))
    ]
    clips, sizes = body_clips(films)
    for speaker in ("a", "b"):
        courses = np.concatenate([clip.courses for clip in clips if clip.speaker == speaker])
        np.testing.assert_allclose(np.sqrt((courses[:, :3] ** 2).mean()), 1.0, rtol=0.01)
        np.testing.assert_allclose(courses.mean(0), 0, atol=1e-6)
    assert sizes["b"][0] > 10 * sizes["a"][0]


def test_brows_go_up_and_down():
    face = np.zeros((2, 52))
    face[0, ARKIT_INDEX["browOuterUpLeft"]] = 0.4
    face[1, ARKIT_INDEX["browDownRight"]] = 0.4
    np.testing.assert_allclose(brow_courses(face), [[0, 0.4, 0], [-0.2, 0, -0.4]])


def test_a_mirrored_mirrored_person_is_the_person():
    courses = torch.randn(3, len(COURSES))
    assert torch.equal(mirror(mirror(courses)), courses)


def test_the_loss_prefers_peoples_own_spread():
    clips = _clips(40)
    scales = feature_scales(clips, FRAMES)
    bank = NoiseBank(np.random.default_rng(5), (40, 6, len(COURSES)))
    alike = np.stack([bank.step()[..., 2] for _ in range(FRAMES)], 2)
    scores = {size: score_of(list(size * alike), clips, scales, FRAMES) for size in (0.0, 0.3, 1.0, 2.5)}
    assert min(scores, key=scores.get) == 1.0


def test_two_equal_takes_are_scored_by_their_distance():
    filmed = torch.randn(1, FRAMES, len(COURSES))
    scales = [1.0] * 24
    assert energy_score(filmed.expand(2, -1, -1, -1), filmed, scales).item() < 1e-3


@pytest.mark.slow
def test_training_brings_motion_nearer_to_people():
    clips = _clips()
    scales = feature_scales(clips, FRAMES)
    scores = []
    for steps in (2, 120):
        net = train_body(clips, BodyConfig(steps=steps, batch=8, frames=FRAMES, hidden=8))
        random = np.random.default_rng(3)
        scores.append(score_of([net.play(clip.rhythm, random, 6) for clip in clips], clips, scales, FRAMES))
    assert scores[1] < scores[0]


def test_the_played_network_is_the_trained_one():
    clips = _clips()
    net = train_body(clips, BodyConfig(steps=3, batch=2, frames=FRAMES, hidden=8))
    spread = np.linspace(0.1, 0.9, len(COURSES))
    weights = net.weights(clips, spread)
    random = np.random.default_rng(9)
    noise, traces = random.standard_normal((len(COURSES), 5)), random.standard_normal(14)
    with torch.no_grad():
        raw = net(torch.from_numpy(noise.ravel()).float(), torch.from_numpy(traces).float()).double().numpy()
    np.testing.assert_allclose(weights.play(noise, traces), weights.size * (raw - weights.rest), atol=1e-5)


def test_without_films_there_is_nothing_to_learn():
    with pytest.raises(InputError, match="no film"):
        train_body([], BodyConfig())
