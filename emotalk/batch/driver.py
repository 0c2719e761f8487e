"""The run over a list of jobs: what is missing is handed to workers, what comes back is counted.

jobs ─► digest ─► there already? ─► worker ─► result in its place
                                      ├─► a sentence in the report
                                      ├─► a worker that is lost: the job to another one
                                      └─► a job over its limits: its worker is ended, and the job is in the report
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from emotalk.batch.jobs import Job
from emotalk.batch.names import REPORT
from emotalk.batch.places import Place
from emotalk.batch.pools import Pool
from emotalk.batch.report import BatchProgress, BatchReport, Failure
from emotalk.batch.tasks import MEMORY, Answer, Limits, Naming, Task
from emotalk.core.errors import InputError

TRIES = 3
"""How often a job is begun whose worker is lost each time."""
FRESH_MEMORY = 2 << 30
"""Bytes from which on a worker is renewed after its task."""
FRESH_TASKS = 500
"""Tasks after which a worker is renewed: what grows slowly does not grow for ever."""


@dataclass(frozen=True)
class Renewal:
    """When a worker is ended for a fresh one, after a task: it holds more than `memory` bytes, or made `tasks`."""

    memory: int = FRESH_MEMORY
    tasks: int = FRESH_TASKS


def run_jobs(
    jobs: Sequence[Job],
    place: Place,
    pool: Pool,
    renewal: Renewal | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
    limits: Limits | None = None,
) -> BatchReport:
    """Make what is missing of the jobs' results and write the report beside them; returns it.

    Each result is there whole or not at all, and results that are there are not made again, so that a run that was
    killed is gone on with by the same call. The pool is closed at the end. Raises InputError, with nothing begun, where
    something else lies in a result's place or another run writes there.
    """
    try:
        with place.held():
            outs = [job.out for job in jobs]
            place.tidy(outs)
            if wrong := [f"Line {job.line}: {why}." for job in jobs if (why := place.problem(job.out))]:
                raise InputError(
                    "\n".join(["Not everything can be put where it belongs; nothing was begun.", *wrong[:20]])
                )
            return _Run(
                jobs, place, pool, renewal or Renewal(), progress, on_failure, limits or Limits()
            ).run()  # fmt: skip
    finally:
        pool.close()


class _Run:
    """The state of one run."""

    def __init__(
        self,
        jobs: Sequence[Job],
        place: Place,
        pool: Pool,
        renewal: Renewal,
        progress: Callable[[BatchProgress], None] | None,
        on_failure: Callable[[Failure], None] | None,
        limits: Limits,
    ) -> None:
        self._jobs, self._place, self._pool, self._renewal, self._limits = jobs, place, pool, renewal, limits
        self._progress, self._on_failure = progress or (lambda _: None), on_failure or (lambda _: None)
        self._started = time.perf_counter()
        self._made = self._already = self._renewed = self._lost = self._ended = self._memory = 0
        self._failures: dict[int, Failure] = {}
        self._again: deque[Task] = deque()  # whose worker was lost
        self._tries: Counter[int] = Counter()
        self._given: dict[int, Task] = {}  # by worker
        self._since: Counter[int] = Counter()  # tasks by worker since it was started
        self._unfinished: set[str] = set()  # digests of failed jobs, some of which can be gone on with

    def run(self) -> BatchReport:
        """All of it. A run that is interrupted writes its report too."""
        stopped = True
        try:
            missing = self._missing()
            while True:
                for worker in [w for w in range(self._pool.size) if w not in self._given]:
                    task = self._again.popleft() if self._again else next(missing, None)
                    if task is None:
                        break
                    self._give(worker, task)
                if not self._given:
                    break
                self._receive(*self._pool.wait())
            stopped = False
        finally:
            report = self._report(stopped)
            self._place.write(REPORT, report.to_json())
        self._place.leave(self._unfinished)
        return report

    def _missing(self) -> Iterator[Task]:
        """The tasks of jobs whose results are not there."""
        naming = Naming()
        for index, job in enumerate(self._jobs):
            try:
                task = naming.task(index, job, self._limits)
            except InputError as error:  # a file that was there when the list was checked
                self._fail(index, str(error))
                continue
            if self._place.done(job.out, task.digest):
                self._already += 1
                self._tell()
                continue
            yield task

    def _give(self, worker: int, task: Task) -> None:
        self._given[worker] = task
        self._tries[task.index] += 1
        self._pool.give(worker, task)

    def _receive(self, worker: int, answer: Answer) -> None:
        task = self._given.pop(worker)
        if answer.lost:
            self._lost += 1
            self._since[worker] = 0
            if self._tries[task.index] < TRIES:
                self._again.append(task)
                return
            self._fail(
                task.index,
                f"Its worker {answer.error} each of the {TRIES} times, most likely for want of memory. Ask for less, "
                "or give it fewer workers.",
                answer.detail,
            )
            self._unfinished.add(task.digest)
            return
        self._memory = max(self._memory, answer.memory)
        if answer.ended:
            fresh, self._since[worker] = not self._since[worker], 0
            self._ended += 1
            # Most of it may have been left from earlier jobs.
            if answer.ended == MEMORY and not fresh and self._tries[task.index] < TRIES:
                self._again.append(task)
                return
            self._fail(task.index, answer.error, answer.detail)
            self._unfinished.add(task.digest)
            return
        self._since[worker] += 1
        if answer.memory > self._renewal.memory or self._since[worker] >= self._renewal.tasks:
            self._pool.renew(worker)
            self._renewed += 1
            self._since[worker] = 0
        if answer.facts is None:
            self._fail(task.index, answer.error, answer.detail)
            self._unfinished.add(task.digest)
            return
        self._made += 1
        self._tell()

    def _fail(self, index: int, sentence: str, detail: str = "") -> None:
        job = self._jobs[index]
        failure = Failure(job.line, job.kind, job.out, sentence, max(1, self._tries[index]), detail)
        self._failures[index] = failure
        self._on_failure(failure)
        self._tell()

    def _tell(self) -> None:
        seconds = time.perf_counter() - self._started
        worked = self._made + len(self._failures)
        done = worked + self._already
        left = (len(self._jobs) - done) * seconds / worked if worked else None
        self._progress(
            BatchProgress("jobs", done, len(self._jobs), seconds, left, self._made, self._already, len(self._failures))
        )

    def _report(self, stopped: bool) -> BatchReport:
        failures = tuple(self._failures[index] for index in sorted(self._failures))
        return BatchReport(
            len(self._jobs), self._made, self._already, failures, time.perf_counter() - self._started, self._renewed,
            self._lost, self._ended, self._memory, stopped,
        )  # fmt: skip
