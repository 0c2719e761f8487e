"""Which faces are found in a photo, and which one is meant."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from emotalk.core.errors import InputError, TrackingError
from emotalk.portrait.faces import PhotoFace, SeveralFaces, choose_face, find_faces
from tests.portrait.people import photo_of


def face(number: int, left: float, height: float) -> PhotoFace:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.5, 0.8], [0.1, 0.5], [0.9, 0.5]]) * height
    return PhotoFace(number, (left, 10.0, left + height, 10.0 + height), 0.9, points + np.array([left, 10.0]))


def test_the_only_one_is_meant() -> None:
    assert choose_face((face(1, 0, 50),)).number == 1


def test_one_that_is_much_larger_is_meant() -> None:
    assert choose_face((face(1, 0, 50), face(2, 100, 200), face(3, 400, 60))).number == 2


def test_of_several_a_number_chooses() -> None:
    faces = (face(1, 0, 90), face(2, 200, 100))
    with pytest.raises(SeveralFaces, match=r"shows 2 faces.*1: 90 pixels high at 45, 55; 2: 100.*--face 2") as told:
        choose_face(faces)
    assert told.value.faces == faces
    assert isinstance(told.value, InputError)
    assert choose_face(faces, 1).number == 1


@pytest.mark.parametrize("wanted", [0, 3, -1, True, "1", 1.0])
def test_a_number_that_none_has(wanted: object) -> None:
    with pytest.raises(InputError, match=r"face .* was asked for"):
        choose_face((face(1, 0, 90), face(2, 200, 100)), wanted)


def test_no_face() -> None:
    with pytest.raises(TrackingError, match="No face was found"):
        choose_face(())
    assert find_faces(np.full((300, 400, 3), 90, np.uint8)) == ()


def test_people_are_numbered_from_the_left() -> None:
    both = np.concatenate([photo_of("jun"), photo_of("mira")], 1)
    faces = find_faces(both)
    assert [one.number for one in faces] == [1, 2]
    assert faces[0].centre[0] < 512 < faces[1].centre[0]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_photo_that_lies_on_its_side(quarters: int) -> None:
    upright = find_faces(photo_of())[0]
    (lying,) = find_faces(np.ascontiguousarray(np.rot90(photo_of(), quarters)))
    turned = np.degrees(lying.roll - upright.roll + np.pi / 2 * quarters)
    assert abs((turned + 180) % 360 - 180) < 20
    assert np.abs(lying.box[3] - lying.box[1] - upright.height) < 0.2 * upright.height


def test_small_and_very_large_faces() -> None:
    picture = photo_of()
    small = np.full((1600, 1600, 3), 150, np.uint8)
    small[40:190, 1400:1550] = cv2.resize(picture, (150, 150), interpolation=cv2.INTER_AREA)
    assert len(find_faces(small)) == 1
    left, top, right, bottom = (int(edge) for edge in find_faces(picture)[0].box)
    assert len(find_faces(np.ascontiguousarray(picture[top - 10 : bottom + 10, left:right]))) == 1
