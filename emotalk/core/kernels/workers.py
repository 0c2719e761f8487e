"""A persistent pool of threads that share one kernel call.

Every kernel of the renderer divides its work into pieces (bands of rows, blocks of Gaussians) and fetches the
next piece from a shared atomic counter (`simd.claim`), without the GIL. So all that the pool has to do is to call
the same kernel with the same arguments in several threads: `run(kernel, ...)` calls `kernel(..., slot)` in the
calling thread (slot 0) and in every helper that comes in time (slots 1, 2, ...). The caller never waits for a
helper that has not begun - on a busy machine a helper may come late, and by then the work is done. This is what
numba's `prange` gets wrong here: its region stalls until the slowest thread has woken up.

Several threads may call `run` at once; helpers serve them in turn.
"""

from __future__ import annotations

import math
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from emotalk.core.errors import InputError

MAX_THREADS = 32
"""More threads than this have nothing left to share: a picture of 512 rows has 32 bands."""


def _cgroup_limit() -> float:
    """CPUs that the control group of this process may use (infinite where none is set)."""
    limit = math.inf
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return limit
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:  # version 2: the tightest limit on the way up to the root counts
            root = Path("/sys/fs/cgroup")
            folder = root / group.lstrip("/")
            for level in (folder, *folder.parents):
                if not level.is_relative_to(root):
                    break
                try:
                    quota, period = (level / "cpu.max").read_text().split()[:2]
                    limit = min(limit, int(quota) / int(period))
                except (OSError, ValueError):  # absent at the root; "max" where there is no limit
                    continue
        elif "cpu" in controllers.split(","):
            for level in (Path("/sys/fs/cgroup/cpu") / group.lstrip("/"), Path("/sys/fs/cgroup/cpu")):
                try:
                    quota = int((level / "cpu.cfs_quota_us").read_text())
                    period = int((level / "cpu.cfs_period_us").read_text())
                except (OSError, ValueError):
                    continue
                if quota > 0:
                    limit = min(limit, quota / period)
    return limit


def available_cores() -> int:
    """Cores this process may use: its CPU affinity and its container's quota, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, math.ceil(_cgroup_limit()) if _cgroup_limit() < cores else cores))


def thread_count() -> int:
    """Threads the renderer uses: EMOTALK_THREADS, else the cores available. Raises InputError on a bad setting."""
    configured = os.environ.get("EMOTALK_THREADS")
    if not configured:
        return min(available_cores(), MAX_THREADS)
    if not configured.isdigit() or not 1 <= int(configured) <= 1024:
        raise InputError(
            f"EMOTALK_THREADS must be a whole number from 1 to 1024, found {configured!r}; unset it for the default."
        )
    return min(int(configured), MAX_THREADS)


class _Job:
    """One `run`: who has begun, who has finished, what went wrong."""

    def __init__(self, kernel: Callable, arguments: tuple) -> None:
        self.kernel, self.arguments = kernel, arguments
        self.condition = threading.Condition()
        self.closed = False
        self.begun = 1  # the caller holds slot 0
        self.running = 0
        self.error: BaseException | None = None

    def help(self) -> None:
        with self.condition:
            if self.closed:
                return
            slot, self.begun, self.running = self.begun, self.begun + 1, self.running + 1
        error = None
        try:
            self.kernel(*self.arguments, slot)
        except BaseException as caught:  # handed to the caller, who raises it in its own thread
            error = caught
        with self.condition:
            self.running -= 1
            self.error = self.error or error
            self.condition.notify_all()

    def close(self) -> None:
        """Let nobody else begin, and wait for those who have."""
        with self.condition:
            self.closed = True
            while self.running:
                self.condition.wait()


class WorkerPool:
    """`threads - 1` daemon threads that wait for kernels; `threads` is also the number of slots."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        for number in range(1, threads):
            threading.Thread(target=self._serve, name=f"emotalk-render-{number}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._jobs.get().help()

    def run(self, kernel: Callable, *arguments: object) -> None:
        """Call `kernel(*arguments, slot)` in up to `threads` threads; return when all work is done.

        An exception in any of them is raised here.
        """
        job = _Job(kernel, arguments)
        for _ in range(1, self.threads):
            self._jobs.put(job)
        try:
            kernel(*arguments, 0)
        finally:
            job.close()
        if job.error is not None:
            raise job.error


_pool: WorkerPool | None = None
_pool_lock = threading.Lock()


def pool() -> WorkerPool:
    """The one pool of this process, made at first use."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = WorkerPool(thread_count())
        return _pool


def _forget_pool() -> None:
    """A forked child inherits the pool but none of its threads: make a new one there."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
