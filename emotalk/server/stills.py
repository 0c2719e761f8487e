"""Pictures of the stage: many people move sliders at once, and each wants the newest picture, not all of them.

    still ─► Stills.draw ─► the page's newest waits while its last one is drawn ─► one of two drawing threads
                         └► None where a newer one came meanwhile

Packs of live faces are made in a line of the same kind.

Whoever waits here holds no thread of the server's, so that any number of them leaves the page as quick as it was.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from emotalk.core.errors import InputError
from emotalk.server.limits import limits
from emotalk.server.meters import METERS

Drawn = TypeVar("Drawn")

AT_ONCE = 2
"""Pictures that are drawn at once: one uses both cores for most of its time."""
CROWD = 6
"""With more pictures than that on their way, those are drawn smaller: people rather wait half as long."""


class Stills:
    """One picture being drawn and one waiting for every page; so many in all (`limits.Limits`). `refusal` is what is
    said where too many are on their way."""

    def __init__(
        self, refusal: str = "Many faces are being drawn just now; move a slider again in a few seconds."
    ) -> None:
        self._refusal = refusal
        self._threads = ThreadPoolExecutor(AT_ONCE, "emotalk-still")
        self._lock = threading.Lock()
        self._drawing: set[str] = set()
        self._waiting: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Future[bool]]] = {}
        self._of_address: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Pictures on their way."""
        return sum(self._of_address.values())

    @property
    def crowded(self) -> bool:
        """Whether more people wait for pictures than large ones can be drawn for without a wait."""
        return self.count > CROWD

    def close(self) -> None:
        """Nothing further is begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def draw(self, session: str, address: str, work: Callable[[], Drawn]) -> Drawn | None:
        """What `work` returns, computed in a drawing thread; None where the page asked for another picture before this
        one was begun. Raises InputError where too many are on their way, and whatever `work` raises."""
        allowed = limits()
        with self._lock:
            if self.count >= allowed.stills or self._of_address[address] >= allowed.stills_of_address:
                METERS.add("emotalk_refusals_total", value="still")
                raise InputError(self._refusal)
            self._of_address[address] += 1
        try:
            if not await self._turn(session):
                return None
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
            finally:
                self._pass_on(session)
        finally:
            with self._lock:
                self._of_address[address] -= 1
                if not self._of_address[address]:
                    del self._of_address[address]

    async def _turn(self, session: str) -> bool:
        """Wait until the page's last picture is drawn; False where a newer one came meanwhile."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if session not in self._drawing:
                self._drawing.add(session)
                return True
            turn = loop.create_future()
            self._answer(session, False)
            self._waiting[session] = (loop, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            with self._lock:
                handed_on = self._waiting.get(session, (loop, None))[1] is not turn
                if not handed_on:
                    del self._waiting[session]
            if handed_on:
                self._pass_on(session)
            raise

    def _pass_on(self, session: str) -> None:
        with self._lock:
            if not self._answer(session, True):
                self._drawing.discard(session)

    def _answer(self, session: str, its_turn: bool) -> bool:
        """Tell the picture that waits; False where none does. The lock is held."""
        loop, turn = self._waiting.pop(session, (None, None))
        if turn is None or turn.done():
            return False
        loop.call_soon_threadsafe(lambda: turn.done() or turn.set_result(its_turn))
        return True
