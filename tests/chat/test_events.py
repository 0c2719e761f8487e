"""Server-sent events: the same whatever the pieces, and nothing else is taken for an answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.chat.events import LONGEST_LINE, EventReader, texts_of
from emotalk.core.errors import ChatError


def read(*parts: bytes) -> list[str]:
    reader = EventReader()
    return [data for part in parts for data in reader.push(part)] + reader.finish()


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data: a\n\ndata:b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\r\n\n", ["a", "b", "c"]),
        (b": ping\n\nevent: x\nid: 1\ndata: a\n\n", ["a"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a", ["a"]),
        (b"data\ndata:  a\n\n", ["\n a"]),
        (b"data: \xff\n\n", ["\ufffd"]),
        (b"<html>\n<p>no</p>\n\n", []),
        (b"", []),
    ],
)
def test_events_are_read_as_the_standard_says(stream: bytes, data: list[str]) -> None:
    assert read(stream) == data


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(1, 7), max_size=200),
)
def test_events_are_the_same_however_they_are_cut(said: list[str], end: bytes, sizes: list[int]) -> None:
    stream = b"".join(b"data: " + one.encode() + end + b": x" + end + end for one in said)
    parts, at = [], 0
    for size in sizes:
        parts.append(stream[at : at + size])
        at += size
    assert read(*parts, stream[at:]) == read(stream) == said


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_are_read_and_a_cut_changes_nothing(stream: bytes, at: int) -> None:
    found = read(stream)
    assert read(stream[:at], stream[at:]) == found
    for data in found:
        texts_of(data)


def test_a_line_that_does_not_end_is_refused() -> None:
    with pytest.raises(ChatError, match="line of more than"):
        read(*[b"data: " + b"a" * 1000] * (LONGEST_LINE // 1000 + 2))


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        ({"choices": [{"delta": {"content": "Hi"}}]}, ["Hi"]),
        ({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}, ["Hi"]),
        ({"choices": [{"text": "Hi"}]}, ["Hi"]),
        ({"choices": [{"text": "H\ud800i"}]}, ["Hi"]),
        ({"choices": [{"delta": {"content": [{"type": "text", "text": "Hi"}, {"type": "audio"}, 5]}}]}, ["Hi"]),
        ({"choices": [{"delta": {"reasoning_content": "hmm", "content": None}}]}, []),
        ({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, []),
        ({"choices": [], "usage": {"total_tokens": 5}}, []),
        ({"choices": [{"delta": None, "finish_reason": "stop"}]}, []),
        ({"choices": {"0": 1}}, []), ({"choices": [5]}, []), ([], []), (5, []), (None, []), ("Hi", []),
        ({"choices": [{"delta": {"content": 5}}]}, []),
    ],
)  # fmt: skip
def test_the_text_of_an_event(said: object, texts: list[str]) -> None:
    assert texts_of(json.dumps(said)) == texts


def test_events_without_an_empty_line_between_them_are_told_apart() -> None:
    one = json.dumps({"choices": [{"delta": {"content": "a"}}]})
    assert texts_of(f"{one}\n[DONE]\n{one}") == ["a", "a"]
    assert texts_of("ping") == []
    assert texts_of("[" * 100_000) == []


@pytest.mark.parametrize("error", ["too long", {"message": "too long"}, {"message": "too long", "code": 5}])
def test_an_error_in_the_stream_is_one(error: object) -> None:
    with pytest.raises(ChatError, match="too long"):
        texts_of(json.dumps({"error": error}))
    assert texts_of(json.dumps({"error": None, "choices": [{"text": "a"}]})) == ["a"]
