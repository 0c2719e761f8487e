"""One file for all faces: the same model gives the same bytes under the same name, exact and small."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.emotion import expression_tensor
from emotalk.emotion.expression import field_pieces
from emotalk.live.face_pack import face_pack, made_face
from emotalk.live.show_arrays import show_arrays
from emotalk.motion import MotionModel
from emotalk.motion.network import MotionNetwork, NetworkConfig


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


def meta_of(data: bytes) -> dict:
    return json.loads(data[12 : 12 + int.from_bytes(data[8:12], "little")])["meta"]


def test_the_same_model_is_packed_once_and_always_alike(model):
    first, again = face_pack(model), face_pack(MotionModel.load())
    assert face_pack(model) is first
    assert (again.name, again.data) == (first.name, first.data)
    assert gzip.decompress(first.data) == made_face(model)


def test_other_weights_have_another_name(model):
    other = MotionModel.load()
    other.network.gate.bias[0] += 1
    assert face_pack(other).name != face_pack(model).name


def test_it_is_small(model):
    assert len(face_pack(model).data) < 80_000


def test_a_row_of_speech_code_is_described(model):
    meta = meta_of(made_face(model))
    assert meta["expression"] == list(ARKIT_NAMES)
    assert meta["show"]["row"] == {"lips": 160, "closure": 165, "silent": 166, "rhythm": 167, "size": 173}


def test_weights_are_those_of_the_file(model):
    arrays, _ = show_arrays(model.network)
    assert arrays["show_base"].numbers.dtype == np.float16
    np.testing.assert_array_equal(arrays["show_base"].numbers, model.network.base.weight.numpy())


def test_weights_that_are_not_of_half_precision_stay_exact_too():
    torch.manual_seed(0)
    network = MotionNetwork(NetworkConfig(hidden=8, inner=8, features=4))
    arrays, meta = show_arrays(network)
    assert arrays["show_base"].numbers.dtype == np.float32
    np.testing.assert_array_equal(arrays["show_base"].numbers, network.base.weight.detach().numpy())
    assert meta["row"]["lips"] == 8


def test_the_pieces_of_the_field_are_the_whole_circle():
    angles, cubics = field_pieces()
    turns = np.linspace(0, 2 * np.pi, 500)
    piece = np.searchsorted(angles, turns, side="right") - 1
    assert piece.min() == 0  # 0 lies in the first piece
    past = (turns - angles[piece])[:, None]
    c3, c2, c1, c0 = cubics[piece].transpose(1, 0, 2)
    border = np.stack([np.cos(turns), np.sin(turns)], 1)
    border /= np.abs(border).max(1, keepdims=True)  # strength 1
    wanted = expression_tensor(torch.from_numpy(border)).numpy()
    np.testing.assert_allclose(((c3 * past + c2) * past + c1) * past + c0, wanted, atol=1e-12)
