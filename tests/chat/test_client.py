"""The answer of a chat server: as it comes, in whatever form, ended at once, and every failure a sentence."""

from __future__ import annotations

import json
import logging
import socket
import threading

import pytest

from emotalk.chat.client import Bounds, answer
from emotalk.chat.endpoint import Endpoint
from emotalk.core.errors import ChatError
from tests.chat.standin import DONE, HANG, SECONDS, StandIn, delta, event

KEY = "sk-nobody-sees-this"
ASKED = [{"role": "user", "content": "Hi."}]


def asked(server: StandIn, **more) -> list[str]:
    return list(answer(Endpoint(server.url, KEY, "small"), ASKED, wait=SECONDS, **more))


def failure(server: StandIn, **more) -> str:
    with pytest.raises(ChatError) as failed:
        asked(server, **more)
    words = str(failed.value)
    assert words.endswith(".")
    assert KEY not in words
    assert "127.0.0.1" not in words
    return words


def test_what_is_asked_and_what_is_answered() -> None:
    with StandIn(delta("Hel"), delta("lo."), DONE) as server:
        assert asked(server) == ["Hel", "lo."]
    [request] = server.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    assert request["body"] == {"messages": ASKED, "stream": True, "model": "small"}


def test_no_key_and_no_model_are_left_out() -> None:
    with StandIn() as server:
        assert list(answer(Endpoint(server.url), ASKED, wait=SECONDS)) == ["Hello."]
    assert "Authorization" not in server.requests[0]["headers"]
    assert "model" not in server.requests[0]["body"]


def test_pieces_come_before_the_answer_ends_and_nobody_waits() -> None:
    go = threading.Event()
    with StandIn(delta("One."), go, delta("Two."), DONE) as server:
        pieces = answer(Endpoint(server.url), ASKED, wait=0.0)
        first = next(piece for piece in pieces if piece)
        assert first == "One."
        assert next(pieces) == ""  # the second waits for the test
        go.set()
        assert "".join(pieces) == "Two."


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_pieces_may_be_cut_anywhere(cut: int) -> None:
    stream = b": ping\n\n" + delta("Grüße, ") + event({"choices": []}) + delta("你好.") + DONE + delta("no more")
    with StandIn(*[stream[at : at + cut] for at in range(0, len(stream), cut)]) as server:
        assert "".join(asked(server)) == "Grüße, 你好."


def test_a_stream_without_its_end_mark_ends_where_it_ends() -> None:
    with StandIn(delta("Hello."), delta(" Bye.").rstrip()) as server:
        assert "".join(asked(server)) == "Hello. Bye."


def test_a_server_that_does_not_stream_is_understood() -> None:
    whole = json.dumps({"choices": [{"message": {"content": "Hello."}}]}, indent=1).encode()
    with StandIn(b"\n ", whole[:9], whole[9:], Content_Type="application/json") as server:
        assert asked(server) == ["Hello."]


@pytest.mark.parametrize("parts", [[HANG], [delta("One."), HANG]], ids=["before its head", "within"])
def test_an_answer_that_nobody_wants_ends_at_once(parts: list) -> None:
    with StandIn(*parts) as server:
        pieces = answer(Endpoint(server.url), ASKED, wait=0.01)
        next(pieces)
        assert server.begun.wait(SECONDS)
        pieces.close()
        assert server.gone.wait(SECONDS)
        for thread in threading.enumerate():
            if thread.name == "emotalk-chat":
                thread.join(SECONDS)
                assert not thread.is_alive()


def test_an_answer_that_nobody_begins_to_read_asks_nobody() -> None:
    with StandIn() as server:
        answer(Endpoint(server.url), ASKED).close()
    assert server.requests == []


STATUSES = {400: "model", 401: "key", 403: "key", 404: "/v1", 429: "wait", 500: "its log", 503: "its log"}


@pytest.mark.parametrize("status", STATUSES)
def test_a_refusal_says_what_to_do(status: int) -> None:
    body = json.dumps({"error": {"message": f"no, not with {KEY}"}}).encode()
    with StandIn(body, status=status) as server:
        words = failure(server)
        assert str(status) in words
        assert STATUSES[status] in words
        assert ("not with ..." in words) == (status not in (401, 403))
        assert "not with" not in failure(server, quote=False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_address_is_not_followed(status: int) -> None:
    with StandIn() as other, StandIn(b"", status=status, Location=other.url + "/chat/completions") as server:
        assert "another address" in failure(server)
    assert other.requests == []


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([b"<html>Welcome</html>"], "without a word"),
        ([b""], "without a word"),
        ([DONE], "without a word"),
        ([b"\x00\xff" * 1000], "without a word"),
        ([b'{"choices": []}'], "without a word"),
        ([b'{"choices"'], "without a word"),
        ([event({"error": {"message": f"{KEY} is wrong"}})], "'... is wrong'"),
        ([b'{"error": "no model"}'], "no model"),
        ([delta("One."), event({"error": "full"})], "full"),
        ([b"data: " + b"a" * 2**19], "line of more than"),
    ],
    ids=lambda part: repr(part)[:24],
)
def test_what_is_no_answer_is_a_sentence(parts: list, words: str) -> None:
    with StandIn(*parts) as server:
        assert words in failure(server)


def test_an_endless_answer_is_cut() -> None:
    with StandIn(lambda: delta("word ")) as server:
        assert len("".join(asked(server, bounds=Bounds(characters=999)))) == 999
        assert server.gone.wait(SECONDS)
    with StandIn(lambda: b": ping\n\n" * 1000) as server:
        assert "more than 100,000 bytes" in failure(server, bounds=Bounds(bytes=100_000))
        assert server.gone.wait(SECONDS)
    with StandIn(lambda: b"{" + b" " * 10_000) as server:
        assert "more than 100,000 bytes" in failure(server, bounds=Bounds(bytes=100_000))


def test_nobody_waits_for_ever() -> None:
    with StandIn(HANG) as server:
        assert "sent nothing" in failure(server, bounds=Bounds(silent=0.05))
        assert server.gone.wait(SECONDS)
    with StandIn(delta("One."), HANG) as server:
        assert "not ended" in failure(server, bounds=Bounds(whole=0.2))


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(ChatError, match="cannot be reached"):
            list(answer(Endpoint(url, KEY), ASKED, wait=SECONDS))


def test_neither_key_nor_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    secret = [{"role": "user", "content": "my secret words"}]
    with caplog.at_level(logging.DEBUG), StandIn(delta("a secret answer"), DONE) as server:
        list(answer(Endpoint(server.url, KEY), secret, wait=SECONDS))
    assert server.requests
    assert KEY not in caplog.text
    assert "secret" not in caplog.text
