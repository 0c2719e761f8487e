"""The addresses of live faces: what a page is shown, what browsers keep, who is interrupted, what ends with whom."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import threading
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.avatar import AvatarCard, Consent
from emotalk.core.errors import AvatarError, InputError
from emotalk.server import live_faces as live_faces_module
from emotalk.server import live_packs, live_tickets
from emotalk.server.housekeeping import Housekeeping
from emotalk.server.limits import PUBLIC, limits
from emotalk.server.live_faces import PREFIX, LiveFaces
from emotalk.server.stopping import SENTENCE
from tests.loops import run_alone
from tests.server.live_doubles import (
    HELLO,
    SCRIPT,
    SECONDS,
    Call,
    Plan,
    kinds,
    live_faces,
    pack_of,
    record,
    say,
    show,
    sound,
    ticket,
)
from tests.server.test_housekeeping import Clock
from tests.server.test_live_talks import until

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


def test_the_gallery_is_made_ready_the_first_face_first_and_no_real_person(faces: LiveFaces, web: TestClient) -> None:
    faces.warm_up("kofi")
    assert faces._making.packed == ["kofi", "mira"]
    assert web.get(f"/{PREFIX}/face-{pack_of('face of average').name}.pack").status_code == 200
    assert faces.packs.count == 0  # nothing was shown to anybody


def test_an_avatar_for_videos_only_gives_nothing_away(faces: LiveFaces, web: TestClient) -> None:
    consent = Consent("In videos only.", "2026-01-01", live=False)
    faces._studio.cards["mira"] = AvatarCard("Mira", "mine", "a video", synthetic=False, consent=consent)
    told = show(faces, "page", "mira")
    assert (told["pack"], told["who"], told["video_only"]) == (None, None, True)
    assert faces._making.packed == []
    assert say(web, faces.ticket("page")).status_code == 403


@pytest.mark.parametrize("name", [True, 10**400, [["mira"]], {"a": 1}, float("nan")])
def test_what_is_no_name_is_a_sentence(faces: LiveFaces, name: object) -> None:
    with pytest.raises(InputError, match="chosen by its name"):
        show(faces, "page", name)


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


def test_a_server_that_ends_lets_a_talk_be_heard_and_begins_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        plan = Plan(*[sound(0.1)] * 5, held=True)
        faces = live_faces(plan)
        await faces.show("page", "mira")
        app, token = Starlette(routes=faces.routes()), faces.ticket("page")
        path = f"/{PREFIX}/say?ticket={token}"
        call = Call(app, path, json.dumps(HELLO).encode())
        plan.go(2)
        await call.until(2 * len(sound(0.1)))
        monkeypatch.setattr(live_faces_module, "is_stopping", lambda: True)
        assert faces.talks.going == 1
        late = await Call(app, path, json.dumps(HELLO).encode()).end()
        assert (late.status, late.headers["retry-after"]) == (503, "60")
        assert json.loads(late.body)["detail"] == SENTENCE
        microphone = await Call(app, f"/{PREFIX}/puppet?ticket={token}&id=new", bytes(3200)).end()
        assert microphone.status == 503
        plan.go(100)
        await call.end()
        assert kinds(call.body) == 5 * "A"
        await asyncio.to_thread(until, lambda: faces.talks.going == 0)

    run_alone(visit())


def test_a_microphone_that_is_on_goes_on_where_the_server_ends(faces: LiveFaces, web: TestClient, monkeypatch) -> None:
    path = f"/{PREFIX}/puppet?ticket={ticket(faces)}&id=one"
    assert web.post(path, content=bytes(3200)).status_code == 200
    assert faces.puppets.active == 1
    monkeypatch.setattr(live_faces_module, "is_stopping", lambda: True)
    assert web.post(path, content=bytes(3200)).status_code == 200
    assert web.post(f"{path}&last=1", content=bytes(3200)).status_code == 200
    assert faces.puppets.active == 0


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
