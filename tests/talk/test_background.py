"""What stands behind the head is a colour or a picture file by its type: no text is ever taken for a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotalk.core.errors import InputError
from emotalk.talk import Blurred, Colour, Look, PictureFile
from emotalk.talk.scene import background_of
from tests.core.test_pictures import jpeg_that_claims


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#fff", (1, 1, 1)), ("#336699", (0.2, 0.4, 0.6)), (" #336699\n", (0.2, 0.4, 0.6)),
        ("#D8E4F0", (216, 228, 240)), ("rgb(51, 102, 153)", (0.2, 0.4, 0.6)), ("rgba(51,102,153,1)", (0.2, 0.4, 0.6)),
        ("rgba(50.6, 102.2, 153.00001, 0.5)", (0.2, 0.4, 0.6)), ("rgba(999, 0, 0, 1)", (1, 0, 0)),
    ],
)  # fmt: skip
def test_a_colour_is_read_as_pickers_write_it(text: str, colour: tuple) -> None:
    wanted = [part / 255 if part > 1 else part for part in colour]
    found = Colour.parse(text)
    assert (found.red, found.green, found.blue) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "text", ["", "fff", "#12345", "#ggg", "#1234567", "red", "/etc/passwd", "rgba(", "rgba()", "rgba(1,2)",
             "rgba(a,b,c)", "rgba(1,2,3,4,5)", "rgba(-1,2,3)", "rgba(1e999,0,0)", "rgba(nan,0,0)",
             "rgba(" + "9" * 5000 + ",0,0)", "#fff\0", "\ud800",
             "#\u0661\u0661\u0661", None, 5, True, ["#fff"], {"a": 1}, b"#fff", float("nan")],
)  # fmt: skip
def test_whatever_else_is_posted_for_a_colour_is_a_sentence(text: object) -> None:
    with pytest.raises(InputError, match="A colour is written #rrggbb, for example #d8e4f0"):
        Colour.parse(text)


def test_the_parts_of_a_colour_are_checked() -> None:
    with pytest.raises(InputError, match="A colour's green must lie between 0 and 1"):
        Colour(0, 255, 0)


def test_a_text_is_no_background_even_where_it_names_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "room.png")
    for text in (str(tmp_path / "room.png"), "#d8e4f0", tmp_path / "room.png", 5):
        with pytest.raises(InputError, match=r"must be None, a Colour, .*Blurred.* or Transparent.*Colour.parse"):
            Look(background=text)
    with pytest.raises(InputError, match="named by a Path, found str"):
        PictureFile(str(tmp_path / "room.png"))


def test_a_picture_that_cannot_be_drawn_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "bomb.jpg").write_bytes(jpeg_that_claims(65500, 65500))
    (tmp_path / "letter.png").write_text("Dear Sir or Madam,")
    for name, said in (
        ("bomb.jpg", "4290 megapixels; at most 40"), ("letter.png", "cannot be read"),
        ("gone.png", "no background picture"), (".", "no background picture"), ("a\0b", "no background picture"),
        ("\ud800", "no background picture"),
        ("x" * 5000, "no background picture"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said) as caught:
            PictureFile(tmp_path / name)
        assert str(tmp_path) not in str(caught.value)


def test_colour_and_picture_stand_behind_the_head(tmp_path: Path) -> None:
    assert background_of(None, Look(64, background=Colour(0.25, 0.5, 1))).tolist() == [0.25, 0.5, 1]
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "room.png")
    drawn = background_of(None, Look(64, background=PictureFile(tmp_path / "room.png")))
    assert (drawn.numpy() * 255).round().astype(np.uint8).tolist() == pixels.tolist()


def test_what_is_out_of_focus_keeps_its_place_and_its_colours_but_no_edge(tmp_path: Path) -> None:
    pixels = np.full((128, 128, 3), 40, np.uint8)
    pixels[:, 64:] = 200
    Image.fromarray(pixels).save(tmp_path / "room.png")
    sharp, soft = (
        background_of(None, Look(128, background=ground)).numpy()[64, :, 0] * 255
        for ground in (PictureFile(tmp_path / "room.png"), Blurred(PictureFile(tmp_path / "room.png")))
    )
    assert np.abs(np.diff(sharp)).max() == pytest.approx(160, abs=1)
    assert np.abs(np.diff(soft)).max() < 30
    assert soft[[0, 127]] == pytest.approx([40, 200], abs=2)
    assert soft.mean() == pytest.approx(sharp.mean(), abs=1)
    for wrong in ("room.png", tmp_path / "room.png", Colour(0, 0, 0)):
        with pytest.raises(InputError, match="What is blurred is a PictureFile or None"):
            Blurred(wrong)
