"""Captions: valid files that a parser of its own reads back, the text's own words, sensible breaks and times."""

import html
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.talk.captions import (
    LINE,
    LONGEST,
    SHORTEST,
    Caption,
    as_srt,
    as_vtt,
    captions,
    check_captions_path,
    write_captions,
)
from emotalk.talk.written_words import written_words

Words = list[tuple[float, float, str]]


def spoken(text: str, start: float = 0.0) -> Words:
    """Words as a voice says them: 60 ms a letter, pauses where marks stand in `text`, which it does not keep."""
    words = []
    for word in text.split():
        bare = word.rstrip(".,")
        end = start + 0.1 + 0.06 * len(bare)
        words.append((start, end, bare))
        start = end + (0.5 if word.endswith(".") else 0.2 if word.endswith(",") else 0.02)
    return words


def shown(words: Words, text: str) -> str:
    return "".join(" " * (word.spaced and n > 0) + word.text for n, word in enumerate(written_words(words, text)))


def parsed(file: str, point: str) -> list[Caption]:
    """A strict little reader of both formats: blocks, an increasing number in .srt, times, lines."""
    blocks = file.split("\n\n")
    if point == ".":
        assert blocks.pop(0).rstrip("\n") == "WEBVTT"
    found = []
    for number, block in enumerate((block for block in blocks if block), 1):
        lines = block.rstrip("\n").split("\n")
        if point == ",":
            assert lines.pop(0) == str(number)
        clock = rf"(\d\d+):([0-5]\d):([0-5]\d){re.escape(point)}(\d\d\d)"
        times = re.fullmatch(f"{clock} --> {clock}", lines.pop(0))
        assert times, "no line of times"
        parts = [int(group) for group in times.groups()]
        start, end = ((((h * 60 + m) * 60 + s) * 1000 + ms) / 1000 for h, m, s, ms in (parts[:4], parts[4:]))
        assert lines
        assert all(line.strip() == line and line for line in lines)
        if point == ".":
            assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", "\n".join(lines))
            lines = [html.unescape(line) for line in lines]
        found.append(Caption(start, end, "\n".join(lines)))
    return found


# The text's own words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("We ran 5 km, then 10 or 20 more.", "We ran five kilometers then ten or twenty more"),
        ("It cost $3.50! Dr. Smith paid.", "It cost three dollars and fifty cents Doctor Smith paid"),
        ("A well-known man (“Never!”) said… so", "A well known man Never said so"),
        ("It is 14:30 on 2026-11-20.", "It is fourteen thirty on November twentieth twenty twenty-six"),
        ("100 or 20?", "one hundred or twenty"),
        ("Hello – world", "Hello world"),
        ("Don't stop", "don't stop"),
        ("a b c", "a c"),
        ("a b c d.", "a b"),
        ("你好，世界。很好！", "你好 世界 很好"),
        ("我有5个，你呢？", "我 有 五 个 你 呢"),
        ("สวัสดีครับ", "สวัสดี ครับ"),
        ("Привет, мир!", "Привет мир"),
    ],
)
def test_the_written_form_is_shown(text, said):
    assert shown(spoken(said), text) == text


@pytest.mark.parametrize(
    ("text", "said", "result"),
    [
        ("", "just words", "just words"),
        ("Hello world", "something else entirely", "something else entirely"),
        ("a " * 200 + "end.", "not this but end", "not this but end."),
        ("one two.", "one two and more", "one two. and more"),
    ],
)
def test_where_it_is_not_clear_the_spoken_words_are_shown(text, said, result):
    assert shown(spoken(said), text) == result


def test_words_keep_their_times():
    words = [(0.0, 0.5, "five"), (0.5, 1.5, "kilometers"), (2.0, 2.5, "more")]
    assert [(w.start, w.end, w.text) for w in written_words(words, "5 km more.")] == [
        (0.0, 0.5, "5"),
        (0.5, 1.5, "km"),
        (2.0, 2.5, "more."),
    ]
    (five, more) = written_words([(0.0, 0.5, "five"), (0.5, 1.5, "dollars"), (2.0, 2.5, "more")], "$5 more")
    assert (five.start, five.end, more.start) == (0.0, 1.5, 2.0)


def test_a_long_text_with_numbers_everywhere_stays_aligned():
    text = "The 3 cats and 21 dogs ate $5 of fish. " * 300
    said = "The three cats and twenty one dogs ate five dollars of fish. " * 300
    assert shown(spoken(said), text) == text.strip()


# Breaks


def test_a_short_sentence_is_one_caption_in_one_line():
    assert [caption.text for caption in captions(spoken("Hello there my friend."), "Hello there, my friend.")] == [
        "Hello there, my friend."
    ]


def test_captions_break_after_sentences_then_clauses():
    text = (
        "This is, e.g. here, the first sentence of the talk. Here comes another one, which is longer than the first, "
        "because it has clauses. Dr. Smith said no."
    )
    found = captions(spoken(text), text)
    assert [caption.text.replace("\n", " ") for caption in found] == [
        "This is, e.g. here, the first sentence of the talk.",
        "Here comes another one, which is longer than the first, because it has clauses.",
        "Dr. Smith said no.",
    ]
    text = "There is no full stop in this text for a while, so that it has to be cut where a clause comes to an end"
    found = captions(spoken(text), text)
    assert [caption.text.replace("\n", " ") for caption in found] == [
        "There is no full stop in this text for a while,",
        "so that it has to be cut where a clause comes to an end",
    ]
    assert all(SHORTEST <= caption.end - caption.start <= LONGEST for caption in found)


