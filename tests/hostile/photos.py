"""Odd photos of which an avatar is to be made: every odd picture, and what a photo alone can be."""

# ruff: noqa: E501 (the table below has one case a line)

from __future__ import annotations

import os
import struct
from pathlib import Path

from PIL import Image

from tests.hostile.cases import Case, as_file, noise
from tests.hostile.pictures import PICTURES, exif, plain, png, saved, with_segments


def brand(name: bytes, data: bytes = b"") -> bytes:
    """The begin of an ISO media file that says what it is."""
    return struct.pack(">I", 24) + b"ftyp" + name + bytes(4) + name + b"mif1" + data


def pipe(folder: Path) -> Path:
    """A pipe that nobody writes to."""
    os.mkfifo(folder / "pipe.jpg")
    return folder / "pipe.jpg"


def link_to_device(folder: Path) -> Path:
    """A link to what never ends."""
    (folder / "link.jpg").symlink_to("/dev/zero")
    return folder / "link.jpg"


def terabyte(folder: Path) -> Path:
    """A file that is a terabyte of nothing long and takes no room."""
    with (folder / "long.jpg").open("wb") as file:
        file.truncate(2**40)
    return folder / "long.jpg"


LARGEST = (7100, 7100)
"""50.4 million pixels: as many as are taken."""
ODD_PHOTOS = [
    as_file("photo: PNG of 7100 x 7100 in one bit", lambda: saved(Image.new("1", LARGEST), "PNG"), "odd.png", True),
    as_file("photo: PNG of 7100 x 7100 in 32 bits", lambda: saved(Image.new("RGBA", LARGEST), "PNG", compress_level=1), "odd.png", True),
    as_file("photo: progressive JPEG of 7100 x 7100", lambda: saved(Image.new("RGB", LARGEST), "JPEG", progressive=True), "odd.jpg", True),
    as_file("photo: JPEG in four inks of 7100 x 7100", lambda: saved(Image.new("CMYK", LARGEST), "JPEG"), "odd.jpg", True),
    as_file("photo: PNG of 7100 x 7100 in 16 bits", lambda: saved(Image.new("I;16", LARGEST), "PNG", compress_level=1), "odd.png", True),
    as_file("photo: TIFF of 7100 x 7100 whole numbers of 32 bits", lambda: saved(Image.new("I", LARGEST), "TIFF", compression="tiff_adobe_deflate"), "odd.tif", True),
    as_file("photo: a video called JPEG", brand(b"isom", b"\0\0\0\x08mdat"), "odd.jpg"),
    as_file("photo: a film of WebM", b"\x1a\x45\xdf\xa3" + noise(3000, 1), "odd.webm"),
    as_file("photo: HEIC and noise", brand(b"heic", noise(3000, 2)), "odd.heic"),
    as_file("photo: AVIF and noise", brand(b"avif", noise(3000, 3)), "odd.avif"),
    as_file("photo: HEIC of nothing", brand(b"heic"), "odd.heic"),
    as_file("photo: JPEG with notes of 60 kB of noise", lambda: with_segments(0xE1, b"Exif\0\0MM\0*" + noise(60_000, 4), 1), "odd.jpg", True),
    as_file("photo: JPEG turned by a text", lambda: plain("JPEG", exif=exif(8).replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x02")), "odd.jpg", True),
    as_file("photo: PNG with a colour profile of noise", lambda: saved(Image.new("RGB", (64, 64)), "PNG", icc_profile=noise(4000, 5)), "odd.png", True),
    as_file("photo: JPEG that is a page too", lambda: plain("JPEG") + b"<html><script>alert(1)</script>", "odd.html", True),
    as_file("photo: PNG that is an archive too", lambda: png(16, 16, bytes(16 * 49)) + b"PK\3\4" + noise(500, 6), "odd.zip", True),
    Case("photo: a pipe", pipe),
    Case("photo: a link to a device", link_to_device),
    Case("photo: a terabyte of nothing", terabyte),
    Case("photo: a name of 10,000 letters", lambda folder: folder / ("a" * 10_000)),
]  # fmt: skip
PHOTOS = [*PICTURES, *ODD_PHOTOS]
