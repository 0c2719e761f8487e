"""The motion of clothes is found as a similarity about the picture's centre."""

import cv2
import numpy as np
import pytest

from emotalk.tracking.shoulder_motion import ShoulderTracker

SIZE = 256


def cloth() -> np.ndarray:
    noise = np.random.default_rng(0).random((SIZE, SIZE)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def moved(picture: np.ndarray, dx: float, dy: float, log_scale: float, angle: float = 0.0) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), angle, np.exp(log_scale))
    matrix[:, 2] += (dx, dy)
    return cv2.warpAffine(picture, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)


def clothes() -> np.ndarray:
    where = np.zeros((SIZE, SIZE), bool)
    where[SIZE // 2 :] = True
    return where


def test_shift_and_scale_are_found():
    follower = ShoulderTracker()
    assert follower.begin(cloth(), clothes())
    for dx, dy, scale in ((3.0, -2.0, 0.0), (6.0, -4.5, 0.02), (9.0, -6.0, 0.04)):
        found = follower.follow(moved(cloth(), dx, dy, scale))
        np.testing.assert_allclose(found[:2], (dx, dy), atol=0.4)
        assert found[2] == pytest.approx(scale, abs=0.004)


def test_coming_back_ends_where_it_began():
    follower = ShoulderTracker()
    follower.begin(cloth(), clothes())
    for step in (*range(0, 30, 2), *range(28, -1, -2)):
        found = follower.follow(moved(cloth(), float(step), 0.0, 0.0))
    np.testing.assert_allclose(found, 0.0, atol=0.2)


def test_plain_cloth_gives_nothing_to_follow():
    assert not ShoulderTracker().begin(np.full((SIZE, SIZE), 90, np.uint8), clothes())


def test_another_picture_is_not_taken_for_the_shoulders():
    follower = ShoulderTracker()
    follower.begin(cloth(), clothes())
    assert follower.follow(np.full((SIZE, SIZE), 90, np.uint8)) is None


def test_shoulders_that_were_lost_are_found_again():
    """They drift out of reach, something hides them, and they are back near their first place."""
    follower = ShoulderTracker()
    follower.begin(cloth(), clothes())
    for step in range(0, 64, 4):
        assert follower.follow(moved(cloth(), float(step), 0.0, 0.0)) is not None
    assert follower.follow(np.full((SIZE, SIZE), 90, np.uint8)) is None
    found = follower.follow(moved(cloth(), 3.0, 1.0, 0.0))
    np.testing.assert_allclose(found, (3.0, 1.0, 0.0), atol=0.4)
