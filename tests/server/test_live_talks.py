"""Talks of live faces: in step with their listener, one of a page, so many in all, over when nobody listens."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
import time

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from emotalk.core.errors import AvatarError
from emotalk.server import live_talks as module
from emotalk.server.limits import PUBLIC
from emotalk.server.live_talks import AHEAD_BYTES, AHEAD_SECONDS, OF_PAGE, LiveTalk, LiveTalks, TooMany
from emotalk.server.live_turns import Turns
from tests.loops import run_alone
from tests.server.live_doubles import SECONDS, Call, Plan, kinds, last, record, sound


def started(plan: Plan, **more) -> LiveTalk:
    return LiveTalk(lambda stopped: plan.run(None, stopped), Turns(2), **more).start()


def heard(talk: LiveTalk) -> bytes:
    async def listen() -> bytes:
        return b"".join([one async for one in talk.records()])

    return run_alone(listen())


def until(true, what: str = "") -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def test_a_listener_gets_every_record_in_order() -> None:
    plan = Plan(record("H", b"{}"), *[part for _ in range(50) for part in (sound(0.1), record("M", b"row"))])
    assert kinds(heard(started(plan))) == "H" + 50 * "AM"


@pytest.mark.parametrize(
    ("one", "most"),
    [(sound(1.0), AHEAD_SECONDS), (record("M", bytes(2**17)), 8), (record("M", bytes(2**22)), 1)],
    ids=["seconds", "bytes", "a large record"],
)
def test_a_talk_waits_for_its_listener(one: bytes, most: float) -> None:
    plan = Plan(*[one] * 60)
    talk = started(plan, max_seconds=600)
    plan.until(made=int(most))
    until(lambda: len(talk._records) >= int(most) - 1)
    seconds, size = talk.ahead
    assert seconds <= AHEAD_SECONDS
    assert size <= max(AHEAD_BYTES, len(one))
    assert plan.made <= most + 1  # and one in its hands
    assert kinds(heard(talk)) == 60 * chr(one[0])


def test_a_stop_ends_the_work_within_a_record_and_sends_nothing_more() -> None:
    plan = Plan(*[sound(1.0)] * 100)
    talk = started(plan)
    plan.until(made=20)
    talk.stop()
    talk.join(SECONDS)
    assert talk.done
    assert plan.ended == 1
    assert plan.made < 40
    assert heard(talk) == b""


def test_a_talk_that_nobody_listens_to_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    plan = Plan(*[sound(1.0)] * 100)
    talk = started(plan)
    talk.join(SECONDS)
    assert talk.stopped
    assert plan.ended == 1


def test_a_talk_that_gives_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    plan = Plan(held=True)
    talk = started(plan)
    assert heard(talk) == b""
    talk.stop()
    plan.go(10)
    talk.join(SECONDS)


def test_no_more_is_said_than_the_page_allows() -> None:
    stream = heard(started(Plan(*[sound(1.0)] * 100), max_seconds=5))
    assert kinds(stream) == 6 * "A" + "X"
    assert "At most 5 seconds" in last(stream)["error"]


class Broken:
    """A talk that fails after its first record."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, request, stopped):
        yield sound(0.1)
        raise self.error


@pytest.mark.parametrize("public", ["0", "1"])
def test_what_goes_wrong_is_the_last_record(monkeypatch: pytest.MonkeyPatch, public: str) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", public)
    error = AvatarError("/srv/secret/folder/mira is damaged.")
    stream = heard(started(Broken(error)))
    assert kinds(stream) == "AX"
    told = Plan(sound(0.1), record("X", b'{"error": "/srv/secret/folder/mira is damaged."}'))
    for said in (stream, heard(started(told))):
        assert last(said)["error"] == ("mira is damaged." if public == "1" else str(error))


def test_no_log_repeats_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        stream = heard(started(Broken(RuntimeError("my secret words"))))
    assert "log has the details" in last(stream)["error"]
    assert "RuntimeError" in caplog.text
    assert "secret words" not in caplog.text


