"""Workers in processes of their own."""

import json
import os

import pytest

from emotalk.batch import Renewal, run_jobs
from emotalk.batch.places import place_of
from emotalk.batch.pools import LocalPool
from tests.batch import doubles


def lines(count, **options):
    return [{"kind": "echo", "say": f"word{i}", "out": f"{i}", **options} for i in range(count)]


class Watched(LocalPool):
    """A pool that remembers which processes it has had."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.seen = set()

    def give(self, worker, task):
        super().give(worker, task)
        self.seen.add(self.pids()[worker])


@pytest.fixture
def pool(tmp_path):
    return Watched(str(tmp_path / "out"), 1, threads=3, table=doubles.TABLE)


def test_a_worker_stays_from_job_to_job_and_has_its_share_of_threads(tmp_path, pool):
    report = run_jobs(doubles.read(tmp_path / "jobs.jsonl", *lines(5)), place_of(tmp_path / "out"), pool)
    assert (report.made, len(pool.seen)) == (5, 1)
    assert report.memory > 1 << 20
    assert json.loads((tmp_path / "out" / "4" / "job.json").read_bytes())["facts"] == {"letters": 5, "threads": "3"}
    (pid,) = pool.seen
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_that_has_made_enough_is_renewed(tmp_path, pool):
    jobs = doubles.read(tmp_path / "jobs.jsonl", *lines(5))
    report = run_jobs(jobs, place_of(tmp_path / "out"), pool, Renewal(tasks=2))
    assert (report.made, report.renewed, report.lost, len(pool.seen)) == (5, 2, 0, 3)


def test_one_that_holds_too_much_is_too(tmp_path, pool):
    jobs = doubles.read(tmp_path / "jobs.jsonl", *lines(3))
    report = run_jobs(jobs, place_of(tmp_path / "out"), pool, Renewal(memory=1))
    assert (report.made, report.renewed, len(pool.seen)) == (3, 3, 3)


def test_a_job_that_ends_its_worker_fails_and_the_others_go_on(tmp_path, pool):
    written = lines(3)
    written[1]["fail"] = "dies"
    report = run_jobs(doubles.read(tmp_path / "jobs.jsonl", *written), place_of(tmp_path / "out"), pool)
    assert (report.made, report.lost, len(pool.seen)) == (2, 3, 3 + 1)
    assert report.failures[0].sentence.startswith("Its worker was ended by signal 9 each of the 3 times")


def test_the_last_words_of_a_worker_that_cannot_begin_are_kept(tmp_path):
    pool = LocalPool(str(tmp_path / "out"), 1, threads=1, table="tests.batch.nowhere:kinds")
    report = run_jobs(doubles.read(tmp_path / "jobs.jsonl", *lines(1)), place_of(tmp_path / "out"), pool)
    assert "ended with status 1 each of the 3 times" in report.failures[0].sentence
    assert "No module named 'tests.batch.nowhere'" in report.failures[0].detail
