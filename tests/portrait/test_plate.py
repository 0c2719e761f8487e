"""What stands behind the person of a photo."""

import numpy as np
import pytest

from emotalk.portrait.plate import AROUND, AROUND_HAIR, photo_plate
from emotalk.tracking.masks import BODY, HAIR

WALL = np.array([60, 120, 200], np.uint8)
RED = np.array([250, 10, 10], np.uint8)


def picture(kind: int, fringe: int) -> tuple[np.ndarray, np.ndarray]:
    """A red disc of a person before a wall, its red reaching `fringe` pixels beyond its mask."""
    rows, columns = np.indices((512, 512))
    away = np.hypot(rows - 300, columns - 250)
    photo = np.where((away < 100 + fringe)[..., None], RED, WALL)
    return photo, np.where(away < 100, kind, 0).astype(np.uint8)


@pytest.mark.parametrize(("kind", "fringe"), [(BODY, AROUND - 2), (HAIR, AROUND_HAIR - 8)])
def test_nothing_of_the_person_is_left_not_even_what_reaches_beyond_the_mask(kind, fringe):
    plate = photo_plate(*picture(kind, fringe))
    assert np.abs(plate.numpy() - WALL / 255).max() < 0.01


def test_the_rest_of_the_photo_stays_as_it_is():
    photo, classes = picture(BODY, 0)
    photo[:40] = 255
    plate = photo_plate(photo, classes).numpy()
    assert (plate[:40] == 1).all()
    assert (plate[480:] == photo[480:] / np.float32(255)).all()


def test_a_photo_that_is_all_person_has_a_plain_plate():
    photo = np.full((128, 128, 3), 80, np.uint8)
    plate = photo_plate(photo, np.full((128, 128), HAIR, np.uint8))
    assert plate.shape == (128, 128, 3)
    assert float(plate.std()) == 0
