"""A person's habits: the average person by default, what nobody has is refused, and every number shows."""

import dataclasses

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.motion.body import Body
from emotalk.motion.body_network import load_body
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.eye_statistics import measure_eyes
from emotalk.motion.habits import Habits, manner_of
from emotalk.motion.headpose import Manner
from emotalk.motion.style import MotionStyle
from tests.motion.test_body import SILENT, TALKING

TALK = ([TALKING] * 75 + [SILENT] * 15) * 16  # 58 s


def play(habits: Habits | None, seed: int = 0, style: MotionStyle | None = None) -> HeadMotion:
    body = Body(load_eyes(), load_body(), style or MotionStyle(), seed, habits)
    return body.play(np.zeros((len(TALK), 52), np.float32), TALK, np.zeros((len(TALK), 2)))


@pytest.fixture(scope="module")
def average() -> HeadMotion:
    return play(None)


def test_without_habits_a_person_is_average(average):
    same = play(Habits())
    for f in dataclasses.fields(HeadMotion):
        np.testing.assert_array_equal(getattr(same, f.name), getattr(average, f.name))
    assert manner_of(MotionStyle(), Habits()) == Manner()


def test_the_head_rests_where_the_person_holds_it(average):
    pose = (0.12, -0.1, 0.05)
    held = play(Habits(pose=pose))
    np.testing.assert_allclose(
        held.head_pose[:, :3] - average.head_pose[:, :3], np.tile(pose, (len(TALK), 1)), atol=1e-6
    )


def test_eyes_stay_on_the_listener_whatever_way_the_head_is_held(average):
    held = play(Habits(pose=(0.05, -0.1, 0.0)))
    assert np.median(held.gaze - average.gaze, 0) == pytest.approx((0.1, 0.05), abs=0.01)


def test_every_axis_has_its_own_size():
    takes = [[play(habits, seed).head_pose for seed in range(2)] for habits in (None, Habits(size=(0.5, 2.0, 1.0)))]
    plain, own = (np.std(take, 1).mean(0)[:3] for take in takes)
    # Far turns are held back by the neck, so twice as far is a little less.
    assert 0.45 < own[0] / plain[0] < 0.6
    assert 1.6 < own[1] / plain[1] < 2.05
    assert own[2] / plain[2] == pytest.approx(1.0, abs=1e-6)


def test_tempo_is_how_fast_the_head_moves_not_how_far():
    takes = [[play(habits, seed).head_pose[:, :3] for seed in range(3)] for habits in (None, Habits(tempo=1.5))]
    sizes, speeds = (
        [np.mean([number(take) for take in group]) for group in takes]
        for number in (lambda x: x.std(0).sum(), lambda x: np.linalg.norm(np.diff(x, axis=0), axis=1).mean())
    )
    assert 0.8 < sizes[1] / sizes[0] < 1.25
    assert 1.25 < speeds[1] / speeds[0] < 1.7


def test_eyes_rest_blink_and_wander_as_the_persons(average):
    aside = play(Habits(gaze=(0.06, -0.03)))
    assert np.median(aside.gaze - average.gaze, 0) == pytest.approx((0.06, -0.03), abs=1e-5)
    calm, often = measure_eyes(play(Habits(wander=0.4))), measure_eyes(play(Habits(blinks=2.0)))
    usual = measure_eyes(average)
    assert calm.yaw_degrees < 0.8 * usual.yaw_degrees
    assert often.blinks_per_minute > 1.4 * usual.blinks_per_minute


def test_a_style_comes_on_top_of_habits():
    both = manner_of(MotionStyle(head_energy=2.0, brows=1.0), Habits(size=(0.5, 1.0, 2.0), brows=0.8, tempo=1.1))
    assert both.energy == pytest.approx((1.0, 2.0, 4.0, 2.0, 2.0, 2.0))
    assert (both.tempo, both.brows, both.flash) == pytest.approx((1.1, 0.8, np.exp(0.5)))


def test_a_vector_holds_them_all():
    habits = Habits((0.1, -0.05, 0.02), (0.5, 1.0, 2.0), 1.2, (0.03, -0.04), 0.5, 1.5, 0.8)
    assert Habits.of(habits.vector).vector.tolist() == habits.vector.tolist()
    limits = Habits.within(pose=(9, -9, 0), size=(9, 0, 1), tempo=9, gaze=(9, -9), wander=9, blinks=0, brows=0)
    assert Habits.of(limits.vector).vector.tolist() == limits.vector.tolist()


@pytest.mark.parametrize(
    "numbers",
    [{"pose": (0.5, 0, 0)}, {"size": (1.0, 1.0)}, {"size": (1, 1, 9)}, {"tempo": np.nan}, {"blinks": -1.0},
     {"gaze": (0.5, 0)}, {"wander": (1.0, 1.0)}, {"brows": np.inf}],
)  # fmt: skip
def test_what_nobody_does_is_refused(numbers):
    with pytest.raises(InputError, match=f"Habits.{next(iter(numbers))}"):
        Habits(**numbers)


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(InputError, match="12 numbers"):
        Habits.of(np.ones(11))
