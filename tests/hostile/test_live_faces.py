"""Whatever is sent to the addresses of live faces: an answer in words, nothing of the server in it, no file opened."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from emotalk.server import live_requests
from emotalk.server.live_faces import PREFIX
from tests.hostile.live_page import LivePage
from tests.hostile.parameters import BODIES, LIVE, VALUES
from tests.hostile.test_parameters import parts
from tests.hostile.visitor import Raw, Visitor
from tests.server.live_doubles import SECONDS, Plan, record, sound
from tests.server.test_live_talks import until

SECRET = "/secret/owner.png"
SILENT = "http://127.0.0.1:9/"


def test_the_table_names_every_value() -> None:
    assert set(LIVE) == set(live_requests.FIELDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIVE)
def test_an_odd_value_is_answered_in_words(live: LivePage, name: str) -> None:
    visitor, wrong, loaded = Visitor(live.address), [], []
    live.faces._studio.avatar = lambda avatar: loaded.append(avatar)
    for value in VALUES:
        odd = value.filled(SECRET, SILENT)
        answer = visitor.post(f"/{PREFIX}/say?ticket={live.ticket()}", LIVE | {name: odd})
        wrong += [f"{value}: {problem}" for problem in live.problems(answer, *parts(odd))]
    assert not wrong, "\n".join(wrong)
    assert loaded == []
    assert all(request.avatar == "mira" and request.audio is None for request in live.faces._making.plan.requests)


@pytest.mark.parametrize("path", ["say?", "puppet?id=a&", "stop?"])
def test_a_body_that_is_none_is_answered(live: LivePage, path: str) -> None:
    visitor, wrong = Visitor(live.address), []
    for value in BODIES:
        live.faces.tickets.find(live.ticket()).heard_until = 0.0
        answer = visitor.post(f"/{PREFIX}/{path}ticket={live.ticket()}", value.value)
        if not (path == "stop?" and answer.status == 204):
            wrong += [f"{value}: {problem}" for problem in live.problems(answer, *parts(value.value))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["ticket", "id", "avatar", "last", "x"])
@pytest.mark.parametrize(
    "value", ["", "%00", "%ff", "../../etc/passwd", "a" * 20_000, "%F0%9F%98%80", "mira&avatar=x", "%"]
)
def test_an_odd_part_of_an_address_is_answered(live: LivePage, name: str, value: str) -> None:
    visitor = Visitor(live.address)
    for path in ("say", "puppet", "stop", f"packs/{'0' * 32}.pack"):
        usual = {"ticket": live.ticket(), "id": "a"} | {name: value}
        query = "&".join(f"{key}={said}" for key, said in usual.items())
        method = "GET" if path.startswith("packs") else "POST"
        live.faces.tickets.find(live.ticket()).heard_until = 0.0
        answer = visitor.send(method, f"/{PREFIX}/{path}?{query}", bytes(640))
        assert answer.status in (200, 204, 400, 403, 404, 414, 422), answer
        assert "Traceback" not in live.log.text


def test_a_page_is_known_by_its_ticket_alone(live: LivePage) -> None:
    owner, stranger = live.ticket("owner"), Visitor(live.address)
    body = Raw('{"avatar": "mira", "text": "Hi."}')
    for guess in (owner[:-1], owner + "a", owner.swapcase(), "owner", "", "*", f"{owner}%00", f"../{owner}"):
        for path in ("say", "stop", "puppet"):
            assert stranger.post(f"/{PREFIX}/{path}?id=a&ticket={guess}", body).status == 404
    assert stranger.post(f"/{PREFIX}/say?ticket={owner}", body).ok


def asking(live: LivePage, session: str) -> socket.socket:
    """A connection that has asked for a talk and has read nothing yet; the caller closes it."""
    host, _, port = live.address.removeprefix("http://").rpartition(":")
    body = json.dumps(LIVE).encode()
    line = socket.create_connection((host, int(port)), SECONDS)
    line.sendall(
        f"POST /{PREFIX}/say?ticket={live.ticket(session)} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return line


@pytest.mark.parametrize("reads", [True, False], ids=["in the middle", "before the first word"])
def test_nothing_is_computed_for_connections_that_are_gone(live: LivePage, monkeypatch, reads: bool) -> None:
    plan = Plan(*[sound(0.1)] * 1000, held=True)
    monkeypatch.setattr(live.faces._making, "plan", plan)
    lines = [asking(live, f"page {number}") for number in range(10)]
    plan.until(begun=2)  # the others wait for their turn
    if reads:
        plan.go(20)
        assert lines[0].recv(10).startswith(b"HTTP/1.1 2")
    for line in lines:
        line.close()
    until(lambda: not any(talk for talk in list(live.faces.talks._talks) if not talk.stopped))
    plan.go(10_000)
    until(lambda: live.faces.talks.count == 0)
    assert plan.made <= 30
    assert plan.begun == plan.ended


def test_readers_that_read_nothing_hold_up_nobody(live: LivePage, monkeypatch) -> None:
    plan = Plan(*[record("M", bytes(2**18))] * 60)  # more than fits between two ends of a connection
    monkeypatch.setattr(live.faces._making, "plan", plan)
    lines = [asking(live, f"page {number}") for number in range(19)]
    until(lambda: live.faces.talks.count == 19)
    visitor = Visitor(live.address)
    assert visitor.post(f"/{PREFIX}/say?ticket={live.ticket('reader')}", LIVE).ok
    assert visitor.get("/").ok
    assert live.faces.talks.count == 19
    for line in lines:
        line.close()
    until(lambda: live.faces.talks.count == 0)


def test_no_word_of_what_is_said_is_kept(live: LivePage, tmp_path: Path) -> None:
    said = "A sentence that nobody else may read."
    assert Visitor(live.address).post(f"/{PREFIX}/say?ticket={live.ticket()}", LIVE | {"text": said}).ok
    assert said not in live.log.text
