"""The visible mark: there by default, movable, readable, and cheap on the rest of the picture."""

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.video import MARK_POSITIONS, Mark


def changed_area(position: str, width: int = 512, height: int = 384) -> np.ndarray:
    frame = np.full((height, width, 3), 128, np.uint8)
    Mark(width, height, position).draw(frame)
    return (frame != 128).any(-1)


@pytest.mark.parametrize("position", [p for p in MARK_POSITIONS if p != "off"])
def test_the_mark_sits_in_its_corner_and_nowhere_else(position: str) -> None:
    changed = changed_area(position)
    rows, columns = np.nonzero(changed)
    assert changed.mean() < 0.02
    assert (rows.max() < 384 / 4) if position.startswith("top") else (rows.min() > 384 * 3 / 4)
    assert (columns.max() < 512 / 2) if position.endswith("left") else (columns.min() > 512 / 2)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_the_words_stand_out_on_any_background(grey: int) -> None:
    frame = np.full((512, 512, 3), grey, np.uint8)
    Mark(512, 512).draw(frame)
    patch = frame[-40:, -140:].astype(int)
    assert patch.max() - patch.min() > 90


def test_off_draws_nothing_and_other_positions_are_refused() -> None:
    assert not changed_area("off").any()
    with pytest.raises(InputError, match="bottom-right"):
        Mark(512, 512, "middle")


def test_the_mark_fits_into_a_tiny_picture() -> None:
    frame = np.zeros((16, 16, 3), np.uint8)
    Mark(16, 16).draw(frame)
    assert frame.any()