def limited(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    monkeypatch.setattr(module, "limits", lambda: dataclasses.replace(PUBLIC, **limits))


def begin(talks: LiveTalks, plan: Plan, token: str, address: str = "a") -> LiveTalk:
    return talks.start(token, address, lambda stopped: plan.run(None, stopped))


def test_a_page_has_one_talk_and_the_newest_wins() -> None:
    talks, plan = LiveTalks(Turns(8)), Plan(held=True)
    first = begin(talks, plan, "page")
    other = begin(talks, plan, "another page")
    plan.until(begun=2)
    second = begin(talks, plan, "page")
    assert first.stopped
    assert not other.stopped
    third = begin(talks, plan, "page")
    assert second.stopped
    # The threads of interrupted talks are bounded: one that stops at nothing is not forgotten.
    assert OF_PAGE == 3
    with pytest.raises(TooMany, match="still ending"):
        begin(talks, plan, "page")
    assert not third.stopped
    plan.go(100)
    third.join(SECONDS)
    other.join(SECONDS)
    until(lambda: talks.count == 0)
    assert kinds(heard(third)) == "HAE"
    assert plan.begun - plan.ended == 0


def test_an_interrupted_page_computes_with_two_threads_at_most() -> None:
    talks, plan = LiveTalks(Turns(8)), Plan(held=True)
    made = [begin(talks, plan, "page") for _ in range(OF_PAGE)]
    plan.until(begun=1)
    plan.go(100)
    for talk in made:
        talk.join(SECONDS)
    assert plan.most <= 2


def test_limits_hold_in_all_and_for_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, live_talks=4, live_talks_of_address=2)
    talks, plan = LiveTalks(Turns(8)), Plan(held=True)
    running = [begin(talks, plan, f"a{i}", "a") for i in range(2)]
    with pytest.raises(TooMany, match="your address") as refused:
        begin(talks, plan, "a2", "a")
    assert refused.value.seconds > 0
    running += [begin(talks, plan, "b", "b"), begin(talks, plan, "c", "c")]
    with pytest.raises(TooMany, match="Many faces"):
        begin(talks, plan, "d", "d")
    running.append(begin(talks, plan, "a0", "a"))  # one's own may be interrupted where there is no room
    assert running[0].stopped
    plan.go(1000)
    for talk in running:
        talk.join(SECONDS)
    until(lambda: talks.count == 0)
    begin(talks, plan, "d", "d").join(SECONDS)


def test_whose_sound_runs_dry_first_goes_first() -> None:
    turns, order, go = Turns(1), [], threading.Event()

    def holder() -> None:
        with turns.turn(0.0):
            go.wait(SECONDS)

    def wants(dry_at: float) -> None:
        with turns.turn(dry_at):
            order.append(dry_at)

    threads = [threading.Thread(target=holder)]
    threads[0].start()
    until(lambda: turns._free == 0)
    for count, dry_at in enumerate((30.0, 5.0, 17.0, 5.5), 1):
        threads.append(threading.Thread(target=wants, args=(dry_at,)))
        threads[-1].start()
        until(lambda count=count: turns.waiting == count)
    go.set()
    for thread in threads:
        thread.join(SECONDS)
    assert order == [5.0, 5.5, 17.0, 30.0]
    assert turns._free == 1


def test_a_turn_that_never_ends_holds_nobody_up_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotalk.server.live_turns.PATIENCE_SECONDS", 0.01)
    turns = Turns(1)
    with turns.turn(0.0), turns.turn(1.0):
        pass
    assert turns._free == 1


def site(talk: LiveTalk) -> Starlette:
    async def say(request):
        return talk.response()

    return Starlette(routes=[Route("/say", say, methods=["POST"])])


def test_a_listener_that_hangs_up_ends_the_talk() -> None:
    async def visit() -> None:
        plan = Plan(*[sound(0.1)] * 50, held=True)
        talk = started(plan)
        call = Call(site(talk), "/say")
        plan.go(3)
        await call.until(3 * len(sound(0.1)))
        assert not talk.stopped
        call.hang_up()  # while it waits for the next record
        await call.end()
        assert talk.stopped
        plan.go(50)
        await asyncio.to_thread(talk.join, SECONDS)
        assert plan.made <= 4
        assert plan.ended == 1

    run_alone(visit())


def test_a_listener_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)

    async def visit() -> None:
        plan = Plan(*[sound(1.0)] * 100)
        talk = started(plan)
        call = Call(site(talk), "/say")
        call.reads = False
        await call.end()
        await asyncio.to_thread(talk.join, SECONDS)
        assert talk.stopped
        assert plan.ended == 1

    run_alone(visit())
