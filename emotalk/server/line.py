"""The waiting line: fair to visitors, honest about time, and rid of jobs that nobody waits for any more.

    POST queue/join, call/... ─► FairQueue.push ─┬─ a place ─► Gradio's queue ─► the job's turn ─► the handler
                                                 └─ none left: 429 and a sentence that says when to come back

Gradio keeps the line; this says who may join it. Every heavy job counts alike, whichever way it came: talks, mood
sheets, downloads from the Hub, fits, the endpoint /talk and its MCP tool.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import statistics
import time
from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from gradio import queueing
from gradio.context import LocalContext
from gradio.server_messages import ProcessCompletedMessage

from emotalk.server.limits import is_public, limits
from emotalk.server.meters import METERS
from emotalk.server.sentences import SORRY
from emotalk.server.stopping import RETRY_SECONDS, SENTENCE, is_stopping
from emotalk.server.visitors import address_of, is_forwarded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import fastapi
    import gradio as gr

TALKS, DOWNLOADS, FITS = "talk", "hub", "fit"
"""Concurrency ids of heavy jobs: of each kind so many run at once as its event says."""
HEAVY = (TALKS, DOWNLOADS, FITS)
LIGHT_PLACES = 20
"""Jobs of an address that are no heavy ones (lists of faces and voices, a page that opens): each takes milliseconds."""
LIGHT_LINE = 200
"""Of all addresses together."""
GRACE_SECONDS = 15.0
"""Between joining the line and asking for the outcome, two requests of a client: a talk that began at once runs for
that long without a listener. One that had to wait for its turn has had the time, and gets a third of it."""
FORGOTTEN_SECONDS = 60.0
"""An outcome that nobody fetches is kept that long."""
_USUAL_SECONDS = {TALKS: 20.0, DOWNLOADS: 20.0, FITS: 360.0}
"""What a job takes as long as none has been measured."""
_SHORTEST = 0.5
"""Seconds: a job that ended sooner was refused, and says nothing of how long the others take."""


class Listeners:
    """How many connections wait for the outcomes of a page session, or of one job."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def opened(self, key: str) -> None:
        """A connection began to listen."""
        self._open[key] += 1

    def closed(self, key: str) -> None:
        """It ended."""
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def __len__(self) -> int:
        """All of them together."""
        return sum(self._open.values())

    def any(self, *keys: str) -> bool:
        """Whether anybody listens to one of these."""
        return any(self._open.get(key, 0) > 0 for key in keys)


