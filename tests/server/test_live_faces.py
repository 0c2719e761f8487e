"""The addresses of live faces: who may ask for what, what is refused and in which words, what browsers may keep."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gzip
import json
import threading
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.core.errors import AvatarError, InputError
from emotalk.server import live_faces as module
from emotalk.server import live_packs, live_tickets
from emotalk.server.housekeeping import Housekeeping
from emotalk.server.limits import PUBLIC, limits
from emotalk.server.live_faces import PREFIX, LiveFaces
from emotalk.server.live_making import allows_live
from emotalk.server.live_requests import JSON_BYTES
from emotalk.server.live_tickets import SHOWN
from tests.loops import run_alone
from tests.server.live_doubles import SCRIPT, SECONDS, Call, Plan, kinds, live_faces, pack_of, record, sound
from tests.server.test_housekeeping import Clock
from tests.server.test_live_talks import until

HELLO = {"avatar": "mira", "text": "Hello."}
FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture
def plan() -> Plan:
    return Plan()


@pytest.fixture
def faces(plan: Plan) -> LiveFaces:
    return live_faces(plan)


@pytest.fixture
def web(faces: LiveFaces) -> TestClient:
    return TestClient(Starlette(routes=faces.routes()))


def show(faces: LiveFaces, session: str, *avatars: str, **controls: float) -> dict:
    for avatar in avatars:
        told = run_alone(faces.show(session, avatar, **controls))
    return told


def ticket(faces: LiveFaces, session: str = "page", *avatars: str) -> str:
    show(faces, session, *(avatars or ("mira",)))
    return faces.ticket(session)


def say(web: TestClient, token: str, body: object = None, **more: object):
    return web.post(f"/{PREFIX}/say?ticket={token}", json=HELLO | more if body is None else body)


def detail(answer) -> str:
    words = answer.json()["detail"]
    assert words.endswith("."), words
    assert answer.headers["cache-control"] == "no-store"
    return words


# Showing a face.


def test_a_page_is_told_where_its_face_lies_and_who_it_is(faces: LiveFaces, web: TestClient) -> None:
    told = show(faces, "page", "mira", head_motion=0.5, expressiveness=1.5)
    assert told["video_only"] is False
    assert told["who"] == {"moves": "as mira moves", "head_energy": 0.5, "expressivity": 1.0}
    contents = {"pack": b"mira", "face": b"face of average", "script": SCRIPT.encode()}
    for name, content in contents.items():
        answer = web.get(f"/{told[name]}")
        assert answer.status_code == 200
        assert answer.content == content
        assert answer.headers["cache-control"] == FOREVER
    assert told["script"] == faces.script_path
    assert web.get(f"/{told['script']}").headers["content-type"].startswith("text/javascript")


def test_packs_are_gzip_for_who_reads_it_and_plain_for_everybody_else(faces: LiveFaces, web: TestClient) -> None:
    path = "/" + show(faces, "page", "mira")["pack"]
    packed = web.get(path, headers={"Accept-Encoding": "br, gzip"})
    plain = web.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.content == plain.content == b"mira"


def test_a_real_persons_pack_is_for_pages_that_were_shown_it(faces: LiveFaces, web: TestClient) -> None:
    path = "/" + show(faces, "page", "anna")["pack"]
    mine, other = faces.ticket("page"), ticket(faces, "other", "mira")
    assert web.get(path).status_code == 404
    for guess in (other, mine[:-1], mine + "a", mine.swapcase(), "", "page", "None"):
        assert web.get(f"{path}?ticket={guess}").status_code == 404
    answer = web.get(f"{path}?ticket={mine}")
    assert answer.content == b"anna"
    assert answer.headers["cache-control"] == "private, no-store"
    faces.end_session("page")
    assert web.get(f"{path}?ticket={mine}").status_code == 404
    assert faces.packs.private_count == 0


def test_the_last_page_takes_a_real_persons_pack_with_it(faces: LiveFaces, web: TestClient) -> None:
    path = "/" + show(faces, "one", "anna")["pack"]
    show(faces, "two", "anna")
    faces.end_session("one")
    assert web.get(f"{path}?ticket={faces.ticket('two')}").status_code == 200
    faces.end_session("two")
    assert faces.packs.count == 0


def test_a_deleted_face_is_forgotten(faces: LiveFaces, web: TestClient) -> None:
    paths = {name: "/" + show(faces, "page", name)["pack"] for name in ("anna", "mira")}
    faces.forget("anna")
    token = faces.ticket("page")
    assert web.get(f"{paths['anna']}?ticket={token}").status_code == 404
    assert web.get(paths["mira"]).status_code == 200
    assert faces.packs.private_count == 0


def test_a_pack_that_made_room_is_made_again(faces: LiveFaces, web: TestClient, monkeypatch) -> None:
    monkeypatch.setattr(live_packs, "KEPT", 1)
    paths = {name: "/" + show(faces, "page", name)["pack"] for name in ("mira", "anna", "kofi")}
    assert faces.packs.count == 1
    token = faces.ticket("page")
    assert web.get(paths["mira"]).content == b"mira"
    assert web.get(paths["anna"]).status_code == 404
    assert web.get(f"{paths['anna']}?ticket={token}").content == b"anna"
    faces._making.pack = lambda avatar: pack_of("another face of that name")
    assert web.get(paths["kofi"]).status_code == 404


@pytest.mark.parametrize(
    "name", ["0" * 32, "..", "../../etc/passwd", "%2e%2e%2fmira", "mira", "a" * 5000, "*", "\u202e"]
)
def test_no_name_of_a_pack_leads_anywhere(faces: LiveFaces, web: TestClient, name: str) -> None:
    token = ticket(faces)
    faces._studio.loaded.clear()
    for path in (f"packs/{quote(name)}.pack", f"face-{quote(name)}.pack", f"script-{quote(name)}.js"):
        assert web.get(f"/{PREFIX}/{path}?ticket={token}").status_code == 404
    assert faces._studio.loaded == []


def test_nobody_makes_the_face_pack_by_asking_for_it(faces: LiveFaces, web: TestClient) -> None:
    name = pack_of("face of average").name
    assert web.get(f"/{PREFIX}/face-{name}.pack").status_code == 404
    show(faces, "page", "mira")
    assert web.get(f"/{PREFIX}/face-{name}.pack").status_code == 200


def test_an_avatar_for_videos_only_gives_nothing_away(faces: LiveFaces, web: TestClient) -> None:
    class VideoCard:
        synthetic, face, video_only = True, 1, True

    faces._studio.cards["mira"] = VideoCard()
    assert not allows_live(VideoCard())
    told = show(faces, "page", "mira")
    assert (told["pack"], told["who"], told["video_only"]) == (None, None, True)
    assert faces._making.packed == []
    assert say(web, faces.ticket("page")).status_code == 403


def test_a_face_that_there_is_not_is_a_sentence(faces: LiveFaces) -> None:
    with pytest.raises(AvatarError):
        show(faces, "page", "nobody")
    with pytest.raises(InputError, match="head motion"):
        show(faces, "page", "mira", head_motion=float("nan"))
    with pytest.raises(InputError, match="session"):
        faces.ticket("")


def test_a_page_that_chooses_quickly_gets_its_newest_face(faces: LiveFaces) -> None:
    go, begun = threading.Event(), threading.Event()
    plain = faces._making.pack

    def slow(avatar):
        begun.set()
        assert go.wait(SECONDS)
        return plain(avatar)

    faces._making.pack = slow

    async def visit() -> list:
        first = asyncio.create_task(faces.show("page", "mira"))
        assert await asyncio.to_thread(begun.wait, SECONDS)
        later = [asyncio.create_task(faces.show("page", name)) for name in ("kofi", "anna")]
        await asyncio.sleep(0)
        go.set()
        return [await task for task in (first, *later)]

    first, second, third = run_alone(visit())
    assert first["who"]["moves"] == "as mira moves"
    assert second is None
    assert third["who"]["moves"] == "as anna moves"
    assert faces._making.packed == ["mira", "anna"]


def test_a_page_that_closes_while_its_face_is_made_leaves_nothing(faces: LiveFaces) -> None:
    plain = faces._making.pack

    def closing(avatar):
        faces.end_session("page")
        return plain(avatar)

    faces._making.pack = closing
    with pytest.raises(InputError, match="closed"):
        show(faces, "page", "anna")
    assert faces.packs.private_count == 0
    assert len(faces.tickets) == 0


# Saying something.


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


# Many at once.


def test_a_new_word_interrupts_the_one_before() -> None:
    async def visit() -> None:
        plan = Plan(*[sound(0.1)] * 50, held=True)
        faces = live_faces(plan)
        await faces.show("page", "mira")
        app, path = Starlette(routes=faces.routes()), f"/{PREFIX}/say?ticket={faces.ticket('page')}"
        first = Call(app, path, json.dumps(HELLO).encode())
        plan.go(2)
        await first.until(2 * len(sound(0.1)))
        second = Call(app, path, json.dumps(HELLO).encode())
        await first.end()  # at once: its next record is not waited for
        assert first.status == 200
        assert len(first.body) == 2 * len(sound(0.1))
        plan.go(100)
        await second.end()
        assert kinds(second.body) == 50 * "A"
        await asyncio.to_thread(until, lambda: faces.talks.count == 0)
        assert plan.made <= 53

    run_alone(visit())


@pytest.mark.parametrize("way", ["hang up", "stop", "end of the page", "end of the server"])
def test_nothing_is_computed_for_nobody(way: str) -> None:
    async def visit() -> None:
        plan = Plan(*[sound(0.1)] * 50, held=True)
        faces = live_faces(plan)
        await faces.show("page", "mira")
        app, token = Starlette(routes=faces.routes()), faces.ticket("page")
        call = Call(app, f"/{PREFIX}/say?ticket={token}", json.dumps(HELLO).encode())
        plan.go(2)
        await call.until(2 * len(sound(0.1)))
        if way == "hang up":
            call.hang_up()
        elif way == "stop":
            assert (await Call(app, f"/{PREFIX}/stop?ticket={token}").end()).status == 204
        elif way == "end of the page":
            faces.end_session("page")
        else:
            faces.close()
        await call.end()
        plan.go(100)
        await asyncio.to_thread(until, lambda: faces.talks.count == 0)
        assert plan.made <= 3
        assert plan.ended == 1

    run_alone(visit())


@pytest.mark.parametrize("public", ["0", "1"])
def test_twenty_listen_at_once_each_to_their_own(monkeypatch: pytest.MonkeyPatch, public: str) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", public)

    async def visit() -> None:
        plan = Plan(record("H", b"{}"), *[sound(1.0)] * 50, record("E", b"{}"), held=True)
        faces = live_faces(plan)
        app, calls = Starlette(routes=faces.routes()), []
        for number in range(20):
            await faces.show(f"page {number}", "mira")
            path = f"/{PREFIX}/say?ticket={faces.ticket(f'page {number}')}"
            body = json.dumps(HELLO | {"text": f"Number {number}."}).encode()
            calls.append(Call(app, path, body))
        await asyncio.to_thread(until, lambda: faces.talks.count == 20)
        refused = []
        for number in range(20, 21 if public == "1" else 20):  # an address has no more
            await faces.show(f"page {number}", "mira")
            path = f"/{PREFIX}/say?ticket={faces.ticket(f'page {number}')}"
            refused.append(await Call(app, path, json.dumps(HELLO).encode()).end())
            calls.append(Call(app, path, json.dumps(HELLO).encode(), address="192.0.2.2"))
        plan.go(10_000)
        for call in calls:
            await call.end()
            assert kinds(call.body) == "H" + 50 * "A" + "E"
        assert {request.text for request in plan.requests} >= {f"Number {number}." for number in range(20)}
        for call in refused:
            assert call.status == 429
            assert int(call.headers["retry-after"]) > 0
            assert json.loads(call.body)["detail"].endswith(".")
        await asyncio.to_thread(until, lambda: faces.talks.count == 0)

    run_alone(visit())


# Tickets.


def test_a_page_has_one_ticket_and_so_many_there_are(faces: LiveFaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        live_tickets, "limits", lambda: dataclasses.replace(PUBLIC, live_pages=6, live_pages_of_address=2)
    )
    mine = faces.ticket("mine", "a")
    assert faces.ticket("mine", "a") == mine
    others = [faces.ticket(f"page {number}", "b") for number in range(50)]
    assert len(set(others)) == 50
    assert faces.tickets.find(mine) is not None  # a flood of one address makes room of its own
    assert [faces.tickets.find(token) is not None for token in others] == [False] * 48 + [True] * 2
    for number in range(50):
        faces.ticket(f"page {number}", f"address {number}")
    assert len(faces.tickets) == 6


@pytest.mark.parametrize("session", ["../../x", "\ud800", "a" * 1_000_000, "\0", "é", " "], ids=lambda s: repr(s)[:9])
def test_any_name_of_a_session_is_only_a_name(faces: LiveFaces, web: TestClient, session: str) -> None:
    token = ticket(faces, session)
    assert say(web, token).status_code == 200
    assert max(len(held.session) for held in faces.tickets.all()) == 32
    faces.end_session(session)
    assert len(faces.tickets) == 0


def test_a_ticket_goes_some_time_after_its_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    clock = Clock()
    faces = live_faces(clock=clock)
    keeping = Housekeeping([faces.leftovers], clock)
    token = ticket(faces, "page", "anna")
    minutes = limits().kept_seconds / 60
    clock.pass_minutes(minutes - 1)
    keeping.step()
    faces.touch("page")
    clock.pass_minutes(minutes - 1)
    keeping.step()
    assert faces.tickets.find(token) is not None
    clock.pass_minutes(minutes + 1)
    keeping.step()
    assert faces.tickets.find(token) is None
    assert faces.packs.private_count == 0
    assert keeping.bytes == 0


def test_a_full_disk_takes_no_tickets(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = live_faces()
    ticket(faces)
    monkeypatch.setattr(
        "emotalk.server.housekeeping.limits", lambda: dataclasses.replace(PUBLIC, temporary_gigabytes=-1.0)
    )
    Housekeeping([faces.leftovers]).step()
    assert len(faces.tickets) == 1


def test_the_end_of_the_server_ends_everything(faces: LiveFaces) -> None:
    ticket(faces, "page", "anna", "mira")
    faces.close()
    assert (len(faces.tickets), faces.packs.count, faces.talks.count, faces.puppets.count) == (0, 0, 0, 0)


def test_packs_stay_gzip_as_they_were_made() -> None:
    assert gzip.decompress(pack_of("mira").data) == b"mira"
