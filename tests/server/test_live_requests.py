"""What is sent to a live face: who may say what, and what is refused, in which words."""

from __future__ import annotations

import functools
import json
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.server import live_faces as module
from emotalk.server.live_faces import PREFIX, LiveFaces
from emotalk.server.live_requests import JSON_BYTES
from emotalk.server.live_tickets import SHOWN
from tests.server.live_doubles import (
    HELLO,
    Plan,
    detail,
    kinds,
    live_faces,
    say,
    ticket,
)


@pytest.fixture
def plan() -> Plan:
    return Plan()


@pytest.fixture
def faces(plan: Plan) -> LiveFaces:
    return live_faces(plan)


@pytest.fixture
def web(faces: LiveFaces) -> TestClient:
    return TestClient(Starlette(routes=faces.routes()))


def test_what_is_said_comes_as_records(faces: LiveFaces, web: TestClient, plan: Plan) -> None:
    controls = {"voice": "drawn:tone", "valence": -0.5, "arousal": 1, "expressiveness": 2, "head_motion": 0,
                "mood_in_voice": False, "seed": 7.0}  # fmt: skip
    answer = say(web, ticket(faces), **controls)
    assert answer.status_code == 200
    assert kinds(answer.content) == "HAE"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    [wanted] = plan.requests
    assert (wanted.avatar, wanted.text, wanted.audio, wanted.voice, wanted.seed) == (
        "mira",
        "Hello.",
        None,
        "drawn:tone",
        7,
    )
    assert wanted.emotion.at(1).tolist() == [[-0.5, 1.0]]
    assert (wanted.expressiveness, wanted.head_motion, wanted.mood_in_voice) == (2, 0, False)


def test_the_mood_may_follow_the_voice(faces: LiveFaces, web: TestClient, plan: Plan) -> None:
    say(web, ticket(faces), valence=0.5, follow=True)
    assert plan.requests[0].emotion == "auto"
    assert plan.requests[0].valence_in_auto == 0.5


def test_the_longest_talk_is_the_pages(faces: LiveFaces, web: TestClient, plan: Plan, monkeypatch) -> None:
    monkeypatch.setenv("EMOTALK_MAX_SECONDS", "7")
    say(web, ticket(faces))
    assert plan.requests[0].max_seconds == 7
    assert "at most 7 seconds" in detail(say(web, ticket(faces), text="word " * 100))


@pytest.mark.parametrize("way", ["say", "stop", "puppet"])
@pytest.mark.parametrize("token", ["", "a" * 32, "None", "../x", "\u202e", "page"])
def test_a_ticket_that_is_none_is_refused(faces: LiveFaces, web: TestClient, way: str, token: str) -> None:
    ticket(faces)
    answer = web.post(f"/{PREFIX}/{way}?ticket={quote(token)}", json=HELLO)
    assert answer.status_code == 404
    assert "has ended" in detail(answer)
    assert web.post(f"/{PREFIX}/{way}", json=HELLO).status_code == 404
    assert web.get(f"/{PREFIX}/{way}?ticket={faces.ticket('page')}").status_code == 405


def test_the_ticket_of_a_closed_page_is_worth_nothing(faces: LiveFaces, web: TestClient) -> None:
    token = ticket(faces)
    faces.end_session("page")
    assert say(web, token).status_code == 404
    assert ticket(faces) != token


