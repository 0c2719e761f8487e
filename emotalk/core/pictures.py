"""Pictures: as arrays of bytes, and out of files that anybody may have made.

A file of 20 kB can claim four thousand million pixels. What it claims is read from its header and refused before
anything is decoded; decoding itself is done for two at a time, so that many requests do not add up.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from emotalk.core.errors import InputError

MAX_PIXELS = 40_000_000
"""The largest picture, or frame of a video, that is decoded: 8K is 33 million; 40 million take 0.3 GB for a moment."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What is read. Others can make Pillow start programs (EPS) or are nobody's photographs."""
_SHRINK_WHILE_DECODING = 16_000_000  # pixels from which a JPEG is decoded smaller: below, nobody's memory is short
_decoding = threading.BoundedSemaphore(2)


def _fresh_semaphore() -> None:
    # A process that was forked off this one must not wait for threads that it does not have.
    global _decoding
    _decoding = threading.BoundedSemaphore(2)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fresh_semaphore)


def eight_bit(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] or [H, W] as contiguous uint8: floats in [0, 1] are scaled, rounded and clipped,
    bytes are left as they are."""
    if picture.dtype != np.uint8:
        picture = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(picture)


def check_pixels(what: str, width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Raise InputError where a picture of that many pixels is too large to be decoded."""
    if width * height > most:
        megapixels = width * height / 1e6
        raise InputError(
            f"{what} is {width} x {height} pixels, {megapixels:.1f} megapixels; at most {most / 1e6:g} are taken. "
            "Make it smaller."
        )


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Wait for one of the two places in which pictures are decoded."""
    with _decoding:
        yield


@contextlib.contextmanager
def opened_picture(
    source: Path | bytes, what: str = "The picture", formats: tuple[str, ...] = FORMATS, most: int = MAX_PIXELS
) -> Iterator[Image.Image]:
    """The first picture of a file, or of the bytes of one, with nothing decoded but its header.

    Raises InputError, also for what is met while it is open, where it is no picture, damaged, of none of the
    `formats`, or has more than `most` pixels. Messages say `what` it is and no path.
    """
    Image.init()  # AVIF is there only where Pillow was built with it
    known = [name for name in formats if name in Image.OPEN]
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=known) as picture:
            check_pixels(what, *picture.size, most)
            yield picture
    except InputError:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own limit, far above this one
        found = re.search(r"\((\d+) pixels\)", str(error))
        megapixels = f"{int(found[1]) / 1e6:.0f}" if found else "far too many"
        raise InputError(
            f"{what} has {megapixels} megapixels; at most {most / 1e6:.0f} are taken. Make it smaller."
        ) from error
    except MemoryError as error:
        raise InputError(f"{what} needs more memory than there is. Make it smaller.") from error
    except FileNotFoundError as error:
        raise InputError(f"{what} is not there any more; choose it again.") from error
    except Exception as error:
        # A damaged file makes one or the other of Pillow's readers raise nearly anything.
        raise InputError(f"{what} cannot be read ({_reason(error)}); choose a JPEG or PNG file.") from error


def fitted_picture(source: Path | bytes, size: int | tuple[int, int], what: str = "The picture") -> np.ndarray:
    """The picture of a file, upright, its middle cut to a square of `size` pixels, or to (width, height), and resized:
    [height, width, 3] uint8.

    Of an animation the first picture. Raises InputError as `opened_picture` does.
    """
    width, height = (size, size) if isinstance(size, int) else size
    with _decoding, opened_picture(source, what) as picture:
        if picture.width * picture.height > _SHRINK_WHILE_DECODING:
            picture.draft("RGB", (2 * width, 2 * height))  # of no effect but for JPEG
        ImageOps.exif_transpose(picture, in_place=True)  # else it would be copied even where it stands upright
        return np.asarray(ImageOps.fit(picture.convert("RGB"), (width, height)))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "no picture of a known kind" if isinstance(error, Image.UnidentifiedImageError) else "it is damaged"