def test_a_long_pause_ends_a_caption():
    words = spoken("so we waited") + spoken("and then it came", 9.0)
    assert [caption.text for caption in captions(words)] == ["so we waited", "and then it came"]
    assert captions(words)[0].end < 4.0


def test_two_lines_are_about_as_long():
    (caption,) = captions([(n * 0.1, n * 0.1 + 0.1, "word") for n in range(14)])
    assert [len(line) for line in caption.text.split("\n")] == [34, 34]


def test_a_caption_stays_until_it_can_be_read_where_there_is_time():
    words = [(0.0, 0.2, "extraordinarily"), (0.2, 0.4, "incomprehensible"), (5.0, 5.3, "Next")]
    first, last = captions(words)
    assert first.end == pytest.approx(len(first.text) / 20, abs=1e-3)
    assert last.end == pytest.approx(6.0)
    assert captions([(0.0, 60.0, "Aaaah")])[0].end == LONGEST


def test_a_word_longer_than_a_line_is_cut():
    (caption,) = captions([(0.0, 2.0, "x" * 60)])
    assert caption.text == "x" * 42 + "\n" + "x" * 18


def test_no_words_give_no_captions():
    assert captions((), "a text") == ()
    assert captions([(0.0, 1.0, " "), (math.nan, 1.0, "a"), (0.0, math.inf, "b")]) == ()


# Files


CUES = (Caption(0.0, 1.5, "Tom & <b>Ann</b> --> me"), Caption(3661.25, 3662.0, "two\nlines"))


def test_webvtt_is_escaped_and_read_back():
    assert as_vtt(CUES) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nTom &amp; &lt;b&gt;Ann&lt;/b&gt; --&gt; me\n\n"
        "01:01:01.250 --> 01:01:02.000\ntwo\nlines\n"
    )
    assert parsed(as_vtt(CUES), ".") == list(CUES)
    assert as_vtt(()) == "WEBVTT\n"


def test_subrip_has_numbers_and_commas():
    assert as_srt(CUES[1:]) == "1\n01:01:01,250 --> 01:01:02,000\ntwo\nlines\n"
    assert parsed(as_srt(CUES), ",") == list(CUES)


@pytest.mark.parametrize("name", ["a.srt", "A.VTT", "folder/b.vtt"])
def test_files_are_written_by_their_ending(tmp_path: Path, name: str):
    found = captions(spoken("Grüße 你好."), "Grüße, 你好.")
    path = write_captions(tmp_path / name, found)
    text = path.read_bytes().decode("utf-8")
    assert parsed(text, "." if name.lower().endswith("vtt") else ",") == list(found)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["a.txt", "a", ".srt", "a.srt.gz"])
def test_another_ending_is_a_sentence(tmp_path: Path, name: str):
    for refused in (check_captions_path, lambda path: write_captions(path, CUES)):
        with pytest.raises(InputError, match=r"\.srt or \.vtt"):
            refused(tmp_path / name)
    assert not list(tmp_path.iterdir())


# Any words and times


WORD = st.sampled_from(
    ["five", "5", "km", "the", "the", "end.", "No!", "你好", "a-b", "(", "—", "", "x" * 50, "<b>", "&"]
) | (st.text(max_size=6))
TIME = st.floats(-1, 30) | st.floats()


@settings(max_examples=100)
@given(st.lists(st.tuples(TIME, TIME, WORD), max_size=25), st.lists(WORD, max_size=25).map(" ".join))
@example([(0.0, 0.0, "a")] * 300, "a b " * 150)
@example([(n * 0.01, n * 0.01, "x" * 42) for n in range(20)], "")
@example([(1e5, 1e300, "late")], "late")
def test_any_words_give_valid_captions(words, text):
    found = captions(words, text)
    for caption in found:
        assert 0 <= caption.start < caption.end
        assert caption.end - caption.start <= LONGEST + 1e-3
        lines = caption.text.split("\n")
        assert 1 <= len(lines) <= 2
        assert all(0 < len(line) <= LINE for line in lines)
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert parsed(as_vtt(found), ".") == list(found)
    assert parsed(as_srt(found), ",") == list(found)
    written_words(words, text)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["the", "cat,", "dog.", "5", "km", "Dr.", "$3", "said"]), min_size=1, max_size=40))
def test_a_text_said_word_by_word_is_shown_whole(words):
    text = " ".join(words)
    timed = [(n * 0.4, n * 0.4 + 0.35, word) for n, word in enumerate(words)]
    found = captions(timed, text)
    assert " ".join(caption.text for caption in found).split() == text.split()
    for caption, following in pairwise(found):
        assert caption.end - caption.start >= SHORTEST - 1e-3 or following.start - caption.start < SHORTEST


@pytest.mark.parametrize("word", ["the", "5", "x" * 80, "你"])
def test_long_talks_take_time_in_proportion(word):
    """Anything quadratic would take minutes over these."""
    words = [(n * 0.3, n * 0.3 + 0.2, "said" if n % 7 else word) for n in range(1500)]
    assert captions(words, f"{word} or {word} " * 750)
    assert captions(words, "nothing of it " * 500)
