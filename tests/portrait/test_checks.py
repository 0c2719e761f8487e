"""What is refused, with which sentence, and what is said of a photo that is taken."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from emotalk.core.errors import TrackingError
from emotalk.core.landmarks import LEFT_EYE_ENDS, RIGHT_EYE_ENDS
from emotalk.portrait.checks import PhotoMeasures, check_picture, check_pose, judge_photo, measure_photo
from emotalk.portrait.faces import find_faces
from emotalk.portrait.photo_landmarks import find_landmarks
from tests.portrait.people import photo_of

GOOD = PhotoMeasures(
    pupils=120.0, spread=0.015, outside=(), hair_cut=False, sharpness=0.7, lightness=75.0, white=0.0, eyes=0.09,
    eye_contrast=110.0, mouth=0.0, shades=(7.0, 9.0), lips=(9.0, -9.0, -12.0), hands=0.0, mouth_hands=0.0, flat=0.05,
    chroma=20.0, darkest=25.0,
)  # fmt: skip
LOWER_FACE = (6, 188, 114, 47, 100, 50, 123, 177, 135, 170, 175, 395, 364, 401, 352, 280, 329, 277, 343, 412)


def test_a_good_one_is_taken() -> None:
    check_picture(GOOD)
    check_pose(GOOD, 5.0, -5.0)
    verdict = judge_photo(GOOD, 5.0, 0.5)
    assert (verdict.verdict, verdict.sentences) == ("good", ("The photo is good.",))


@pytest.mark.parametrize(("change", "said"), [
    ({"pupils": 20.0}, "too small: 20 pixels between the eyes"), ({"outside": ("the chin",)}, "cuts off the chin"),
    ({"lightness": 15.0}, "too dark"), ({"white": 0.6}, "over-exposed: 60 %"), ({"sharpness": 0.1}, "blurred"),
    ({"flat": 0.7}, "drawing"), ({"chroma": 0.5, "darkest": 75.0}, "drawing"), ({"shades": (25.0, 35.0)}, "Sunglasses"),
    ({"hands": 0.3}, "A hand covers 30 % of the face"),
    ({"mouth_hands": 0.4, "hands": 0.1}, "A hand covers 40 % of the mouth"),
    ({"spread": 0.04, "lips": (0.2, -1.0, 0.5)}, "mouth cannot"),
    ({"eyes": 0.01}, "eyes are shut"), ({"eye_contrast": 9.0}, "eyes are shut"),
])  # fmt: skip
def test_what_is_refused(change: dict, said: str) -> None:
    with pytest.raises(TrackingError, match=said) as told:
        check_picture(replace(GOOD, **change), "me.jpg")
    assert "me.jpg" in str(told.value).replace("Me.jpg", "me.jpg")


@pytest.mark.parametrize(("spread", "yaw", "pitch", "said"), [
    (0.015, 40.0, 0.0, "turned aside by about 40 degrees"), (0.045, -26.0, 0.0, "turned aside by about 26"),
    (0.015, 0.0, 35.0, "looks down by about 35"), (0.015, 0.0, -35.0, "looks up"), (0.07, 0.0, 0.0, "certainty"),
])  # fmt: skip
def test_heads_that_are_turned_too_far(spread: float, yaw: float, pitch: float, said: str) -> None:
    with pytest.raises(TrackingError, match=said):
        check_pose(replace(GOOD, spread=spread), yaw, pitch)


@pytest.mark.parametrize(("change", "said"), [
    ({"pupils": 45.0}, "is small"), ({"sharpness": 0.2}, "little blurred"), ({"lightness": 30.0}, "rather dark"),
    ({"white": 0.2}, "plain white"), ({"spread": 0.04}, "not seen freely"), ({"hands": 0.05}, "hand touches"),
    ({"mouth": 0.3}, "wide open"),
])  # fmt: skip
def test_what_makes_one_usable_only(change: dict, said: str) -> None:
    verdict = judge_photo(replace(GOOD, **change), 0.0, 0.5)
    assert verdict.verdict == "usable"
    assert said in verdict.sentences[0]


def test_a_strong_expression_and_a_turn_are_said() -> None:
    verdict = judge_photo(GOOD, 25.0, 6.0)
    assert verdict.verdict == "usable"
    assert any("25 degrees" in sentence for sentence in verdict.sentences)
    assert any("strong expression" in sentence for sentence in verdict.sentences)


def measured(picture: np.ndarray) -> PhotoMeasures:
    seen = find_landmarks(picture, find_faces(picture)[0])
    return measure_photo(picture, seen.points, seen, picture.shape[1], picture.shape[0], [])


@pytest.mark.parametrize("name", ["mira", "kofi"])
def test_shipped_people_pass(name: str) -> None:
    check_picture(measured(photo_of(name)))


def test_shut_eyes_are_seen() -> None:
    with pytest.raises(TrackingError, match="eyes are shut"):
        check_picture(measured(photo_of(lids=1.0)))


def painted(picture: np.ndarray, outlines: list[np.ndarray], colour: tuple[int, int, int]) -> np.ndarray:
    result = picture.copy()
    for outline in outlines:
        cv2.fillConvexPoly(result, cv2.convexHull(outline.astype(np.int32)), colour, cv2.LINE_AA)
    return result


def test_sunglasses_are_seen() -> None:
    picture = photo_of()
    points = find_landmarks(picture, find_faces(picture)[0]).points[:, :2]
    glasses = []
    for first, second in (RIGHT_EYE_ENDS, LEFT_EYE_ENDS):
        middle, width = 0.5 * (points[first] + points[second]), np.linalg.norm(points[first] - points[second])
        circle = np.stack([np.cos(np.linspace(0, 6.3, 30)), np.sin(np.linspace(0, 6.3, 30))], 1)
        glasses.append(middle + circle * width * (1.05, 0.9))
    with pytest.raises(TrackingError, match="Sunglasses"):
        check_picture(measured(painted(picture, glasses, (25, 28, 35))))


def test_a_mask_is_seen() -> None:
    picture = photo_of()
    points = find_landmarks(picture, find_faces(picture)[0]).points[:, :2]
    with pytest.raises(TrackingError, match="mouth cannot be seen"):
        check_picture(measured(painted(picture, [points[list(LOWER_FACE)]], (120, 170, 205))))


def test_a_blurred_and_a_dark_one() -> None:
    with pytest.raises(TrackingError, match="blurred"):
        check_picture(measured(cv2.GaussianBlur(photo_of(), (0, 0), 5)))
    with pytest.raises(TrackingError, match="too dark"):
        check_picture(measured((photo_of() * 0.15).astype(np.uint8)))


def test_a_chin_beyond_the_border_is_seen() -> None:
    picture = photo_of()
    chin = find_landmarks(picture, find_faces(picture)[0]).points[152, 1]
    with pytest.raises(TrackingError, match="cuts off"):
        check_picture(measured(np.ascontiguousarray(picture[: int(chin) - 25])))
