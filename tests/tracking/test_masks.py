"""Labels of a drawn person whose parts have plain colours."""

import cv2
import numpy as np
import pytest

from emotalk.core.landmarks import BROWS, LANDMARKS, LEFT_UPPER_LID, OUTER_LIPS, OVAL, RIGHT_UPPER_LID
from emotalk.tracking.masks import BACKGROUND, FACE, HAIR, PERSON, WORK, Colours, Zones, label_frame

SKIN, BROWN, BLUE, GREY = (220, 170, 150), (60, 40, 30), (40, 60, 160), (200, 205, 210)


def landmarks() -> np.ndarray:
    """A face about (128, 120), 70 px wide and 100 px high."""
    points = np.tile([128.0, 120.0], (LANDMARKS, 1))
    angle = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
    points[list(OVAL)] = np.stack([128 + 35 * np.sin(angle), 120 - 50 * np.cos(angle)], 1)
    for group, y in (
        (BROWS[:10], 100),
        (BROWS[10:], 100),
        (RIGHT_UPPER_LID, 110),
        (LEFT_UPPER_LID, 110),
        (OUTER_LIPS, 148),
    ):
        side = -1 if group in (BROWS[:10], RIGHT_UPPER_LID) else 1
        points[list(group)] = [[128 + 15 * side + (k % 5) * 2 - 4, y + k % 3] for k in range(len(group))]
    return points


def drawing(hair: tuple[int, int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """(picture, mask of the person)"""
    picture = np.full((WORK, WORK, 3), GREY, np.uint8)
    person = np.zeros((WORK, WORK), np.uint8)
    for canvas, colour in ((picture, BLUE), (person, 1)):
        cv2.ellipse(canvas, (128, 270), (100, 80), 0, 0, 360, colour, -1)  # shoulders
    for canvas, colour in ((picture, hair or SKIN), (person, 1)):
        cv2.ellipse(canvas, (128, 105), (48, 65), 0, 0, 360, colour, -1)  # the whole head
    cv2.rectangle(picture, (112, 160), (144, 195), SKIN, -1)  # neck
    cv2.rectangle(person, (112, 160), (144, 195), 1, -1)
    cv2.ellipse(picture, (128, 122), (36, 52), 0, 0, 360, SKIN, -1)  # face
    noise = np.random.default_rng(0).integers(-6, 7, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), person.astype(np.float32)


def labelled(hair: tuple[int, int, int] | None) -> np.ndarray:
    picture, person = drawing(hair)
    colours = Colours()
    colours.learn(picture, person, Zones(landmarks()))
    return label_frame(picture, person, landmarks(), colours, WORK)


@pytest.mark.parametrize("hair", [BROWN, (235, 215, 120)])
def test_hair_skin_clothes_and_background_are_told_apart(hair):
    labels = labelled(hair)
    for (x, y), wanted in {
        (128, 50): HAIR, (128, 62): HAIR, (128, 130): FACE, (128, 85): FACE, (110, 140): FACE, (128, 188): PERSON,
        (128, 230): PERSON, (60, 245): PERSON, (10, 10): BACKGROUND, (220, 120): BACKGROUND,
    }.items():  # fmt: skip
        assert labels[y, x] == wanted, (x, y)


def test_a_bald_head_has_no_hair():
    labels = labelled(None)
    assert not (labels == HAIR).any()
    assert labels[60, 128] == FACE


def test_a_shining_spot_in_the_hair_is_hair():
    picture, person = drawing(BROWN)
    cv2.circle(picture, (150, 55), 7, SKIN, -1)
    colours = Colours()
    colours.learn(picture, person, Zones(landmarks()))
    assert label_frame(picture, person, landmarks(), colours, WORK)[55, 150] == HAIR


def test_clothes_in_the_colour_of_the_hair_stay_clothes():
    picture, person = drawing(BROWN)
    picture[210:] = np.where(person[210:, :, None] > 0, BROWN, picture[210:])
    colours = Colours()
    colours.learn(picture, person, Zones(landmarks()))
    labels = label_frame(picture, person, landmarks(), colours, WORK)
    assert (labels[225:][person[225:] > 0] == PERSON).mean() > 0.95
    assert labels[50, 128] == HAIR


def test_without_landmarks_there_is_a_person_only():
    picture, person = drawing(BROWN)
    labels = label_frame(picture, person, None, Colours(), 128)
    assert labels.shape == (128, 128)
    assert set(np.unique(labels)) == {BACKGROUND, PERSON}
