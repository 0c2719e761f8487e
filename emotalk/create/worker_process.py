"""The process that makes an avatar, seen from its parent: starting one, handing it a request, having one ready.

SpareWorker ── starts when somebody chose a photo ──► Worker (python -m emotalk.create.worker --warm), which waits
            └─ `take` ─► BackgroundFit ── one line of JSON ──► the same Worker
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""A child that was asked to stop gets that long before it is killed; its state on disk is whole at any time."""
SPARE_SECONDS = 180.0
"""A worker that waits for a request takes half a gigabyte; a name and a consent are given in less time."""
WARM = "--warm"
"""The argument that makes a child load what a portrait needs before it is asked."""


class Worker:
    """A child process that waits for one request. A `warm` one has imported what a portrait needs when it comes."""

    def __init__(self, warm: bool = False) -> None:
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed by `close` or by the fit
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "emotalk.create.worker", *([WARM] if warm else [])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                cwd=Path(__file__).resolve().parents[2],
            )  # fmt: skip
        except OSError:
            self.errors.close()
            raise

    def order(self, order: dict[str, Any]) -> None:
        """Hand over the request."""
        with contextlib.suppress(BrokenPipeError):  # a child that ended at once is reported by whoever reads from it
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """No request comes any more: it ends by itself."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            threading.Thread(target=self._reap, name="emotalk-worker-end", daemon=True).start()
        except RuntimeError:  # no thread is left; nobody waits for it to end by itself
            self.process.kill()
            self._reap()

    def drop(self) -> None:
        """It has ended before a request came: the log has why."""
        self.errors.seek(0)
        said = self.errors.read()[-4000:]
        log.warning("a worker that waited for a request ended with status %d:\n%s", self.process.returncode, said)
        self.close()

    def _reap(self) -> None:
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class SpareWorker:
    """At most one warm worker that waits for the next request, and ends when none comes for a while: the seconds that
    its imports take pass while a person types a name."""

    def __init__(self, seconds: float = SPARE_SECONDS) -> None:
        self._seconds, self._lock = seconds, threading.Lock()
        self._worker: Worker | None = None
        self._end: threading.Timer | None = None
        self._turn: object = None  # of the waiting that `_end` ends

    def prepare(self) -> None:
        """Have a worker ready soon. Nothing happens where there is no memory, process or thread for one."""
        with self._lock:
            self._cancel_end()
            if self._worker is not None and self._worker.process.poll() is not None:
                self._worker.drop()
                self._worker = None
            try:
                if self._worker is None:
                    self._worker = Worker(warm=True)
                self._turn = object()
                self._end = threading.Timer(self._seconds, self._expire, [self._turn])
                self._end.daemon = True
                self._end.start()
            except (OSError, RuntimeError) as error:
                log.warning("no worker can wait ahead of time: %s", getattr(error, "strerror", None) or error)
                self._cancel_end()
                if self._worker is not None:  # nobody would end it
                    self._worker.close()
                    self._worker = None

    def take(self) -> Worker | None:
        """The worker that waits, which is the caller's from now on; None where there is none."""
        with self._lock:
            worker = self._taken()
        if worker is not None and worker.process.poll() is not None:
            worker.drop()
            return None
        return worker

    def close(self) -> None:
        """End the worker that waits."""
        worker = self.take()
        if worker is not None:
            worker.close()

    def _expire(self, turn: object) -> None:
        """The time of one waiting is up. The timer of an earlier one may come late: it ends nothing."""
        with self._lock:
            worker = self._taken() if turn is self._turn else None
        if worker is not None:
            worker.close()

    def _taken(self) -> Worker | None:
        self._cancel_end()
        worker, self._worker = self._worker, None
        return worker

    def _cancel_end(self) -> None:
        self._turn = None
        if self._end is not None:
            self._end.cancel()
            self._end = None
