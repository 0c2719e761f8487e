"""What `python -m emotalk batch` does: check the list, choose the workers, run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from emotalk.batch.driver import FRESH_TASKS, Renewal, run_jobs
from emotalk.batch.jobs import Job, read_jobs
from emotalk.batch.places import Place, place_of
from emotalk.batch.pools import LocalPool, Pool
from emotalk.batch.report import BatchProgress, BatchReport, Failure
from emotalk.batch.tasks import Limits
from emotalk.core.checks import check_number, check_whole
from emotalk.core.errors import InputError
from emotalk.core.kernels.workers import available_cores

MOST_WORKERS = 256
LEAST_AT_WORK = 2048
"""MB that a worker may hold at work, however early it is renewed: models alone take a third of it."""
LONGEST_TIMEOUT = 366 * 86_400
WORKER_BYTES = 2 << 30
"""What a worker is counted with where nobody says how many there are to be: twice what it holds (docs/scale.md)."""


def run_batch(
    source: str | Path,
    out: str | Path,
    workers: int | None = None,
    ray: str | None = None,
    *,
    memory: int = 2048,
    tasks: int = FRESH_TASKS,
    threads: int | None = None,
    job_timeout: float | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
    on_begin: Callable[[int, int], None] | None = None,
) -> BatchReport:
    """Make the results of a list of jobs (`jobs.read_jobs`) in `out`, a folder or an address; what is there already is
    not made again.

    `workers` processes share this machine's cores, or actors those of the Ray cluster `ray` ("auto" or an address). One
    is renewed after `tasks` jobs, or a job after which it holds more than `memory` MB. `threads` is how many each
    draws with; by default its share of the cores. A worker is ended, and its job fails, where a job is not done after
    `job_timeout` seconds (None: what its kind has; 0: however long it takes), or where the worker holds more than twice
    `memory`, and more than `LEAST_AT_WORK`, meanwhile. `on_begin` hears the number of jobs and of workers. Raises
    InputError, with nothing begun, for what cannot be done; what goes wrong with a job later is in the report.
    """
    if workers is not None:
        check_whole("The number of workers", workers, 1, MOST_WORKERS)
    check_whole("The memory of a worker, in MB,", memory, 64, 1 << 24)
    check_whole("The number of jobs after which a worker is renewed", tasks, 1, 1 << 24)
    if threads is not None:
        check_whole("The number of threads", threads, 1, 1024)
    if job_timeout is not None:
        check_number("The seconds that a job may take", job_timeout, 0, LONGEST_TIMEOUT)
    place = place_of(out)
    jobs = read_jobs(source)
    pool = _pool(place, jobs, workers, ray, threads)
    if on_begin is not None:
        on_begin(len(jobs), pool.size)
    limits = Limits(job_timeout, max(LEAST_AT_WORK, 2 * memory) << 20)
    return run_jobs(jobs, place, pool, Renewal(memory << 20, tasks), progress, on_failure, limits)


def _pool(place: Place, jobs: Sequence[Job], workers: int | None, ray: str | None, threads: int | None) -> Pool:
    if place.address.startswith("memory://"):
        raise InputError("What is in the memory of this process no worker can write to; name a folder.")
    if ray is not None:
        # Imported here: only where it is asked for.
        from emotalk.batch.ray_pool import RayPool

        return RayPool(place.address, ray, workers, threads or 1)
    gpus = _gpus(jobs)
    size = min(workers or gpus or _usual_workers(), max(1, len(jobs)))
    return LocalPool(place.address, size, threads or max(1, available_cores() // size), gpus=gpus)


def _gpus(jobs: Sequence[Job]) -> int:
    """How many GPUs there are for jobs that may use one."""
    if all(job.options.get("device") == "cpu" for job in jobs):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _usual_workers() -> int:
    """One for every core, as far as the machine's memory goes."""
    cores = min(available_cores(), MOST_WORKERS)
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return cores
    return max(1, min(cores, memory // WORKER_BYTES))
