"""Captions painted into frames: what is shown when, where it stands, and in which letters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.video.caption_painter import CAPTION_STYLES, CaptionPainter, CaptionWord
from emotalk.video.fonts import font_file

YELLOW = np.array([255, 214, 64])
SHAPES = [(256, 256), (256, 456), (456, 256)]


def said(text: str, each: float = 0.4, start: float = 0.0) -> list[CaptionWord]:
    return [CaptionWord(start + i * each, start + (i + 0.9) * each, word) for i, word in enumerate(text.split())]


def painted(painter: CaptionPainter, size: tuple[int, int], seconds: float) -> np.ndarray:
    frame = np.full((size[1], size[0], 3), 90, np.uint8)
    painter.draw(frame, seconds)
    return frame


def changed(frame: np.ndarray) -> np.ndarray:
    return (frame != 90).any(-1)


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("style", CAPTION_STYLES[1:])
def test_captions_stand_in_the_safe_area_below_the_face(style, size):
    painter = CaptionPainter(*size, style)
    painter.add(said("Extraordinarily long sentences are broken into screens of two lines, whatever they say."))
    width, height = size
    for seconds in np.arange(0.1, 4.8, 0.4):
        rows, columns = np.nonzero(changed(painted(painter, size, seconds)))
        assert len(rows)
        assert rows.min() > 0.6 * height
        assert rows.max() < (0.86 if height > width else 0.93) * height  # above the mark and a phone's buttons
        assert columns.min() >= 0.03 * width
        assert columns.max() <= 0.97 * width
        assert abs(columns.min() + columns.max() + 1 - width) < 0.06 * width  # in the middle


@pytest.mark.parametrize("size", SHAPES)
def test_nothing_is_painted_where_nothing_is_said(size):
    painter = CaptionPainter(*size, "lines")
    painter.add([*said("Hello there."), *said("Again.", start=5.0)])
    for seconds, seen in ((-0.1, False), (0.3, True), (3.0, False), (5.1, True), (9.0, False)):
        assert changed(painted(painter, size, seconds)).any() == seen
    off = CaptionPainter(*size, "off")
    off.add(said("Hello there."))
    assert not changed(painted(off, size, 0.3)).any()


def test_the_word_that_is_said_is_the_coloured_one():
    size = (400, 400)
    painter = CaptionPainter(*size, "highlight")
    painter.add(said("one two three", each=0.5))
    centres = []
    for seconds in (0.2, 0.7, 1.2):
        frame = painted(painter, size, seconds).astype(int)
        columns = np.nonzero((np.abs(frame - YELLOW).sum(-1) < 30).any(0))[0]
        assert len(columns)
        centres.append(columns.mean())
    assert centres[0] < 170 < centres[1] < 220 < centres[2]


def test_of_right_to_left_words_the_first_stands_right():
    size = (400, 400)
    painter = CaptionPainter(*size, "highlight")
    painter.add(said("שלום לכולם כאן", each=0.5))
    centres = []
    for seconds in (0.2, 1.2):
        frame = painted(painter, size, seconds).astype(int)
        centres.append(np.nonzero((np.abs(frame - YELLOW).sum(-1) < 30).any(0))[0].mean())
    assert centres[0] > 220 > 180 > centres[1]


def test_one_word_after_the_other():
    size = (300, 300)
    painter = CaptionPainter(*size, "words")
    painter.add(said("wide tiny"))
    first, second = (painted(painter, size, seconds) for seconds in (0.1, 0.5))
    assert changed(first).any()
    assert changed(second).any()
    assert (first != second).any()


def test_words_may_come_while_the_video_is_made():
    size = (256, 256)
    whole, growing = (CaptionPainter(*size, "highlight") for _ in "ab")
    first, second = said("This is the first sentence."), said("And the second.", start=2.4)
    whole.add([*first, *second])
    growing.add(first)
    early = painted(growing, size, 1.0)
    growing.add(second)
    assert (painted(growing, size, 1.0) == early).all()
    for seconds in (1.0, 2.5, 3.0):
        assert (painted(growing, size, seconds) == painted(whole, size, seconds)).all()


def test_a_word_longer_than_a_line_is_written_smaller():
    size = (200, 200)
    painter = CaptionPainter(*size, "words")
    painter.add(said("Donaudampfschifffahrtsgesellschaft"))
    columns = np.nonzero(changed(painted(painter, size, 0.1)))[1]
    assert columns.min() >= 4
    assert columns.max() < 196


def test_letters_that_no_font_has_are_told():
    painter = CaptionPainter(256, 256, "lines")
    painter.add([CaptionWord(0, 1, "fine"), CaptionWord(1, 2, "\U000f0000"), CaptionWord(2, 3, "again")])
    assert "\U000f0000" in painter.missing
    assert changed(painted(painter, (256, 256), 0.5)).any()


def test_other_styles_are_refused():
    with pytest.raises(InputError, match="choose one of off, lines, highlight, words"):
        CaptionPainter(64, 64, "karaoke")


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 3), st.text(max_size=30)), max_size=8),
    style=st.sampled_from(CAPTION_STYLES),
    seconds=st.floats(0, 40),
)
def test_no_words_break_it(words, style, seconds):
    painter = CaptionPainter(64, 112, style)
    painter.add(CaptionWord(start, start + length, text) for start, length, text in sorted(words))
    painted(painter, (64, 112), seconds)


@pytest.mark.parametrize("text", ["Hello!", "Grüße, ça va? ¿Qué?", "Привет", "Γειά", "مرحبا"])
def test_usual_scripts_have_a_font(text):
    assert font_file(text).is_file()


def test_a_script_of_nobody_has_none():
    assert font_file("\U000f0000") is None