class FairQueue(queueing.Queue):
    """Gradio's queue with a bounded number of places per page session and address."""

    def __init__(self, blocks: gr.Blocks, seen: Callable[[str], None] = lambda _: None) -> None:
        plain = blocks._queue
        super().__init__(
            live_updates=plain.live_updates,
            concurrency_count=plain.max_thread_count,
            update_intervals=plain.update_intervals,
            max_size=None,  # refused here, with better words
            blocks=blocks,
            default_concurrency_limit=plain.default_concurrency_limit,
        )
        self.listeners = Listeners()
        self._seen = seen
        self._took = {kind: deque(maxlen=9) for kind in HEAVY}
        self._began: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def push(self, body: Any, request: fastapi.Request, username: str | None) -> tuple[bool, Any, Any]:
        """Gradio's, for whoever has a place left; HTTPException 429 with a sentence for everybody else, 503 where the
        server ends."""
        self._loop = asyncio.get_running_loop()
        kind = getattr(self.blocks.fns.get(body.fn_index), "concurrency_id", None)
        body.session_hash = body.session_hash or None  # Gradio loses the news of a session without a name
        if kind in HEAVY and is_stopping():
            METERS.add("emotalk_refusals_total", value="stopping")
            raise HTTPException(503, SENTENCE, headers={"Retry-After": str(RETRY_SECONDS)})
        session = None if is_forwarded(request) else body.session_hash
        refusal = self.refusal(kind, session, address_of(request))
        if refusal is not None:
            sentence, seconds = refusal
            METERS.add("emotalk_refusals_total", value=kind if kind in HEAVY else "light")
            raise HTTPException(429, sentence, headers={"Retry-After": str(math.ceil(seconds))})
        if session is not None:
            self._seen(session)
        return await super().push(body, request, username)

    def refusal(self, kind: str | None, session: str | None, address: str) -> tuple[str, float] | None:
        """Why a visitor may not join now, in a sentence that says when to come back, and the seconds until then; None
        where they may. `kind` is the job's concurrency id."""
        allowed = limits()
        jobs = [job for job in self.jobs() if (job.concurrency_id in HEAVY) == (kind in HEAVY)]
        of_session = [job for job in jobs if job.session_hash == session and not is_forwarded(job.request)]
        of_address = [job for job in jobs if address_of(job.request) == address]
        if kind not in HEAVY:
            if is_public() and (len(of_address) >= LIGHT_PLACES or len(jobs) >= LIGHT_LINE):
                return "There are too many requests at once; try again in a few seconds.", 5.0
            return None
        whose, own = ("this page", of_session) if len(of_session) >= allowed.places else ("your address", of_address)
        if len(own) >= allowed.places:
            seconds = min(self.seconds_left(job.concurrency_id, self._ahead(job)) for job in own)
            return (
                f"{len(own)} jobs of {whose} are waiting or at work, and no more than {allowed.places} may be; "
                f"come back {in_words(seconds)}."
            ), seconds
        waiting = [job for job in jobs if job._id not in self._began]
        if len(waiting) >= allowed.waiting_people:
            seconds = self.seconds_left(kind, len(waiting) // 2)
            return f"{len(waiting)} people are waiting already; come back {in_words(seconds)}.", seconds
        return None

    def jobs(self) -> list[queueing.Event]:
        """Every job that waits or runs and is still wanted."""
        lines = [job for line in list(self.event_queue_per_concurrency_id.values()) for job in list(line.queue)]
        running = [job for jobs in list(self.active_jobs) if jobs for job in jobs]
        return [job for job in (*lines, *running) if job.alive]

    def seconds_left(self, kind: str, ahead: int) -> float:
        """Until a job of this kind with so many ahead of it in line has its turn, estimated from those before; with
        none ahead, until one that runs has ended."""
        usual = self.usual_seconds(kind)
        line = self.event_queue_per_concurrency_id.get(kind)
        at_once = (line and line.concurrency_limit) or 1
        running = [self._began[job._id] for job in self.jobs() if job.concurrency_id == kind and job._id in self._began]
        first = min((max(1.0, usual - (time.monotonic() - began)) for began in running), default=1.0)
        return first + usual * ahead / at_once

    def _ahead(self, job: queueing.Event) -> int:
        """How many jobs have to end before this one has: itself counted while it waits."""
        line = self.event_queue_per_concurrency_id[job.concurrency_id].queue
        return line.index(job) + 1 if job in line else 0

    def usual_seconds(self, kind: str) -> float:
        """What a job of this kind took lately (the median)."""
        took = self._took[kind]
        return statistics.median(took) if took else _USUAL_SECONDS[kind]

    def leave(self, session: str, handlers: Collection[int]) -> None:
        """See `leave_line`."""
        for job in self.jobs():
            if job.session_hash == session and job.fn._id in handlers:
                nothing_new = [{"__type__": "update"} for _ in job.fn.outputs]
                self.send_message(job, ProcessCompletedMessage(output={"data": nothing_new}, success=True))
                job.alive = False

    def counts(self) -> dict[str, dict[str, int]]:
        """Heavy jobs by what they do now ("waiting", "running") and by kind."""
        told = {state: dict.fromkeys(HEAVY, 0) for state in ("waiting", "running")}
        for job in self.jobs():
            if job.concurrency_id in HEAVY:
                told["running" if job._id in self._began else "waiting"][job.concurrency_id] += 1
        return told

    def dismiss(self, sentence: str) -> None:
        """Tell every heavy job whose turn has not come that it will not come, and why. From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # that server has stopped
                self._loop.call_soon_threadsafe(self._dismiss, sentence)

    def _dismiss(self, sentence: str) -> None:
        for line in list(self.event_queue_per_concurrency_id.values()):
            for job in [job for job in line.queue if job.alive and job.concurrency_id in HEAVY]:
                told = {"error": sentence, "title": SORRY, "duration": 10, "visible": True}
                self.send_message(job, ProcessCompletedMessage(output=told, title=SORRY, success=False))
                job.alive = False
                METERS.add("emotalk_refusals_total", value="stopping")

    def wanted(self, job: queueing.Event, grace: float | None = None) -> bool:
        """Whether anybody still waits for this job. On one's own machine an outcome may be fetched at any time."""
        if not job.alive:
            return False
        grace = GRACE_SECONDS if grace is None else grace
        if not is_public() or time.monotonic() - job.enqueue_time < grace:
            return True
        return self.listeners.any(job.session_hash, job._id)

    def running_job(self) -> queueing.Event | None:
        """The job whose handler is asking; None where it did not come through the line."""
        return self.event_ids_to_events.get(LocalContext.event_id.get(None) or "")

    def knows(self, key: str) -> bool:
        """Whether there are, or may yet be, news of this page session or job."""
        ids = self.pending_event_ids_session.values()
        sessions = self.pending_messages_per_session
        return key in sessions or key in self.event_ids_to_events or any(key in known for known in list(ids))

    def send_message(self, event: queueing.Event, event_message: Any) -> None:
        """Gradio's; nothing where the session has been forgotten."""
        if event.session_hash in self.pending_messages_per_session:
            super().send_message(event, event_message)

    def paths_in_use(self) -> set[Path]:
        """Uploads that belong to a job which waits or runs."""
        return {path for job in self.jobs() if job.data is not None for path in _paths(job.data.data)}

    def compute_analytics_summary(self, records: Any) -> dict[str, Any]:
        """Gradio's statistics for a page that nobody here looks at: none, and no table of everybody's jobs."""
        return self.cached_event_analytics_summary

    async def process_events(self, events: list[queueing.Event], batch: bool, begin_time: float, fn: Any) -> None:
        """Gradio's, without the jobs that nobody waits for."""
        for job in events:
            job.alive = self.wanted(job, GRACE_SECONDS / 3)
        counted = events[0].concurrency_id in HEAVY and any(job.alive for job in events)
        began = time.monotonic()
        self._began |= {job._id: began for job in events} if counted else {}
        if counted:
            METERS.add("emotalk_job_wait_seconds_total", began - events[0].enqueue_time, events[0].concurrency_id)
        try:
            await super().process_events(events, batch, begin_time, fn)
        finally:
            took = time.monotonic() - began
            if counted:
                METERS.add("emotalk_jobs_total", value=events[0].concurrency_id)
                METERS.add("emotalk_job_seconds_total", took, events[0].concurrency_id)
            if counted and took >= _SHORTEST and events[0].alive:
                self._took[events[0].concurrency_id].append(took)
            for job in events:
                self._began.pop(job._id, None)
                if is_public():
                    asyncio.get_running_loop().call_later(FORGOTTEN_SECONDS, self._forget, job)

    def _forget(self, job: queueing.Event) -> None:
        """What Gradio keeps of a job until its outcome is fetched, where that has not happened."""
        session = job.session_hash
        if self.listeners.any(session, job._id):
            return
        pending = self.pending_event_ids_session.get(session, set())
        pending.discard(job._id)
        if not pending:
            self.pending_event_ids_session.pop(session, None)
            if session in self.pending_messages_per_session:
                del self.pending_messages_per_session[session]


def abandoned() -> Callable[[], bool]:
    """For a handler: asks whether nobody waits any more for the job that it works on. Always False outside a line."""
    blocks = LocalContext.blocks.get(None)
    queue = getattr(blocks, "_queue", None)
    job = queue.running_job() if isinstance(queue, FairQueue) else None
    return lambda: job is not None and not queue.wanted(job)


def leave_line(blocks: gr.Blocks, session: str, handlers: Collection[int]) -> None:
    """A page does not want its jobs for these handlers (an event's `id`) any more: for the page they have ended, with
    no news; those in line are dropped when their turn comes, those that run are closed.

    In place of Gradio's `cancels`, whose message of its own may come late and then ends the page's next job too. To be
    called in the server's event loop.
    """
    if isinstance(blocks._queue, FairQueue):
        blocks._queue.leave(session, handlers)


def in_words(seconds: float) -> str:
    """When to come back: "in about 40 seconds", "in about 3 minutes"."""
    if seconds < 90:
        return f"in about {max(10, 10 * math.ceil(seconds / 10))} seconds"
    return f"in about {math.ceil(seconds / 60)} minutes"


def _paths(value: Any) -> Iterable[Path]:
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield Path(value["path"])
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _paths(part)
