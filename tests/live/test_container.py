"""The file that a browser reads, against a reader written from docs/live-pack.md alone."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotalk.core.errors import AvatarError
from emotalk.live.container import Packed, floats, halves, quantised, whole, write

TABLES = st.tuples(st.integers(0, 40), st.integers(1, 4)).flatmap(
    lambda shape: st.sampled_from([np.uint8, np.uint16]).flatmap(lambda kind: arrays(kind, shape))
)


def read(data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Meta and arrays, as the format's description says."""
    magic, version, length = struct.unpack("<4sII", data[:12])
    table = json.loads(data[12 : 12 + length])
    half = any(entry["type"] == "f16" for entry in table["arrays"].values())
    assert (magic, version) == (b"EMLV", 2 if half else 1)
    at, found = 12 + length, {}
    for name, entry in table["arrays"].items():
        rows, columns = entry["shape"]
        if entry["type"] == "f32":
            found[name] = np.frombuffer(data, "<f4", rows * columns, at).reshape(rows, columns)
            at += 4 * rows * columns
            continue
        if entry["type"] == "f16":
            planes = np.frombuffer(data, np.uint8, 2 * rows * columns, at).reshape(2, rows, columns)
            found[name] = (planes[0] | planes[1].astype("<u2") << 8).view("<f2")
            at += 2 * rows * columns
            continue
        size = {"u8": 1, "u16": 2}[entry["type"]]
        result = np.zeros((rows, columns), np.int64)
        for c in range(columns):
            for byte in range(size):
                result[:, c] += np.frombuffer(data, np.uint8, rows, at).astype(np.int64) << (8 * byte)
                at += rows
            if entry["delta"][c]:
                steps = [(n >> 1) if n % 2 == 0 else -((n + 1) >> 1) for n in result[:, c].tolist()]
                result[:, c] = np.cumsum(steps) % (1 << (8 * size))
        found[name] = result
        if "step" in entry:
            found[name] = np.array(entry["low"]) + np.array(entry["step"]) * result
    assert at == len(data)
    return table["meta"], found


@settings(max_examples=40)
@given(TABLES)
def test_whole_numbers_come_back_as_they_were(numbers):
    _, found = read(write({"a": Packed(numbers)}, {}))
    np.testing.assert_array_equal(found["a"], numbers)


@settings(max_examples=40)
@given(arrays(np.float64, (12, 3), elements=st.floats(-5, 5)), st.sampled_from([8, 16]))
def test_rounded_numbers_are_within_half_a_step(values, bits):
    packed = quantised(values, 1e-3, bits)
    _, found = read(write({"a": packed}, {}))
    assert (np.abs(found["a"] - values) <= 0.5001 * np.array(packed.step) + 1e-12).all()
    assert max(packed.step) <= max(1e-3, 10 / (2**bits - 1) + 1e-12)


def test_floats_and_meta_come_back_exactly():
    exact = np.float32([[0.1, -2e-8], [3e7, 0]])
    meta, found = read(write({"a": floats(exact), "b": whole(np.array([[7]]))}, {"name": "x", "none": None}))
    np.testing.assert_array_equal(found["a"], exact)
    assert meta == {"name": "x", "none": None}


def test_half_floats_come_back_exactly_and_only_where_nothing_is_lost():
    exact = np.float32([[0.5, -3.0], [65504, 2.0**-24]])
    packed = halves(exact)
    assert packed.numbers.dtype == np.float16
    _, found = read(write({"a": packed, "b": whole(np.array([[7]]))}, {}))
    np.testing.assert_array_equal(found["a"], exact)
    for more in (0.1, 70000.0, 2.0**-26):
        assert halves(np.append(exact, np.float32(more))).numbers.dtype == np.float32


def test_the_same_arrays_give_the_same_bytes():
    numbers = np.arange(60, dtype=np.uint16).reshape(20, 3)
    assert write({"a": Packed(numbers)}, {"k": 1}) == write({"a": Packed(numbers.copy())}, {"k": 1})


def test_a_slope_is_written_as_its_differences():
    table = json.loads(write({"a": whole(np.arange(0, 6000, 3)[:, None])}, {})[12:].split(b"}}")[0] + b"}}}")
    assert table["arrays"]["a"]["delta"] == [1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad):
    with pytest.raises(AvatarError, match="not finite"):
        quantised(np.array([[bad, 1.0]]), 0.1)


def test_numbers_beyond_16_bits_are_refused():
    with pytest.raises(AvatarError, match="65535"):
        whole(np.array([[70_000]]))
