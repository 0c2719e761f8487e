"""What stands behind the person of a photo."""

import numpy as np

from emotalk.fitting.matte import Matte
from emotalk.portrait.plate import photo_plate

WALL = np.array([60, 120, 200], np.uint8)
RED = np.array([250, 10, 10], np.uint8)


def picture(fringe: int) -> tuple[np.ndarray, Matte]:
    """A red disc of a person before a wall, its red reaching `fringe` pixels beyond what the matte knows."""
    rows, columns = np.indices((512, 512))
    away = np.hypot(rows - 300, columns - 250)
    photo = np.where((away < 100 + fringe)[..., None], RED, WALL)
    return photo, matte((away < 100).astype(np.float32))


def matte(alpha: np.ndarray) -> Matte:
    colors = np.zeros((*alpha.shape, 3), np.float32)
    return Matte(alpha, colors, colors + (WALL / 255).astype(np.float32))


def test_nothing_of_the_person_is_left():
    plate = photo_plate(*picture(0))
    assert np.abs(plate.numpy() - WALL / 255).max() < 0.01


def test_a_strand_that_is_hardly_seen_is_no_background():
    photo, known = picture(0)
    photo[100:110, :] = RED
    known.alpha[100:110, :] = 0.1
    assert np.abs(photo_plate(photo, known).numpy() - WALL / 255).max() < 0.01


def test_a_single_strand_that_the_matte_does_not_know_is_no_background_but_what_is_far_away_is():
    photo, known = picture(0)
    photo[180:183, 260:300] = RED
    photo[20:23, 260:300] = RED
    plate = photo_plate(photo, known).numpy()
    assert np.abs(plate[150:200] - WALL / 255).max() < 0.01
    assert np.abs(plate[21, 280] - RED / 255).max() < 0.01


def test_the_rest_of_the_photo_stays_as_it_is():
    photo, known = picture(0)
    photo[:40] = 255
    plate = photo_plate(photo, known).numpy()
    assert (plate[:40] == 1).all()
    assert (plate[480:] == photo[480:] / np.float32(255)).all()


def test_a_photo_that_is_all_person_has_a_plain_plate():
    photo = np.full((128, 128, 3), 80, np.uint8)
    plate = photo_plate(photo, matte(np.ones((128, 128), np.float32)))
    assert plate.shape == (128, 128, 3)
    assert float(plate.std()) == 0
