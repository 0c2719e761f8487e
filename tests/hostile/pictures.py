"""Odd pictures: headers that claim four thousand million pixels, files that unpack to gigabytes, damaged ones."""

# ruff: noqa: E501 (the tables below have one case a line)

from __future__ import annotations

import functools
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile.cases import Case, as_file, noise

HUGE = 65_500
"""The largest side that a JPEG may have."""
BOMB_SIDE = 12_000
"""144 million pixels: more than three times what is taken, and quick to make in one bit each."""


def behind_a_face(path: Path) -> np.ndarray:
    """The picture [64, 64, 3] as a talk puts it behind a face."""
    from types import SimpleNamespace

    from emotalk.talk import Look, PictureFile
    from emotalk.talk.scene import background_of

    return np.asarray(background_of(SimpleNamespace(camera=None), Look(64, background=PictureFile(path))))


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes = b"", depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    """A PNG whose header says whatever it is told to."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width % 2**32, height % 2**32, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@functools.cache
def plain(format: str, mode: str = "RGB", side: int = 64, **options: object) -> bytes:
    """A sound picture of noise."""
    size = {"RGB": (side, side, 3), "CMYK": (side, side, 4), "RGBA": (side, side, 4), "L": (side, side)}[mode]
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, size, np.uint8), mode)
    return saved(picture, format, **options)


def saved(picture: Image.Image, format: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    target = io.BytesIO()
    picture.save(target, format, **options)
    return target.getvalue()


def huge_jpeg() -> bytes:
    """A JPEG of 16 x 16 whose header claims 65,500 x 65,500."""
    data = plain("JPEG", side=16)
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", HUGE, HUGE) + data[at + 4 :]


def huge_progressive_jpeg() -> bytes:
    """The same, with scans for which a decoder keeps the whole picture."""
    data = plain("JPEG", side=16, progressive=True)
    at = data.index(b"\xff\xc2") + 5
    return data[:at] + struct.pack(">HH", HUGE, HUGE) + data[at + 4 :]


def huge_gif() -> bytes:
    """A GIF whose screen has 65,500 x 65,500 pixels, and whose first picture has as many."""
    size = struct.pack("<HH", HUGE, HUGE)
    return b"GIF89a" + size + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + b"," + b"\0\0\0\0" + size + b"\0\2\2\x44\1\0;"


def huge_tiff() -> bytes:
    """A TIFF of one strip that claims 65,500 x 65,500."""
    entries = [(256, 4, 1, HUGE), (257, 4, 1, HUGE), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
               (277, 3, 1, 1), (278, 4, 1, HUGE), (279, 4, 1, HUGE * HUGE % 2**32)]  # fmt: skip
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + table + b"\0\0\0\0" + bytes(64)


def huge_bmp() -> bytes:
    """A BMP that claims 65,500 x 65,500."""
    info = struct.pack("<IiiHHIIiiII", 40, HUGE, HUGE, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + info + bytes(64)


def huge_webp() -> bytes:
    """An extended WebP whose canvas has 16,384 x 16,384 pixels, the most that it may have."""
    inner = plain("WEBP", side=16)[12:]
    canvas = struct.pack("<I", 0)[:4] + struct.pack("<I", 16_383)[:3] + struct.pack("<I", 16_383)[:3]
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def ico_of_png() -> bytes:
    """An icon that holds the huge PNG."""
    inner = png(HUGE, HUGE)
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inner), 22) + inner


def bomb(format: str, **options: object):
    """144 million pixels of nothing in a small file."""
    return lambda: saved(Image.new("1", (BOMB_SIDE, BOMB_SIDE)), format, **options)


def moving(format: str, count: int = 400) -> bytes:
    """A picture of many pictures."""
    pictures = [Image.new("RGB", (16, 16), (i % 256, 0, 0)) for i in range(count)]
    return saved(pictures[0], format, save_all=True, append_images=pictures[1:], duration=10)


def with_segments(marker: int, data: bytes, count: int) -> bytes:
    """A JPEG with many segments of that kind before its picture."""
    jpeg = plain("JPEG", side=16)
    segment = bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data
    return jpeg[:2] + segment * count + jpeg[2:]


def exif(orientation: int) -> bytes:
    """The table that says how a picture is turned."""
    table = Image.Exif()
    table[0x0112] = orientation
    return table.tobytes()


POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 16 16
%%EndComments
(climbed) (w) file closefile
showpage
"""
"""A program in PostScript: whoever opens it as a picture starts an interpreter."""
CLAIMS = [
    as_file("PNG of 65500 x 65500", png(HUGE, HUGE), "odd.png"),
    as_file("PNG of 65500 x 65500 in 16 bits", png(HUGE, HUGE, depth=16, colour=6), "odd.png"),
    as_file("PNG of 2^31 x 1", png(2**31 - 1, 1), "odd.png"),
    as_file("PNG of 1 x 2^31", png(1, 2**31 - 1), "odd.png"),
    as_file("PNG of 2^32 x 2^32", png(2**32 - 1, 2**32 - 1), "odd.png"),
    as_file("PNG of 0 x 0", png(0, 0), "odd.png"),
    as_file("JPEG of 65500 x 65500", huge_jpeg, "odd.jpg"),
    as_file("progressive JPEG of 65500 x 65500", huge_progressive_jpeg, "odd.jpg"),
    as_file("GIF of 65500 x 65500", huge_gif, "odd.gif"),
    as_file("TIFF of 65500 x 65500", huge_tiff, "odd.tiff"),
    as_file("BMP of 65500 x 65500", huge_bmp, "odd.bmp"),
    as_file("WebP of 16384 x 16384", huge_webp, "odd.webp"),
    as_file("PPM of 65500 x 65500", b"P6\n65500 65500\n255\n" + bytes(64), "odd.ppm"),
    as_file("PPM of 10^30 x 1", b"P6\n1" + b"0" * 30 + b" 1\n255\n" + bytes(64), "odd.ppm"),
    as_file("TGA of 65500 x 65500", struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, HUGE, HUGE, 24, 0) + bytes(64), "odd.tga"),
    as_file("PSD of 65500 x 65500", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, HUGE, HUGE, 8, 3) + bytes(64), "odd.psd"),
    as_file("icon of a PNG of 65500 x 65500", ico_of_png, "odd.ico"),
]  # fmt: skip
BOMBS = [
    as_file("PNG of 144 million pixels in 20 kB", bomb("PNG"), "odd.png"),
    as_file("TIFF of 144 million pixels", bomb("TIFF", compression="group4"), "odd.tiff"),
    as_file("PNG with a text that unpacks to 64 MB",
            lambda: png(16, 16, bytes(16 * 49), extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(64 * 2**20)))), "odd.png", True),
    as_file("PNG with colours that unpack to 64 MB",
            lambda: png(16, 16, bytes(16 * 49), extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(64 * 2**20)))), "odd.png", True),
    as_file("PNG of 16 x 16 that unpacks to 64 MB", lambda: png(16, 16, bytes(64 * 2**20)), "odd.png", True),
    as_file("JPEG with 10 MB of notes", lambda: with_segments(0xE1, b"Exif\0\0" + bytes(65_000), 160), "odd.jpg", True),
    as_file("JPEG with 10 MB of colours", lambda: with_segments(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65_000), 160), "odd.jpg", True),
    as_file("GIF of 400 pictures", lambda: moving("GIF"), "odd.gif", True),
    as_file("PNG of 400 pictures", lambda: moving("PNG"), "odd.png", True),
    as_file("WebP of 400 pictures", lambda: moving("WEBP", 100), "odd.webp", True),
    as_file("TIFF of 400 pictures", lambda: moving("TIFF"), "odd.tiff", True),
]  # fmt: skip
ODD = [
    *(as_file(f"{format} cut after {cut} bytes", lambda format=format, cut=cut: plain(format)[:cut], f"cut.{format.lower()}")
      for format in ("PNG", "JPEG", "WEBP", "GIF") for cut in (1, 9, 24, 200)),
    as_file("JPEG without its last half", lambda: plain("JPEG", side=256)[: len(plain("JPEG", side=256)) // 2], "odd.jpg", True),
    as_file("PNG without its last half", lambda: plain("PNG", side=256)[: len(plain("PNG", side=256)) // 2], "odd.png", True),
    as_file("JPEG in four inks", lambda: plain("JPEG", "CMYK"), "odd.jpg", True),
    as_file("PNG in 16 bits", lambda: saved(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "PNG"), "odd.png", True),
    as_file("TIFF in floats that are NaN", lambda: saved(Image.fromarray(np.full((16, 16), np.nan, "f4")), "TIFF"), "odd.tiff", True),
    as_file("PNG of one pixel", lambda: saved(Image.new("RGB", (1, 1)), "PNG"), "odd.png", True),
    as_file("PNG of 1 x 30000", lambda: saved(Image.new("RGB", (1, 30_000)), "PNG"), "odd.png", True),
    as_file("PNG with transparent parts", lambda: plain("PNG", "RGBA"), "odd.png", True),
    as_file("JPEG turned in a way that does not exist", lambda: plain("JPEG", exif=exif(255)), "odd.jpg", True),
    as_file("JPEG with notes that are damaged", lambda: with_segments(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + noise(400, 5), 1), "odd.jpg", True),
    as_file("JPEG called PNG", lambda: plain("JPEG"), "odd.png", True),
    as_file("a program in PostScript", POSTSCRIPT, "odd.eps"),
    as_file("a program in PostScript called PNG", POSTSCRIPT, "odd.png"),
    as_file("a program in PostScript with a preview",
            b"\xc5\xd0\xd3\xc6" + struct.pack("<IIIIIIH", 30, len(POSTSCRIPT), 0, 0, 0, 0, 0xFFFF) + POSTSCRIPT, "odd.png"),
    as_file("nothing", b"", "odd.png"),
    as_file("a text", b"This is no picture.", "odd.png"),
    as_file("a drawing", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "odd.svg"),
    as_file("a page", b"<html><script>alert(1)</script>", "odd.png"),
    as_file("noise", noise(20_000, 3), "odd.png"),
    *(as_file(f"{magic!r} and noise", magic + noise(3000, seed), "odd.png", True) for seed, magic in enumerate(
        (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"II*\0", b"MM\0*", b"BM", b"RIFF\xff\xff\0\0WEBPVP8 ", b"8BPS", b"icns",
         b"\0\0\1\0", b"P6\n", b"\0\0\0\x0cjP  \r\n\x87\n", b"SIMPLE  =", b"\xd7\xcd\xc6\x9a", b"qoif", b"DDS "), 60)),
    Case("a folder", lambda folder: folder),
    Case("a device", lambda folder: "/dev/zero"),
]  # fmt: skip
PICTURES = [*CLAIMS, *BOMBS, *ODD]
