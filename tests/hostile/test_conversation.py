"""Talking with a live face: odd values of a stranger, and a chat server that means harm."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from emotalk.chat import client, events
from emotalk.server import live_converse
from emotalk.server.live_faces import PREFIX
from tests.chat.standin import DONE, HANG, SECONDS, StandIn, delta, event
from tests.hostile.live_page import LivePage
from tests.hostile.parameters import BODIES, CONVERSE, LIVE, VALUES
from tests.hostile.test_live_faces import SECRET
from tests.hostile.test_parameters import parts
from tests.hostile.visitor import Visitor
from tests.server.live_doubles import kinds, last
from tests.server.test_live_talks import until

KEY = "sk-the-owners-own-key"
HELLO = {"avatar": "mira", "text": "Hi."}


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_converse, "PER_MINUTE", {True: 10**6, False: 10**6})


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn() as server:
        monkeypatch.setenv("EMOTALK_CHAT_URL", server.url)
        monkeypatch.setenv("EMOTALK_CHAT_KEY", KEY)
        yield server


def ask(live: LivePage, **more: object):
    return Visitor(live.address).post(f"/{PREFIX}/converse?ticket={live.ticket()}", HELLO | more)


def test_the_table_names_every_value() -> None:
    assert set(LIVE) - {"follow"} | set(CONVERSE) == set(live_converse.FIELDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVERSE)
def test_an_odd_value_is_answered_in_words(live: LivePage, model: StandIn, name: str) -> None:
    wrong = []
    with StandIn() as other:
        for value in VALUES:
            odd = value.filled(SECRET, other.url)
            answer = ask(live, **CONVERSE | {name: odd})
            wrong += [f"{value}: {problem}" for problem in live.problems(answer, *parts(odd))]
    assert not wrong, "\n".join(wrong)
    assert other.requests == []


def test_a_body_that_is_none_is_answered(live: LivePage, model: StandIn) -> None:
    wrong = []
    for value in BODIES:
        answer = Visitor(live.address).post(f"/{PREFIX}/converse?ticket={live.ticket()}", value.value)
        wrong += [f"{value}: {problem}" for problem in live.problems(answer, *parts(value.value))]
    assert not wrong, "\n".join(wrong)
    assert model.requests == []


def test_a_page_is_known_by_its_ticket_alone(live: LivePage, model: StandIn) -> None:
    owner, stranger = live.ticket("owner"), Visitor(live.address)
    for guess in (owner[:-1], owner + "a", "owner", "", "*", f"{owner}%00", f"../{owner}"):
        assert stranger.post(f"/{PREFIX}/converse?ticket={guess}", HELLO).status == 404
    assert model.requests == []


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:9/v1", "http://localhost/v1", "http://169.254.169.254/latest", "file:///etc/passwd", "http://[::1]/v1",
])  # fmt: skip
def test_strangers_let_the_server_call_nothing(live: LivePage, model: StandIn, url: str) -> None:
    answer = ask(live, url=url)
    assert answer.status == 403
    assert not live.problems(answer, url)
    assert model.requests == []


BOUNDS = client.Bounds(silent=0.3, whole=SECONDS, bytes=2**20)


def drip() -> bytes:
    return b": nothing\n" * 20_000


HARM = {
    "garbage": [b"\x00\xff\xfe" * 5000],
    "a page": [b"<html><script>alert(1)</script></html>"],
    "JSON without end": [b'{"choices": [' + b"[" * 200_000],
    "deep JSON": [b"data: " + b"[" * 200_000 + b"]" * 10 + b"\n\n"],
    "a huge line": [b"data: " + b"a" * (events.LONGEST_LINE + 2**16)],
    "an endless body": [drip],
    "an endless JSON": [lambda: b'{"a": ' + b" " * 2**18],
    "other types": [event({"choices": {"delta": 5}}), event([[]]), event({"choices": [{"delta": {"content": {}}}]})],
    "an error with the key": [event({"error": {"message": f"Bearer {KEY} at /home/owner/keys.txt"}})],
    "an error that is no text": [event({"error": [{"message": 5}]})],
    "a packed flood": [b"data: ", gzip.compress(bytes(2**24))],
    "nothing": [b""],
}


@pytest.mark.parametrize("case", HARM)
def test_a_chat_server_that_means_harm_ends_the_talk(
    live: LivePage, model: StandIn, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:  # fmt: skip
    monkeypatch.setattr(client, "Bounds", lambda: BOUNDS)
    model.parts = HARM[case]
    model.headers["Content-Encoding"] = "gzip" if "packed" in case else "identity"
    answer = ask(live)
    assert answer.status == 200
    said = last(answer.body)["error"]
    assert said.endswith(".")
    for secret in (KEY, "Bearer", "/home", "127.0.0.1", "alert"):
        assert secret not in said
    assert KEY not in live.log.text
    assert not live.problems(answer)
    until(lambda: live.faces.talks.count == 0)


def test_a_chat_server_that_never_answers_is_given_up(live: LivePage, model: StandIn, monkeypatch) -> None:
    monkeypatch.setattr(client, "Bounds", lambda: BOUNDS)
    model.parts = [HANG]
    assert "sent nothing" in last(ask(live).body)["error"]
    assert model.gone.wait(SECONDS)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_other_address_is_followed(live: LivePage, model: StandIn, status: int) -> None:
    with StandIn() as other:
        model.parts, model.status = [b""], status
        model.headers["Location"] = f"{other.url}/chat/completions"
        said = last(ask(live).body)["error"]
        assert "not followed" in said
        assert other.url not in said
    assert other.requests == []


def test_an_answer_that_never_ends_is_cut(live: LivePage, model: StandIn) -> None:
    model.parts = [lambda: delta("word. " * 50)]
    answer = ask(live)
    assert kinds(answer.body)[-1] in "EX"
    assert model.gone.wait(SECONDS)
    until(lambda: live.faces.talks.count == 0)


def test_words_of_the_model_are_only_words(live: LivePage, model: StandIn) -> None:
    model.parts = [
        delta("<speak><audio src='file:///etc/passwd'/>Hi</speak> <img src=x onerror=alert(1)> there.\0\ud800"),
        DONE,
    ]
    answer = ask(live)
    assert not live.problems(answer)
    assert b"<" not in answer.body.split(b"T", 1)[1]
    model.parts = [delta("Yes."), DONE]
    assert kinds(ask(live).body) == "HTAE"  # what was said can be told again
    assert model.messages()[-2][0] == "assistant"


def test_nothing_that_was_said_is_logged_and_no_thread_stays(live: LivePage, model: StandIn) -> None:
    live.log.set_level(logging.DEBUG)
    model.parts = [delta("An answer that nobody else may read. And"), HANG]
    visitor = Visitor(live.address)
    said = "A question that nobody else may read."
    body = json.dumps(HELLO | {"text": said}).encode()
    host, _, port = visitor.host.rpartition(":")
    with socket.create_connection((host, int(port)), SECONDS) as asking:
        asking.sendall(
            f"POST /{PREFIX}/converse?ticket={live.ticket()} HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert asking.recv(12) == b"HTTP/1.1 200"
        assert model.begun.wait(SECONDS)
    assert model.gone.wait(SECONDS)
    until(lambda: live.faces.talks.count == 0)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "emotalk-chat"])
    for secret in (said, "An answer that", KEY):
        assert secret not in live.log.text
