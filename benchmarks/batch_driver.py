"""A run over a list of jobs in a process of its own, which tells after every job how many are done (benchmarks.batch).

python -m benchmarks.batch_driver JOBS OUT WORKERS THREADS [RAY-ADDRESS]
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from emotalk.batch import driver, read_jobs, run_jobs
from emotalk.batch.places import place_of
from emotalk.batch.pools import LocalPool


def main() -> None:
    """Make the jobs; the last line on standard output is the report as JSON."""
    jobs, out, workers, threads, *ray = sys.argv[1:]
    driver.TRIES = 99  # a kill may hit one job several times
    place, listed = place_of(out), read_jobs(jobs)
    if ray:
        from emotalk.batch.ray_pool import RayPool

        pool = RayPool(place.address, ray[0], int(workers), int(threads))
    else:
        pool = LocalPool(place.address, int(workers), int(threads))
    report = run_jobs(listed, place, pool, progress=lambda news: print(news.done, flush=True))
    print(json.dumps(asdict(report)), flush=True)


if __name__ == "__main__":
    main()
