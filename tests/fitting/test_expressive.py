"""New avatars get folds as deep as their video does not show them, and the reach of their moods."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.folds import FOLDS
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.fitting import expressive as module
from emotalk.fitting.expressive import LEARNED, expressive, shown_folds


@pytest.fixture
def avatar(monkeypatch):
    monkeypatch.setattr(module, "reach_for", lambda avatar: 1.07)
    preset = load_avatar("jun")
    return preset.replace(card=dataclasses.replace(preset.card, folds={}, reach=1.0))


def video(**shapes):
    """100 frames, in half of which shapes are made."""
    motion = HeadMotion.neutral(100)
    for name, weight in shapes.items():
        for side in ("Left", "Right") if name + "Left" in ARKIT_INDEX else ("",):
            motion.expression[50:, ARKIT_INDEX[name + side]] = weight
    return motion


def test_a_face_that_never_moved_showed_no_fold():
    assert set(shown_folds(video()).values()) == {0.0}


def test_a_frown_that_was_filmed_is_shown_and_a_smile_is_not():
    shown = shown_folds(video(browDown=0.9))
    assert shown["frown"] == 1.0
    assert shown["cheek"] == shown["forehead outer"] == 0.0


def test_a_face_that_frowns_all_the_time_shows_no_change():
    motion = video()
    motion.expression[:, [ARKIT_INDEX["browDownLeft"], ARKIT_INDEX["browDownRight"]]] = 0.9
    assert shown_folds(motion)["frown"] == 0.0


def test_what_a_video_showed_is_added_less(avatar):
    new = expressive(avatar, depth=0.5, shown={"frown": 1.0})
    folds = new.card.folds
    assert folds["frown"] == pytest.approx((1 - LEARNED) * folds["chin"], abs=2e-3)
    assert all(folds[group] > 0 for group in FOLDS)
    assert new.card.reach == 1.07


def test_dark_skin_folds_deeper_as_its_shadows_are_fainter(avatar):
    gaussians = avatar.gaussians
    dark = avatar.replace(gaussians=dataclasses.replace(gaussians, color=0.4 * gaussians.color))
    assert expressive(dark).card.folds["frown"] > 1.2 * expressive(avatar).card.folds["frown"]


def test_again_changes_nothing(avatar):
    once = expressive(avatar)
    twice = expressive(once)
    assert len(twice) == len(once)
    assert twice.card == once.card
    np.testing.assert_array_equal(twice.gaussians.position.numpy(), once.gaussians.position.numpy())
    assert torch.equal(twice.corrections.index, once.corrections.index)
