"""Tickets of live faces: what ties a plain web request (a talk, a microphone, a pack) to the page that it comes from.

    page opens ─► Tickets.open ─► token ─► say?ticket=..., puppet?ticket=..., packs/...?ticket=...
    page shows a face ─► Ticket.shown: the only names that its requests may use

A token is random and told to its page alone. It ends with the page, or some time after its last use, and there are so
many at most (`limits.Limits`): of an address, and in all.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from emotalk.server.clips import folder_of
from emotalk.server.limits import limits
from emotalk.server.replicas import ticket_prefix

SHOWN = 8
"""Faces of a page that may speak: those that were shown last."""


@dataclass
class Ticket:
    """What is known of one page. `session` is the hash of its name, which may be a megabyte long."""

    token: str
    session: str
    address: str
    used: float  # by the clock of `Tickets`, in seconds
    shown: list[str] = field(default_factory=list)  # names of avatars, the newest last
    heard_until: float = 0.0  # when the sound that its microphone has sent so far would have been played

    def show(self, avatar: str) -> None:
        """From now on requests with this ticket may name that avatar."""
        kept = [name for name in self.shown if name != avatar]
        self.shown = [*kept, avatar][-SHOWN:]


class Tickets:
    """All tickets of this server, by token and by page session. `ended` is told each one that is gone."""

    def __init__(self, ended: Callable[[Ticket], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._ended, self._clock = ended, clock
        self._lock = threading.Lock()
        self._tickets: dict[str, Ticket] = {}  # the one used last is the last
        self._of: dict[str, str] = {}  # session -> token

    def __len__(self) -> int:
        return len(self._tickets)

    def open(self, session: str, address: str = "") -> Ticket:
        """The ticket of a page session, made at its first call. The ticket that was not used for longest, of the same
        address or of all, makes room."""
        allowed, key = limits(), folder_of(session)
        with self._lock:
            known = self._use(self._of.get(key))
            if known is not None:
                return known
            ticket = Ticket(ticket_prefix() + secrets.token_urlsafe(24), key, address, self._clock())
            self._tickets[ticket.token] = ticket
            self._of[key] = ticket.token
            gone = []
            mine = [old for old in self._tickets.values() if address and old.address == address]
            if len(mine) > allowed.live_pages_of_address:
                gone.append(self._forget(mine[0]))
            while len(self._tickets) > allowed.live_pages:
                gone.append(self._forget(next(iter(self._tickets.values()))))
        for old in gone:
            self._ended(old)
        return ticket

    def find(self, token: str) -> Ticket | None:
        """The ticket of a token, which is used by that; None where there is none (any more)."""
        with self._lock:
            return self._use(token)

    def touch(self, session: str) -> None:
        """The page did something: its ticket stays for some time from now on."""
        with self._lock:
            self._use(self._of.get(folder_of(session)))

    def end(self, ticket: Ticket) -> None:
        """This ticket is worth nothing from now on."""
        with self._lock:
            gone = self._tickets.get(ticket.token) is ticket
            if gone:
                self._forget(ticket)
        if gone:
            self._ended(ticket)

    def end_session(self, session: str) -> None:
        """The page was closed."""
        ticket = self._tickets.get(self._of.get(folder_of(session), ""))
        if ticket is not None:
            self.end(ticket)

    def all(self) -> list[Ticket]:
        """Every ticket, the one not used for longest first."""
        with self._lock:
            return list(self._tickets.values())

    def _use(self, token: str | None) -> Ticket | None:
        ticket = self._tickets.pop(token, None)
        if ticket is not None:
            ticket.used = self._clock()
            self._tickets[token] = ticket
        return ticket

    def _forget(self, ticket: Ticket) -> Ticket:
        del self._tickets[ticket.token]
        del self._of[ticket.session]
        return ticket
