"""The body's numbers go into a pack as they are."""

import json

import numpy as np

from emotalk.live.body_arrays import body_arrays
from emotalk.motion.body_network import COURSES, NOISE_HERTZ, load_body
from emotalk.motion.eye_network import FEATURES, load_eyes


def test_the_arrays_are_the_networks():
    networks = {"body": load_body(), "eyes": load_eyes()}
    arrays, _ = body_arrays(networks["body"], networks["eyes"])
    assert set(arrays) == {f"{kind}_{name}" for kind, weights in networks.items() for name in vars(weights)}
    for kind, weights in networks.items():
        for name, array in vars(weights).items():
            np.testing.assert_array_equal(arrays[f"{kind}_{name}"].values(), array.reshape(len(array), -1))
    assert sum(array.numbers.nbytes for array in arrays.values()) < 40_000


def test_the_constants_are_plain_json():
    _, meta = body_arrays(load_body(), load_eyes())
    read = json.loads(json.dumps(meta, allow_nan=False))
    assert len(read["gaze"]["fading"]) * 2 + 1 + read["gaze"]["breaks"][1] - read["gaze"]["breaks"][0] == FEATURES
    assert np.shape(read["noise"]["roots"]) == (len(NOISE_HERTZ), 3, 3)
    assert len(read["noise"]["spreads"]) == len(NOISE_HERTZ)
    assert len(read["noise"]["rates"]) == len(COURSES) * len(NOISE_HERTZ)
