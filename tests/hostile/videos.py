"""Odd videos, for the making of an avatar. None shows a face: what can be followed after all is refused for that."""

# ruff: noqa: E501 (the tables below have one case a line)

from __future__ import annotations

import functools
import random
import struct
from pathlib import Path

from tests.hostile.cases import Case, as_file, encoded, noise, wav_bytes
from tests.hostile.pictures import HUGE, huge_gif, huge_jpeg, moving, png
from tests.hostile.sounds import playlist, special, zipped


@functools.cache
def video(*arguments: str, suffix: str = ".mp4", source: str = "testsrc=s=64x64:r=25:d=0.4") -> bytes:
    """A few pictures of a test card in motion."""
    return encoded("-f", "lavfi", "-i", source, *arguments, suffix=suffix)


def y4m(width: int, height: int, rate: str = "25:1", pictures: int = 2, size: int | None = None) -> bytes:
    """Raw pictures under a header that says whatever it is told to."""
    data = bytes(width * height * 3 // 2 if size is None else size)
    return f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C420jpeg\n".encode() + (b"FRAME\n" + data) * pictures


def avi(
    width: int, height: int, data: bytes, codec: bytes = b"MJPG", rate: int = 25, scale: int = 1, length: int = 1
) -> bytes:
    """An AVI of one picture under a header that says whatever it is told to."""

    def riff(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)

    main = struct.pack("<14I", 40_000, 0, 0, 0x10, length, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = b"vids" + codec + struct.pack("<IHHIIIIIIIIHHHH", 0, 0, 0, 0, scale, rate, 0, length, 0, 0, 0, 0, 0, 0, 0)
    form = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, codec, 0, 0, 0, 0, 0)
    streams = riff(b"LIST", b"strl" + riff(b"strh", stream) + riff(b"strf", form))
    head = riff(b"LIST", b"hdrl" + riff(b"avih", main) + streams)
    return riff(b"RIFF", b"AVI " + head + riff(b"LIST", b"movi" + riff(b"00dc", data)))


def mkv_of(width: int) -> bytes:
    """A Matroska whose track claims a size, by changing the one that ffmpeg wrote (0xB0 width, 0xBA height)."""
    data = video("-c:v", "mjpeg", suffix=".mkv")
    for mark in (b"\xb0\x81\x40", b"\xba\x81\x40"):  # 64 in one byte
        at = data.index(mark)
        data = data[:at] + mark[:1] + b"\x81" + bytes((min(width, 255),)) + data[at + 3 :]
    return data


def without(box: bytes) -> bytes:
    """An MP4 in which one box has another name."""
    return video().replace(box, b"xxxx", 1)


def patched(box: bytes, offset: int, value: bytes) -> bytes:
    """An MP4 in which some bytes behind the name of a box are others."""
    data = video()
    at = data.index(box) + 4 + offset
    return data[:at] + value + data[at + len(value) :]


def cover() -> bytes:
    """A sound file whose only picture is the cover of a record."""
    with_picture = ("-f", "lavfi", "-i", "color=s=64x64:d=0.04", "-map", "0:a", "-map", "1:v", "-frames:v", "1", "-c:v", "png",
                    "-disposition:v", "attached_pic")  # fmt: skip
    return encoded(*with_picture, suffix=".mp3", sound=True)


def damaged(seed: int) -> bytes:
    """An MP4 with some bytes changed by chance."""
    chance, data = random.Random(seed), bytearray(video())
    for _ in range(30):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def drawing(folder: Path, inner: str) -> Path:
    """A drawing in SVG, which some programs take for a video of one picture; it may show other files."""
    names = {"picture": str(folder.parent / "secret" / "owner.png"), "web": (folder.parent / "web.txt").read_text()}
    path = folder / "odd.mp4"
    inner = inner.format(**names)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64"/>{inner}</svg>'
    )
    return path


