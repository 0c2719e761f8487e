"""Talks of live faces: each runs in a thread and hands its records to one listener, never far ahead of them.

    POST say ─► LiveTalks.start ─► thread: a turn ─► next record ─► hand-over ─► answer ─► browser
                     │                                  └ waits where the listener is 30 s or a megabyte behind
                     └ the page's older talk is interrupted

A talk ends within a record when its listener goes, when its page says something else, or when it is told to stop. What
is said is written nowhere, and no message of the log repeats it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from emotalk.core.errors import Cancelled, EmotalkError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.server.limits import limits
from emotalk.server.live_turns import Turns
from emotalk.server.meters import METERS
from emotalk.server.sentences import sentence_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

AHEAD_SECONDS = 30.0
"""Sound that may wait for the listener, in seconds."""
AHEAD_BYTES = 2**20
"""The same in bytes; a record that alone is larger waits alone."""
WAIT_SECONDS = 60.0
"""A listener is let go when a talk gives nothing, or the listener takes nothing, for that long."""
NOTHING_SECONDS = 0.05
"""So long a talk waits that has nothing to give yet (a model writes its next sentence)."""
OF_PAGE = 3
"""Talks of a page whose threads have not ended: the newest, and interrupted ones on their last record."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Work = Callable[[Callable[[], bool]], Iterator[bytes]]
"""Makes the records of a talk (`live.wire`), given what tells whether it is to stop; b"" where none is
ready yet."""


class TooMany(Exception):
    """There is no room for it now; `seconds` later there may be."""

    def __init__(self, sentence: str, seconds: int) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class LiveTalk:
    """One talk on its way. `start` returns at once."""

    def __init__(
        self,
        work: Work,
        turns: Turns,
        token: str = "",
        address: str = "",
        older: LiveTalk | None = None,
        max_seconds: float = 600.0,
        ended: Callable[[LiveTalk], None] = lambda _: None,
        heard: Callable[[LiveTalk, bool], None] = lambda _talk, _begins: None,
    ) -> None:
        self.token, self.address = token, address
        self.sound = 0.0  # seconds that were made so far
        self._work, self._turns, self._older = work, turns, older
        self._max_seconds, self._on_end, self._on_heard = max_seconds, ended, heard
        self._records: deque[bytes] = deque()
        self._bytes, self._seconds = 0, 0.0  # of what waits
        self._changed = threading.Condition()
        self._listener: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._stopped = self._done = False
        self._thread = threading.Thread(target=self._run, name="emotalk-live-talk", daemon=True)

    def start(self) -> LiveTalk:
        """Begin in a thread of its own."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End within a record; nothing that waits is sent any more."""
        with self._changed:
            self._stopped = True
            self._records.clear()
            self._bytes, self._seconds = 0, 0.0
        self._tell()

    @property
    def stopped(self) -> bool:
        """Whether somebody asked it to stop."""
        return self._stopped

    @property
    def done(self) -> bool:
        """Whether its thread makes nothing any more."""
        return self._done

    @property
    def ahead(self) -> tuple[float, int]:
        """Seconds of sound and bytes that wait for the listener."""
        return self._seconds, self._bytes

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end, at most that long."""
        self._thread.join(seconds)

    def response(self) -> StreamingResponse:
        """The records as an answer to a browser, as they come. Its end, however it comes, is the talk's."""
        return _Answer(self)

    async def records(self) -> AsyncIterator[bytes]:
        """The records as they come; ends where the talk gives nothing for a minute."""
        news = asyncio.Event()
        self._listener = (asyncio.get_running_loop(), news)
        while True:
            # Both before the look: what comes from here on is seen by it, or announced after it.
            news.clear()
            done = self._done or self._stopped
            record = self._take()
            if record is not None:
                yield record
            elif done:
                return
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WAIT_SECONDS):
                        await news.wait()
                if not news.is_set():
                    return

    def _take(self) -> bytes | None:
        with self._changed:
            if not self._records:
                return None
            record = self._records.popleft()
            self._bytes -= len(record)
            self._seconds = max(0.0, self._seconds - sound_seconds(record)) if self._records else 0.0
            self._changed.notify_all()
            return record

    def _run(self) -> None:
        records: Iterator[bytes] | None = None
        try:
            if self._older is not None:
                self._older.join()
            began = time.monotonic()
            with self._turns.turn(began):
                records = iter(()) if self._stopped else self._work(lambda: self._stopped)
            while not self._stopped:
                with self._turns.turn(began + self.sound):
                    record = None if self._stopped else next(records, None)
                if record is None:
                    break
                if not record:  # it waits for somebody else, and lets other talks have the turn
                    self._wait()
                    continue
                record = _discreet(record)
                self.sound += sound_seconds(record)
                METERS.add("emotalk_live_sound_seconds_total", sound_seconds(record))
                if self.sound > self._max_seconds + 1:
                    self._hand_over(_error(f"At most {self._max_seconds:.0f} seconds are said here. Say less at once."))
                    break
                if not self._hand_over(record):
                    break
        except Cancelled:
            pass
        except Exception as error:
            # The thread's end: whatever it was must reach the person, not vanish with the thread.
            self._hand_over(_error(sentence_of(error, discreet=True)[1]))
        finally:
            with contextlib.suppress(Exception):  # its own end is over already
                getattr(records, "close", lambda: None)()
            self._older = None
            self._done = True
            self._tell()
            self._on_end(self)

    def _wait(self) -> None:
        with self._changed:
            if not self._stopped:
                self._changed.wait(NOTHING_SECONDS)

    def _hand_over(self, record: bytes) -> bool:
        """Let a record wait for the listener, once there is room; False where nobody takes it any more."""
        seconds = sound_seconds(record)

        def room() -> bool:
            fits = self._bytes + len(record) <= AHEAD_BYTES and self._seconds + seconds <= AHEAD_SECONDS
            return self._stopped or not self._records or fits

        with self._changed:
            while not room():
                waits = len(self._records)
                if not self._changed.wait(WAIT_SECONDS) and len(self._records) == waits:
                    self._stopped = True
            if self._stopped:
                return False
            self._records.append(record)
            self._bytes += len(record)
            self._seconds += seconds
        self._tell()
        return True

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
            if self._listener is not None:
                loop, news = self._listener
                with contextlib.suppress(RuntimeError):  # that server has stopped
                    loop.call_soon_threadsafe(news.set)


