"""Who makes the tasks: workers, told apart by numbers, each with one task at a time.

`LocalPool` has processes on this machine, `InlinePool` this very process; `ray_pool.RayPool` has actors.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import Protocol

from emotalk.batch.kinds import TABLE
from emotalk.batch.making import Maker
from emotalk.batch.tasks import Answer, Task

END_SECONDS = 5.0
"""A worker whose input has ended gets that long before it is killed."""
_DETAIL = 4000
_THREADS = ("EMOTALK_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ROOT = Path(__file__).resolve().parents[2]


class Pool(Protocol):
    """What the driver asks of workers."""

    size: int

    def give(self, worker: int, task: Task) -> None:
        """Hand a task to a worker that has none; it is started if need be."""

    def wait(self) -> tuple[int, Answer]:
        """The next answer, and whose it is. One of a lost worker says so; the next `give` starts another one."""

    def renew(self, worker: int) -> None:
        """End a worker that has no task, so that the next `give` starts a fresh one."""

    def close(self) -> None:
        """End all workers, also those that are at work."""


class InlinePool:
    """One worker, which is this process: a task is made when it is given. Keeps models between tasks."""

    size = 1

    def __init__(self, place: str, table: str = TABLE) -> None:
        self._place, self._table = place, table
        self._maker: Maker | None = None
        self._answers: deque[Answer] = deque()

    def give(self, worker: int, task: Task) -> None:
        """See `Pool`."""
        self._maker = self._maker or Maker(self._place, self._table)
        self._answers.append(self._maker.answer(task))

    def wait(self) -> tuple[int, Answer]:
        """See `Pool`."""
        return 0, self._answers.popleft()

    def renew(self, worker: int) -> None:
        """See `Pool`: what it holds is let go."""
        self._maker = None

    def close(self) -> None:
        """See `Pool`."""


class LocalPool:
    """Processes on this machine, each with `threads` threads for drawing and matrices, and one of `gpus` GPUs in turn
    where there are several. `table` as for `kinds.kinds_of`."""

    def __init__(self, place: str, size: int, threads: int, table: str = TABLE, gpus: int = 0) -> None:
        self.size = size
        self._command = [sys.executable, "-m", "emotalk.batch.worker", place, table]
        self._threads, self._gpus = threads, gpus
        self._workers: dict[int, _Process] = {}
        self._answers: queue.SimpleQueue[tuple[int, _Process, Answer]] = queue.SimpleQueue()

    def give(self, worker: int, task: Task) -> None:
        """See `Pool`. Raises OSError where no process can be started."""
        if worker not in self._workers:
            self._workers[worker] = _Process(worker, self._command, self._environment(worker), self._answers)
        self._workers[worker].give(task)

    def wait(self) -> tuple[int, Answer]:
        """See `Pool`."""
        while True:
            worker, process, answer = self._answers.get()
            if self._workers.get(worker) is not process:
                continue  # it was renewed, and its end is no news
            if answer.lost:
                del self._workers[worker]
                process.close()
            if answer.index >= 0:
                return worker, answer

    def renew(self, worker: int) -> None:
        """See `Pool`."""
        process = self._workers.pop(worker, None)
        if process is not None:
            process.close()

    def close(self) -> None:
        """See `Pool`."""
        for worker in list(self._workers):
            self.renew(worker)

    def pids(self) -> dict[int, int]:
        """The process id of every worker that was started."""
        return {worker: process.pid for worker, process in self._workers.items()}

    def _environment(self, worker: int) -> dict[str, str]:
        threads = dict.fromkeys(_THREADS, str(self._threads))
        gpu = {"CUDA_VISIBLE_DEVICES": str(worker % self._gpus)} if self._gpus > 1 else {}
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        return {**os.environ, **threads, **gpu, "PYTHONPATH": path}


class _Process:
    """One worker's process, and the thread that reads its answers."""

    def __init__(
        self, worker: int, command: list[str], environment: dict[str, str], answers: queue.SimpleQueue
    ) -> None:
        self._worker, self._answers, self._task = worker, answers, -1
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed by `close`
        try:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                text=True, encoding="utf-8",
            )  # fmt: skip
        except OSError:
            self._errors.close()
            raise
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, name=f"emotalk-worker-{worker}", daemon=True)
        self._reader.start()

    def give(self, task: Task) -> None:
        self._task = task.index
        with contextlib.suppress(OSError):  # its end is told by the reader
            self._process.stdin.write(json.dumps(task.to_json()) + "\n")
            self._process.stdin.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._errors.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, TypeError):  # a torn line: it was killed while it wrote
            for line in self._process.stdout:
                answer = Answer(**json.loads(line))
                self._task = -1
                self._answers.put((self._worker, self, answer))
        self._process.stdout.close()
        status = self._process.wait()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _DETAIL))
        detail = self._errors.read()
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        self._answers.put((self._worker, self, Answer(self._task, error=how, detail=detail, lost=True)))