SUBTITLES = b"1\n00:00:00,000 --> 00:10:00,000\nNobody is here.\n"
SCRIPT = b"[Script Info]\n[Events]\nDialogue: 0,0:00:00.00,0:10:00.00,,,0,0,0,,Nobody is here.\n"
VIDEOS = [
    *(as_file(f"MP4 cut after {cut} bytes", lambda cut=cut: video()[:cut], "cut.mp4", True) for cut in (1, 30, 300, 3000)),
    *(as_file(f"WebM cut after {cut} bytes", lambda cut=cut: video("-c:v", "libvpx", suffix=".webm")[:cut], "cut.webm", True)
      for cut in (1, 30, 300, 3000)),
    as_file("MP4 without an index", lambda: without(b"moov"), "odd.mp4"),
    as_file("MP4 without pictures", lambda: without(b"mdat"), "odd.mp4", True),
    as_file("MP4 whose samples lie nowhere", lambda: patched(b"stco", 8, b"\x7f\xff\xff\xff"), "odd.mp4", True),
    as_file("MP4 with 2^32 samples", lambda: patched(b"stsz", 8, b"\xff\xff\xff\xff"), "odd.mp4", True),
    as_file("MP4 of 10^6 hours", lambda: patched(b"mvhd", 16, b"\xff\xff\xff\xff"), "odd.mp4", True),
    as_file("MP4 with a clock of 0", lambda: patched(b"mdhd", 12, b"\0\0\0\0"), "odd.mp4", True),
    as_file("MP4 inside itself", lambda: patched(b"moov", -8, b"\0\0\0\0"), "odd.mp4", True),
    as_file("raw pictures of 65500 x 65500", y4m(HUGE, HUGE, size=1000), "odd.y4m"),
    as_file("raw pictures of 30000 x 2", y4m(30_000, 2), "odd.y4m", True),
    as_file("raw pictures of 2 x 30000", y4m(2, 30_000), "odd.y4m", True),
    as_file("raw pictures of 0 x 0", b"YUV4MPEG2 W0 H0 F25:1\nFRAME\n", "odd.y4m"),
    as_file("no pictures", b"YUV4MPEG2 W64 H64 F25:1 C420jpeg\n", "odd.y4m"),
    as_file("a million pictures a second", y4m(16, 16, "1000000:1", 200), "odd.y4m", True),
    as_file("a picture in 1000 hours", y4m(16, 16, "1:3600000", 2), "odd.y4m", True),
    as_file("0 pictures a second", y4m(16, 16, "0:0", 5), "odd.y4m", True),
    as_file("AVI of a JPEG of 65500 x 65500", lambda: avi(HUGE, HUGE, huge_jpeg()), "odd.avi"),
    as_file("AVI that claims 64 x 64 of a JPEG of 65500 x 65500", lambda: avi(64, 64, huge_jpeg()), "odd.avi"),
    as_file("AVI of a PNG of 65500 x 65500", lambda: avi(64, 64, png(HUGE, HUGE), b"MPNG"), "odd.avi"),
    as_file("AVI of raw pixels of 65500 x 65500", lambda: avi(HUGE, HUGE, bytes(1000), b"\0\0\0\0"), "odd.avi"),
    as_file("AVI of 2^31 x 2^31", lambda: avi(2**31 - 1, 2**31 - 1, bytes(1000)), "odd.avi"),
    as_file("AVI at 10^9 pictures a second", lambda: avi(64, 64, huge_jpeg()[:200], rate=10**9), "odd.avi"),
    as_file("AVI of 2^32 pictures", lambda: avi(64, 64, bytes(100), length=2**32 - 1), "odd.avi"),
    as_file("Matroska of another size than its pictures", lambda: mkv_of(200), "odd.mkv", True),
    as_file("a JPEG of 65500 x 65500", huge_jpeg, "odd.mp4"),
    as_file("a PNG of 65500 x 65500", png(HUGE, HUGE), "odd.mp4"),
    as_file("a GIF of 65500 x 65500", huge_gif, "odd.mp4"),
    as_file("a GIF of 400 pictures", lambda: moving("GIF"), "odd.mp4", True),
    as_file("a single picture", lambda: video("-frames:v", "1", suffix=".png"), "odd.mp4", True),
    as_file("a record with a cover", cover, "odd.mp3"),
    as_file("sound alone", wav_bytes, "odd.mp4"),
    as_file("sound alone, in MP4", lambda: encoded("-c:a", "aac", suffix=".mp4", sound=True), "odd.mp4"),
    as_file("subtitles alone", SUBTITLES, "odd.mp4"),
    as_file("subtitles alone, in a script", SCRIPT, "odd.mkv"),
    as_file("nothing", b"", "odd.mp4"),
    as_file("one byte", b"a", "odd.mp4"),
    *(as_file(f"noise called {suffix}", lambda seed=seed: noise(20_000, seed), f"odd{suffix}", True)
      for seed, suffix in enumerate((".mp4", ".mov", ".webm", ".mkv", ".avi", ".ts", ".gif"), 90)),
    *(as_file(f"MP4 damaged with seed {seed}", lambda seed=seed: damaged(seed), "odd.mp4", True) for seed in range(12)),
    as_file("a zip that climbs", zipped, "odd.mp4"),
    as_file("a page", b"<html><script>alert(1)</script>", "odd.mp4"),
    *(Case(f"a drawing {how}", lambda folder, text=text: drawing(folder, text), usable=True) for how, text in (
        ("that shows the owner's picture", '<image href="file://{picture}" width="64" height="64"/>'),
        ("that shows it by its path", '<image href="{picture}" width="64" height="64"/>'),
        ("that shows it from beside", '<image href="../secret/owner.png" width="64" height="64"/>'),
        ("that shows a server's", '<image href="{web}a.png" width="64" height="64"/>'),
        ("of a style from a server", '<style>@import url("{web}a.css");</style>'),
        ("of a million ovals", '<g id="a"><circle r="9"/></g>' + "".join(
            f'<g id="{b}">' + f'<use href="#{a}"/>' * 100 + "</g>" for a, b in ("ab", "bc", "cd"))),
    )),
    playlist("HLS of the owner's file", "odd.mp4", "#EXTM3U\n#EXTINF:1,\nfile://{sound}\n#EXT-X-ENDLIST\n"),
    playlist("HLS of a server", "odd.m3u8", "#EXTM3U\n#EXTINF:1,\n{web}a.ts\n#EXT-X-ENDLIST\n"),
    playlist("ffconcat of the owner's file", "odd.mp4", "ffconcat version 1.0\nfile '{sound}'\n"),
    playlist("ffconcat of a server", "odd.mp4", "ffconcat version 1.0\nfile {web}a.mp4\n"),
    special("a folder", "folder"), special("a pipe", "pipe"), special("a link to itself", "loop"),
    special("a link to nowhere", "dangling"), special("a socket", "socket"),
    Case("/dev/zero", lambda folder: "/dev/zero"),
    Case("a pattern of names", lambda folder: folder / "%03d.png"),
    Case("half a character", lambda folder: str(Path(folder, "a\ud800.mp4"))),
]  # fmt: skip
