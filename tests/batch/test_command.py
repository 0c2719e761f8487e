"""What `run_batch` makes of its options."""

import pytest

from emotalk.batch import command, run_batch
from emotalk.core.errors import InputError
from tests.batch import doubles


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"job_timeout": -1}, "seconds that a job may take must lie between 0"),
        ({"job_timeout": float("nan")}, "seconds that a job may take must be a number"),
        ({"job_timeout": "long"}, "seconds that a job may take must be a number"),
        ({"memory": 63}, "memory of a worker, in MB, must lie between 64"),
        ({"tasks": 0}, "number of jobs after which"),
        ({"threads": 0}, "number of threads"),
        ({"workers": 257}, "number of workers must lie between 1 and 256"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_before_the_list_is_read(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        run_batch(tmp_path / "gone.jsonl", tmp_path / "out", **options)


@pytest.mark.parametrize(
    ("options", "seconds", "megabytes"),
    [({}, None, 4096), ({"memory": 8192, "job_timeout": 90}, 90, 16384), ({"memory": 64, "job_timeout": 0}, 0, 2048)],
)
def test_at_work_a_worker_may_hold_twice_what_it_may_keep(tmp_path, monkeypatch, options, seconds, megabytes):
    seen = []

    def run(jobs, place, pool, renewal, progress, on_failure, limits):
        seen.append((renewal.memory >> 20, limits.seconds, limits.memory >> 20))

    monkeypatch.setattr(command, "read_jobs", lambda source: doubles.read(tmp_path / "jobs.jsonl", LINE))
    monkeypatch.setattr(command, "run_jobs", run)
    run_batch(tmp_path / "jobs.jsonl", tmp_path / "out", 1, **options)
    assert seen == [(options.get("memory", 2048), seconds, megabytes)]


LINE = {"kind": "echo", "say": "hello"}
