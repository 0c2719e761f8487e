"""A photo out of a file that anybody may have made: upright, in sRGB, of a bounded size.

    file ─► bytes (bounded) ─► header: kind and pixels (bounded) ─► decoded, small ─► colours ─► upright

HEIC, as iPhones save it, is read where the package `pillow_heif` is installed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from emotalk.core.errors import InputError
from emotalk.core.pictures import FORMATS, decoding, opened_picture

MAX_BYTES = 50_000_000
"""The largest file that is read."""
MAX_PIXELS = 50_500_000
"""The largest photo that is decoded: phones make pictures of 8160 x 6120. JPEGs are shrunk while they are decoded."""
LONGEST = 2048
"""Pixels of the longer side of what is returned."""
GREY = 128
"""What shines through where a photo is transparent."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF's orientation."""
_ORIENTATION = 0x0112
_WHAT = "The photo"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_ROWS = 256
_MOST_PROFILE = 4_000_000  # bytes: the largest ones of printing presses have 2 MB


def read_photo(path: str | Path) -> np.ndarray:
    """The photo in a file, [H, W, 3] uint8 in sRGB, upright as its camera says, at most LONGEST pixels on a side.

    What Pillow reads of `core.pictures.FORMATS`, of animations the first picture; transparent parts lie on grey.
    Raises InputError with a sentence where there is no file, or it is empty, too large, damaged, no picture or a video.
    """
    data = _read_bytes(path)
    formats = FORMATS
    if _is_heic(data):
        _register_heic()
        formats = (*FORMATS, "HEIF")
    elif _is_video(data):
        raise InputError(
            "The photo is a video. Make an avatar of a video with `emotalk personalize` (on the page: choose a video), "
            "or choose one picture, for example a JPEG file."
        )
    with decoding(), opened_picture(data, _WHAT, formats, MAX_PIXELS) as picture:
        orientation = _orientation(picture)
        shrink = LONGEST / max(picture.size)
        if shrink < 1:
            picture.draft("RGB", tuple(max(1, round(shrink * side)) for side in picture.size))  # JPEG alone
        profile = picture.info.get("icc_profile")
        small = _small(picture)
        rgb = _on_grey(small, profile)
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    return np.array(rgb)


def _read_bytes(path: str | Path) -> bytes:
    """The bytes of a regular file; devices and pipes, which may never end, are not read."""
    name = f"{Path(path).name!r:.80}"
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would be waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise InputError(f"There is no photo {name}. Check the name.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no name that a file can have"
        raise InputError(f"The photo {name} cannot be opened ({reason}). Choose another file.") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise InputError(f"{name} is a folder or a device, no photo. Choose a JPEG or PNG file.")
    with os.fdopen(handle, "rb") as file:
        if status.st_size > MAX_BYTES:
            raise InputError(
                f"The photo is a file of {status.st_size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are taken. "
                "Save it smaller, as a JPEG file."
            )
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise InputError(f"The photo {name} cannot be read ({error.strerror}). Choose another file.") from error
    if not data:
        raise InputError("The photo is an empty file. Choose another one, or save it anew.")
    if len(data) > MAX_BYTES:
        raise InputError("The photo grew while it was read. Wait until it is saved, then choose it again.")
    return data


def _brand(data: bytes) -> bytes | None:
    """What kind of ISO media file (MP4, HEIC, AVIF) the bytes say they are."""
    return data[8:12] if data[4:8] == b"ftyp" else None


def _is_heic(data: bytes) -> bool:
    brand = _brand(data)
    return brand in _HEIC_BRANDS and b"avif" not in data[12:64]


def _is_video(data: bytes) -> bool:
    brand = _brand(data)
    if brand is not None:
        return brand not in (b"avif", b"avis", *_HEIC_BRANDS)
    return (
        data.startswith((b"\x1a\x45\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1"))  # Matroska and WebM, MPEG, FLV
        or (data[:4] == b"RIFF" and data[8:12] == b"AVI ")
        or data[4:8] in (b"moov", b"mdat", b"wide")  # QuickTime of old
    )


def _register_heic() -> None:
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        raise InputError(
            "The photo is a HEIC file, as iPhones save them; reading it needs the package pillow-heif "
            "(pip install pillow-heif). Install it, or save the photo as JPEG."
        ) from error


def _orientation(picture: Image.Image) -> int:
    """EXIF's number for how the picture is turned; 1 where nothing sensible is said."""
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged notes, which Pillow's readers answer with nearly any error, say nothing
        return 1


def _small(picture: Image.Image) -> Image.Image:
    """The picture at LONGEST pixels at most, in a mode that has bytes for each channel."""
    picture = _in_bytes(picture)
    longest = max(picture.size)
    if longest <= LONGEST:
        return picture
    factor = longest // (2 * LONGEST)
    if factor > 1:
        picture = picture.reduce(factor)
    shrink = LONGEST / max(picture.size)
    return picture.resize([max(1, round(shrink * side)) for side in picture.size], Image.Resampling.LANCZOS)


def _in_bytes(picture: Image.Image) -> Image.Image:
    """Palettes, 1, 16 and 32 bits a channel as L, RGB, RGBA or CMYK."""
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    if picture.mode in ("L", "RGB", "CMYK", "LAB"):
        picture.load()
        return picture
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        top = max(float(values.max(initial=0.0)) for values in _strips(picture))
        # Floats are shares of white or bytes; whole numbers have 8 or 16 bits.
        full = 1.0 if picture.mode == "F" and top <= 1 else 255.0 if top <= 255 else max(top, 65535.0)
        if picture.mode.startswith("I;16"):
            full = 65535.0
        return Image.fromarray(
            np.concatenate([(np.clip(values / full, 0, 1) * 255 + 0.5).astype(np.uint8) for values in _strips(picture)])
        )
    return picture.convert("RGB")


def _strips(picture: Image.Image) -> Iterator[np.ndarray]:
    """The numbers of a picture of one channel, some rows at a time: as floats all at once they would take 16 bytes a
    pixel."""
    width, height = picture.size
    for row in range(0, height, _ROWS):
        strip = picture.crop((0, row, width, min(height, row + _ROWS)))
        yield np.nan_to_num(np.asarray(strip).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _on_grey(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB in sRGB; transparent parts laid on grey."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    rgb = _in_srgb(picture.convert("RGB") if alpha is not None else picture, profile)
    if alpha is None:
        return rgb
    return Image.composite(rgb, Image.new("RGB", rgb.size, (GREY, GREY, GREY)), alpha)


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture as its colour profile means it; one that is damaged, or of another colour space, is not followed."""
    if profile and len(profile) <= _MOST_PROFILE and profile[16:20] == _SPACES.get(picture.mode):
        with contextlib.suppress(Exception):  # LittleCMS's errors are of many kinds
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(source):
                return ImageCms.profileToProfile(
                    picture, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL, "RGB"
                )
    return picture.convert("RGB")


_SPACES = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK", "LAB": b"Lab "}
