"""A fair line: so many places per page and address, a sentence that says when to come back, no job for nobody."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest
from fastapi import HTTPException
from gradio.queueing import Event

from emotalk.server import line as module
from emotalk.server.line import GRACE_SECONDS, FairQueue, in_words, leave_line
from tests.loops import run_alone


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture(scope="module")
def page() -> gr.Blocks:
    """With a talk, a sheet, a download and a light job."""
    with gr.Blocks() as blocks:
        for kind in ("talk", "talk", "hub", None):
            limit = {} if kind is None else {"concurrency_id": kind, "concurrency_limit": 1}
            gr.Button().click(lambda: None, None, None, **limit)
    return blocks.queue(default_concurrency_limit=2)


@pytest.fixture
def blocks(page: gr.Blocks, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> gr.Blocks:
    """The page, open to strangers, with a line that nobody works off."""
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    page._queue = FairQueue(page)
    return page


TALK, SHEET, DOWNLOAD, LIGHT = range(4)


def request(address: str, headers: dict[str, str] | None = None) -> SimpleNamespace:
    return SimpleNamespace(client=SimpleNamespace(host=address), headers=headers or {})


def join(blocks: gr.Blocks, what: int, session: str | None, address: str) -> Event:
    """Ask for a place; raises HTTPException where there is none."""
    queue = blocks._queue
    body = SimpleNamespace(fn_index=what, session_hash=session, data=[], event_id=None, event_data=None)
    # `get_fn` wants more of a body than this has.
    fn = blocks.fns[what]
    module.queueing.route_utils.get_fn, kept = (lambda *_: fn), module.queueing.route_utils.get_fn
    try:
        _, event_id, _ = run_alone(queue.push(body, request(address), None))
    finally:
        module.queueing.route_utils.get_fn = kept
    event = queue.event_ids_to_events[event_id]
    event.enqueue_time = module.time.monotonic()
    return event


def begin(blocks: gr.Blocks, event: Event) -> None:
    """The job's turn has come."""
    queue = blocks._queue
    queue.event_queue_per_concurrency_id[event.concurrency_id].queue.remove(event)
    queue.active_jobs.append([event])
    queue._began[event._id] = module.time.monotonic()


def refused(blocks: gr.Blocks, what: int, session: str | None, address: str) -> str:
    with pytest.raises(HTTPException) as caught:
        join(blocks, what, session, address)
    assert caught.value.status_code == 429
    assert int(caught.value.headers["Retry-After"]) >= 1
    return caught.value.detail


def test_a_page_has_two_places_whatever_it_asks_for(blocks: gr.Blocks) -> None:
    begin(blocks, join(blocks, TALK, "a", "1.1.1.1"))
    join(blocks, DOWNLOAD, "a", "2.2.2.2")
    said = refused(blocks, SHEET, "a", "3.3.3.3")
    assert "2 jobs of this page are waiting or at work" in said
    assert "come back in about" in said
    join(blocks, TALK, "b", "4.4.4.4")


def test_an_address_has_two_places_however_many_pages_it_opens(blocks: gr.Blocks) -> None:
    join(blocks, TALK, "a", "1.1.1.1")
    join(blocks, TALK, None, "1.1.1.1")  # /call/talk, without a session of its own
    assert "2 jobs of your address" in refused(blocks, TALK, "c", "1.1.1.1")
    join(blocks, TALK, "c", "1.1.1.2")


def test_a_network_of_one_machine_counts_as_one_address(blocks: gr.Blocks) -> None:
    join(blocks, TALK, "a", "2001:db8:1:2::1")
    join(blocks, TALK, "b", "2001:db8:1:2:ffff::9")
    refused(blocks, TALK, "c", "2001:db8:1:2::3")
    join(blocks, TALK, "c", "2001:db8:1:3::3")


def test_a_full_line_says_how_many_wait_and_when_to_come_back(blocks: gr.Blocks, clock: Clock) -> None:
    begin(blocks, join(blocks, TALK, "first", "9.9.9.9"))
    blocks._queue._took["talk"].extend([30.0, 31.0, 29.0])
    clock.now += 10
    for i in range(8):
        join(blocks, TALK, f"s{i}", f"1.1.1.{i}")
    said = refused(blocks, TALK, "late", "2.2.2.2")
    # 20 s until the first has ended, then four of thirty: half of the line.
    assert said == "8 people are waiting already; come back in about 3 minutes."


def test_ones_own_place_says_when_it_will_be_free(blocks: gr.Blocks, clock: Clock) -> None:
    blocks._queue._took["talk"].append(40.0)
    begin(blocks, join(blocks, TALK, "a", "1.1.1.1"))
    clock.now += 5
    join(blocks, TALK, "a", "1.1.1.1")
    assert refused(blocks, TALK, "a", "1.1.1.1").endswith("come back in about 40 seconds.")


def test_light_jobs_take_no_place_of_heavy_ones_and_are_bounded_too(blocks: gr.Blocks) -> None:
    for i in range(module.LIGHT_PLACES):
        join(blocks, LIGHT, f"s{i}", "1.1.1.1")
    assert "too many requests" in refused(blocks, LIGHT, "x", "1.1.1.1")
    join(blocks, TALK, "x", "1.1.1.1")


def test_on_ones_own_machine_only_the_line_as_a_whole_is_bounded(blocks: gr.Blocks, monkeypatch) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", "0")
    for _ in range(20):
        join(blocks, TALK, "a", "127.0.0.1")
    refused(blocks, TALK, "a", "127.0.0.1")


