"""Workers in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emotalk.batch import Renewal, pools, run_jobs
from emotalk.batch.making import memory_of
from emotalk.batch.places import place_of
from emotalk.batch.pools import LocalPool
from emotalk.batch.tasks import Limits
from scripts.soak.measure import eventually
from tests.batch import doubles

ROOT = Path(__file__).resolve().parents[2]


def lines(count, **options):
    return [{"kind": "echo", "say": f"word{i}", "out": f"{i}", **options} for i in range(count)]


def facts_of(result):
    return json.loads((result / "job.json").read_bytes())["facts"]


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
    assert facts_of(tmp_path / "out" / "4") == {"letters": 5, "threads": "3", "folder": os.getcwd()}
    (pid,) = pool.seen
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_names_are_meant_from_the_folder_that_it_is_given(tmp_path):
    pool = LocalPool(str(tmp_path / "out"), 1, 1, doubles.TABLE, folder=str(tmp_path))
    assert run_jobs(doubles.read(tmp_path / "jobs.jsonl", *lines(1)), place_of(tmp_path / "out"), pool).made == 1
    assert facts_of(tmp_path / "out" / "0")["folder"] == str(tmp_path)


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


class TestLimits:
    """A job that hangs is begun, leaves its mark, and never ends; only then the clock leaps, or memory grows."""

    @pytest.fixture
    def mark(self, tmp_path):
        return tmp_path / "mark"

    def run(self, tmp_path, mark, leap, limits=None, size=2):
        """A job that hangs, between others; `leap` is what the clock shows from its mark on."""
        place = place_of(tmp_path / "out")
        written = lines(5)
        written[1] = {"kind": "hang", "say": "hanging", "out": "hung", "mark": str(mark)}
        pool = LocalPool(place.address, size, 1, doubles.TABLE, clock=lambda: leap if mark.exists() else 0.0)
        jobs = doubles.read(tmp_path / "jobs.jsonl", *written)
        report = run_jobs(jobs, place, pool, limits=limits)
        assert (report.made, report.lost, report.ended) == (4, 0, 1)
        assert not (place.folder / "hung").exists()
        assert all(eventually(lambda pid=pid: ended(int(pid)), 60) for pid in mark.read_text().split())
        (failure,) = report.failures
        assert (failure.line, failure.tries, failure.kind) == (2, 1, "hang")
        # What it had done can be gone on with.
        assert [path.name for path in (place.folder / ".batch" / "work").glob("*/begun")] == ["begun"]
        return failure.sentence

    @pytest.mark.parametrize("size", [1, 2])
    def test_a_job_that_hangs_is_ended_with_all_it_started_and_the_others_go_on(self, tmp_path, mark, size):
        said = self.run(tmp_path, mark, 61.0, size=size)
        assert said.startswith("It was not done after 60 s, so its worker was ended. ")
        assert "--job-timeout" in said

    def test_no_clock_but_the_machines_is_needed(self, tmp_path, pool):
        written = lines(3)
        written[1] = {"kind": "stall", "say": "stalling", "out": "stalled", "mark": str(tmp_path / "mark")}
        report = run_jobs(doubles.read(tmp_path / "jobs.jsonl", *written), place_of(tmp_path / "out"), pool)
        assert (report.made, report.lost, report.ended) == (2, 0, 1)
        assert report.failures[0].sentence.startswith("It was not done after 0.2 s")

    def test_the_user_may_say_how_long_a_job_takes(self, tmp_path, mark):
        assert "not done after 12.5 s" in self.run(tmp_path, mark, 13.0, Limits(12.5))

    def test_one_that_takes_too_much_memory_is_ended_too(self, tmp_path, mark, monkeypatch):
        monkeypatch.setattr(pools, "memory_of", lambda pid: 5_000_000_000 if is_hung(pid, mark) else 1)
        # In a fresh worker, so that nothing of it is left from earlier jobs.
        said = self.run(tmp_path, mark, 2.0, Limits(seconds=0, memory=4_000_000_000))
        assert said.startswith("Its worker held 5,000 MB at work, more than 4,000, and was ended.")
        assert "--memory" in said

    def test_within_its_limits_a_job_is_left_alone(self, tmp_path, pool):
        report = run_jobs(
            doubles.read(tmp_path / "jobs.jsonl", *lines(3)), place_of(tmp_path / "out"), pool, limits=Limits(0, 0)
        )
        assert (report.made, report.ended, len(pool.seen)) == (3, 0, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a worker that hangs may outlive its driver")
def test_a_worker_that_hangs_ends_with_its_driver(tmp_path):
    mark = tmp_path / "mark"
    doubles.read(tmp_path / "jobs.jsonl", {"kind": "hang", "say": "hanging", "mark": str(mark)})
    order = [sys.executable, "-m", "tests.batch.driving", str(tmp_path / "jobs.jsonl"), str(tmp_path / "out"), "1"]
    driver = subprocess.Popen(order, cwd=ROOT)
    assert eventually(mark.exists, 60)
    worker, child = map(int, mark.read_text().split())
    os.kill(worker, signal.SIGSTOP)  # it hears of nothing any more
    driver.kill()
    driver.wait()
    assert eventually(lambda: ended(worker), 60)
    os.kill(child, signal.SIGKILL)


def test_the_memory_of_a_process_is_what_it_holds():
    before = memory_of(os.getpid())
    held = b"x" * 50_000_000
    assert memory_of(os.getpid()) - before > 0.8 * len(held)
    assert memory_of("self") > 10_000_000
    assert memory_of(2**30) == 0


def is_hung(pid: int, mark: Path) -> bool:
    return mark.exists() and str(pid) in mark.read_text().split()


def ended(pid: int) -> bool:
    """Whether a process has ended; one that nobody has asked for its status may still have its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
