"""The square of a photo that is tracked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.portrait.square import LEAST_SPAN, Square, square_of

SIDES = st.integers(100, 2000)


@settings(max_examples=40)
@given(x=st.floats(0, 500), y=st.floats(0, 500), side=st.floats(20, 900), roll=st.floats(-3, 3))
def test_points_come_back(x: float, y: float, side: float, roll: float) -> None:
    square = Square((x, y), side, roll)
    points = np.array([[3.0, 4.0], [100.0, 70.0]])
    matrix = square.to_square(256)
    assert np.allclose(square.from_square(points @ matrix[:, :2].T + matrix[:, 2], 256), points)
    assert np.allclose(matrix[:, :2] @ [x, y] + matrix[:, 2], [128, 128])


@settings(max_examples=60)
@given(width=SIDES, height=SIDES, x=st.floats(0.1, 0.9), y=st.floats(0.1, 0.9), pupils=st.floats(10, 400))
def test_it_stays_within_the_photo_as_far_as_the_face_fits(width: int, height: int, x: float, y: float, pupils: float):
    eyes = np.array([x * width, y * height])
    square = square_of(eyes, pupils, 0.0, width, height)
    assert square.side >= LEAST_SPAN * pupils - 1e-6
    inside = eyes @ square.to_square(1)[:, :2].T + square.to_square(1)[:, 2]
    assert 0.3 < inside[0] < 0.7
    assert 0.25 < inside[1] < 0.6
    if square.side > LEAST_SPAN * pupils + 1e-6:
        left, top = np.array(square.centre) - square.side / 2
        assert left > -1e-6
        assert top > -1e-6
        assert left + square.side < width + 1e-6
        assert top + square.side < height + 1e-6


def test_a_tilted_head_is_straightened_only_when_it_lies() -> None:
    assert square_of(np.array([500.0, 400.0]), 60.0, np.radians(12), 1000, 1000).roll == 0
    lying = square_of(np.array([500.0, 400.0]), 60.0, np.radians(90), 1000, 1000)
    assert lying.roll == pytest.approx(np.pi / 2)
    # The chin of a head that is turned clockwise lies to the left of its eyes.
    assert lying.centre[0] < 500


def test_drawn_pixels_lie_where_points_are_mapped() -> None:
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[100:104, 250:254] = 255
    square = Square((230.0, 120.0), 160.0, 0.3)
    drawn, inside = square.draw(picture, 320)
    row, column = np.nonzero(drawn[..., 0] > 128)
    matrix = square.to_square(320)
    wanted = matrix[:, :2] @ [252.0, 102.0] + matrix[:, 2]
    assert np.allclose([column.mean() + 0.5, row.mean() + 0.5], wanted, atol=0.3)
    assert inside.all()


def test_what_shrinks_is_averaged() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    drawn, _ = Square((400.0, 400.0), 700.0).draw(stripes, 128)
    assert np.abs(drawn[20:-20, 20:-20].astype(int) - 127).max() < 25


def test_beyond_the_border_colours_go_on_and_are_marked() -> None:
    picture = np.full((100, 100, 3), 80, np.uint8)
    picture[:, :, 0] = 200
    drawn, inside = Square((50.0, 20.0), 120.0).draw(picture, 120)
    assert not inside[5].any()
    assert inside[80, 60]
    assert np.abs(drawn.astype(int) - (200, 80, 80)).max() <= 1
