"""`batch`: many jobs of a list, by several workers."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import tyro

from emotalk.cli.progress import ProgressBar

if TYPE_CHECKING:
    from emotalk.batch import BatchProgress, Failure

_QUIET_SECONDS = 15.0
"""Between lines of progress in a log."""


def batch(
    jobs: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="JOBS")],
    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")],
    workers: int | None = None,
    ray: str | None = None,
    memory: int = 2048,
    renew: int = 500,
    threads: int | None = None,
    job_timeout: Annotated[float | None, tyro.conf.arg(metavar="SECONDS", help_behavior_hint="")] = None,
) -> int:
    """Make what a list of jobs asks for: talks, scenes, portraits, personalisations, tracking, evaluations. What is
    there already is not made again, so the same command goes on with a run that was stopped (docs/scale.md).

    Args:
        jobs: a file with a JSON object a line, such as {"kind": "talk", "text": "Hello."}; every line is checked before
            anything is made.
        out: where the results go: a folder, or an address such as s3://bucket/folder. report.json in it says what could
            not be made, and why.
        workers: how many processes share this machine's cores; one for each core by default, or for each GPU.
        ray: make the jobs in a Ray cluster: auto (the one that runs here, or one for this run) or its address.
        memory: MB from which on a worker is ended, after its job, for a fresh one. One that holds twice that (and more
            than 2048) at work is ended at once, and its job is reported.
        renew: jobs after which a worker is ended for a fresh one too.
        threads: how many threads each worker draws with; its share of the cores by default.
        job_timeout: seconds after which a job counts as hung: its worker is ended, the job is reported, the others go
            on. 12 hours by default, one for a portrait; 0: none.
    """
    from emotalk.batch import run_batch

    def begin(count: int, size: int) -> None:
        print(f"{count:,} jobs, {size} worker{'s' * (size > 1)}", file=sys.stderr, flush=True)

    with _Told() as told:
        try:
            report = run_batch(
                jobs, out, workers, ray, memory=memory, tasks=renew, threads=threads, job_timeout=job_timeout,
                progress=told, on_failure=told.failure, on_begin=begin,
            )  # fmt: skip
        except KeyboardInterrupt:
            print("stopped; results that were finished stay: the same command goes on from there", file=sys.stderr)
            raise
    print(report.sentence)
    if report.failures:
        print(f"{out.rstrip('/')}/report.json says why; the same command tries them again", file=sys.stderr)
    return 1 if report.failures else 0


class _Told(ProgressBar):
    """The bar of a batch; in a log a line now and then, and one for every failure."""

    def __init__(self) -> None:
        super().__init__(unit=" jobs")
        self._next = 0.0  # seconds of `time.monotonic`
        self._tenths = 0

    def __call__(self, news: BatchProgress) -> None:
        if not self._bar.disable:
            super().__call__(news)
            return
        tenths, now = int(10 * news.share), time.monotonic()
        if tenths == self._tenths and now < self._next:
            return
        self._tenths, self._next = tenths, now + _QUIET_SECONDS
        print(news.line, file=sys.stderr, flush=True)

    def failure(self, failure: Failure) -> None:
        """Tell of one job that could not be done."""
        self._bar.write(f"Line {failure.line} ({failure.out}): {failure.sentence}", file=sys.stderr)
