"""How a server ends: what runs comes to its end, nothing new begins, and after some minutes it ends anyway.

    SIGTERM, Ctrl-C ─► Stopping ─► `is_stopping`: new work is refused with a sentence, who waits in line is told
                                └► thread: waits until nothing runs and what was made has been fetched ─► leave
    a second signal ───────────► ends at once

What ends within the limit is talks, mood sheets, downloads, fits, live talks, microphones that follow somebody, and
files that a browser is still reading.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

LIMIT_SECONDS = 300.0
"""What still runs then is cut off: a fit of a stranger's video takes four minutes."""
LINGER_SECONDS = 5.0
"""After the last work has ended: a page then fetches what was made for it."""
LOOK_SECONDS = 0.2
SENTENCE = "This server is being stopped and begins nothing new; try again in a minute."
RETRY_SECONDS = 60

Running = Callable[[], dict[str, int]]
"""What runs now, by a word for it; what is none may be left out."""

_begun = threading.Event()


def is_stopping() -> bool:
    """Whether this process ends and takes nothing new."""
    return _begun.is_set()


def limit_seconds() -> float:
    """How long running work may take to end: EMOTALK_STOP_SECONDS, at least 0, or `LIMIT_SECONDS`."""
    wish = os.environ.get("EMOTALK_STOP_SECONDS", "").strip()
    try:
        return max(0.0, float(wish)) if wish else LIMIT_SECONDS
    except ValueError:
        log.warning("EMOTALK_STOP_SECONDS is not a number; using %g", LIMIT_SECONDS)
        return LIMIT_SECONDS


class Stopping:
    """The end of one server. `running` says what runs, `dismiss` tells those who wait in line, `leave` ends the process
    (called in a thread of its own); `say` shows a line to whoever started it."""

    def __init__(
        self,
        running: Running,
        dismiss: Callable[[], None],
        leave: Callable[[], None],
        say: Callable[[str], None] = lambda line: print(line, flush=True),
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._running, self._dismiss, self._leave, self._say = running, dismiss, leave, say
        self._clock, self._pause = clock, pause
        self._thread = threading.Thread(target=self._run, name="emotalk-stopping", daemon=True)

    def begin(self) -> bool:
        """Close the doors and wait in a thread; False where that has begun before: whoever asks twice means now."""
        if _begun.is_set():
            return False
        _begun.set()
        self._thread.start()
        return True

    def wait(self) -> bool:
        """Wait for the end of what runs; True where all of it has ended, False where the limit came first."""
        limit, began = limit_seconds(), self._clock()
        self._dismiss()
        now = busy(self._running())
        if not now:
            return True
        self._say(f"Stopping: {in_words(now)} may go on for {limit:.0f} s; stop again to end at once.")
        idle_since: float | None = None
        while self._clock() - began < limit:
            now = busy(self._running())
            if now:
                idle_since = None
            elif idle_since is None:
                idle_since = self._clock()
            elif self._clock() - idle_since >= LINGER_SECONDS:
                break
            self._pause(LOOK_SECONDS)
        now = busy(self._running())
        if now:
            self._say(f"Stopped after {limit:.0f} s: {in_words(now)} cut off.")
        return not now

    def _run(self) -> None:
        try:
            self.wait()
        finally:
            self._leave()


def busy(running: dict[str, int]) -> dict[str, int]:
    """What of it there is."""
    return {what: count for what, count in running.items() if count > 0}


def in_words(running: dict[str, int]) -> str:
    """What runs, for a line: "jobs: 2, live talks: 1"."""
    return ", ".join(f"{what}: {count}" for what, count in running.items())
