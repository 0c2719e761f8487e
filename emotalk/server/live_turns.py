"""Whose turn it is to compute: of all live talks the one that would fall silent first.

Every talk hears far quicker than it is played and then waits for its listener. Where many begin at once they would all
slow down together, those that are half a minute ahead as much as one whose first word is awaited. So each asks for a
turn before every piece and says when its sound runs dry; few turns are given at once, the earliest first.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import threading
from collections.abc import Iterator

PATIENCE_SECONDS = 5.0
"""A turn is waited for so long at most: whoever holds one may wait for something that another talk has."""


class Turns:
    """So many at once (as the machine has cores, two at least)."""

    def __init__(self, at_once: int | None = None) -> None:
        self._free = at_once or max(2, os.cpu_count() or 1)
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int]] = []
        self._number = itertools.count()

    @property
    def waiting(self) -> int:
        """How many wait for a turn now."""
        return len(self._waiting)

    @contextlib.contextmanager
    def turn(self, dry_at: float) -> Iterator[None]:
        """A turn, waited for. `dry_at` orders those who wait: when the sound so far has been played, in seconds."""
        entry = (dry_at, next(self._number))
        with self._changed:
            heapq.heappush(self._waiting, entry)
            self._changed.wait_for(lambda: self._free > 0 and self._waiting[0] is entry, PATIENCE_SECONDS)
            self._waiting.remove(entry)
            heapq.heapify(self._waiting)
            self._free -= 1
            self._changed.notify_all()  # another one is the first now
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