def test_a_job_is_wanted_while_somebody_listens(blocks: gr.Blocks, clock: Clock) -> None:
    queue, event = blocks._queue, join(blocks, TALK, "a", "1.1.1.1")
    assert queue.wanted(event)  # the second request of its client is on its way
    queue.listeners.opened("a")
    clock.now += GRACE_SECONDS
    assert queue.wanted(event)
    queue.listeners.opened("a")
    queue.listeners.closed("a")
    assert queue.wanted(event)
    queue.listeners.closed("a")
    assert not queue.wanted(event)
    queue.listeners.opened(event._id)  # GET /call/talk/<its id>
    assert queue.wanted(event)


def test_a_job_nobody_listens_to_is_dropped_when_its_turn_comes(blocks: gr.Blocks, clock: Clock, monkeypatch) -> None:
    began = []

    async def run(self, events, *_):
        began.extend(job._id for job in events if job.alive)

    monkeypatch.setattr(module.queueing.Queue, "process_events", run)
    forgotten, waited = join(blocks, TALK, "a", "1.1.1.1"), join(blocks, TALK, "b", "1.1.1.2")
    blocks._queue.listeners.opened("b")
    clock.now += GRACE_SECONDS
    for event in (forgotten, waited):
        run_alone(blocks._queue.process_events([event], False, 0.0, event.fn))
    assert began == [waited._id]
    join(blocks, TALK, "a", "1.1.1.1")
    join(blocks, TALK, "a", "1.1.1.1")  # and it takes no place any more


def told(blocks: gr.Blocks, session: str, kind: str) -> list[str]:
    """Ids of the jobs of which a page is told that."""
    news = blocks._queue.pending_messages_per_session[session]
    messages = [news.get_nowait() for _ in range(news.qsize())]
    return [message.event_id for message in messages if message.msg == kind]


def test_stop_leaves_the_line(blocks: gr.Blocks) -> None:
    mine, other = join(blocks, TALK, "a", "1.1.1.1"), join(blocks, TALK, "b", "1.1.1.2")
    sheet = join(blocks, SHEET, "a", "1.1.1.3")
    leave_line(blocks, "a", {TALK})
    assert told(blocks, "a", "process_completed") == [mine._id]
    assert told(blocks, "b", "process_completed") == []
    assert not blocks._queue.wanted(mine)
    assert blocks._queue.wanted(other)
    assert blocks._queue.wanted(sheet)


def test_how_long_jobs_take_is_measured_and_refusals_do_not_count(blocks: gr.Blocks, clock: Clock, monkeypatch) -> None:
    takes = iter([12.0, 0.01, 14.0, 0.2, 13.0])

    async def run(self, events, *_):
        clock.now += next(takes)

    monkeypatch.setattr(module.queueing.Queue, "process_events", run)
    assert blocks._queue.usual_seconds("talk") == 20.0  # before any was measured
    for i in range(5):
        event = join(blocks, TALK, f"s{i}", f"1.1.1.{i}")
        blocks._queue.event_queue_per_concurrency_id["talk"].queue.remove(event)
        run_alone(blocks._queue.process_events([event], False, 0.0, event.fn))
    assert blocks._queue.usual_seconds("talk") == 13.0


def test_what_nobody_fetches_is_forgotten(blocks: gr.Blocks) -> None:
    queue, event = blocks._queue, join(blocks, LIGHT, None, "1.1.1.1")
    assert event.session_hash in queue.pending_messages_per_session
    queue.listeners.opened(event._id)
    queue._forget(event)
    assert event.session_hash in queue.pending_messages_per_session
    queue.listeners.closed(event._id)
    queue._forget(event)
    assert event.session_hash not in queue.pending_messages_per_session
    assert event.session_hash not in queue.pending_event_ids_session


def test_uploads_of_waiting_jobs_are_in_use(blocks: gr.Blocks) -> None:
    event = join(blocks, TALK, "a", "1.1.1.1")
    event.data.data = ["mira", {"path": "/uploads/x/voice.wav", "meta": {}}, [{"path": None}, {"path": "/y"}]]
    assert {str(path) for path in blocks._queue.paths_in_use()} == {"/uploads/x/voice.wav", "/y"}


def test_times_are_said_in_words() -> None:
    words = [in_words(seconds) for seconds in (0, 11, 80, 95, 300)]
    assert [w.removeprefix("in about ") for w in words] == [
        "10 seconds", "20 seconds", "80 seconds", "2 minutes", "5 minutes",
    ]  # fmt: skip


def test_who_waits_is_told_that_the_server_ends_and_whose_turn_has_come_goes_on(blocks):
    queue = blocks._queue
    running, waiting = join(blocks, TALK, "one", "198.51.100.1"), join(blocks, TALK, "two", "198.51.100.2")
    light = join(blocks, LIGHT, "two", "198.51.100.2")
    begin(blocks, running)
    assert queue.counts()["running"]["talk"] == 1
    assert queue.counts()["waiting"]["talk"] == 1
    queue._dismiss("It ends.")
    assert (running.alive, waiting.alive, light.alive) == (True, False, True)
    told = queue.pending_messages_per_session["two"].get_nowait()
    while told.event_id != waiting._id or not hasattr(told, "output"):
        told = queue.pending_messages_per_session["two"].get_nowait()
    assert (told.success, told.output["error"]) == (False, "It ends.")
    assert queue.counts()["waiting"]["talk"] == 0


def test_a_server_that_ends_takes_no_heavy_job(blocks, monkeypatch):
    monkeypatch.setattr(module, "is_stopping", lambda: True)
    with pytest.raises(HTTPException) as caught:
        join(blocks, TALK, "one", "198.51.100.1")
    assert (caught.value.status_code, caught.value.headers["Retry-After"]) == (503, "60")
    assert join(blocks, LIGHT, "one", "198.51.100.1").alive
