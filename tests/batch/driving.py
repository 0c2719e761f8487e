"""A driver in a process of its own: `python -m tests.batch.driving JOBS OUT WORKERS`."""

import sys

from emotalk.batch import driver, read_jobs, run_jobs
from emotalk.batch.places import place_of
from emotalk.batch.pools import InlinePool, LocalPool
from tests.batch import doubles


def inline(base, *_):
    """The whole run in this process, as `tests.killing` forks it: `base` holds the list."""
    place = place_of(base / "out")
    run_jobs(read_jobs(base.parent / "jobs.jsonl", doubles.kinds()), place, InlinePool(place.address, doubles.TABLE))


def main() -> None:
    jobs, out, workers = sys.argv[1:]
    driver.TRIES = 99  # which job a kill hits is not drawn: one may be hit often
    place = place_of(out)
    pool = LocalPool(place.address, int(workers), threads=1, table=doubles.TABLE)
    report = run_jobs(read_jobs(jobs, doubles.kinds()), place, pool)
    print(report.made, report.already, len(report.failures), report.lost)


if __name__ == "__main__":
    main()
