"""Who makes the tasks: workers, told apart by numbers, each with one task at a time.

`LocalPool` has processes on this machine, `InlinePool` this very process; `ray_pool.RayPool` has actors.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from emotalk.batch.kinds import TABLE
from emotalk.batch.making import Maker, memory_of
from emotalk.batch.tasks import MEMORY, TIME, Answer, Task

END_SECONDS = 5.0
"""A worker whose input has ended gets that long before it is killed."""
LOOK_SECONDS = 1.0
"""Between two looks at how long the workers have been at work, and how much they hold."""
_DETAIL = 4000
_THREADS = ("EMOTALK_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ROOT = Path(__file__).resolve().parents[2]


class Pool(Protocol):
    """What the driver asks of workers. They are ended over what takes more than its task allows."""

    size: int

    def give(self, worker: int, task: Task) -> None:
        """Hand a task to a worker that has none; it is started if need be."""

    def wait(self) -> tuple[int, Answer]:
        """The next answer, and whose it is. That of a lost or ended worker says so; the next `give` starts another
        one."""

    def renew(self, worker: int) -> None:
        """End a worker that has no task, so that the next `give` starts a fresh one."""

    def close(self) -> None:
        """End all workers, also those that are at work."""


class InlinePool:
    """One worker, which is this process: a task is made when it is given. Keeps models between tasks; what a task
    allows is no matter here, since nobody could end it."""

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
    where there are several. `table` as for `kinds.kinds_of`; names of files and avatars are meant from `folder` on
    (this process's own)."""

    def __init__(
        self,
        place: str,
        size: int,
        threads: int,
        table: str = TABLE,
        gpus: int = 0,
        clock: Callable[[], float] = time.monotonic,
        folder: str | None = None,
    ) -> None:
        self.size, self._clock, self._folder = size, clock, folder
        self._next_look = 0.0
        self._command = [sys.executable, "-m", "emotalk.batch.worker", place, table]
        self._threads, self._gpus = threads, gpus
        self._workers: dict[int, _Process] = {}
        self._answers: queue.SimpleQueue[tuple[int, _Process, Answer]] = queue.SimpleQueue()

    def give(self, worker: int, task: Task) -> None:
        """See `Pool`. Raises OSError where no process can be started."""
        if worker not in self._workers:
            environment = self._environment(worker)
            self._workers[worker] = _Process(worker, self._command, environment, self._folder, self._answers)
        self._workers[worker].give(task, self._clock())

    def wait(self) -> tuple[int, Answer]:
        """See `Pool`."""
        while True:
            if (over := self._look()) is not None:
                return over
            try:
                worker, process, answer = self._answers.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
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
        for process in self._workers.values():
            process.hang_up()  # so that they end at the same time
        for worker in list(self._workers):
            self.renew(worker)

    def pids(self) -> dict[int, int]:
        """The process id of every worker that was started."""
        return {worker: process.pid for worker, process in self._workers.items()}

    def _look(self) -> tuple[int, Answer] | None:
        """End a worker whose task takes more than it allows; whose it was, and what is to be told. Looks now and then,
        also while other workers answer one after the other."""
        now = self._clock()
        if now < self._next_look:
            return None
        for worker, process in self._workers.items():
            if (answer := process.over(now)) is not None:
                del self._workers[worker]
                process.kill()
                return worker, answer  # whoever else is over is seen at the next call
        self._next_look = now + LOOK_SECONDS
        return None

    def _environment(self, worker: int) -> dict[str, str]:
        threads = dict.fromkeys(_THREADS, str(self._threads))
        gpu = {"CUDA_VISIBLE_DEVICES": str(worker % self._gpus)} if self._gpus > 1 else {}
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        return {**os.environ, **threads, **gpu, "PYTHONPATH": path}


class _Process:
    """One worker's process, and the thread that reads its answers."""

    def __init__(
        self,
        worker: int,
        command: list[str],
        environment: dict[str, str],
        folder: str | None,
        answers: queue.SimpleQueue,
    ) -> None:
        self._worker, self._answers = worker, answers
        self._task: Task | None = None
        self._since = 0.0
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed by `close`
        try:
            self._process = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self._errors, text=True, encoding="utf-8",
                start_new_session=True,  # with what it starts it can be killed at once
            )  # fmt: skip
        except OSError:
            self._errors.close()
            raise
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, name=f"emotalk-worker-{worker}", daemon=True)
        self._reader.start()

    def give(self, task: Task, now: float) -> None:
        self._task, self._since = task, now
        with contextlib.suppress(OSError):  # its end is told by the reader
            self._process.stdin.write(json.dumps(task.to_json()) + "\n")
            self._process.stdin.flush()

    def over(self, now: float) -> Answer | None:
        """What is to be told of its task where that takes more than it allows; None where it does not."""
        task = self._task
        if task is None:
            return None
        if task.seconds is not None and now - self._since > task.seconds:
            words = (
                f"It was not done after {task.seconds:,.10g} s, so its worker was ended. Where it needs longer, say so "
                "with --job-timeout."
            )
            return Answer(task.index, error=words, memory=memory_of(self.pid), ended=TIME)
        held = memory_of(self.pid) if task.memory is not None else 0
        if held and held > task.memory:
            words = (
                f"Its worker held {held / 1e6:,.0f} MB at work, more than {task.memory / 1e6:,.0f}, and was ended. Ask "
                "for less, such as a smaller size, or allow more with --memory."
            )
            return Answer(task.index, error=words, memory=held, ended=MEMORY)
        return None

    def hang_up(self) -> None:
        """Nothing more is asked: it ends by itself."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def close(self) -> None:
        self.hang_up()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
        self._let_go()

    def kill(self) -> None:
        """End it now, with all that it has started."""
        self._kill()
        self._let_go()

    def _kill(self) -> None:
        if hasattr(os, "killpg") and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # where a disk does not answer nothing can be killed
            self._process.wait(END_SECONDS)

    def _let_go(self) -> None:
        self.hang_up()
        self._reader.join(END_SECONDS)
        if not self._reader.is_alive():
            self._process.stdout.close()
            self._errors.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, TypeError):  # a torn line: it was killed while it wrote
            for line in self._process.stdout:
                answer = Answer(**json.loads(line))
                self._task = None
                self._answers.put((self._worker, self, answer))
        self._process.stdout.close()
        status = self._process.wait()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _DETAIL))
        detail = self._errors.read()
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        index = -1 if self._task is None else self._task.index
        self._answers.put((self._worker, self, Answer(index, error=how, detail=detail, lost=True)))
