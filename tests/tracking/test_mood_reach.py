"""How far a face must go to be read, from what a landmark detector sees on pictures of it."""

import copy
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.avatar import load_avatar
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.tracking import mood_reach
from emotalk.tracking.mood_reach import LIMITS, USUAL, reach_for, seen_moves


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.floats(-0.5, 0.5), st.floats(0.3, 4), st.floats(-200, 200))
def test_where_and_how_large_a_face_is_drawn_does_not_count(seed, turn, size, shift):
    points = np.random.default_rng(seed).normal(size=(478, 2)) * 40
    points[33], points[263] = (-50, 0), (50, 3)
    c, s = math.cos(turn), math.sin(turn)
    moved = size * points @ np.array([[c, s], [-s, c]]) + shift
    np.testing.assert_allclose(mood_reach._placed(moved), mood_reach._placed(points), atol=1e-9)


@pytest.mark.parametrize(("share", "reach"), [(1.0, 1.0), (0.9, 1.111), (0.5, LIMITS[1]), (3.0, LIMITS[0])])
def test_faces_that_are_seen_to_move_less_go_further(monkeypatch, share, reach):
    monkeypatch.setattr(mood_reach, "seen_moves", lambda avatar: {part: share * usual for part, usual in USUAL.items()})
    assert reach_for(None) == reach


def test_a_face_that_is_not_found_goes_as_far_as_others(monkeypatch):
    monkeypatch.setattr(mood_reach, "seen_moves", lambda avatar: None)
    assert reach_for(None) == 1.0


@pytest.mark.slow
def test_a_stiff_face_is_seen_to_move_less():
    avatar = load_avatar("mira")
    moves = seen_moves(avatar)
    assert all(0.7 * usual < moves[part] < 1.4 * usual for part, usual in USUAL.items())
    still = [i for name, i in ARKIT_INDEX.items() if name.startswith("brow")]
    head = _without(avatar.head, still)
    less = seen_moves(avatar.replace(head=head, card=dataclasses.replace(avatar.card, folds={})))
    assert less["brows"] < 0.7 * moves["brows"]


@pytest.mark.slow
def test_brows_that_are_not_seen_where_they_are_lowered_do_not_make_a_face_go_further():
    avatar = load_avatar("mira")
    down = [i for name, i in ARKIT_INDEX.items() if name.startswith("browDown")]
    head = _without(avatar.head, down)
    assert reach_for(avatar.replace(head=head)) == pytest.approx(reach_for(avatar), abs=0.06)


def _without(head, shapes):
    stiff = copy.deepcopy(head)
    stiff.shapes[shapes] = 0
    stiff._bake_shapes(stiff.shapes)
    return stiff
