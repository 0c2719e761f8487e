"""Picture files of any origin: what they claim is read first, and what is too large is never decoded."""

from __future__ import annotations

import io
import struct
import threading
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotalk.core import pictures
from emotalk.core.errors import InputError
from emotalk.core.pictures import MAX_PIXELS, check_pixels, fitted_picture, opened_picture


def jpeg_that_claims(width: int, height: int) -> bytes:
    """Some 600 bytes."""
    data = bytearray(encoded(Image.new("L", (64, 64)), "JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def bands() -> Image.Image:
    """64 x 32: the left half red, the right half blue."""
    picture = Image.new("RGB", (64, 32), (220, 20, 20))
    picture.paste((20, 20, 220), (32, 0, 64, 32))
    return picture


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_middle_square_of_any_usual_kind_comes_out(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(encoded(bands(), kind))
    for source in (tmp_path / "x", (tmp_path / "x").read_bytes()):
        square = fitted_picture(source, 16)
        assert (square.shape, square.dtype) == ((16, 16, 3), np.uint8)
        assert square[8, 1, 0] > 180 > 80 > square[8, 1, 2]
        assert square[8, 14, 2] > 180 > 80 > square[8, 14, 0]


def test_a_picture_that_a_phone_turned_comes_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    square = fitted_picture(encoded(bands(), "JPEG", exif=exif), 16)
    assert square[1, 8, 0] > 180
    assert square[14, 8, 2] > 180


def test_of_an_animation_the_first_picture_is_taken() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    for kind in ("GIF", "WEBP", "PNG"):
        moving = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert fitted_picture(moving, 8)[4, 4, 0] > 200


@pytest.mark.parametrize(
    "data", [jpeg_that_claims(65500, 65500), jpeg_that_claims(10000, 9000), png_that_claims(100_000, 50_000),
             png_that_claims(40_001, 1000), encoded(Image.new("P", (9000, 9000)), "GIF")],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_beyond_the_limit_is_refused_from_its_header(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(InputError, match=r"\d+(\.\d)? megapixels; at most 40 are taken"):
        fitted_picture(data, 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # bytes: nothing near the picture's own size


def test_the_limit_itself_may_be_reached() -> None:
    check_pixels("It", 8000, 5000)
    with pytest.raises(InputError, match=r"It is 8000 x 5001 pixels, 40\.0 megapixels; at most 40"):
        check_pixels("It", 8000, 5001)
    assert MAX_PIXELS == 40_000_000


def test_a_large_jpeg_is_shrunk_while_it_is_decoded_and_a_small_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8))
    data = encoded(noise, "JPEG")
    usual = fitted_picture(data, 40)
    monkeypatch.setattr(pictures, "_SHRINK_WHILE_DECODING", 400 * 400 - 1)
    shrunk = fitted_picture(data, 40)
    assert (shrunk != usual).any()
    assert shrunk.shape == usual.shape
    assert abs(shrunk.mean() - usual.mean()) < 2


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg xmlns='x'/>",
             encoded(bands(), "PNG")[:60], encoded(bands(), "JPEG")[:300], png_that_claims(50, 50)],
)  # fmt: skip
def test_what_is_no_picture_is_refused_in_words_without_a_path(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(data)
    with pytest.raises(InputError, match=r"^The backdrop cannot be read .*; choose a JPEG or PNG file") as caught:
        fitted_picture(tmp_path / "secret.png", 8, "The backdrop")
    assert "secret" not in str(caught.value)


def test_whatever_goes_wrong_while_it_is_open_is_told_in_words() -> None:
    data = encoded(bands(), "PNG")
    for error, said in (
        (KeyError("x"), "damaged"),
        (MemoryError(), "more memory"),
        (OSError(28, "No space"), "No space"),
    ):
        with pytest.raises(InputError, match=said), opened_picture(data):
            raise error
    with pytest.raises(InputError, match="not there any more"):
        fitted_picture(Path("gone.png"), 8)
    with pytest.raises(InputError, match="cannot be read"), opened_picture(data, formats=("JPEG",)):
        pass


def test_no_more_than_two_pictures_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data, met, together = encoded(bands(), "PNG"), [], threading.Barrier(2, timeout=20)
    inside = threading.Lock()
    running = 0
    fit = pictures.ImageOps.fit

    def slow_fit(*arguments: object) -> object:
        nonlocal running
        with inside:
            running += 1
            met.append(running)
        together.wait()  # passed by two, never by one or three
        with inside:
            running -= 1
        return fit(*arguments)

    monkeypatch.setattr(pictures.ImageOps, "fit", slow_fit)
    threads = [threading.Thread(target=fitted_picture, args=(data, 8)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(met) == 8
    assert max(met) == 2
