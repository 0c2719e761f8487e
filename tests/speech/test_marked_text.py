"""Marks stay at their places while the text around them is rewritten, and return into the pieces it is cut into."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.speech.marked_text import MarkedText, MarkerPlacer, take_markers

A, B, C = "\ue000", "\ue001", "\ue002"


def put_back(marked: MarkedText) -> str:
    text, read = "", 0
    for offset, marker in marked.marks:
        text, read = text + marked.text[read:offset] + marker, offset
    return text + marked.text[read:]


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        (f"{A}5 km{B} on", f"{A}five kilometers{B} on"),
        (f"5 {A}km{B}, on", f"{A}five kilometers{B}, on"),
        (f"{A}5{B} km", f"{A}five kilometers{B}"),
        (f"so {A}5 km 5 km{B}", f"so {A}five kilometers five kilometers{B}"),
        (f"{A}5{B} {C}km", f"{A}five kilometers{B}{C}"),
        (f"no {A}match{B}", f"no {A}match{B}"),
        ("5 km", "five kilometers"),
    ],
)
def test_a_replacement_keeps_the_marks_around_it(text, rewritten):
    assert put_back(take_markers(text).sub(re.compile("5 km"), "five kilometers")) == rewritten


def test_groups_and_functions_replace_as_in_re():
    marked = take_markers(f"a1{A} b2")
    assert put_back(marked.sub(re.compile(r"([a-z])(\d)"), r"\2\1")) == f"1a{A} 2b"
    assert put_back(marked.sub(re.compile(r"[a-z]"), lambda match: match[0] * 3)) == f"aaa1{A} bbb2"


def test_characters_may_become_longer_or_vanish():
    assert (
        put_back(take_markers(f"ab{A}c{B}").map(lambda text: text.replace("a", "xyz").replace("c", "")))
        == f"xyzb{A}{B}"
    )


def test_a_normal_form_joins_letters_and_accents():
    assert put_back(take_markers(f"e\u0301{A}ﬁ{B}e{C}\u0301").normalise("NFKC")) == f"é{A}fi{B}é{C}"


@given(st.text(st.sampled_from("ab 5.km" + A), max_size=20))
def test_marks_change_nothing_of_the_text(text):
    marked = take_markers(text)
    assert put_back(marked) == text
    plain = text.replace(A, "")
    for pattern, new in ((re.compile("5 ?k"), "five k"), (re.compile(r"\s+"), " "), (re.compile(r"(?<=a)b"), "")):
        rewritten = marked.sub(pattern, new)
        assert rewritten.text == pattern.sub(new, plain)
        assert len(rewritten.marks) == text.count(A)
        assert sorted(offset for offset, _ in rewritten.marks) == [offset for offset, _ in rewritten.marks]


def test_marks_go_with_the_piece_they_touch():
    placer = MarkerPlacer()
    placer.take(take_markers(f'One.{A} "Two,"{B} {C}three.'))
    assert [placer.place(piece) for piece in ("One.", '"Two,"', "three.")] == [f"One.{A}", f'"Two,"{B}', f"{C}three."]
    assert placer.rest() == ""


def test_marks_of_what_is_left_out_go_with_what_follows_and_the_last_ones_remain():
    placer = MarkerPlacer()
    placer.take(take_markers(f"{A} -- (b) {B}"))
    assert placer.place("(b)") == f"{A}(b)"
    placer.take(take_markers(f"... {C}"))
    assert placer.rest() == B + C
