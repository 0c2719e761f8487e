"""Odd sound files. None holds speech; what can be played after all holds a buzz."""

# ruff: noqa: E501 (the tables below have one case a line)

from __future__ import annotations

import functools
import io
import os
import socket
import struct
import zipfile
from pathlib import Path

import numpy as np

from tests.hostile.cases import RATE, Case, as_file, encoded, noise, wav_bytes

LIMIT_SECONDS = 60.0
"""As long as a stranger's sound may be."""


def riff(
    data: bytes, *, tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, block: int | None = None,
    riff_size: int | None = None, data_size: int | None = None, magic: bytes = b"RIFF", extra: bytes = b"",
) -> bytes:  # fmt: skip
    """A WAV file whose header says whatever it is told to."""
    block = channels * bits // 8 if block is None else block
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block % 2**32, block % 2**16, bits)
    chunks = extra + b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(data) if data_size is None else data_size) + data
    size = 4 + len(chunks) if riff_size is None else riff_size
    return magic + struct.pack("<I", size) + b"WAVE" + chunks


def samples(count: int = RATE, kind: str = "<i2") -> bytes:
    """A quiet tone."""
    tone = np.sin(2 * np.pi * 220 * np.arange(count) / RATE)
    return (tone * 9000).astype(kind).tobytes() if kind.startswith("<i") else (tone * 0.3).astype(kind).tobytes()


def rf64(frames: int) -> bytes:
    """RF64 that claims so many samples of a few that it has."""
    data = samples(4000)
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 2**40, frames * 2, frames, 0)
    return riff(data, magic=b"RF64", riff_size=2**32 - 1, data_size=2**32 - 1, extra=sizes)


def wave64(size: int) -> bytes:
    """Sony Wave64 that claims so many bytes."""
    tail = bytes.fromhex("ACF3D3118CD100C04F8EDB8A")
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    head = b"riff" + bytes.fromhex("2E91CF11A5D628DB04C10000") + struct.pack("<Q", size) + b"wave" + tail
    return head + b"fmt " + tail + struct.pack("<Q", 40) + form + b"data" + tail + struct.pack("<Q", size) + samples()


def au(size: int, rate: int = RATE, channels: int = 1) -> bytes:
    """A Sun AU file that claims so many bytes."""
    return (
        struct.pack(">4s5I", b".snd", 24, size, 3, rate, channels)
        + np.frombuffer(samples(), "<i2").byteswap().tobytes()
    )


def aiff(frames: int) -> bytes:
    """An AIFF file that claims so many samples at a rate of 80 bits."""
    common = struct.pack(">hIh", 1, frames, 16) + bytes.fromhex("400CFA00000000000000")
    body = (
        b"AIFF" + b"COMM" + struct.pack(">I", 18) + common + b"SSND" + struct.pack(">III", 2**31 - 1, 0, 0) + samples()
    )
    return b"FORM" + struct.pack(">I", 2**31 - 1) + body


@functools.cache
def mp3() -> bytes:
    """A real MP3 of the buzz."""
    return encoded("-b:a", "64k", suffix=".mp3", sound=True)


@functools.cache
def flac() -> bytes:
    """A real FLAC of the buzz."""
    return encoded(suffix=".flac", sound=True)


@functools.cache
def ogg() -> bytes:
    """A real Ogg Opus of the buzz."""
    return encoded("-c:a", "libopus", suffix=".ogg", sound=True)


@functools.cache
def m4a() -> bytes:
    """A real M4A of the buzz, its index behind the sound."""
    return encoded("-c:a", "aac", suffix=".m4a", sound=True)


def flac_of_silence() -> bytes:
    """An hour of silence in some ten kilobytes."""
    import soundfile

    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", samplerate=8000, channels=1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8000, np.int16))
    return target.getvalue()


def holed(size: int):
    """A WAV of `size` bytes of nothing, which takes no room on the disk."""

    def make(folder: Path) -> Path:
        path = folder / "long.wav"
        path.write_bytes(riff(b"", data_size=size % 2**32, riff_size=(size + 36) % 2**32))
        os.truncate(path, 44 + size)
        return path

    return make


def zipped() -> bytes:
    """A zip whose entries climb out of the folder."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("../../../../tmp/climbed.txt", "out")
        archive.writestr("/etc/climbed.txt", "out")
    return target.getvalue()


def playlist(name: str, file: str, text: str) -> Case:
    """A listing that names other files: {sound} is the owner's, {web} a server on this machine that must hear nothing."""

    def make(folder: Path) -> Path:
        path = folder / file
        names = {"sound": str(folder.parent / "secret" / "owner.wav"), "web": (folder.parent / "web.txt").read_text()}
        path.write_text(text.format(**names))
        return path

    return Case(name, make)


