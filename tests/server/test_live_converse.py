"""Talking with a live face: who is asked, what the model is told, who is interrupted, what is kept and for how long."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.core.errors import ChatError
from emotalk.live import wire
from emotalk.server import live_converse as module
from emotalk.server.live_converse import CHARACTERS, FIELDS, JSON_BYTES, Conversations
from emotalk.server.live_faces import PREFIX, LiveFaces
from emotalk.server.live_making import Making
from emotalk.server.live_talks import TooMany
from tests.chat.standin import DONE, HANG, SECONDS, StandIn, delta, event
from tests.live.hearing_studio import HearingStudio
from tests.loops import run_alone
from tests.server.live_doubles import Call, Doubles, Plan, detail, kinds, last, live_faces, ticket
from tests.server.test_housekeeping import Clock
from tests.server.test_live_requests import JSON
from tests.server.test_live_talks import until

KEY = "sk-nobody-sees-this"
HELLO = {"avatar": "mira", "text": "Hello."}
PATH = f"/{PREFIX}/converse"


@pytest.fixture
def faces() -> LiveFaces:
    return live_faces(Plan())


@pytest.fixture
def web(faces: LiveFaces) -> TestClient:
    return TestClient(Starlette(routes=faces.routes()))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch):
    with StandIn(delta("[happy] Hello to you. How"), delta(" are you?"), DONE) as server:
        monkeypatch.setenv("EMOTALK_CHAT_URL", server.url)
        monkeypatch.setenv("EMOTALK_CHAT_KEY", KEY)
        yield server


def ask(web: TestClient, token: str, **more: object):
    return web.post(f"{PATH}?ticket={token}", json=HELLO | more)


def told(stream: bytes) -> list[dict]:
    """The `T` records of a stream."""
    found, at = [], 0
    while at < len(stream):
        size = int.from_bytes(stream[at + 1 : at + 4], "little")
        if stream[at : at + 1] == b"T":
            found.append(json.loads(stream[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


# Who is asked.


def test_a_page_is_told_whether_there_is_a_model(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert web.get(PATH).json() == {"offered": False, "typed": True, "model": None}
    monkeypatch.setenv("EMOTALK_CHAT_URL", "http://localhost:8080/v1")
    monkeypatch.setenv("EMOTALK_CHAT_KEY", KEY)
    monkeypatch.setenv("EMOTALK_CHAT_MODEL", "small")
    answer = web.get(PATH)
    assert answer.json() == {"offered": True, "typed": True, "model": "small"}
    assert answer.headers["cache-control"] == "no-store"
    assert KEY not in answer.text
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    assert web.get(PATH).json() == {"offered": True, "typed": False, "model": "small"}


def test_an_address_that_is_none_offers_nothing(web, faces, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("EMOTALK_CHAT_URL", "ftp://me:secret@a")
    assert web.get(PATH).json()["offered"] is False
    answer = ask(web, ticket(faces))
    assert answer.status_code == 503
    assert "secret" not in detail(answer) + caplog.text
    assert "EMOTALK_CHAT_URL" in caplog.text


def test_without_a_model_there_is_nobody_to_talk_with(web: TestClient, faces: LiveFaces) -> None:
    answer = ask(web, ticket(faces))
    assert answer.status_code == 404
    assert "EMOTALK_CHAT_URL" in detail(answer)


def test_the_answer_comes_as_a_talk(web: TestClient, faces: LiveFaces, model: StandIn) -> None:
    answer = ask(web, ticket(faces), voice="drawn:tone", valence=-0.7, arousal=-0.4, expressiveness=1.5, seed=7)
    assert answer.status_code == 200
    assert kinds(answer.content) == "HTATAE"
    assert [text["text"] for text in told(answer.content)] == ["[happy] Hello to you.", "[happy] How are you?"]
    assert model.messages()[1:] == [("user", "Hello.")]
    assert "sad" in model.messages()[0][1].splitlines()[-1]
    assert model.requests[0]["headers"]["Authorization"] == f"Bearer {KEY}"
    [talk] = faces._making.plan.requests
    assert (talk.avatar, talk.voice, talk.expressiveness, talk.seed) == ("mira", "drawn:tone", 1.5, 7)


def test_an_endpoint_may_be_typed_on_ones_own_machine(web: TestClient, faces: LiveFaces, model: StandIn) -> None:
    with StandIn() as other:
        answer = ask(web, ticket(faces), url=other.url, key="mine", model="large")
        assert kinds(answer.content) == "HTAE"
    assert other.requests[0]["headers"]["Authorization"] == "Bearer mine"
    assert other.requests[0]["body"]["model"] == "large"
    assert model.requests == []
    assert ask(web, ticket(faces), url="", key="", model="").status_code == 200  # empty is left out
    assert len(model.requests) == 1


@pytest.mark.parametrize("named", [{"url": "URL"}, {"key": "a"}, {"model": "a"}, {"url": "URL", "key": "a"}])
@pytest.mark.parametrize("way", ["public", "embedded"])
def test_strangers_name_no_endpoint(faces, model: StandIn, monkeypatch, named: dict, way: str) -> None:
    if way == "public":
        monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    web = TestClient(Starlette(routes=faces.routes(embedded=way == "embedded")))
    assert web.get(PATH).json()["typed"] is False
    with StandIn() as other:
        answer = ask(web, ticket(faces), **{name: other.url if said == "URL" else said for name, said in named.items()})
        assert answer.status_code == 403
        assert "no server that a visitor names" in detail(answer)
    assert other.requests == model.requests == []
    assert ask(web, ticket(faces)).status_code == 200


@pytest.mark.parametrize(
    "named",
    [{"key": "a"}, {"model": "a"}, {"url": "ftp://a"}, {"url": "http://me:p@a"}, {"url": "http://a", "key": "a\nb"}],
)
def test_a_typed_endpoint_that_is_none_is_refused(web, faces, model: StandIn, named: dict) -> None:
    answer = ask(web, ticket(faces), **named)
    assert answer.status_code == 422
    assert "chat server" in detail(answer)
    assert model.requests == []


class Heard(Doubles):
    """Stand-ins for all but the talk itself."""

    converse = Making.converse


def test_the_answer_is_heard_and_moves_a_face(model: StandIn) -> None:
    faces = LiveFaces(HearingStudio(), lambda: "", Heard())
    token = faces.ticket("page")
    faces.tickets.find(token).show("mira")
    answer = ask(TestClient(Starlette(routes=faces.routes())), token, voice="flite:slt", valence=-0.3)
    records = [(kind, wire.content(kind, payload)) for kind, payload in wire.records(answer.content)]
    said = [content for kind, content in records if kind == "T"]
    samples = sum(len(content) for kind, content in records if kind == "A")
    rows = sum(len(content) for kind, content in records if kind == "M")
    moods = [value for kind, content in records if kind == "C" for value in content["values"]]
    assert [text["text"] for text in said] == ["Hello to you.", "How are you?"]
    assert said[1]["start"] > 0.5
    assert rows == len(moods) == -(-samples // 640)
    assert moods[0][0] == moods[-1][0] == 1.0  # happy, over both sentences
    assert records[-1] == ("E", {"seconds": samples / 16000})
    model.parts = [delta("Well."), DONE]
    ask(TestClient(Starlette(routes=faces.routes())), token, text="Fine.", voice="flite:slt")
    assert model.messages()[2] == ("assistant", "[happy] Hello to you. How are you?")


# What is refused.

ODD = [
    ("text", 1), ("text", ""), ("text", " \u202e\n"), ("text", "a" * (CHARACTERS + 1)), ("avatar", "kofi"),
    ("avatar", 5), ("voice", 1), ("valence", 2), ("arousal", True), ("expressiveness", 3), ("head_motion", -1),
    ("mood_in_voice", 1), ("seed", -1), ("heard", -1), ("heard", "1"), ("heard", True), ("heard", 1e9), ("fresh", 1),
    ("fresh", "yes"), ("url", 1), ("key", ["a"]), ("model", {}), ("follow", True), ("messages", []), ("system", "a"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), ODD, ids=lambda part: repr(part)[:20])
def test_an_odd_value_is_refused_in_words(web, faces, model: StandIn, name: str, value: object) -> None:
    answer = ask(web, ticket(faces), **{name: value})
    assert answer.status_code in ((403, 422) if name == "avatar" else (422,))
    detail(answer)
    assert model.requests == []


def test_a_body_is_capped_and_a_ticket_is_needed(web: TestClient, faces: LiveFaces, model: StandIn) -> None:
    token = ticket(faces)
    assert web.post(f"{PATH}?ticket={token}", content=bytes(JSON_BYTES + 1)).status_code == 413
    for body, status in ((b"{", 400), (b"[]", 422), (b"{}", 422), (b'{"avatar": "mira"}', 422)):
        assert web.post(f"{PATH}?ticket={token}", content=body).status_code == status
    for guess in ("", token[:-1], "page"):
        assert ask(web, guess).status_code == 404
    assert web.put(PATH).status_code == 405
    assert model.requests == []
    assert len(json.dumps(HELLO | {"text": "\U0001f600" * CHARACTERS})) < JSON_BYTES


@functools.cache
def open_site() -> tuple[TestClient, str]:
    faces = live_faces(Plan())
    return TestClient(Starlette(routes=faces.routes()), raise_server_exceptions=False), ticket(faces)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), JSON | st.sampled_from(["mira", "Hi.", 0.5, True])) | JSON)
def test_any_json_is_answered(monkeypatch, value: object) -> None:
    monkeypatch.setenv("EMOTALK_CHAT_URL", "")
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    web, token = open_site()
    answer = web.post(f"{PATH}?ticket={token}", content=json.dumps(value).encode())
    assert answer.status_code in (400, 403, 404, 422)
    detail(answer)


def test_models_are_not_asked_without_end(web, faces, model: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PER_MINUTE", {True: 3, False: 3})
    token = ticket(faces)
    assert [ask(web, token).status_code for _ in range(5)] == [200] * 3 + [429] * 2
    answer = ask(web, token)
    assert int(answer.headers["retry-after"]) > 0
    assert "last minute" in detail(answer)
    assert len(model.requests) == 3


def test_a_minute_later_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PER_MINUTE", {True: 2, False: 2})
    clock = Clock()
    conversations = Conversations(clock)
    for _ in range(3):
        conversations._check_pace("a")
        conversations._check_pace("b")
        clock.pass_minutes(0.6)
    conversations._check_pace("a")
    with pytest.raises(TooMany):
        conversations._check_pace("a")
    clock.pass_minutes(5)
    conversations._check_pace("c")
    assert list(conversations._asked) == ["c"]


# What the model is told.


def test_the_model_is_told_what_was_said_before(web: TestClient, faces: LiveFaces, model: StandIn) -> None:
    token = ticket(faces)
    ask(web, token)
    ask(web, token, text="Fine.", heard=1.0)
    ask(web, token, text="And you?")
    assert model.messages(1)[1:] == [
        ("user", "Hello."), ("assistant", "[happy] Hello to you—"), ("user", "Fine."),
    ]  # fmt: skip
    assert model.messages(2)[-2:] == [("assistant", "[happy] Hello to you. How are you?"), ("user", "And you?")]
    ask(web, token, text="New.", fresh=True)
    assert model.messages(3)[1:] == [("user", "New.")]


def test_every_page_has_a_dialogue_of_its_own_that_goes_with_it(web, faces: LiveFaces, model: StandIn) -> None:
    one, two = ticket(faces, "one"), ticket(faces, "two")
    ask(web, one, text="My name is Ada.")
    ask(web, two)
    assert "Ada" not in str(model.messages()[1:])
    assert len(faces.conversations) == 2
    faces.end_session("one")
    faces.end_session("two")
    assert len(faces.conversations) == 0
    ask(web, ticket(faces, "one"), text="Who am I?")
    assert model.messages()[1:] == [("user", "Who am I?")]


def test_a_page_that_closes_in_this_moment_leaves_nothing(web, faces: LiveFaces, model: StandIn) -> None:
    token = ticket(faces)
    plain = faces.conversations.asked

    def closing(*arguments):
        faces.end_session("page")
        return plain(*arguments)

    faces.conversations.asked = closing
    ask(web, token)
    assert len(faces.conversations) == 0


def test_neither_text_nor_key_is_logged(web, faces, model: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(web, ticket(faces), text="my secret words")
    model.parts = [event({"error": {"message": f"{KEY} and my secret words"}})]
    with caplog.at_level(logging.DEBUG):
        answer = ask(web, ticket(faces))
    assert last(answer.content)["error"]
    for secret in (KEY, "secret words", "Hello to you"):
        assert secret not in caplog.text
    assert KEY not in answer.text


@pytest.mark.parametrize("public", ["0", "1"])
def test_a_model_that_fails_ends_the_talk_with_a_sentence(web, faces, model, monkeypatch, public: str) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", public)
    model.parts = [delta("One. Two"), event({"error": {"message": "account 77 is empty"}})]
    answer = ask(web, ticket(faces))
    assert kinds(answer.content) == "HTAX"
    assert ("account 77" in last(answer.content)["error"]) == (public == "0")


def test_a_model_that_only_thinks_is_given_up(model: StandIn) -> None:
    model.parts = [delta("One. <think> hmm"), HANG]
    clock, asked = Clock(), Conversations().asked(json.dumps(HELLO).encode(), "token", ["mira"], "address")
    said = asked.sentences(clock)
    assert next(said) == ""
    assert model.begun.wait(SECONDS)
    clock.pass_minutes(0.5)
    assert next(sentence for sentence in said if sentence) == "One."
    clock.pass_minutes(0.5)
    assert next(said) == ""  # half a minute for this one
    clock.pass_minutes(0.5)
    with pytest.raises(ChatError, match="no sentence"):
        next(said)
    assert model.gone.wait(SECONDS)


# Who is interrupted.


@pytest.mark.parametrize("way", ["hang up", "stop", "say", "converse", "end of the page", "end of the server"])
@pytest.mark.parametrize("parts", [[HANG], [delta("One. Two"), HANG]], ids=["before", "within"])
def test_the_model_is_let_go_at_once(model: StandIn, way: str, parts: list) -> None:
    model.parts = parts

    async def visit() -> None:
        faces = live_faces(Plan())
        await faces.show("page", "mira")
        app, token = Starlette(routes=faces.routes()), faces.ticket("page")
        call = Call(app, f"{PATH}?ticket={token}", json.dumps(HELLO).encode())
        assert await asyncio.to_thread(model.begun.wait, SECONDS)
        if len(parts) > 1:
            await call.until(32000)
        if way == "hang up":
            call.hang_up()
        elif way == "stop":
            assert (await Call(app, f"/{PREFIX}/stop?ticket={token}").end()).status == 204
        elif way in ("say", "converse"):
            if way == "converse":
                model.parts = [delta("Yes."), DONE]
            other = Call(app, f"/{PREFIX}/{way}?ticket={token}", json.dumps(HELLO | {"text": "Wait."}).encode())
            assert kinds((await other.end()).body)[-1] == "E"
        elif way == "end of the page":
            faces.end_session("page")
        else:
            faces.close()
        await call.end()
        assert await asyncio.to_thread(model.gone.wait, SECONDS)
        await asyncio.to_thread(until, lambda: faces.talks.count == 0)
        for thread in threading.enumerate():
            if thread.name == "emotalk-chat":
                await asyncio.to_thread(thread.join, SECONDS)
        assert len(model.requests) == (2 if way == "converse" else 1)

    run_alone(visit())


def test_who_waits_for_a_model_leaves_the_turns_to_others(model: StandIn) -> None:
    model.parts = [HANG]

    async def visit() -> None:
        faces = live_faces(Plan())
        app, calls = Starlette(routes=faces.routes()), []
        for number in range(8):  # more than there are turns
            await faces.show(f"page {number}", "mira")
            path = f"{PATH}?ticket={faces.ticket(f'page {number}')}"
            calls.append(Call(app, path, json.dumps(HELLO).encode()))
        await asyncio.to_thread(until, lambda: len(model.requests) == 8)
        await faces.show("other", "mira")
        said = Call(app, f"/{PREFIX}/say?ticket={faces.ticket('other')}", json.dumps(HELLO).encode())
        assert kinds((await said.end()).body) == "HAE"
        assert faces.talks.count == 8
        faces.close()
        for call in calls:
            await call.end()
        await asyncio.to_thread(until, lambda: faces.talks.count == 0)

    run_alone(visit())


def test_the_answer_is_heard_while_it_is_written(model: StandIn) -> None:
    go = threading.Event()
    model.parts = [delta("One. Two"), go, delta(". Three."), DONE]

    async def visit() -> None:
        faces = live_faces(Plan())
        await faces.show("page", "mira")
        path = f"{PATH}?ticket={faces.ticket('page')}"
        call = Call(Starlette(routes=faces.routes()), path, json.dumps(HELLO).encode())
        await call.until(32000)
        assert [text["text"] for text in told(call.body)] == ["One."]
        go.set()
        await call.end()
        assert [text["text"] for text in told(call.body)] == ["One.", "Two.", "Three."]

    run_alone(visit())


def test_an_interrupted_answer_is_remembered_as_far_as_it_was_heard(model: StandIn) -> None:
    model.parts = [delta("One two three four. Five six."), delta(" Seven"), HANG]

    async def visit() -> None:
        faces = live_faces(Plan())
        await faces.show("page", "mira")
        app, path = Starlette(routes=faces.routes()), f"{PATH}?ticket={faces.ticket('page')}"
        first = Call(app, path, json.dumps(HELLO).encode())
        await first.until(64000)
        model.parts = [delta("Yes."), DONE]
        second = Call(app, path, json.dumps(HELLO | {"text": "Wait!", "heard": 0.5}).encode())
        await second.end()
        await first.end()
        assert model.messages()[1:] == [
            ("user", "Hello."), ("assistant", "One two—"), ("user", "Wait!"),
        ]  # fmt: skip

    run_alone(visit())
