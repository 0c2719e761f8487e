"""Files of numbers: what was saved comes back, files of before load, anything else is one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from emotalk.core import checkpoint
from emotalk.core.checkpoint import CONFIG, SIZE_LIMITS
from emotalk.core.errors import CheckpointError

KIND, REMEDY = "toy-1", "make it again"


class Toy(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, hidden)
        self.register_buffer("table", torch.linspace(0, 1, 7))


def load(path, table=None) -> Toy:
    return checkpoint.load_network(path, lambda config, _: Toy(**config), KIND, "toy", REMEDY, table)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    network = Toy(5)
    checkpoint.save_network(tmp_path / "toy.safetensors", network, KIND, {"hidden": 5}, {"steps": 3}, full=("table",))
    return network, tmp_path / "toy.safetensors"


def test_a_network_comes_back_with_its_sizes_in_half_precision_or_in_full(saved):
    network, path = saved
    again = load(path)
    assert torch.equal(again.layer.weight, network.layer.weight.half().float())
    assert torch.equal(again.table, network.table)
    assert again.layer.weight.dtype == torch.float32
    stored = checkpoint.read(path)
    assert json.loads(stored.notes["facts"]) == {"steps": 3}
    assert stored.tensors["layer.weight"].dtype == torch.float16


def test_a_file_as_it_was_written_before_this_module_loads(tmp_path):
    weights = {name: tensor.half().contiguous() for name, tensor in Toy(4).state_dict().items()}
    path = tmp_path / "old.safetensors"
    safetensors.torch.save_file(weights, path, {"format": KIND, "config": json.dumps({"hidden": 4})})
    assert load(path).layer.out_features == 4


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        (None, "format None"),
        ({"format": "other-1", "config": '{"hidden": 5}'}, "format 'other-1', expected 'toy-1'"),
        ({"format": KIND}, "config"),
        ({"format": KIND, "config": "{"}, "Expecting"),
        ({"format": KIND, "config": '{"hidden": 6}'}, "size mismatch"),
        ({"format": KIND, "config": '{"hidden": 5, "more": 1}'}, "unexpected keyword"),
        ({"format": KIND, "config": '{"hidden": 99999}'}, "numbers up to 4096"),
        ({"format": KIND, "config": "[5]"}, "numbers up to 4096"),
    ],
)
def test_a_foreign_header_is_one_sentence_with_the_reason_and_the_remedy(saved, notes, reason):
    _, path = saved
    tensors = checkpoint.read(path).tensors
    checkpoint.save(path, tensors, notes)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert str(caught.value).startswith(f"The toy {path} cannot be used (")
    assert reason in str(caught.value)
    assert str(caught.value).endswith("; make it again.")


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[:50], lambda b: b[:-4], lambda b: b"\x10" * 100])
def test_a_damaged_file_is_one_sentence(saved, damage):
    _, path = saved
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match="cannot be used"):
        load(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(CheckpointError, match=r"toy\.safetensors is missing; make it again\.$"):
        load(tmp_path / "toy.safetensors")


def test_a_config_beside_the_file_has_to_agree_with_it(saved):
    _, path = saved
    assert load(path, {"format": KIND, "config": {"hidden": 5}, "more": 1}).layer.out_features == 5
    for table in ({}, {"format": "x", "config": {"hidden": 5}}, {"format": KIND, "config": {"hidden": 4}}):
        with pytest.raises(CheckpointError, match="cannot be used"):
            load(path, table)


def test_tensors_that_share_memory_are_saved_each_in_full(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    checkpoint.save(tmp_path / "x", {"whole": whole, "turned": whole.T, "first": whole[0]}, {"note": "ü"})
    stored = checkpoint.read(tmp_path / "x")
    assert torch.equal(stored.tensors["turned"], whole.T)
    assert torch.equal(stored.tensors["first"], whole[0])
    assert stored.notes == {"note": "ü"}


def test_arrays_go_to_files_and_bytes_alike(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float16).reshape(2, 3).T, "b": np.arange(3)}
    checkpoint.save(tmp_path / "x", arrays, {"note": "1"})
    stored = checkpoint.read(tmp_path / "x", "np")
    again = checkpoint.from_bytes(checkpoint.to_bytes(arrays, {"note": "1"}), 10_000)
    for name, array in arrays.items():
        np.testing.assert_array_equal(stored.tensors[name], array)
        np.testing.assert_array_equal(again.tensors[name], array)
    assert stored.notes == again.notes == {"note": "1"}
    with pytest.raises(ValueError, match="larger than 100 bytes"):
        checkpoint.from_bytes(checkpoint.to_bytes(arrays, {}), 100)


@pytest.mark.parametrize("text", ["", "[]", "7", '{"a": 1e9}', '{"a": NaN}', '{"a": ' + "[" * 50 + "]" * 50 + "}"])
def test_a_config_must_be_a_small_table(tmp_path, text):
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        checkpoint.read_config(tmp_path / CONFIG)
    (tmp_path / CONFIG).write_text(json.dumps({"a": "x" * SIZE_LIMITS[CONFIG]}))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        checkpoint.read_config(tmp_path / CONFIG)


def test_a_config_is_written_and_read(tmp_path):
    table = {"format": KIND, "config": {"hidden": 5, "taps": [[1, 2], [3]]}}
    assert checkpoint.write_config(tmp_path / "new", table) == tmp_path / "new" / "model.safetensors"
    assert checkpoint.read_config(tmp_path / "new" / CONFIG) == table
