"""Poses that are a degree off are put right by the skin's texture, whatever the light."""

import numpy as np
import pytest

from emotalk.head import HeadModel
from emotalk.tracking.pose_alignment import SkinAligner
from emotalk.tracking.rig import CONTROLS, axis_angle, rotation_matrix
from emotalk.tracking.skin import Skin
from tests.tracking.painted import LENS, SIZE, PaintedHead, swaying

pytestmark = pytest.mark.slow

FRAMES = 14
STILL = np.zeros(CONTROLS)


@pytest.fixture(scope="module")
def scene():
    head = HeadModel.load()
    painted = PaintedHead(head)
    rotation, place = swaying(FRAMES)
    random = np.random.default_rng(1)
    off = rotation_matrix(np.radians(1.0) * random.normal(size=(FRAMES, 3)))
    guess = off @ rotation, place + 0.001 * random.normal(size=(FRAMES, 3))
    pictures = [painted.picture(r, p) for r, p in zip(rotation, place, strict=True)]
    aligner = SkinAligner(Skin.of(head, np.zeros(head.components), count=2500), LENS, SIZE)
    aligner.learn(pictures, *guess, np.zeros((FRAMES, CONTROLS)))
    return painted, (rotation, place), guess, aligner


def turn_errors(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Degrees [T] beside what is common to all frames."""
    apart = axis_angle(found @ true.transpose(0, 2, 1))
    return np.degrees(np.linalg.norm(apart - apart.mean(0), axis=1))


def test_poses_get_right_to_a_tenth_of_a_degree(scene):
    painted, (rotation, place), guess, aligner = scene
    found = [
        aligner.align(painted.picture(rotation[t], place[t]), guess[0][t], guess[1][t], STILL) for t in range(FRAMES)
    ]
    before = turn_errors(rotation, guess[0])
    after = turn_errors(rotation, np.stack([one.rotation for one in found]))
    assert before.mean() > 1.0
    assert after.mean() < 0.2
    assert after.max() < 0.5
    apart = np.stack([one.place for one in found]) - place
    assert np.abs((apart - apart.mean(0))[:, :2]).mean() < 4e-4  # metres in the picture's plane


def test_light_that_changes_does_not_turn_the_head(scene):
    painted, (rotation, place), guess, aligner = scene
    plain, dim = (
        aligner.align(painted.picture(rotation[3], place[3], gain, bias), guess[0][3], guess[1][3], STILL)
        for gain, bias in ((1.0, 0.0), (0.8, 12.0))
    )
    assert np.degrees(np.linalg.norm(axis_angle(dim.rotation @ plain.rotation.T))) < 0.1
    assert dim.gain == pytest.approx(0.8, abs=0.05)


def test_a_picture_without_the_head_leaves_a_large_error(scene):
    painted, (rotation, place), guess, aligner = scene
    seen = aligner.align(painted.picture(rotation[0], place[0]), guess[0][0], guess[1][0], STILL)
    hidden = painted.picture(rotation[0], place[0])
    hidden[60:200, 60:200] = np.random.default_rng(0).integers(0, 255, (140, 140))
    assert aligner.align(hidden, guess[0][0], guess[1][0], STILL).error > 2 * seen.error


def test_without_texture_the_pose_stays_the_landmarks(scene):
    _, _, guess, aligner = scene
    blank = np.full((SIZE, SIZE), 128, np.uint8)
    found = aligner.align(blank, guess[0][0], guess[1][0], STILL)
    assert np.degrees(np.linalg.norm(axis_angle(found.rotation @ guess[0][0].T))) < 0.1
