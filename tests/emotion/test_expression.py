"""The emotional field: zero at rest, smooth, never dead, and recognisably the muscles the literature names."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.emotion import (
    NAMED_EMOTIONS,
    behaviour,
    expression_field,
    expression_tensor,
    idiosyncrasy,
    named_emotion,
    split_eyes,
)
from emotalk.emotion.expression import PAIRS

UNIT = st.floats(-1, 1)


@pytest.fixture(scope="module")
def square() -> np.ndarray:
    """The field on a grid of 0.05: [arousal 41, valence 41, 52]."""
    axis = np.linspace(-1, 1, 41)
    valence, arousal = np.meshgrid(axis, axis)
    return expression_field(valence.ravel(), arousal.ravel()).reshape(41, 41, 52)


def test_no_emotion_is_no_expression():
    assert np.abs(expression_field(0.0, 0.0)).max() == 0


def test_weights_are_never_negative(square):
    assert square.min() >= 0
    assert square.max() < 1.9


@pytest.mark.parametrize("axis", [0, 1])
def test_a_slider_moved_by_a_tenth_always_moves_the_face(square, axis):
    moved = np.linalg.norm(np.roll(square, -2, axis) - square, axis=-1)
    moved = moved[:-2] if axis == 0 else moved[:, :-2]
    assert moved.min() > 0.02


@pytest.mark.parametrize("axis", [0, 1])
def test_no_small_step_makes_the_face_jump(square, axis):
    assert np.abs(np.diff(square, axis=axis)).max() / 0.05 < 9.5


@given(UNIT, UNIT)
def test_stronger_along_a_ray_is_never_weaker_in_any_shape(valence, arousal):
    scale = np.linspace(0, 1, 21)
    field = expression_field(scale * valence, scale * arousal)
    assert (np.diff(field, axis=0) >= -1e-6).all()


@pytest.mark.parametrize("name", [name for name in NAMED_EMOTIONS if name != "neutral"])
def test_half_strength_faces_keep_most_of_their_expression(name):
    # On a straight line half-strength faces are taken for neutral.
    full, half = (np.linalg.norm(expression_field(*named_emotion(name, intensity))) for intensity in (1.0, 0.5))
    assert half / full > 0.65


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("happy", ["mouthSmileLeft", "cheekSquintLeft"]),
        ("surprised", ["browInnerUp", "browOuterUpLeft", "eyeWideLeft", "jawOpen"]),
        ("angry", ["browDownLeft", "noseSneerLeft", "eyeSquintLeft"]),
        ("sad", ["browInnerUp", "mouthFrownLeft", "mouthShrugLower"]),
        ("disgusted", ["noseSneerLeft", "mouthUpperUpLeft"]),
        ("afraid", ["browInnerUp", "eyeWideLeft", "mouthStretchLeft"]),
        ("sleepy", ["eyeBlinkLeft"]),
    ],
)
def test_emotions_use_the_muscles_of_their_facs_prototype(name, shapes):
    face = expression_field(*named_emotion(name))[0]
    for shape in shapes:
        assert face[ARKIT_INDEX[shape]] > 0.25, shape


def test_the_tensor_form_agrees_and_passes_gradients():
    va = torch.rand(64, 2, dtype=torch.float64) * 2 - 1
    va[0] = 0
    va.requires_grad_()
    face = expression_tensor(va)
    np.testing.assert_allclose(face.detach().numpy(), expression_field(*va.detach().numpy().T), atol=1e-6)
    face.square().sum().backward()
    assert torch.isfinite(va.grad).all()
    assert va.grad[1:].abs().sum(1).min() > 0


def test_people_differ_and_their_two_halves_too():
    first, again, other = idiosyncrasy(1), idiosyncrasy(1), idiosyncrasy(2)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05
    imbalance = [abs(first[left] / first[right] - 1) for left, right in PAIRS]
    assert 0.02 < np.mean(imbalance) < 0.4
    np.testing.assert_array_equal(idiosyncrasy(1, strength=0.0), np.ones(52))


def test_the_average_person_is_symmetric():
    face = expression_field([0.5, -0.8], [0.9, -0.3])
    for left, right in PAIRS:
        np.testing.assert_array_equal(face[:, left], face[:, right])


def test_lids_and_gaze_move_to_their_own_channels():
    rest, eyelids, gaze = split_eyes(expression_field(*named_emotion("gloomy")))
    assert rest[:, [i for n, i in ARKIT_INDEX.items() if n.startswith(("eyeBlink", "eyeLook"))]].max() == 0
    assert (eyelids > 0.1).all()
    assert gaze[0, 1] < -0.05


def test_looking_to_the_persons_left_is_positive_yaw():
    arkit = np.zeros((1, 52), np.float32)
    arkit[0, [ARKIT_INDEX["eyeLookOutLeft"], ARKIT_INDEX["eyeLookInRight"]]] = 0.5
    assert split_eyes(arkit)[2][0, 0] == pytest.approx(0.3, abs=0.01)


def test_arousal_drives_blinks_gaze_and_head_without_a_dead_zone():
    arousal = np.linspace(-1, 1, 21)
    moves = behaviour(np.stack([np.zeros(21), arousal], 1))
    for factor in (moves.blink_rate, moves.saccade_rate, moves.head_energy, moves.head_speed, moves.head_pitch):
        assert (np.diff(factor) > 0.004).all()
    still = behaviour(np.zeros((1, 2)))
    assert still.head_pitch[0] == 0
    assert still.head_energy[0] == still.blink_rate[0] == 1
