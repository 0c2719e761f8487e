"""Which files are photos, and how their pixels come out."""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from emotalk.core.errors import InputError
from emotalk.portrait import photo
from emotalk.portrait.photo import GREY, LONGEST, read_photo

RED, GREEN = (200, 30, 20), (20, 180, 40)


def halves(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Red above, green below."""
    picture = Image.new("RGB", size, GREEN)
    picture.paste(RED, (0, 0, size[0], size[1] // 2))
    return picture.convert(mode)


def saved(folder: Path, name: str, picture: Image.Image, **options: object) -> Path:
    path = folder / name
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(("name", "options"), [
    ("a.jpg", {"quality": 95, "subsampling": 0}), ("a.png", {}), ("a.webp", {"lossless": True}), ("a.bmp", {}),
    ("a.gif", {}), ("a.tiff", {"compression": "tiff_lzw"}), ("a.avif", {"quality": 95}),
])  # fmt: skip
def test_what_pillow_reads(tmp_path: Path, name: str, options: dict) -> None:
    picture = read_photo(saved(tmp_path, name, halves(), **options))
    assert (picture.shape, picture.dtype) == ((40, 60, 3), np.uint8)
    assert np.abs(picture[5, 30].astype(int) - RED).max() < 12
    assert np.abs(picture[35, 30].astype(int) - GREEN).max() < 12


@pytest.mark.parametrize(("orientation", "red"), [
    (1, "top"), (2, "top"), (3, "bottom"), (4, "bottom"), (5, "left"), (6, "right"), (7, "right"), (8, "left"),
])  # fmt: skip
def test_it_stands_upright(tmp_path: Path, orientation: int, red: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_photo(saved(tmp_path, "a.png", halves(), exif=exif))
    assert picture.shape == ((40, 60, 3) if red in ("top", "bottom") else (60, 40, 3))
    row, column = {"top": (2, 20), "bottom": (-3, 20), "left": (20, 2), "right": (20, -3)}[red]
    assert tuple(picture[row, column]) == RED


def test_transparent_parts_lie_on_grey(tmp_path: Path) -> None:
    picture = halves("RGBA")
    picture.putalpha(Image.new("L", picture.size, 0))
    assert (read_photo(saved(tmp_path, "a.png", picture)) == GREY).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    assert (read_photo(saved(tmp_path, "b.png", palette, transparency=0)) == GREY).all()


def test_inks_palettes_and_one_bit(tmp_path: Path) -> None:
    inks = read_photo(saved(tmp_path, "a.jpg", halves("CMYK"), quality=95))
    assert inks[5, 30, 0] > 150 > inks[5, 30, 1]
    assert tuple(read_photo(saved(tmp_path, "b.png", halves("P")))[5, 30]) == tuple(
        np.array(halves("P").convert("RGB"))[5, 30]
    )
    assert set(np.unique(read_photo(saved(tmp_path, "c.png", Image.new("1", (9, 9), 1))))) == {255}


def test_sixteen_bits_and_floats_keep_their_greys(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    assert np.abs(read_photo(saved(tmp_path, "a.png", Image.fromarray(ramp)))[0, :, 0] - np.arange(256.0)).max() <= 1
    floats = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(4, 0)
    floats[0, 0] = np.nan
    assert np.abs(read_photo(saved(tmp_path, "b.tiff", Image.fromarray(floats)))[1, :, 0] - np.arange(256.0)).max() <= 1


def test_colours_come_out_in_srgb(tmp_path: Path) -> None:
    wide = ImageCms.createProfile("LAB")  # of another colour space: not to be followed
    plain = read_photo(saved(tmp_path, "a.png", halves(), icc_profile=ImageCms.ImageCmsProfile(wide).tobytes()))
    assert tuple(plain[5, 30]) == RED
    # A camera's profile whose red and blue are exchanged: what is stored as red is blue.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for k in range(count):
        at = 132 + 12 * k
        profile[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ", b"desc": b"desX"}.get(
            bytes(profile[at : at + 4]), bytes(profile[at : at + 4])
        )
    exchanged = read_photo(saved(tmp_path, "b.png", halves(), icc_profile=bytes(profile)))
    assert exchanged[5, 30, 2] > 150 > exchanged[5, 30, 0]
    damaged = read_photo(saved(tmp_path, "c.png", halves(), icc_profile=bytes(profile[:100])))
    assert tuple(damaged[5, 30]) == RED


def test_of_an_animation_the_first_picture(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), GREEN)
    path = saved(tmp_path, "a.webp", first, save_all=True, append_images=[second], lossless=True)
    assert tuple(read_photo(path)[4, 4]) == RED


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_large_ones_come_out_small(tmp_path: Path, name: str) -> None:
    picture = read_photo(saved(tmp_path, name, halves(size=(5000, 3000))))
    assert max(picture.shape) == LONGEST
    assert abs(picture.shape[0] - LONGEST * 3 / 5) <= 1
    assert np.abs(picture[100, 100].astype(int) - RED).max() < 12


def video() -> bytes:
    return struct.pack(">I", 24) + b"ftypisom" + bytes(12) + b"\0\0\0\x08mdat"


@pytest.mark.parametrize(("name", "data", "said"), [
    ("nothing.jpg", b"", "empty file"), ("text.jpg", b"Dear Sir or Madam", "cannot be read"),
    ("film.jpg", video(), "personalize"), ("film.png", b"\x1a\x45\xdf\xa3" + bytes(99), "is a video"),
    ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be read"),
])  # fmt: skip
def test_what_is_no_photo_is_said(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=said) as told:
        read_photo(path)
    assert str(tmp_path) not in str(told.value)


def test_damaged_ones(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8))
    for name in ("a.jpg", "a.png", "a.webp"):
        data = saved(tmp_path, name, noise).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(InputError, match="damaged"):
            read_photo(tmp_path / name)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no photo 'me\.jpg'"):
        read_photo(tmp_path / "me.jpg")
    with pytest.raises(InputError, match="no name that a file can have"):
        read_photo("me\0.jpg")
    with pytest.raises(InputError, match="folder"):
        read_photo(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="device"):
        read_photo(tmp_path / "pipe.jpg")


def test_too_many_bytes_or_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "long.jpg").open("wb") as file:
        file.truncate(photo.MAX_BYTES + 1)
    with pytest.raises(InputError, match="50 MB are taken"):
        read_photo(tmp_path / "long.jpg")
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    (tmp_path / "bomb.png").write_bytes(bomb.getvalue())
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match=r"81\.0 megapixels"):
        read_photo(tmp_path / "bomb.png")


def test_heic_needs_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "me.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(40))
    with pytest.raises(InputError, match="pillow-heif"):
        read_photo(tmp_path / "me.heic")


def test_a_photo_of_an_iphone_is_read(tmp_path: Path) -> None:
    """HEIC is coded as video is: its colours are nearly right. The camera was held upright."""
    heif = pytest.importorskip("pillow_heif", reason="the optional package that reads HEIC is not installed")
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = halves().transpose(Image.Transpose.ROTATE_90)
    heif.from_pillow(lying).save(tmp_path / "me.heic", quality=95, exif=exif.tobytes())
    picture = read_photo(tmp_path / "me.heic")
    assert picture.shape == (40, 60, 3)
    assert np.abs(picture[5:15].astype(int) - RED).max() < 12
    assert np.abs(picture[25:35].astype(int) - GREEN).max() < 12


def test_a_large_or_damaged_heic_is_refused(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the optional package that reads HEIC is not installed")
    heif.from_pillow(halves()).save(tmp_path / "me.heic")
    whole = (tmp_path / "me.heic").read_bytes()
    (tmp_path / "cut.heic").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError):
        read_photo(tmp_path / "cut.heic")
    # The size that it claims is all that may be looked at; to encode so many pixels takes half a minute.
    heif.from_pillow(Image.new("RGB", (128, 128))).save(tmp_path / "huge.heic")
    said, claimed = (b"ispe" + bytes(4) + struct.pack(">II", *size) for size in ((128, 128), (9000, 6000)))
    small = (tmp_path / "huge.heic").read_bytes()
    assert small.count(said) == 1
    (tmp_path / "huge.heic").write_bytes(small.replace(said, claimed))
    with pytest.raises(InputError, match="megapixels"):
        read_photo(tmp_path / "huge.heic")
