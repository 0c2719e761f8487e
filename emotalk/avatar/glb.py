"""A binary glTF 2.0 file (.glb): accessors over one buffer, written by hand from arrays.

    header (magic, version, length) | JSON chunk | binary chunk

Views begin at multiples of four bytes. Arrays of one kind that go into sparse accessors share two views, as a view for
each of a hundred morph targets would only lengthen the JSON.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
ATTRIBUTE, INDICES = 34962, 34963
"""What a view is for: the numbers of OpenGL's buffer targets."""
COMPONENTS = {
    np.dtype("u1"): 5121, np.dtype("<u2"): 5123, np.dtype("<u4"): 5125, np.dtype("<f4"): 5126,
}  # fmt: skip
TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}


class GlbFile:
    """Collects arrays and gives the bytes of the file; `add` and `add_sparse` return the number of an accessor."""

    def __init__(self) -> None:
        self.accessors: list[dict[str, Any]] = []
        self._views: list[dict[str, Any]] = []
        self._parts: list[bytes] = []
        self._length = 0
        self._sparse: list[tuple[dict[str, Any], np.ndarray, np.ndarray]] = []

    def add(
        self,
        array: np.ndarray,  # [N], [N, 2 to 4] or [N, 4, 4] (row by row); uint8, uint16, uint32 or float32
        target: int | None = None,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Puts an array [N, …] into a view of its own. `bounds` tells its least and largest values, `normalized` that
        whole numbers stand for 0 to 1."""
        if array.ndim == 3:
            array = array.transpose(0, 2, 1)  # matrices are stored column by column
        entry = self._entry(array.shape, array.dtype) | {"bufferView": self._view(array.tobytes(), target)}
        if bounds:
            entry |= _bounds(array)
        if normalized:
            entry["normalized"] = True
        return self._append(entry)

    def add_sparse(self, array: np.ndarray, least: float) -> int:
        """Puts an `array` [N, 3] of float32 of which most rows are zero: only those longer than `least` are stored, or
        all where that takes less room. Its bounds are told."""
        rows = np.flatnonzero(np.square(array).sum(1) > least * least)
        kind = np.dtype("<u2") if len(array) <= 2**16 - 1 else np.dtype("<u4")
        if len(rows) * (kind.itemsize + 12) >= len(array) * 12:
            return self.add(array, ATTRIBUTE, bounds=True)
        kept = np.zeros_like(array)
        kept[rows] = array[rows]
        entry = self._entry(array.shape, array.dtype) | _bounds(kept)
        if len(rows):  # an accessor without any view is all zeros
            self._sparse.append((entry, rows.astype(kind), array[rows]))
        return self._append(entry)

    def to_bytes(self, document: dict[str, Any]) -> bytes:
        """The whole file; `document` is its JSON without accessors, views and buffer."""
        self._add_sparse_views()
        binary = b"".join(self._parts)
        document = document | {
            "accessors": self.accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(binary)}],
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        chunks = (
            struct.pack("<II", len(text), JSON_CHUNK) + text + struct.pack("<II", len(binary), BINARY_CHUNK) + binary
        )
        return struct.pack("<III", MAGIC, VERSION, 12 + len(chunks)) + chunks

    def _append(self, entry: dict[str, Any]) -> int:
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def _entry(self, shape: tuple[int, ...], kind: np.dtype) -> dict[str, Any]:
        return {"componentType": COMPONENTS[kind], "count": shape[0], "type": TYPES[shape[1:]]}

    def _view(self, data: bytes, target: int | None = None) -> int:
        view = {"buffer": 0, "byteOffset": self._length, "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        data += bytes(-len(data) % 4)
        self._parts.append(data)
        self._length += len(data)
        self._views.append(view)
        return len(self._views) - 1

    def _add_sparse_views(self) -> None:
        if not self._sparse:
            return
        places = self._view(b"".join(rows.tobytes() for _, rows, _ in self._sparse))
        values = self._view(b"".join(part.tobytes() for _, _, part in self._sparse))
        place = value = 0
        for entry, rows, part in self._sparse:
            kind = COMPONENTS[rows.dtype]
            entry["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": places, "byteOffset": place, "componentType": kind},
                "values": {"bufferView": values, "byteOffset": value},
            }
            place, value = place + rows.nbytes, value + part.nbytes
        self._sparse = []


def _bounds(array: np.ndarray) -> dict[str, list[float]]:
    rows = array.reshape(len(array), -1)
    return {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
