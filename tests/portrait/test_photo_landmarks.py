"""Landmarks of one photo from several looks."""

from __future__ import annotations

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.landmarks import EYES, LEFT_UPPER_LID, MOUTH_CORNERS, RIGHT_UPPER_LID
from emotalk.portrait import photo_landmarks
from emotalk.portrait.faces import find_faces
from emotalk.portrait.photo_landmarks import _mirrored_shapes, find_landmarks, mirror
from tests.portrait.people import photo_of


def test_every_landmark_has_one_on_the_other_side() -> None:
    other = mirror()
    assert (other[other] == np.arange(478)).all()
    assert other[EYES[0]] == EYES[1]
    assert other[MOUTH_CORNERS[0]] == MOUTH_CORNERS[1]
    assert set(other[list(RIGHT_UPPER_LID)]) == set(LEFT_UPPER_LID)


def test_blendshapes_change_sides() -> None:
    swapped = _mirrored_shapes()
    assert swapped[ARKIT_INDEX["mouthSmileLeft"]] == ARKIT_INDEX["mouthSmileRight"]
    assert swapped[ARKIT_INDEX["jawOpen"]] == ARKIT_INDEX["jawOpen"]
    assert sorted(swapped) == list(range(52))


def test_a_mirrored_photo_has_mirrored_landmarks() -> None:
    picture = photo_of(yaw=0.2)
    seen = find_landmarks(picture, find_faces(picture)[0])
    turned = np.ascontiguousarray(picture[:, ::-1])
    back = find_landmarks(turned, find_faces(turned)[0])
    flat = back.points[mirror()]
    apart = np.linalg.norm(seen.points[:, :2] - np.stack([512 - flat[:, 0], flat[:, 1]], 1), axis=1)
    assert np.median(apart) < 0.01 * seen.pupils * 1.45
    assert seen.looks == 10
    assert seen.spread < 0.03
    assert abs(seen.roll) < 0.05


def test_where_there_is_no_face_there_are_none() -> None:
    picture = photo_of()
    face = find_faces(picture)[0]
    assert find_landmarks(np.full_like(picture, 130), face) is None


def test_a_look_that_misses_does_not_keep_the_next_ones_from_the_face(monkeypatch) -> None:
    """The first looks stand where the detector's box is; all later ones where landmarks were found."""
    picture = photo_of()
    face = find_faces(picture)[0]
    asked = []

    class Model:
        blendshapes = None

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None:
            pass

        def find(self, view: np.ndarray) -> np.ndarray | None:
            asked.append(view.mean())
            if len(asked) == 1:
                return None
            return np.tile(np.linspace(40, 200, 478)[:, None], (1, 3))

    monkeypatch.setattr(photo_landmarks, "open_landmarks", Model)
    seen = find_landmarks(picture, face)
    assert seen is not None
    assert seen.looks == 2 * len(photo_landmarks.LOOKS)
