"""Habits measured on motion: found again in made-up people, and the average's where a few seconds say little."""

import dataclasses

import numpy as np
import pytest

from emotalk.core.motion import HeadMotion
from emotalk.learning.person_habits import habit_numbers, habits_of
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.body import Body
from emotalk.motion.habits import Habits
from emotalk.motion.rhythm import Rhythm
from tests.ui.live_body import talk

pytestmark = pytest.mark.slow

SOMEBODY = Habits(
    pose=(-0.1, 0.06, 0.04), size=(0.5, 1.8, 0.6), tempo=1.0, gaze=(0.05, 0.03), wander=0.6, blinks=2.0, brows=0.65
)
BEATS = talk(1000)  # 40 s


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


def filmed(model: MotionModel, habits: Habits, beats: list[Rhythm], seed: int = 77) -> HeadMotion:
    body = Body(model.eyes, model.body, MotionStyle(), seed, habits)
    return body.play(np.zeros((len(beats), 52), np.float32), beats, np.zeros((len(beats), 2)))


@pytest.fixture(scope="module")
def found(model) -> Habits:
    return habits_of(filmed(model, SOMEBODY, BEATS), np.ones(len(BEATS), bool), BEATS, model)


def test_forty_seconds_tell_most_of_a_persons_habits(found):
    np.testing.assert_allclose(found.pose, SOMEBODY.pose, atol=0.03)
    assert found.size[0] < 0.75
    assert found.size[1] > 1.3
    assert found.size[2] < 0.8
    assert found.blinks > 1.2
    assert found.brows < 0.8
    assert found.wander < 0.95


def test_where_eyes_rest_is_found_as_well_as_eyes_that_wander_tell(model):
    """Within 40 s eyes may linger aside: single talks are off by some degrees, the mean of several by less."""
    seen = np.ones(len(BEATS), bool)
    talks = [habits_of(filmed(model, SOMEBODY, BEATS, seed), seen, BEATS, model).gaze for seed in range(70, 76)]
    np.testing.assert_allclose(np.mean(talks, 0), SOMEBODY.gaze, atol=0.025)


def test_an_average_person_is_found_to_be_average(model):
    found = [habits_of(filmed(model, Habits(), BEATS, s), np.ones(len(BEATS), bool), BEATS, model) for s in (50, 51)]
    for one in found:
        assert np.abs(np.log(one.size)).max() < 0.35
        assert np.abs(one.pose).max() < 0.04
        assert 0.7 < one.blinks < 1.4
        assert 0.85 < one.tempo < 1.18


def test_the_fewer_seconds_the_nearer_to_average(model, found):
    motion = filmed(model, SOMEBODY, BEATS)
    short = habits_of(motion[:75], np.ones(75, bool), BEATS[:75], model)
    assert 1 <= short.blinks < found.blinks
    assert np.abs(np.log(short.size)).mean() < np.abs(np.log(found.size)).mean()
    nothing = habits_of(motion[:40], np.ones(40, bool), BEATS[:40], model)
    assert nothing == Habits()


def test_frames_without_a_face_do_not_count(model, found):
    motion = filmed(model, SOMEBODY, BEATS)
    seen = np.ones(len(BEATS), bool)
    seen[200:260] = False
    wild = motion.head_pose.copy()
    wild[200:260] += 1.0
    other = habits_of(dataclasses.replace(motion, head_pose=wild), seen, BEATS, model)
    np.testing.assert_allclose(other.pose, found.pose, atol=0.02)
    np.testing.assert_allclose(np.log(other.size), np.log(found.size), atol=0.2)


def test_the_same_film_gives_the_same_habits(model, found):
    assert habits_of(filmed(model, SOMEBODY, BEATS), np.ones(len(BEATS), bool), BEATS, model) == found


def test_a_head_that_never_moves_is_measured_without_warning():
    numbers = habit_numbers(HeadMotion.neutral(100), np.ones(100, bool))
    assert all(np.isfinite(np.ravel(value)).all() for value in vars(numbers).values())