class _Answer(StreamingResponse):
    """A stream that ends where its reader takes nothing for a minute, or far too slowly, and then stops its talk."""

    def __init__(self, talk: LiveTalk) -> None:
        super().__init__(talk.records(), media_type="application/octet-stream", headers=HEADERS)
        self._talk = talk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._talk._on_heard(self._talk, True)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._talk.stop()
            self._talk._on_heard(self._talk, False)

    async def stream_response(self, send: Send) -> None:
        async def patiently(message: dict) -> None:
            async with asyncio.timeout(WAIT_SECONDS):
                await send(message)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._talk._max_seconds + 2 * WAIT_SECONDS):
                await super().stream_response(patiently)


class LiveTalks:
    """All talks of live faces: one of a page, so many of an address and in all (`limits.Limits`)."""

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns or Turns()
        self._lock = threading.Lock()
        self._talks: list[LiveTalk] = []  # whose threads have not ended
        self._heard: set[LiveTalk] = set()  # whose answers are on their way

    @property
    def count(self) -> int:
        """Talks whose threads have not ended."""
        return len(self._talks)

    @property
    def going(self) -> int:
        """Talks that are made or heard now: a listener may be half a minute behind what was made."""
        with self._lock:
            return len(self._heard.union(self._talks))

    @property
    def turns_waiting(self) -> int:
        """Talks that wait for their turn to compute."""
        return self._turns.waiting

    def start(self, token: str, address: str, work: Work, max_seconds: float = 600.0) -> LiveTalk:
        """Begin the talk of the page with that token; an older one of the page is interrupted. Raises TooMany where
        there is no room for it."""
        allowed = limits()
        with self._lock:
            mine = [talk for talk in self._talks if talk.token == token]
            others = [talk for talk in self._talks if talk.token != token]
            active = [talk for talk in others if not talk.stopped]
            here = sum(talk.address == address for talk in active)
            if len(mine) >= OF_PAGE:
                raise TooMany("What was said before is still ending; say it again in a moment.", 1)
            if len(active) >= allowed.live_talks or len(self._talks) >= 2 * allowed.live_talks:
                raise TooMany("Many faces are talking just now; say it again in a few seconds.", 5)
            if here >= allowed.live_talks_of_address:
                raise TooMany(f"{here} faces are talking to your address already; wait until one has ended.", 5)
            # A page has two threads at most that compute: the newest waits for all interrupted ones but the last.
            older = mine[-2] if len(mine) > 1 else None
            talk = LiveTalk(work, self._turns, token, address, older, max_seconds, self._ended, self._hearing)
            self._talks.append(talk)
        METERS.add("emotalk_live_talks_total")
        for one in mine:
            one.stop()
        try:
            return talk.start()
        except RuntimeError:  # no thread left
            self._ended(talk)
            raise TooMany("The server is too busy to talk now; try again in a few seconds.", 5) from None

    def stop(self, token: str) -> None:
        """The page wants to hear no more, or is gone."""
        for talk in self._of(token):
            talk.stop()

    def talking(self, token: str) -> bool:
        """Whether a talk of the page is on its way."""
        return any(not talk.stopped for talk in self._of(token))

    def close(self) -> None:
        """The server ends."""
        for talk in list(self._talks):
            talk.stop()

    def _of(self, token: str) -> list[LiveTalk]:
        with self._lock:
            return [talk for talk in self._talks if talk.token == token]

    def _ended(self, talk: LiveTalk) -> None:
        with self._lock:
            self._talks.remove(talk)

    def _hearing(self, talk: LiveTalk, begins: bool) -> None:
        with self._lock:
            (self._heard.add if begins else self._heard.discard)(talk)


def sound_seconds(record: bytes) -> float:
    """Seconds of sound in a record; 0 in one of any other kind."""
    return (len(record) - 4) / 2 / SAMPLE_RATE if record[:1] == b"A" else 0.0


def _discreet(record: bytes) -> bytes:
    """The record; where it tells what went wrong, as strangers may read it."""
    if record[:1] != b"X":
        return record
    return _error(sentence_of(EmotalkError(json.loads(record[4:])["error"]))[1])


def _error(sentence: str) -> bytes:
    """The record that ends a stream with words."""
    said = json.dumps({"error": sentence}).encode()
    return b"X" + len(said).to_bytes(3, "little") + said
