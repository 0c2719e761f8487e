"""Gaze and blinks played by the network of eyes, and what is added to it."""

import dataclasses
import functools

import numpy as np
import pytest

from emotalk.core.motion import HeadMotion
from emotalk.emotion.expression import behaviour
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.eye_statistics import measure_eyes
from emotalk.motion.eyes import REACH, SHUT, SIDEWAYS, EyeGenerator, lids
from emotalk.motion.rhythm import Rhythm

SILENT = Rhythm(0.0, 0.0, 0.0, False, False, 0.0)
STILL = np.zeros(3)


def _played(frames=6000, seed=0, va=(0.0, 0.0), wander=1.0, rate=1.0, weights=None, beats=None, heads=None):
    """(gaze [T, 2], closure [T]) of eyes in a head that stays still, unless told otherwise."""
    gaze, blink = (np.random.default_rng([seed, part]) for part in range(2))
    eyes = EyeGenerator(gaze, blink, weights or load_eyes(), wander, rate)
    mood = behaviour(np.tile(np.float32(va), (frames, 1)))
    made = []
    for i in range(frames):
        beat, head = beats[i] if beats else SILENT, STILL if heads is None else heads[i]
        made.append(eyes.step(beat, mood, i, head))
    return np.array([place for place, _ in made]), np.array([closed for _, closed in made])


@functools.cache
def _measured(**ways):
    """Statistics of five minutes."""
    gaze, closure = _played(7500, **ways)
    still = HeadMotion.neutral(len(gaze))
    return measure_eyes(dataclasses.replace(still, gaze=gaze, eyelids=np.repeat(closure[:, None], 2, 1)))


def _steady():
    """The shipped eyes without the drift of fixating ones."""
    return dataclasses.replace(load_eyes(), drift=np.zeros(1))


def test_silent_eyes_live_as_recorded_ones_do():
    eyes = _measured()
    assert 9 < eyes.blinks_per_minute < 21
    assert 0.5 < eyes.blink_interval_spread < 0.8
    assert 0.5 < eyes.saccades_per_second < 1.5
    assert 2.0 < eyes.saccade_degrees < 6.0  # without the small ones that make up for nods
    assert 5.0 < eyes.yaw_degrees < 12.5
    assert eyes.pitch_degrees < 0.8 * eyes.yaw_degrees


def test_knobs_and_moods_change_how_often():
    usual = _measured()
    assert _measured(rate=1.5).blinks_per_minute > 1.15 * usual.blinks_per_minute
    assert _measured(wander=0.5).saccades_per_second < 0.85 * usual.saccades_per_second
    assert _measured(wander=0.5).yaw_degrees < 0.7 * usual.yaw_degrees
    excited, calm = _measured(va=(-0.9, 0.9)), _measured(va=(0.9, -0.9))
    assert excited.blinks_per_minute > calm.blinks_per_minute
    assert excited.yaw_degrees > calm.yaw_degrees


def test_who_does_not_wander_looks_at_one_point():
    gaze, _ = _played(wander=0.0, weights=_steady())
    assert (gaze == 0).all()


def test_who_never_blinks_never_blinks():
    assert (_played(rate=0.0)[1] == 0).all()


def test_eyes_rest_between_jumps_and_land_within_three_frames():
    gaze, _ = _played(3000, weights=_steady())
    moves = np.linalg.norm(np.diff(gaze, axis=0), axis=1) > 0
    runs = np.diff(np.flatnonzero(np.diff(moves.astype(int), prepend=0, append=0)).reshape(-1, 2)).ravel()
    assert len(runs) > 40
    assert runs.max() <= 6  # a jump may follow one at once
    assert np.median(runs) <= 2


def test_eyes_never_leave_their_reach_and_do_not_drift_away():
    gaze, _ = _played(15_000, va=(-1.0, 1.0), wander=2.0, weights=_steady())
    assert np.abs(gaze).max(0) == pytest.approx([REACH, SIDEWAYS * REACH])
    early, late = gaze[:7000].std(0), gaze[-7000:].std(0)
    np.testing.assert_allclose(early, late, rtol=0.3)


def test_eyes_hold_their_point_while_the_head_moves():
    heads = 0.1 * np.sin(np.arange(500)[:, None] / [15, 21, 40])
    gaze, _ = _played(500, wander=0.0, weights=_steady(), heads=heads)
    np.testing.assert_allclose(gaze, np.stack([-heads[:, 1], heads[:, 0]], -1), atol=1e-12)


def test_a_nodding_head_keeps_its_gaze():
    """In the world, so that the eyes' answer to the nod does not count."""
    jumps = []
    for size in (0.0, 0.1):
        heads = size * np.sin(np.arange(6000)[:, None] / 3) * [1, 0, 0]
        gaze, _ = _played(weights=_steady(), heads=heads)
        world = gaze - np.stack([-heads[:, 1], heads[:, 0]], -1)
        jumps.append((np.linalg.norm(np.diff(world, axis=0), axis=1) > 1e-9).sum())
    assert jumps[1] < 0.4 * jumps[0]


def _phrases(frames: int, pause: int = 100) -> list[Rhythm]:
    """Phrases of 4 s with pauses of 4 s."""
    beats = []
    for i in range(frames):
        at = i % (2 * pause)
        beat = dataclasses.replace(SILENT, speaking=float(at < pause), phrase_start=at == 0, phrase_end=at == pause)
        beats.append(beat)
    return beats


@functools.cache
def _talking():
    return _played(16_000, weights=_steady(), beats=_phrases(16_000))


def test_people_look_away_as_a_phrase_begins_and_back_as_it_ends():
    gaze, _ = _talking()
    far = np.linalg.norm(gaze, axis=1).reshape(-1, 200)
    begun, ended = far[1:, 15:25].mean(), far[1:, 115:125].mean()
    assert begun > 1.3 * ended


def test_phrase_ends_draw_blinks():
    _, closure = _talking()
    begins = (np.diff((closure > 0).astype(int), prepend=0) > 0).reshape(-1, 200).mean(0)
    assert begins[102:125].sum() > 1.3 * begins[130:153].sum()


def test_blinks_are_recorded_ones_whole():
    _, closure = _played(3000)
    bank = load_eyes().blinks
    first = np.flatnonzero(closure)[0]
    # The first of a row's frames may be open.
    shifts = [(row, shift) for row in bank for shift in (0, 1, 2)]
    assert any(np.allclose(closure[first : first + 6], SHUT * row[at : at + 6]) for row, at in shifts)
    middle = closure[1:-1]
    tops = middle[(middle >= closure[:-2]) & (middle > closure[2:]) & (middle > 0.15)]
    assert len(tops) > 20
    assert 0.6 < (tops > 0.75).mean() < 1  # most are full


def test_one_event_more_does_not_shift_the_other_kind():
    """Blinks have chances of their own: eyes that look elsewhere blink at the same draws."""
    beats = _phrases(300)
    one, other = (_played(300, seed=3, wander=wander, beats=beats, weights=_steady())[1] for wander in (0.0, 1e-9))
    np.testing.assert_array_equal(one, other)


def test_lids_follow_lowered_gaze_only():
    drooping = np.array([0.1, 0.2])
    np.testing.assert_allclose(lids(0.0, drooping, 0.3, 0.2), drooping)
    np.testing.assert_allclose(lids(0.0, drooping, -0.25, 0.2), drooping + 0.1)
    np.testing.assert_allclose(lids(1.0, drooping, -0.25, 0.2), 1)
