"""Live faces that follow a microphone: short pieces of sound come in, each is answered with the motion it makes.

    POST puppet, 0.1 to 2 s of sound ─► Puppets.push ─► one of two threads: hears ─► rows of speech code

A page has one puppet; it is forgotten when the page sends nothing for half a minute. Nobody may send sound much faster
than it is spoken, and no sound is kept.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.server.limits import limits
from emotalk.server.live_talks import TooMany

if TYPE_CHECKING:
    from emotalk.server.live_tickets import Ticket

AT_ONCE = 2
"""Pieces that are heard at once."""
SILENT_SECONDS = 30.0
"""A puppet whose page sends nothing for that long is forgotten."""
ACTIVE_SECONDS = 3.0
"""A microphone that has sent nothing for that long may be off."""
LONGEST_SECONDS = 2.0
"""Of one piece."""
AHEAD_SECONDS = 6.0
"""So far may a page's sound be ahead of the clock: a connection that hung sends what has gathered."""


class Hearing(Protocol):
    """What a puppet is (`live.hearing.Puppet`)."""

    def push(self, samples: np.ndarray) -> bytes:
        """Records of motion for float32 samples [N] at 16 kHz, -1 to 1; what is not known yet comes with later ones."""

    def finish(self) -> bytes:
        """The last records."""


@dataclass
class _Held:
    id: str
    address: str
    used: float
    puppet: Hearing | None = None  # made with its first piece
    busy: bool = False


class Puppets:
    """All puppets by the ticket of their page. `make` gives the puppet of an avatar."""

    def __init__(self, make: Callable[[str], Hearing], clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._clock = make, clock
        self._threads = ThreadPoolExecutor(AT_ONCE, "emotalk-puppet")
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    @property
    def count(self) -> int:
        """Puppets that are not forgotten."""
        return len(self._held)

    @property
    def active(self) -> int:
        """Puppets whose page has sent something within the last seconds."""
        now = self._clock()
        with self._lock:
            return sum(held.busy or now - held.used < ACTIVE_SECONDS for held in self._held.values())

    def follows(self, token: str, id: str) -> bool:
        """Whether the page with that token has a puppet with that id."""
        with self._lock:
            held = self._held.get(token)
            return held is not None and held.id == id

    async def push(self, ticket: Ticket, id: str, avatar: str, sound: bytes, last: bool = False) -> bytes:
        """The records that a piece of sound (`samples_of`) makes; where it is the `last`, those that were waited for
        too, and the puppet is forgotten. Another `id` than before begins anew. Raises InputError, TooMany, and whatever
        the puppet raises."""
        samples = samples_of(sound)
        held = self._claim(ticket, id, len(samples) / SAMPLE_RATE)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._hear, held, avatar, samples, last)
        except Exception:
            self._forget(ticket.token, held)
            raise
        finally:
            held.busy = False
            held.used = self._clock()
            if last:
                self._forget(ticket.token, held)

    def stop(self, token: str) -> None:
        """The page is gone, or its microphone off."""
        with self._lock:
            self._held.pop(token, None)

    def sweep(self) -> None:
        """Forget those whose page sends nothing any more."""
        with self._lock:
            self._sweep()

    def close(self) -> None:
        """The server ends."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._held.clear()

    def _claim(self, ticket: Ticket, id: str, seconds: float) -> _Held:
        allowed, now = limits(), self._clock()
        with self._lock:
            self._sweep()
            held = self._held.get(ticket.token)
            if held is not None and held.busy:
                raise TooMany("The piece of sound before this one is still being heard; send one after the other.", 1)
            ahead = max(0.0, ticket.heard_until - now) + seconds
            if ahead > AHEAD_SECONDS:
                sentence = "Sound is sent faster than it can be spoken; send it as it is recorded."
                raise TooMany(sentence, math.ceil(ahead - AHEAD_SECONDS))
            if held is None:
                here = sum(other.address == ticket.address for other in self._held.values())
                if len(self._held) >= allowed.puppets or here >= allowed.puppets_of_address:
                    raise TooMany("Many faces follow a microphone just now; try again in half a minute.", 30)
            if held is None or held.id != id:
                held = self._held[ticket.token] = _Held(id, ticket.address, now)
            ticket.heard_until = now + ahead
            held.busy = True
            return held

    def _hear(self, held: _Held, avatar: str, samples: np.ndarray, last: bool) -> bytes:
        if held.puppet is None:
            held.puppet = self._make(avatar)
        told = held.puppet.push(samples) if len(samples) else b""
        return told + held.puppet.finish() if last else told

    def _forget(self, token: str, held: _Held) -> None:
        with self._lock:
            if self._held.get(token) is held:
                del self._held[token]

    def _sweep(self) -> None:
        now = self._clock()
        for token, held in list(self._held.items()):
            if not held.busy and now - held.used > SILENT_SECONDS:
                del self._held[token]


def samples_of(sound: bytes) -> np.ndarray:
    """float32 [N] in -1 to 1 of little-endian 16-bit samples at 16 kHz; InputError where they are none or too many."""
    if len(sound) % 2:
        raise InputError(f"Sound is 16-bit samples, two bytes each; found {len(sound)} bytes.")
    if len(sound) / 2 > LONGEST_SECONDS * SAMPLE_RATE:
        seconds = len(sound) / 2 / SAMPLE_RATE
        raise InputError(f"A piece of sound has at most {LONGEST_SECONDS:.0f} seconds, found {seconds:.1f}.")
    return np.frombuffer(sound, "<i2").astype(np.float32) / 32768
