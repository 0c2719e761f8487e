"""Read and write safetensors files whose content nobody vouches for.

The layout (8 bytes header length, JSON header, raw little-endian data) is that of the safetensors library, which
reads and writes the same files. Here every size is checked against the file before anything is allocated, and the
header against what the caller expects: names, types and shapes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from emotalk.avatar.card import parse_json
from emotalk.core.errors import AvatarError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DTYPES = {
    "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "U8": np.dtype("u1"), "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"), "I32": np.dtype("<i4"),
}  # fmt: skip
"""The number types an avatar may use."""
MAX_HEADER = 64 * 1024
"""Bytes; an avatar's header takes about 2 kB."""

Spec = dict[str, tuple[str, tuple[int | str, ...]]]
"""Tensor name -> (type, shape); a letter in a shape stands for one size, the same wherever it occurs."""


def encode(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file; the same arrays always give the same bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "emotalk-avatar"}}
    chunks, offset = [], 0
    names = {dtype: name for name, dtype in DTYPES.items()}
    # Widest types first keeps every tensor aligned to its own size.
    for name in sorted(tensors, key=lambda key: (-tensors[key].dtype.itemsize, key)):
        array = np.ascontiguousarray(tensors[name])
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        header[name] = {
            "dtype": names[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(chunks)


def decode(
    data: bytes, spec: Spec, limits: Mapping[str, int], what: str, optional: Spec | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file that must hold exactly the tensors of `spec` and may hold those of `optional`.

    `limits` bounds each lettered size. Raises an AvatarError that begins with `what` and names the first thing
    wrong. Each array has its shape in `spec`; they are read-only views of `data`.
    """

    def broken(problem: str) -> AvatarError:
        return AvatarError(f"{what} {problem}; the avatar is damaged or not an avatar of this program.")

    if len(data) < 8:
        raise broken(f"is only {len(data)} bytes long")
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER or length > len(data) - 8:
        raise broken(f"announces a header of {length} bytes in a file of {len(data)} bytes")
    try:
        text = data[8 : 8 + length].decode("utf-8")
    except UnicodeDecodeError as error:
        raise broken("has a header that is not text") from error
    header = parse_json(text, f"The header of {what}")
    if not isinstance(header, dict):
        raise broken("has a header that is not a table")
    header.pop("__metadata__", None)
    optional = optional or {}
    missing, foreign = sorted(spec.keys() - header.keys()), sorted(header.keys() - spec.keys() - optional.keys())
    if missing or foreign:
        found = f"lacks the tensor '{missing[0]}'" if missing else f"holds the unknown tensor {foreign[0]!r:.60}"
        raise broken(found)
    spec = spec | {name: entry for name, entry in optional.items() if name in header}

    sizes: dict[str, int] = {}
    spans = []
    body = len(data) - 8 - length
    for name, (dtype, wanted) in spec.items():
        entry = header[name]
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise broken(f"has a damaged entry for '{name}'")
        if entry["dtype"] != dtype:
            raise broken(f"stores '{name}' as {entry['dtype']!r:.20}, expected {dtype}")
        shape, offsets = entry["shape"], entry["data_offsets"]
        if not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
            raise broken(f"has a damaged shape or position for '{name}'")
        if len(shape) != len(wanted):
            raise broken(f"stores '{name}' with shape {shape!s:.60}, expected {len(wanted)} dimensions")
        for size, symbol in zip(shape, wanted, strict=True):
            expected = symbol if isinstance(symbol, int) else sizes.setdefault(symbol, size)
            if size != expected:
                raise broken(f"stores '{name}' with shape {shape!s:.60}, where {symbol} should be {expected}")
            if isinstance(symbol, str) and size > limits[symbol]:
                raise broken(f"stores '{name}' with {size} entries, at most {limits[symbol]} are allowed")
        count = int(np.prod([int(size) for size in shape], dtype=object)) * DTYPES[dtype].itemsize
        if offsets[1] - offsets[0] != count or offsets[1] > body:
            raise broken(f"gives '{name}' bytes {offsets[0]} to {offsets[1]} of {body}, its shape needs {count}")
        spans.append((offsets[0], offsets[1], name))
    end = 0
    for start, stop, name in sorted(spans):
        if start != end:
            raise broken(f"has a gap or an overlap before '{name}'")
        end = stop
    if end != body:
        raise broken(f"holds {body} bytes of numbers where its header describes {end}")

    arrays = {}
    for start, stop, name in spans:
        dtype, _ = spec[name]
        array = np.frombuffer(data, DTYPES[dtype], (stop - start) // DTYPES[dtype].itemsize, 8 + length + start)
        arrays[name] = array.reshape(header[name]["shape"])
        if dtype.startswith("F") and not np.isfinite(arrays[name]).all():
            raise broken(f"holds NaN or infinite numbers in '{name}'")
    return arrays


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; an AvatarError for anything else.

    Links, pipes and devices are refused before opening: reading a pipe would wait for ever.
    """
    try:
        status = path.lstat()
    except OSError as error:
        raise AvatarError(f"{path.name} is missing in {path.parent}; the avatar is incomplete.") from error
    if path.is_symlink() or not path.is_file():
        raise AvatarError(f"{path.name} in {path.parent} is a link or a special file; only plain files are read.")
    if status.st_size > limit:
        raise AvatarError(f"{path.name} in {path.parent} is {status.st_size} bytes, at most {limit} are allowed.")
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise AvatarError(f"{path.name} in {path.parent} cannot be read: {error.strerror}.") from error
    if len(data) > limit:
        raise AvatarError(f"{path.name} in {path.parent} grew while it was read; at most {limit} bytes are allowed.")
    return data


def _naturals(value: object) -> bool:
    return isinstance(value, list) and len(value) <= 8 and all(type(v) is int and 0 <= v < 2**40 for v in value)