def special(name: str, kind: str) -> Case:
    """What stands in a folder like a file and is none."""

    def make(folder: Path) -> Path:
        path = folder / "odd.wav"
        match kind:
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "loop":
                path.symlink_to(path.name)
            case "dangling":
                path.symlink_to(folder / "nowhere.wav")
            case "socket":
                # A short name from inside: addresses of sockets have at most some hundred characters.
                here = os.open(".", os.O_RDONLY)
                os.chdir(folder)
                try:
                    with socket.socket(socket.AF_UNIX) as door:
                        door.bind(path.name)
                finally:
                    os.fchdir(here)
                    os.close(here)
        return path

    return Case(name, make)


def named(name: str, text: str) -> Case:
    """A name alone; there is no such file."""
    return Case(name, lambda folder: text)


WAV = wav_bytes()
TRUNCATED = [
    as_file(f"{name} cut after {cut} bytes", lambda data=data, cut=cut: data()[:cut], f"cut{suffix}", usable=True)
    for name, data, suffix in (
        ("WAV", lambda: WAV, ".wav"), ("MP3", mp3, ".mp3"), ("FLAC", flac, ".flac"), ("Ogg", ogg, ".ogg"),
        ("M4A", m4a, ".m4a"),
    )
    for cut in (1, 11, 30, 43, 47, 300, 3000)
]  # fmt: skip
HEADERS = [
    as_file(name, data, "odd.wav", usable)
    for name, data, usable in (
        ("WAV of no samples", riff(b""), False),
        ("WAV with 0 channels", riff(samples(), channels=0, block=2), True),
        ("WAV with 255 channels", riff(samples(), channels=255), True),
        ("WAV with 65535 channels", riff(samples(), channels=65535), True),
        ("WAV at 0 Hz", riff(samples(), rate=0), True),
        ("WAV at 1 Hz", riff(samples(), rate=1), True),
        ("WAV at 10 MHz", riff(samples(), rate=10_000_000), True),
        ("WAV at 4 GHz", riff(samples(), rate=2**32 - 1), True),
        ("WAV at 10 MHz with 255 channels", riff(samples(), rate=10_000_000, channels=255), True),
        ("WAV at 10 MHz that claims 4 GB", riff(samples(), rate=10_000_000, channels=64, data_size=2**32 - 8), True),
        ("WAV at 4 GHz that claims 4 GB", riff(samples(), rate=2**32 - 1, channels=64, data_size=2**32 - 8), True),
        ("WAV that claims 4 GB", riff(samples(), data_size=2**32 - 1, riff_size=2**32 - 1), True),
        ("WAV that claims nothing", riff(samples(), data_size=0, riff_size=0), True),
        ("WAV with blocks of 0 bytes", riff(samples(), block=0), True),
        ("WAV with 0 bits", riff(samples(), bits=0, block=2), True),
        ("WAV with 24 bits in blocks of 2", riff(samples(), bits=24, block=2), True),
        ("WAV with 7 bits", riff(samples(), bits=7, block=1), True),
        ("WAV of an unknown codec", riff(samples(), tag=0xFFFF), True),
        ("WAV of a codec without its table", riff(samples(), tag=0xFFFE), True),
        ("WAV of ADPCM without a table", riff(samples(), tag=2, bits=4, block=256), True),
        ("WAV of GSM", riff(samples(), tag=49, bits=0, block=65), True),
        ("WAV of NaN", riff(np.full(RATE, np.nan, "<f4").tobytes(), tag=3, bits=32), False),
        ("WAV of infinity", riff(np.full(RATE, np.inf, "<f4").tobytes(), tag=3, bits=32), False),
        ("WAV with one NaN", riff(samples(RATE, "<f4") + struct.pack("<f", np.nan), tag=3, bits=32), False),
        ("WAV as loud as floats go", riff((np.frombuffer(samples(RATE, "<f4"), "<f4") * 1e38).tobytes(), tag=3, bits=32), True),
        ("WAV as quiet as floats go", riff(np.full(RATE, 1e-42, "<f4").tobytes(), tag=3, bits=32), False),
        ("WAV of doubles beyond floats", riff(np.full(RATE, 1e300).tobytes(), tag=3, bits=64), False),
        ("RF64 that claims a trillion samples", rf64(10**12), True),
        ("RF64 that claims 2^63 samples", rf64(2**62), True),
        ("Wave64 that claims 2^62 bytes", wave64(2**62), True),
        ("Wave64 that claims 2^64 bytes", wave64(2**64 - 1), True),
    )
]  # fmt: skip
OTHERS = [
    as_file("nothing", b"", "empty.wav"),
    as_file("nothing, as MP3", b"", "empty.mp3"),
    as_file("AU that claims 4 GB", au(2**32 - 2), "odd.au", usable=True),
    as_file("AU at 4 GHz with 2000 channels", au(2**32 - 2, 2**32 - 1, 2000), "odd.au", usable=True),
    as_file("AIFF that claims 2^32 samples", aiff(2**32 - 1), "odd.aiff", usable=True),
    as_file("WAV called MP3", WAV, "odd.mp3", usable=True),
    as_file("MP3 called WAV", mp3, "odd.wav", usable=True),
    as_file("MP3 between garbage", lambda: noise(5000, 1) + mp3()[:4000] + noise(9000, 2) + mp3()[4000:], "odd.mp3", True),
    as_file("MP3 with a tag of 256 MB", lambda: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + mp3(), "odd.mp3", usable=True),
    as_file("MP3 of headers alone", b"\xff\xfb\x90\x00" * 4000, "odd.mp3", usable=True),
    *(as_file(f"noise called {suffix}", lambda seed=seed: noise(20_000, seed), f"odd{suffix}", usable=True)
      for seed, suffix in enumerate((".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".opus", ".wma"), 10)),
    *(as_file(f"{magic!r} and noise", lambda magic=magic, seed=seed: magic + noise(4000, seed), "odd.wav", usable=True)
      for seed, magic in enumerate((b"RIFF", b"RF64", b"fLaC", b"OggS", b"\0\0\0\x20ftypM4A ", b"\x1aE\xdf\xa3", b"FORM",
                                    b"MThd", b"#!AMR\n", b"wvpk", b"MAC ", b"TTA1", b"caff"), 30)),
    as_file("an hour of silence in 10 kB", flac_of_silence, "long.flac"),
    Case("3 GB of silence that take no room", holed(3 * 2**30)),
    as_file("a picture", lambda: encoded("-f", "lavfi", "-i", "color=s=64x64:d=0.04", "-frames:v", "1", suffix=".png"), "odd.wav"),
    as_file("a drawing", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "odd.svg"),
    as_file("a page", b"<html><script>alert(1)</script>", "odd.html"),
    as_file("a zip that climbs", zipped, "odd.zip"),
    as_file("a pickle", b"cos\nsystem\n(S'touch climbed'\ntR.", "odd.wav"),
    as_file("a program", b"#!/bin/sh\ntouch climbed\n", "odd.wav"),
    playlist("HLS of the owner's file", "odd.m3u8", "#EXTM3U\n#EXTINF:1,\nfile://{sound}\n#EXT-X-ENDLIST\n"),
    playlist("HLS of the owner's file by its path", "odd.wav", "#EXTM3U\n#EXTINF:1,\n{sound}\n#EXT-X-ENDLIST\n"),
    playlist("HLS of a server", "odd.mp3", "#EXTM3U\n#EXTINF:1,\n{web}a.ts\n#EXT-X-ENDLIST\n"),
    playlist("HLS with a key from a server", "odd.m3u8",
             '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{web}key"\n#EXTINF:1,\nfile://{sound}\n#EXT-X-ENDLIST\n'),
    playlist("ffconcat of the owner's file", "odd.wav", "ffconcat version 1.0\nfile '{sound}'\n"),
    playlist("ffconcat of a server", "odd.ffconcat", "ffconcat version 1.0\nfile {web}a.wav\n"),
    playlist("ffconcat with an option", "odd.ffconcat", "ffconcat version 1.0\nfile '{sound}'\noption safe 0\n"),
    playlist("PLS of a server", "odd.pls", "[playlist]\nFile1={web}a.mp3\nNumberOfEntries=1\n"),
    playlist("DASH of a server", "odd.mpd", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>'
             "<BaseURL>{web}</BaseURL></Period></MPD>"),
    playlist("SDP of a server", "odd.sdp", "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\na=control:{web}\n"),
    playlist("XML that asks for a file", "odd.wav", '<!DOCTYPE a [<!ENTITY b SYSTEM "file://{sound}">]><MPD>&b;</MPD>'),
    special("a folder", "folder"), special("a pipe", "pipe"), special("a link to itself", "loop"),
    special("a link to nowhere", "dangling"), special("a socket", "socket"),
    named("/dev/zero", "/dev/zero"), named("/dev/urandom", "/dev/urandom"), named("/proc/self/mem", "/proc/self/mem"),
    named("an option as name", "-i"), named("a URL", "http://127.0.0.1:9/a.wav"), named("a file URL", "file:///etc/passwd"),
    named("a pipe's name", "pipe:0"), named("a list of names", "concat:/etc/passwd|/etc/hosts"),
    named("a data URL", "data:audio/wav;base64,UklGRg=="), named("an empty name", ""), named("a dot", "."),
    named("a zero byte", "a\0.wav"), named("half a character", "a\ud800.wav"), named("a name of 10,000 letters", "a" * 10_000),
]  # fmt: skip
SOUNDS = [*TRUNCATED, *HEADERS, *OTHERS]
