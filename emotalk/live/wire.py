"""The records of a live stream as bytes, and back: a byte of kind, 24 bits of length (little-endian), the payload.

H head │ A sound │ M speech code │ C moods │ W words │ T text │ R remark │ E end │ X error      see docs/live-stream.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.motion.code_stream import RowLayout
from emotalk.motion.network import NetworkConfig

VERSION = 1
ROW = RowLayout.of(NetworkConfig())
"""Where the parts of the shipped network's speech code lie in a row; `ROW.size` half floats a frame."""
KINDS = "HAMCWTREX"
LONGEST = 2**24 - 1
"""Bytes of a payload at most."""


def head(who: dict, words: bool, row: int = ROW.size) -> bytes:
    """`H`: whose code comes (`who.who_of`) and whether its words are told, `row` numbers a frame."""
    return _json("H", {"version": VERSION, "rate": SAMPLE_RATE, "fps": FPS, "row": row, "who": who, "words": words})


def sound(samples: np.ndarray) -> bytes:
    """`A`: what is played next, samples [N] in [-1, 1]."""
    return record("A", np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def code(rows: np.ndarray) -> bytes:
    """`M`: the next rows of speech code [T, row], as half floats."""
    return record("M", np.ascontiguousarray(rows, "<f2").tobytes())


def moods(first: int, values: np.ndarray) -> bytes:
    """`C`: valence and arousal [T, 2] of the frames from `first` on."""
    return _json("C", {"first": first, "values": [[round(float(x), 4) for x in value] for value in values]})


def words(said: Sequence[tuple[float, float, str]]) -> bytes:
    """`W`: (start, end, word) in seconds from the start of the stream."""
    return _json("W", {"words": [[round(start, 3), round(end, 3), word] for start, end, word in said]})


def text(said: str, start: float) -> bytes:
    """`T`: what is said from `start` on, in seconds from the start of the stream."""
    return _json("T", {"text": said, "start": round(start, 3)})


def remark(sentence: str) -> bytes:
    """`R`: something to tell that stops nothing."""
    return _json("R", {"remark": sentence})


def end(seconds: float) -> bytes:
    """`E`: all was sent; so long is its sound."""
    return _json("E", {"seconds": seconds})


def error(sentence: str) -> bytes:
    """`X`: nothing more comes, and why."""
    return _json("X", {"error": sentence})


def record(kind: str, payload: bytes) -> bytes:
    """One record. ValueError for a kind that there is not, and for more than LONGEST bytes."""
    if len(kind) != 1 or kind not in KINDS:
        raise ValueError(f"There is no record {kind!r:.20}; the kinds are {', '.join(KINDS)}.")
    if len(payload) > LONGEST:
        raise ValueError(f"A record holds at most {LONGEST:,} bytes, found {len(payload):,}; send it in parts.")
    return kind.encode() + len(payload).to_bytes(3, "little") + payload


def records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """(kind, payload) of every record of a stream's bytes. InputError where they are no records, or end within one."""
    at = 0
    while at < len(data):
        kind, size = chr(data[at]), int.from_bytes(data[at + 1 : at + 4], "little")
        if kind not in KINDS:
            raise InputError(f"This is no live stream: byte {at} begins a record {kind!r}, which there is not.")
        if at + 4 + size > len(data):
            raise InputError(f"The live stream ends within a record {kind!r}; fetch it again.")
        yield kind, data[at + 4 : at + 4 + size]
        at += 4 + size


def content(kind: str, payload: bytes) -> dict | np.ndarray:
    """What a record says: samples [N] float32 of `A`, rows [T, ROW.size] float32 of `M`, the JSON of all others.
    InputError where the payload is none of its kind."""
    try:
        if kind == "A":
            return np.frombuffer(payload, "<i2").astype(np.float32) / 32767
        if kind == "M":
            return np.frombuffer(payload, "<f2").reshape(-1, ROW.size).astype(np.float32)
        return json.loads(payload)
    except ValueError as fault:
        raise InputError(f"A record {kind!r} of the live stream is damaged ({fault}); fetch it again.") from fault


def _json(kind: str, value: dict) -> bytes:
    return record(kind, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
