"""Gaze, blinks and head: natural numbers, tied to speech and emotion, the same for the same seed."""

import dataclasses

import numpy as np
import pytest

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.emotion import EmotionCurve
from emotalk.emotion.expression import behaviour
from emotalk.motion.body import Body
from emotalk.motion.body_network import load_body
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.eye_statistics import blink_tops, measure_eyes, saccades
from emotalk.motion.rhythm import Rhythm
from emotalk.motion.style import MotionStyle

SILENT = Rhythm(0.0, 0.0, 0.0, False, False, 0.0)
TALKING = Rhythm(1.0, 0.0, 0.0, False, False, 0.6)


def _talk(seconds: int) -> list[Rhythm]:
    """Phrases of 3 s with pauses of 0.6 s and a nod every 1.2 s."""
    beats = []
    for i in range(seconds * 25):
        at = i % 90
        talking = at < 75
        beat = dataclasses.replace(TALKING if talking else SILENT, phrase_start=at == 0, phrase_end=at == 75)
        beats.append(dataclasses.replace(beat, nod=0.7) if talking and at % 30 == 10 else beat)
    return beats


def _play(
    seconds: int = 240, va=(0.0, 0.0), style: MotionStyle | None = None, seed: int = 0, rhythm=None
) -> HeadMotion:
    rhythm = rhythm or _talk(seconds)
    body = Body(load_eyes(), load_body(), style or MotionStyle(), seed)
    return body.play(np.zeros((len(rhythm), 52), np.float32), rhythm, EmotionCurve.constant(*va).at(len(rhythm)))


@pytest.fixture(scope="module")
def calm() -> HeadMotion:
    return _play()


def test_blinks_come_as_often_as_people_blink(calm):
    eyes = measure_eyes(calm)
    assert 10 < eyes.blinks_per_minute < 24
    assert 2.0 < eyes.blink_interval < 4.5


def test_blinks_shut_the_eye_and_take_a_third_of_a_second(calm):
    tops = blink_tops(calm.eyelids)
    assert np.median(calm.eyelids[tops]) > 0.9
    closed = (calm.eyelids.mean(1) > 0.3).sum() / len(tops)
    assert 3 < closed < 8  # frames


def test_phrase_ends_draw_blinks(calm):
    ends = [i for i, beat in enumerate(_talk(240)) if beat.phrase_end]
    tops = blink_tops(calm.eyelids)
    near = np.mean([any(3 <= top - end <= 20 for top in tops) for end in ends])
    anywhere = np.mean([any(3 <= top - (end + 45) % len(calm) <= 20 for top in tops) for end in ends])
    assert near > anywhere + 0.1


def test_gaze_jumps_and_holds_as_in_recordings(calm):
    eyes = measure_eyes(calm)
    assert 0.5 < eyes.saccades_per_second < 1.7
    assert 2.0 < eyes.saccade_degrees < 8.0
    assert np.degrees(np.abs(calm.gaze).max()) < 30


def test_the_eyes_hold_their_point_while_the_head_turns():
    motion = _play(seconds=60, style=MotionStyle(gaze_wander=0.0, head_energy=2.0))
    starts, _ = saccades(motion.gaze)
    steady = np.ones(len(motion) - 1, bool)
    for start in starts:
        steady[max(0, start - 1) : start + 6] = False
    head, eyes = np.diff(motion.head_pose[:, 1])[steady], np.diff(motion.gaze[:, 0])[steady]
    assert np.corrcoef(head, eyes)[0, 1] < -0.85  # the rest is the drift of a fixating eye


def test_a_stressed_syllable_makes_the_head_nod():
    beats = [TALKING] * 100
    plain = _play(rhythm=beats)
    beats[50] = dataclasses.replace(TALKING, nod=1.0)
    nodded = _play(rhythm=beats)
    lowered = np.degrees(nodded.head_pose[:, 0] - plain.head_pose[:, 0])
    assert np.abs(lowered[:50]).max() == 0
    assert 1.0 < lowered[50:65].max() < 5.0
    assert abs(lowered[85]) < 0.6  # the posture after it is another one


def _brows(motion: HeadMotion) -> dict[str, np.ndarray]:
    return {name: motion.expression[:, i] for name, i in ARKIT_INDEX.items() if name.startswith("brow")}


def test_brows_live_on_both_sides_without_emotion_and_without_speech():
    for rhythm in (_talk(60), [SILENT] * 1500):
        for name, course in _brows(_play(rhythm=rhythm)).items():
            assert course.std() > 0.003, name
            assert 0 <= course.min() <= course.max() < 0.6, name


def test_a_stressed_syllable_raises_both_brows():
    beats = [TALKING] * 60
    plain = _brows(_play(rhythm=beats))
    beats[30] = dataclasses.replace(TALKING, stress=1.0)
    flash = _brows(_play(rhythm=beats))
    for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"):
        up = flash[name] + 0.0
        assert up[30] > plain[name][30] + 0.08
        np.testing.assert_array_equal(up[:30], plain[name][:30])


def test_lowered_brows_take_back_what_the_emotion_raised():
    face = np.zeros((300, 52), np.float32)
    face[:, ARKIT_INDEX["browOuterUpLeft"]] = 0.5
    body = Body(load_eyes(), load_body(), MotionStyle(), 0)
    raised = _brows(body.play(face, [SILENT] * 300, np.zeros((300, 2))))
    assert raised["browDownLeft"].max() == 0
    assert raised["browOuterUpLeft"].min() < 0.5 < raised["browOuterUpLeft"].max()


def test_an_excited_head_turns_as_far_as_peoples():
    yaw = [np.degrees(_play(120, (1.0, 1.0), seed=seed).head_pose[:, 1].std()) for seed in range(3)]
    assert 2.5 < np.mean(yaw) <= 5.0


def test_arousal_moves_the_head_more():
    size = [np.degrees(_play(60, (0.0, arousal)).head_pose[:, :3].std(0)).sum() for arousal in (-0.8, 0.0, 0.8)]
    assert size[0] < size[1] < size[2]


def test_sadness_hangs_the_head_and_joy_raises_it():
    pitch = {va: _play(200, va).head_pose[:, 0].mean() for va in ((-0.8, -0.6), (0.8, 0.6))}
    assert pitch[-0.8, -0.6] > 0.04  # turning about +x lowers the face
    assert pitch[0.8, 0.6] < -0.04


def test_head_movement_is_slow_as_recorded_heads_are(calm):
    from scipy.signal import welch

    frequencies, power = welch(calm.head_pose[:, :3], 25, nperseg=256, axis=0)
    assert power[frequencies < 2].sum() / power.sum() > 0.9


def test_the_same_seed_repeats_and_another_differs(calm):
    again, other = _play(), _play(seed=1)
    for name in ("gaze", "eyelids", "head_pose"):
        np.testing.assert_array_equal(getattr(calm, name), getattr(again, name))
        assert np.abs(getattr(calm, name) - getattr(other, name)).max() > 0.05


def test_a_person_who_never_blinks_never_blinks():
    assert _play(30, style=MotionStyle(blink_rate=0.0)).eyelids.max() < 0.2  # lids that follow lowered gaze


def test_moods_change_how_often_people_blink():
    rates = behaviour(np.float32([[0, 0], [-0.8, 0.8], [0.5, -0.8]])).blink_rate
    assert rates[1] > 1.15 * rates[0] > 1.15 * rates[2]