NAMES = [
    "kofi", "anna", "nobody", "", ".", "..", "../mira", "mira/", "./mira", "/etc/passwd", "checkpoints/avatars/mira",
    "mira\0", "MIRA", "\ud800", "org/berta", "a" * 10_000, "https://example.org/mira", "..\\mira", "%6dira", "mira ",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
def test_only_a_face_that_this_page_was_shown_speaks(faces: LiveFaces, web: TestClient, plan: Plan, name: str) -> None:
    token = ticket(faces, "page", "mira")
    ticket(faces, "other", "anna")
    faces._studio.loaded.clear()
    body = json.dumps(HELLO | {"avatar": name}).encode()
    for path, sent in (("say?", body), (f"puppet?id=a&avatar={quote(name, errors='replace')}&", bytes(64))):
        answer = web.post(f"/{PREFIX}/{path}ticket={token}", content=sent)
        if not (name == "" and path != "say?"):
            assert answer.status_code == 403
            assert "does not show" in detail(answer)
    assert faces._studio.loaded == []
    assert plan.requests == []


def test_the_faces_shown_last_are_the_ones_that_speak(faces: LiveFaces, web: TestClient) -> None:
    token = ticket(faces, "page", "kofi")
    held = faces.tickets.find(token)
    for number in range(SHOWN - 1):
        held.show(f"face {number}")
    assert say(web, token, avatar="kofi").status_code == 200
    held.show("one more")
    assert say(web, token, avatar="kofi").status_code == 403
    assert len(held.shown) == SHOWN


BODIES = {
    b"": 400, b"{": 400, b"\xff": 400, b'{"a": NaN}': 400, b'{"text": "a", "text": "b"}': 400, b"[" * 100_000: 400,
    b"9" * 5000: 400, b"[]": 422, b"null": 422, b'"text"': 422, b"1": 422, b"{}": 422, b'{"avatar": "mira"}': 422,
    b'{"text": "Hello."}': 422, b'{"avatar": null, "text": "a"}': 422,
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
def test_a_body_that_is_none_is_refused(faces: LiveFaces, web: TestClient, body: bytes) -> None:
    answer = web.post(f"/{PREFIX}/say?ticket={ticket(faces)}", content=body)
    assert answer.status_code == BODIES[body]
    detail(answer)


ODD = [
    ("text", 1), ("text", ["a"]), ("text", ""), ("text", " "), ("text", True), ("avatar", 1), ("avatar", {"a": 1}),
    ("voice", 1), ("voice", "a" * 101), ("valence", "1"), ("valence", 2), ("valence", True), ("valence", 1e999),
    ("arousal", -10**400), ("arousal", [0]), ("expressiveness", 2.1), ("head_motion", -0.1), ("seed", 0.5),
    ("seed", -1), ("seed", 2**32), ("seed", "1"), ("mood_in_voice", 1), ("follow", "yes"), ("emotion", "/etc/passwd"),
    ("audio", "/etc/passwd"), ("look", {}), ("max_seconds", 1e9), ("ticket", "a"), ("", 1), ("\ud800", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), ODD, ids=lambda part: repr(part)[:20])
def test_an_odd_value_is_refused_in_words(
    faces: LiveFaces, web: TestClient, plan: Plan, name: str, value: object
) -> None:
    body = json.dumps(HELLO | {name: value}).replace("Infinity", "1e999").encode()
    answer = web.post(f"/{PREFIX}/say?ticket={ticket(faces)}", content=body)
    assert answer.status_code in ((403, 422) if name == "avatar" else (422,))
    detail(answer)
    assert plan.requests == []


def test_null_is_left_out(faces: LiveFaces, web: TestClient, plan: Plan) -> None:
    assert say(web, ticket(faces), voice=None, seed=None, follow=None).status_code == 200
    assert (plan.requests[0].voice, plan.requests[0].seed) == (None, 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TABLES = st.dictionaries(
    st.sampled_from(["avatar", "text", "voice", "valence", "arousal", "seed", "follow", "head_motion", "x"]),
    JSON | st.sampled_from(["mira", "Hello.", 0.5, 1, True]),
)


@functools.cache
def open_site() -> tuple[TestClient, str]:
    """A site and the ticket of a page that was shown a face, the same for many requests."""
    faces = live_faces()
    return TestClient(Starlette(routes=faces.routes()), raise_server_exceptions=False), ticket(faces)


@settings(max_examples=150, deadline=None)
@given(JSON | TABLES)
@example({"avatar": "mira", "text": "\ud800"})
@example({"avatar": "mira", "text": "[pause 1e999] a"})
def test_any_json_is_answered(value: object) -> None:
    web, token = open_site()
    answer = web.post(f"/{PREFIX}/say?ticket={token}", content=json.dumps(value).encode())
    assert answer.status_code in (200, 400, 403, 422)
    if answer.status_code == 200:
        assert kinds(answer.content)[-1] in "EX"
    else:
        detail(answer)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_answered(body: bytes) -> None:
    web, token = open_site()
    answer = web.post(f"/{PREFIX}/say?ticket={token}", content=body)
    assert answer.status_code in (400, 422)
    detail(answer)


@pytest.mark.parametrize(("way", "most"), [("say?", JSON_BYTES), ("puppet?id=a&", module.SOUND_BYTES)])
def test_bodies_are_capped_announced_or_not(faces: LiveFaces, web: TestClient, way: str, most: int) -> None:
    path = f"/{PREFIX}/{way}ticket={ticket(faces)}"
    pieces = [bytes(2**14)] * (most // 2**14 + 2)
    for answer in (web.post(path, content=bytes(most + 1)), web.post(path, content=iter(pieces))):
        assert answer.status_code == 413
        assert f"{most:,}" in detail(answer)
    assert web.post(path, content=b"", headers={"Content-Length": "9" * 30}).status_code == 413
