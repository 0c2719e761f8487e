"""Clothes of one frame are found again in another, however they moved, turned and grew."""

import numpy as np
import pytest

from emotalk.tracking.shoulder_alignment import FEWEST, ClothMotion
from tests.fitting.synthetic_video import make_cloth, moved

SIZE = 256


@pytest.fixture(scope="module")
def lower_half():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[SIZE // 2 :] = True
    return mask


@pytest.mark.parametrize("truth", [(3.0, -2.0, 0, 0, 0, 0), (-6.0, 4.0, 2.0, 1.5, -1.5, 2.0), (9.0, 5.0, 0, 3, -3, 0)])
def test_shift_turn_and_growth_are_found(lower_half, truth):
    truth = np.array(truth, float)
    found, quality = ClothMotion(make_cloth(), lower_half).follow(moved(make_cloth(), truth), lower_half, [np.zeros(6)])
    # Where cloth is: at the corners and the middle of the lower half.
    for x, y in ((-1, 1), (1, 1), (0, 0.5)):
        apart = (found - truth)[:2] + (found - truth)[2:4] * x + (found - truth)[4:] * y
        assert np.abs(apart).max() < 0.5
    assert quality > 0.8


def test_something_in_front_of_the_clothes_moves_nothing(lower_half):
    picture = moved(make_cloth(), np.array([4.0, 0, 0, 0, 0, 0]))
    picture[150:230, 90:150] = 255  # a sheet of paper
    found, _ = ClothMotion(make_cloth(), lower_half).follow(picture, lower_half, [np.zeros(6)])
    assert found[0] + found[4] * 0.5 == pytest.approx(4, abs=0.5)


def test_the_better_of_two_starts_is_taken(lower_half):
    truth = np.array([30.0, 14, 0, 0, 0, 0])
    starts = [np.zeros(6), truth + 1]
    found, quality = ClothMotion(make_cloth(), lower_half).follow(moved(make_cloth(), truth), lower_half, starts)
    assert quality > 0.6
    assert np.abs(found[:2] + 0.5 * found[4:] - truth[:2]).max() < 0.7


def test_other_clothes_do_not_fit_and_too_few_tell_nothing(lower_half):
    cloth = ClothMotion(make_cloth(), lower_half)
    assert cloth.follow(make_cloth(1), lower_half, [np.zeros(6)])[1] < 0.35
    start = np.arange(6.0)
    few = np.zeros_like(lower_half)
    few[-4:, : FEWEST // 8] = True
    found, quality = ClothMotion(make_cloth(), few).follow(make_cloth(), few, [start])
    assert quality == 0
    assert np.array_equal(found, start)
