"""A run that is killed at any moment, driver or worker, goes on from there: nothing is lost, nothing is there twice."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emotalk.batch import run_jobs
from emotalk.batch.places import place_of
from emotalk.batch.pools import InlinePool
from tests.batch import doubles
from tests.killing import Forks

ROOT = Path(__file__).resolve().parents[2]
JOBS = 30


def written(**options):
    """A list of both kinds; the file that they hear has to be there."""
    return [
        {"kind": "steps" if i % 3 == 0 else "echo", "say": f"word{i}", "out": f"{i % 4}/{i}", **options}
        for i in range(JOBS)
    ]  # fmt: skip


@pytest.fixture
def undisturbed(tmp_path, monkeypatch):
    """What a run that nobody kills makes of a list."""

    monkeypatch.setenv("EMOTALK_THREADS", "1")  # as in a worker: the jobs note it

    def make(lines):
        place = place_of(tmp_path / "undisturbed")
        jobs = doubles.read(tmp_path / "undisturbed.jsonl", *lines)
        report = run_jobs(jobs, place, InlinePool(place.address, doubles.TABLE))
        assert report.made == JOBS
        return doubles.contents(place.folder)

    return make


def test_killed_before_drawn_changes_of_files_it_ends_as_if_nothing_had_been(tmp_path, undisturbed):
    """Each fork is driver and worker in one; a seed draws before which change to the files it is killed."""
    base, chance = tmp_path / "base", random.Random(20)
    base.mkdir()
    doubles.read(tmp_path / "jobs.jsonl", *written())
    kills = 0
    with Forks("tests.batch.driving:inline", base) as forks:
        while kills < 20:
            kills += forks.run(kill_before=chance.randint(1, 60))
            there = doubles.contents(base / "out") if (base / "out").exists() else {}
            assert not any(data == b"torn" for name, data in there.items() if "/." not in f"/{name}")
        assert not forks.run(kill_before=0)
        assert doubles.contents(base / "out") == undisturbed(written())
        assert not forks.run(kill_before=0)
    assert json.loads((base / "out" / "report.json").read_bytes())["already"] == JOBS
    assert sorted(path.name for path in (base / "out" / ".batch").iterdir()) == ["lock", "work"]
    assert list((base / "out" / ".batch" / "work").iterdir()) == []


@pytest.mark.slow
def test_workers_and_drivers_killed_at_drawn_jobs_lose_and_double_nothing(tmp_path, undisturbed):
    """Twenty kills at drawn counts of begun pieces of work: of a worker while the driver goes on, or of the driver,
    with whom its workers end."""
    chance, ledger = random.Random(7), tmp_path / "ledger"
    lines = written(ledger=str(ledger))
    pieces = sum(3 if line["kind"] == "steps" else 1 for line in lines)
    at = sorted(chance.sample(range(2, pieces), 20))
    kills = {count: doubles.DRIVER if chance.random() < 0.3 else doubles.WORKER for count in at}
    ledger.with_suffix(".json").write_text(json.dumps(kills))
    doubles.read(tmp_path / "jobs.jsonl", *lines)
    order = [sys.executable, "-m", "tests.batch.driving", str(tmp_path / "jobs.jsonl"), str(tmp_path / "out"), "2"]
    statuses = []
    for _ in range(21):
        done = subprocess.run(order, cwd=ROOT, capture_output=True, text=True, check=False)
        statuses.append(done.returncode)
        if done.returncode == 0:
            made, already, failed, _ = map(int, done.stdout.split())
            assert (made + already, failed) == (JOBS, 0), done.stdout
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    drivers = list(kills.values()).count(doubles.DRIVER)
    assert 0 < drivers < 20
    assert statuses == [-signal.SIGKILL] * drivers + [0]
    # A kill costs the piece that its worker had begun, a driver's those of both workers; nothing else is done twice.
    begun = len(ledger.read_text().splitlines())
    assert pieces <= begun <= pieces + 20 + 2 * drivers
    ledger.unlink()
    ledger.with_suffix(".json").unlink()
    assert doubles.contents(tmp_path / "out") == undisturbed(lines)
