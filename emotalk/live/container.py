"""The binary file that a browser reads: a table of contents in JSON, then whole numbers column by column.

    "EMLV" | version (u32) | length of the table (u32) | table (JSON) | the arrays in the table's order

Numbers that a picture depends on are rounded to steps before they are written, and every column is written as a whole,
low bytes before high bytes: gzip then finds far more to save than in rows of floats. The same arrays always give the
same bytes. docs/live-pack.md describes the format; emotalk/ui/static/live/pack.js reads it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emotalk.core.errors import AvatarError

MAGIC = b"EMLV"
VERSION, HALF_VERSION = 1, 2
"""Of the format, without and with half floats (f16); a reader refuses any that it does not know."""
TYPES = {"u8": np.dtype("u1"), "u16": np.dtype("<u2"), "f16": np.dtype("<f2"), "f32": np.dtype("<f4")}


@dataclass(frozen=True)
class Packed:
    """One array [N, C] of a pack: value = low + step * number, by column. Floats stay as they are (no steps)."""

    numbers: np.ndarray  # [N, C] uint8, uint16, float16 or float32
    step: tuple[float, ...] = ()  # [C]
    low: tuple[float, ...] = ()  # [C]
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.numbers.ndim != 2 or self.numbers.dtype not in TYPES.values():
            raise AvatarError(
                f"A pack holds tables of u8, u16, f16 or f32, found {self.numbers.dtype} {self.numbers.shape}."
            )

    def values(self) -> np.ndarray:
        """What a reader gets: [N, C] float64."""
        if not self.step:
            return self.numbers.astype(np.float64)
        return np.array(self.low) + np.array(self.step) * self.numbers


def quantised(
    values: np.ndarray,  # [N, C]
    step: float,
    bits: int = 16,
) -> Packed:
    """`values` as multiples of `step` above each column's least; where `bits` (8 or 16) do not reach across a column's
    range, that column's step is as much larger as it takes. Not finite numbers are an AvatarError."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise AvatarError("The avatar holds numbers that are not finite; it is damaged.")
    columns = values.shape[1]
    if not len(values):
        return Packed(np.zeros((0, columns), np.uint8), (float(step),) * columns, (0.0,) * columns)
    top = 2**bits - 1
    low = values.min(0)
    steps = np.maximum(step, (values.max(0) - low) / top)
    numbers = np.clip(np.rint((values - low) / steps), 0, top)
    kind = np.uint8 if numbers.max(initial=0) < 256 else np.uint16
    return Packed(numbers.astype(kind), tuple(steps.tolist()), tuple(low.tolist()))


def whole(numbers: np.ndarray) -> Packed:
    """Whole numbers [N, C] from 0 to 65535 as they are, in the smaller type that holds them."""
    numbers = np.asarray(numbers)
    if numbers.size and (numbers.min() < 0 or numbers.max() > 65535):
        raise AvatarError(f"A pack counts from 0 to 65535, found {numbers.min()} to {numbers.max()}.")
    return Packed(numbers.astype(np.uint8 if numbers.max(initial=0) < 256 else np.dtype("<u2")))


def floats(values: np.ndarray) -> Packed:
    """A few exact numbers [N, C] (a vector [N] becomes one column)."""
    values = np.asarray(values, np.float32)
    return Packed(np.ascontiguousarray(values.reshape(len(values), -1) if values.size else values.reshape(0, 1)))


def halves(values: np.ndarray) -> Packed:
    """Exact numbers [N, C] as `floats` takes them, in half the bytes where half precision holds every one of them."""
    packed = floats(values)
    with np.errstate(over="ignore"):
        half = packed.numbers.astype(np.dtype("<f2"))
    return Packed(half) if np.array_equal(half, packed.numbers) else packed


def write(arrays: Mapping[str, Packed], meta: Mapping[str, Any]) -> bytes:
    """The bytes of a pack with these arrays and whatever JSON takes as `meta`."""
    table: dict[str, Any] = {"meta": dict(meta), "arrays": {}}
    chunks, version = [], VERSION
    for name, packed in arrays.items():
        kind = next(k for k, dtype in TYPES.items() if dtype == packed.numbers.dtype)
        entry: dict[str, Any] = {"type": kind, "shape": list(packed.numbers.shape)}
        if packed.step:
            entry |= {"step": list(packed.step), "low": list(packed.low)}
        if kind == "f32":
            chunks.append(packed.numbers.astype("<f4").tobytes())
        elif kind == "f16":
            version = HALF_VERSION
            chunks.append(_planes(packed.numbers.ravel()))
        else:
            coded = [_smaller(column) for column in packed.numbers.T]
            entry["delta"] = [int(delta) for delta, _ in coded]
            chunks += [data for _, data in coded]
        table["arrays"][name] = entry
    text = json.dumps(table, separators=(",", ":"), allow_nan=False).encode()
    return b"".join([MAGIC, version.to_bytes(4, "little"), len(text).to_bytes(4, "little"), text, *chunks])


def _smaller(column: np.ndarray) -> tuple[bool, bytes]:
    """A column's bytes, plain or as differences, whichever gzip makes smaller."""
    plain, delta = _planes(column), _planes(differences(column))
    return min(((False, plain), (True, delta)), key=lambda coded: len(zlib.compress(coded[1], 6)))


def differences(
    column: np.ndarray,  # [N] uint8 or uint16
) -> np.ndarray:
    """Each number less the one before it [N], folded so that small steps up and down are small: 0, -1, 1, -2 become
    0, 1, 2, 3."""
    bits = 8 * column.dtype.itemsize
    signed = np.diff(column, prepend=column.dtype.type(0)).astype(np.int64)  # wraps around as the type does
    signed = np.where(signed >= 1 << (bits - 1), signed - (1 << bits), signed)
    return np.where(signed < 0, -2 * signed - 1, 2 * signed).astype(column.dtype)


def _planes(column: np.ndarray) -> bytes:
    """All low bytes, then all high bytes."""
    column = np.ascontiguousarray(column)
    size = column.dtype.itemsize
    return column.astype(column.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, size).T.tobytes()
