"""Faces that follow a microphone: short pieces in order, no faster than they are spoken, forgotten in silence."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.core.errors import AvatarError, InputError
from emotalk.server import live_puppets as module
from emotalk.server.limits import PUBLIC
from emotalk.server.live_faces import PREFIX
from emotalk.server.live_puppets import AHEAD_SECONDS, SILENT_SECONDS, Puppets, samples_of
from emotalk.server.live_talks import TooMany
from emotalk.server.live_tickets import Ticket
from tests.loops import run_alone
from tests.server.live_doubles import SECONDS, Echo, detail, live_faces, record, ticket
from tests.server.test_housekeeping import Clock

TENTH = bytes(2 * 1600)
"""Silence."""


def page(token: str = "page", address: str = "a") -> Ticket:
    return Ticket(token, token, address, 0.0)


def push(puppets: Puppets, who: Ticket, sound: bytes = TENTH, id: str = "1", **more) -> bytes:
    return run_alone(puppets.push(who, id, "mira", sound, **more))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def puppets(clock: Clock) -> Puppets:
    return Puppets(Echo, clock)


def test_pieces_of_one_puppet_go_on_where_the_last_one_ended(puppets: Puppets) -> None:
    who = page()
    assert push(puppets, who) == record("M", b'["mira", 1600]')
    assert push(puppets, who) == record("M", b'["mira", 3200]')
    assert push(puppets, who, id="2") == record("M", b'["mira", 1600]')  # begins anew
    assert push(puppets, who, b"", id="2", last=True) == record("M", b'"the end"')
    assert puppets.count == 0


def test_samples_are_what_was_sent() -> None:
    sent = np.array([0, 1, -1, 32767, -32768], "<i2")
    assert samples_of(sent.tobytes()).tolist() == (sent / 32768).astype(np.float32).tolist()
    for odd in (b"a", bytes(64_002)):
        with pytest.raises(InputError):
            samples_of(odd)


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_finite_samples(sound: bytes) -> None:
    samples = samples_of(sound[: len(sound) // 2 * 2])
    assert np.isfinite(samples).all()
    assert (np.abs(samples) <= 1).all()


def test_sound_comes_no_faster_than_it_is_spoken(puppets: Puppets, clock: Clock) -> None:
    who, two = page(), bytes(64_000)
    for _ in range(int(AHEAD_SECONDS / 2)):
        push(puppets, who, two)
    with pytest.raises(TooMany, match="faster") as refused:
        push(puppets, who, two, id="a new one gets no more")
    clock.now += refused.value.seconds
    for _ in range(20):
        push(puppets, who, two)
        clock.now += 2.0


def test_a_silent_page_is_forgotten(puppets: Puppets, clock: Clock) -> None:
    push(puppets, page())
    clock.now += SILENT_SECONDS
    puppets.sweep()
    assert puppets.count == 1
    clock.now += 1
    puppets.sweep()
    assert puppets.count == 0


def test_limits_hold_in_all_and_for_an_address(puppets: Puppets, clock: Clock, monkeypatch) -> None:
    monkeypatch.setattr(module, "limits", lambda: dataclasses.replace(PUBLIC, puppets=3, puppets_of_address=2))
    for number in range(2):
        push(puppets, page(f"a{number}", "a"))
    with pytest.raises(TooMany, match="microphone"):
        push(puppets, page("a2", "a"))
    push(puppets, page("b", "b"))
    with pytest.raises(TooMany, match="microphone"):
        push(puppets, page("c", "c"))
    push(puppets, page("b", "b"))  # whoever has one goes on
    clock.now += SILENT_SECONDS + 1
    push(puppets, page("c", "c"))


def test_two_pieces_at_once_are_none_in_order(clock: Clock) -> None:
    go, begun = threading.Event(), threading.Event()

    class Slow(Echo):
        def push(self, samples):
            begun.set()
            assert go.wait(SECONDS)
            return super().push(samples)

    puppets, who = Puppets(Slow, clock), page()

    async def visit() -> bytes:
        first = asyncio.create_task(puppets.push(who, "1", "mira", TENTH))
        assert await asyncio.to_thread(begun.wait, SECONDS)
        with pytest.raises(TooMany, match="one after the other"):
            await puppets.push(who, "1", "mira", TENTH)
        go.set()
        return await first

    assert run_alone(visit()) == record("M", b'["mira", 1600]')


def test_a_puppet_that_fails_is_forgotten(clock: Clock) -> None:
    def make(avatar: str):
        raise AvatarError(f"There is no {avatar}.")

    puppets = Puppets(make, clock)
    with pytest.raises(AvatarError):
        push(puppets, page())
    assert puppets.count == 0


# By the web.


def test_a_microphone_moves_a_face_that_is_shown() -> None:
    faces = live_faces()
    web, path = TestClient(Starlette(routes=faces.routes())), f"/{PREFIX}/puppet?ticket="
    token = ticket(faces, "page", "kofi", "mira")
    answer = web.post(f"{path}{token}&id=1", content=TENTH)
    assert answer.content == record("M", b'["mira", 1600]')  # the one that was shown last
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert web.post(f"{path}{token}&id=2&avatar=kofi", content=TENTH).content == record("M", b'["kofi", 1600]')
    assert web.post(f"{path}{token}&id=2&avatar=kofi&last=1").content == record("M", b'"the end"')
    assert faces.puppets.count == 0
    web.post(f"{path}{token}&id=1", content=TENTH)
    faces.end_session("page")
    assert faces.puppets.count == 0


@pytest.mark.parametrize("id", ["", "a b", "../x", "a" * 41, "\u00e9", "*"])
def test_an_odd_id_is_refused(id: str) -> None:
    faces = live_faces()
    web = TestClient(Starlette(routes=faces.routes()))
    answer = web.post(f"/{PREFIX}/puppet", params={"ticket": ticket(faces), "id": id}, content=TENTH)
    assert answer.status_code == 422
    assert "'id'" in detail(answer)


def test_half_a_sample_and_a_page_without_a_face_are_refused() -> None:
    faces = live_faces()
    web, path = TestClient(Starlette(routes=faces.routes())), f"/{PREFIX}/puppet?id=1&ticket="
    assert web.post(f"{path}{faces.ticket('new')}", content=TENTH).status_code == 403
    answer = web.post(f"{path}{ticket(faces)}", content=b"abc")
    assert answer.status_code == 422
    assert "two bytes" in detail(answer)
    for _ in range(3):
        answer = web.post(f"{path}{ticket(faces)}", content=bytes(64_000))
    answer = web.post(f"{path}{ticket(faces)}", content=bytes(64_000))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
