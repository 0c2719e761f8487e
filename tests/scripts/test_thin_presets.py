"""Shipped avatars are thinned once, by views that show what talks show."""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path

import numpy as np
import pytest

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.avatar.gallery import avatar_folders
from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.camera import eye_of
from emotalk.head import HeadModel
from emotalk.live.visibility import shown_faces
from scripts import thin_presets
from scripts.preset_fit.plain import build_plain_avatar
from scripts.thin_presets import WHOLE, lighter, likeness, main, random_face, random_views

SHIPPED = avatar_folders()[0][0]


def test_the_faces_are_of_all_moods_and_mouths_and_alike_on_both_sides() -> None:
    rng, known = np.random.default_rng(3), shown_faces()
    faces = [random_face(rng, known) for _ in range(200)]
    expressions = np.concatenate([face.expression for face in faces])
    assert expressions.min() >= 0
    assert (expressions.max(0) > 0.3).all()
    assert np.mean([face.eyelids.max() > 0.5 for face in faces]) > 0.1
    assert np.ptp([face.gaze[0, 0] for face in faces]) > 0.5
    assert np.ptp([face.head_pose[0, 1] for face in faces]) > 0.5
    left = [i for i, name in enumerate(ARKIT_NAMES) if name.endswith("Left")]
    right = [ARKIT_INDEX[ARKIT_NAMES[i].replace("Left", "Right")] for i in left]
    assert np.abs(expressions[:, left] - expressions[:, right]).mean() < 0.03  # moods are not quite even


def test_the_cameras_are_those_that_a_look_allows() -> None:
    eyes = np.array([np.asarray(eye_of(camera)) for _, camera in random_views(200, seed=0)])
    yaw = np.degrees(np.arctan2(eyes[:, 0], eyes[:, 2]))
    assert (np.abs(yaw) < 75).all()
    assert (np.abs(yaw) > 40).mean() > 0.08  # the sides too
    assert (np.abs(yaw) < 20).mean() > 0.3  # the front most


def test_some_heads_turn_away_from_the_camera() -> None:
    away = [
        np.degrees(np.arctan2(*np.asarray(eye_of(camera))[[0, 2]]) - motion.head_pose[0, 1])
        for motion, camera in random_views(200, seed=0)
    ]
    assert 0.08 < (np.abs(away) > 65).mean() < 0.3


def test_the_views_are_the_same_every_time_and_others_to_be_measured_by() -> None:
    one, same, other = (random_views(4, seed) for seed in (0, 0, 1))
    for (motion, _), (again, _), (apart, _) in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(motion.expression, again.expression)
        assert not np.array_equal(motion.expression, apart.expression)


@pytest.fixture
def plain() -> GaussianAvatar:
    return build_plain_avatar(HeadModel.load(), count=3000)


@pytest.mark.slow
def test_a_card_tells_how_many_there_were(plain: GaussianAvatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thin_presets, "LEARNED", 3)
    monkeypatch.setattr(thin_presets, "HELD_OUT", 3)
    thin = lighter(plain, share=0.7, steps=3)
    assert thin.card.metrics[WHOLE] == len(plain)
    assert thin.card.metrics["gaussians"] == len(thin)
    assert dataclasses.replace(thin.card, metrics={}) == dataclasses.replace(plain.card, metrics={})
    psnr, ssim = likeness(thin, plain)
    assert psnr > 20
    assert 0.5 < ssim <= 1


def test_all_shipped_avatars_have_been_thinned_and_are_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    names = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    assert len(names) == 6
    main(tuple(names), out=tmp_path)
    assert caplog.text.count("it was thinned before") == len(names)
    assert not list(tmp_path.iterdir())
    for name in names:
        avatar = load_avatar(SHIPPED / name)
        assert len(avatar) == avatar.card.metrics["gaussians"] < 0.65 * avatar.card.metrics[WHOLE]
        assert math.isfinite(avatar.card.metrics["psnr_full"])
