"""The body's numbers go into a pack as they are."""

import json

import numpy as np

from emotalk.live.body_arrays import body_arrays
from emotalk.motion.body_network import COURSES, NOISE_HERTZ, load_body
from emotalk.motion.eye_statistics import load_eye_statistics


def test_the_arrays_are_the_network():
    weights = load_body()
    arrays, _ = body_arrays(weights, load_eye_statistics())
    assert set(arrays) == {f"body_{name}" for name in vars(weights)}
    for name, array in vars(weights).items():
        np.testing.assert_array_equal(arrays[f"body_{name}"].values(), array.reshape(len(array), -1))
    assert sum(array.numbers.nbytes for array in arrays.values()) < 40_000


def test_the_constants_are_plain_json():
    eyes = load_eye_statistics()
    _, meta = body_arrays(load_body(), eyes)
    read = json.loads(json.dumps(meta, allow_nan=False))
    assert read["eyes"]["blink_profile"] == list(eyes.blink_profile)
    assert np.shape(read["noise"]["roots"]) == (len(NOISE_HERTZ), 3, 3)
    assert len(read["noise"]["spreads"]) == len(NOISE_HERTZ)
    assert len(read["noise"]["rates"]) == len(COURSES) * len(NOISE_HERTZ)
