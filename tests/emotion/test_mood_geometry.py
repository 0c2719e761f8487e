"""What moods do to a face, in landmarks of the head: the signs that people and published codings read them by."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.emotion import expression_field, named_emotion, split_eyes
from emotalk.head import HeadModel
from emotalk.head.mesh import landmark_points

CORNERS, LIPS, UPPER_LIP = (61, 291), (13, 14), (0, 37, 267)
INNER_BROWS, OUTER_BROWS = (55, 285, 107, 336), (46, 276, 53, 283)
LIDS = ((159, 145), (386, 374))


@pytest.fixture(scope="module")
def head():
    return HeadModel.load()


def points(head, motion):
    channels = {f.name: torch.from_numpy(getattr(motion, f.name)) for f in dataclasses.fields(motion)}
    vertices = head(**channels).vertices
    return landmark_points(vertices, head.mediapipe478_corners, head.mediapipe478_barycentric)[0].numpy() * 1e3


def felt(head, name, intensity=1.0):
    expression, eyelids, gaze = split_eyes(expression_field(*named_emotion(name, intensity)))
    still = HeadMotion.neutral()
    return points(head, HeadMotion(expression, still.jaw, gaze, eyelids, still.head_pose))


@pytest.fixture(scope="module")
def rest(head):
    return points(head, HeadMotion.neutral())


def rise(moved, rest, marks):
    """Millimetres by which landmarks rise."""
    return float((moved - rest)[list(marks), 1].mean())


def gap(face, pair):
    return float(face[pair[0], 1] - face[pair[1], 1])


def opening(face):
    return np.mean([gap(face, lids) for lids in LIDS])


def test_grief_lifts_the_inner_ends_of_the_brows_alone(head, rest):
    shape = HeadMotion.neutral()
    shape.expression[0, ARKIT_INDEX["browInnerUp"]] = 1
    moved = points(head, shape)
    assert rise(moved, rest, INNER_BROWS) > 4
    assert rise(moved, rest, OUTER_BROWS) < 0


def test_a_frown_lowers_the_inner_ends_furthest_and_draws_them_together(head, rest):
    shape = HeadMotion.neutral()
    shape.expression[0, [ARKIT_INDEX["browDownLeft"], ARKIT_INDEX["browDownRight"]]] = 1
    moved = points(head, shape)
    assert rise(moved, rest, INNER_BROWS) < rise(moved, rest, OUTER_BROWS) - 1
    assert abs(moved[55, 0] - moved[285, 0]) < abs(rest[55, 0] - rest[285, 0]) - 1.5


@pytest.mark.parametrize("intensity", [0.5, 1.0])
def test_sadness_slants_the_brows_lowers_lids_and_corners(head, rest, intensity):
    sad = felt(head, "sad", intensity)
    assert rise(sad, rest, INNER_BROWS) > rise(sad, rest, OUTER_BROWS) + 3
    assert opening(sad) < 0.9 * opening(rest)
    assert rise(sad, rest, CORNERS) < -2


def test_tiredness_is_no_sadness(head, rest):
    tired = felt(head, "sleepy")
    assert abs(rise(tired, rest, INNER_BROWS) - rise(tired, rest, OUTER_BROWS)) < 2
    assert rise(tired, rest, CORNERS) > -1
    assert opening(tired) < 0.75 * opening(rest)


@pytest.mark.parametrize("intensity", [0.5, 1.0])
def test_anger_bares_teeth_under_a_frown_without_drooping_corners(head, rest, intensity):
    angry = felt(head, "angry", intensity)
    assert rise(angry, rest, INNER_BROWS) < -4
    assert rise(angry, rest, INNER_BROWS) < rise(angry, rest, OUTER_BROWS) - 2
    assert rise(angry, rest, CORNERS) > -1  # filmed ones rise by 2.7 % of the distance of the eyes
    assert gap(angry, LIPS) > gap(rest, LIPS) + 3
    assert opening(angry) < 0.95 * opening(rest)


def test_disgust_raises_the_upper_lip_and_the_nose(head, rest):
    disgusted = felt(head, "disgusted")
    assert rise(disgusted, rest, UPPER_LIP) > 2.5
    assert rise(disgusted, rest, (129, 358)) > 2  # wings of the nose
    assert opening(disgusted) < 0.8 * opening(rest)


def test_joy_reaches_the_eyes(head, rest):
    happy = felt(head, "happy")
    assert rise(happy, rest, CORNERS) > 6
    assert rise(happy, rest, (230, 450)) > 1  # lower lids and cheeks
    assert gap(happy, LIPS) > gap(rest, LIPS) + 3


def test_surprise_opens_eyes_and_mouth_and_lifts_whole_brows(head, rest):
    surprised = felt(head, "surprised")
    assert min(rise(surprised, rest, INNER_BROWS), rise(surprised, rest, OUTER_BROWS)) > 4
    assert opening(surprised) > 1.15 * opening(rest)
    assert gap(surprised, LIPS) > gap(rest, LIPS) + 6
