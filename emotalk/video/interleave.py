"""Raw pictures and samples in one pipe: the smallest Matroska stream that ffmpeg reads.

Two pipes (one for pictures, one for sound) can dead-lock and need POSIX; a WAV beside the pipe must be
complete before the first picture. One interleaved stream needs neither: every cluster carries one video
frame and exactly the samples that belong to it, so sound and picture cannot drift apart, whatever the length.

Layout (EBML, RFC 8794 and RFC 9559): header, then Segment of unknown size with Info, Tracks and one Cluster
per frame. The time scale is one tick per frame, so that every time stamp is an exact integer.
"""

from __future__ import annotations

import struct

import numpy as np

from emotalk.core.rates import FPS, SAMPLE_RATE

SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
NANOSECONDS_PER_FRAME = 1_000_000_000 // FPS

_EBML, _SEGMENT, _INFO, _TRACKS, _TRACK = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE
_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK = 0x1F43B675, 0xE7, 0xA3
_UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"


def _id(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _size(length: int) -> bytes:
    # Always eight bytes: simple, and seven wasted bytes a frame are nothing beside a raw picture.
    return (length | 1 << 56).to_bytes(8, "big")


def _element(number: int, payload: bytes) -> bytes:
    return _id(number) + _size(len(payload)) + payload


def _uint(number: int, value: int) -> bytes:
    return _element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _text(number: int, value: str) -> bytes:
    return _element(number, value.encode())


def stream_header(width: int, height: int, alpha: bool = False) -> bytes:
    """What goes before the first frame: `width` x `height` RGB pictures (RGBA with `alpha`) and mono 16-bit sound at
    16 kHz."""
    ebml = _element(
        _EBML,
        _uint(0x4286, 1) + _uint(0x42F7, 1) + _uint(0x42F2, 4) + _uint(0x42F3, 8)
        + _text(0x4282, "matroska") + _uint(0x4287, 4) + _uint(0x4285, 2),
    )  # fmt: skip
    info = _element(_INFO, _uint(0x2AD7B1, NANOSECONDS_PER_FRAME))
    picture = _uint(0xB0, width) + _uint(0xBA, height) + _element(0x2EB524, b"RGBA" if alpha else b"RGB\x18")
    video = (
        _uint(0xD7, 1) + _uint(0x73C5, 1) + _uint(0x83, 1) + _uint(0x9C, 0)
        + _uint(0x23E383, NANOSECONDS_PER_FRAME) + _text(0x86, "V_UNCOMPRESSED") + _element(0xE0, picture)
    )  # fmt: skip
    sound = _element(0xB5, struct.pack(">d", SAMPLE_RATE)) + _uint(0x9F, 1) + _uint(0x6264, 16)
    audio = (
        _uint(0xD7, 2) + _uint(0x73C5, 2) + _uint(0x83, 2) + _uint(0x9C, 0)
        + _text(0x86, "A_PCM/INT/LIT") + _element(0xE1, sound)
    )  # fmt: skip
    tracks = _element(_TRACKS, _element(_TRACK, video) + _element(_TRACK, audio))
    return ebml + _id(_SEGMENT) + _UNKNOWN_SIZE + info + tracks


def _block(track: int, length: int) -> bytes:
    # Track number, time relative to the cluster (0), flags (key frame); the payload follows.
    return _id(_SIMPLE_BLOCK) + _size(4 + length) + struct.pack(">BhB", 0x80 | track, 0, 0x80)


def frame_parts(index: int, picture: np.ndarray, samples: np.ndarray) -> list[bytes | memoryview]:
    """One frame as buffers to be written one after the other (the picture is not copied).

    picture: [H, W, 3] uint8 (4 with alpha), contiguous. samples: up to 640 float32 values in [-1, 1]; missing ones
    are silence.
    """
    sound = np.zeros(SAMPLES_PER_FRAME, "<i2")
    sound[: len(samples)] = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0)
    time = _uint(_TIMESTAMP, index)
    video_block = _block(1, picture.nbytes)
    audio_block = _block(2, sound.nbytes)
    length = len(time) + len(video_block) + picture.nbytes + len(audio_block) + sound.nbytes
    head = _id(_CLUSTER) + _size(length) + time + video_block
    return [head, memoryview(picture).cast("B"), audio_block + sound.tobytes()]
