"""Workers of a Ray cluster, where Ray is installed (requirements-scale.txt)."""

import json
import os
import sys
import tempfile

import pytest

from emotalk.batch import Renewal, run_jobs
from emotalk.batch.places import place_of
from emotalk.batch.pools import LocalPool
from emotalk.batch.ray_pool import RayPool
from emotalk.core.errors import InputError
from tests.batch import doubles


def test_without_ray_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install -r requirements-scale\.txt"):
        RayPool(str(tmp_path))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", ":7", "127.0.0.1:x", "127.0.0.1:99999"])
def test_a_cluster_that_is_not_there_is_a_sentence_at_once(tmp_path, monkeypatch, address):
    monkeypatch.setattr("emotalk.batch.ray_pool._ray", lambda: None)
    with pytest.raises(InputError, match=r"cannot be reached .* start one with `ray start --head`"):
        RayPool(str(tmp_path), address)


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one node with two cores, for this file alone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-scale.txt")
    # Its sockets lie below, and their names must be short.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


class KeptPool(RayPool):
    """One that leaves the cluster to the next test."""

    def close(self):
        self.end_actors()


def lines(count, **options):
    return [{"kind": "echo", "say": f"word{i}", "out": f"{i}", **options} for i in range(count)]


@pytest.mark.slow
def test_actors_make_the_same_bytes_as_processes(tmp_path, cluster):
    jobs = doubles.read(tmp_path / "jobs.jsonl", *lines(6))
    near, far = (place_of(tmp_path / name) for name in ("near", "far"))
    assert run_jobs(jobs, near, LocalPool(near.address, 2, 1, doubles.TABLE)).made == 6
    pool = KeptPool(far.address, cluster, 2, 1, doubles.TABLE)
    assert pool.size == 2
    report = run_jobs(jobs, far, pool, Renewal(tasks=2))
    assert (report.made, report.lost) == (6, 0)
    assert report.renewed >= 2
    assert doubles.contents(near.folder) == doubles.contents(far.folder)
    assert run_jobs(jobs, far, KeptPool(far.address, cluster, 2, 1, doubles.TABLE)).already == 6


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_names_are_meant_from_where_the_driver_runs_if_that_is_there(tmp_path, monkeypatch, cluster, there):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    place = place_of(tmp_path / "out")
    jobs = doubles.read(tmp_path / "jobs.jsonl", *lines(1))
    pool = KeptPool(place.address, cluster, 1, 1, doubles.TABLE)
    if not there:
        (tmp_path / "project").rmdir()
    assert run_jobs(jobs, place, pool).made == 1
    facts = json.loads((tmp_path / "out" / "0" / "job.json").read_bytes())["facts"]
    assert (facts["folder"] == str(tmp_path / "project")) is there


@pytest.mark.slow
def test_a_job_that_ends_its_actor_fails_and_the_others_go_on(tmp_path, cluster):
    written = lines(3)
    written[1]["fail"] = "dies"
    place = place_of(tmp_path / "out")
    jobs = doubles.read(tmp_path / "jobs.jsonl", *written)
    report = run_jobs(jobs, place, KeptPool(place.address, cluster, 1, 1, doubles.TABLE))
    assert (report.made, report.lost) == (2, 3)
    assert report.failures[0].sentence.startswith("Its worker was ended by signal 9 each of the 3 times")


@pytest.mark.slow
def test_a_job_that_hangs_is_ended_where_it_is_made_and_the_others_go_on(tmp_path, cluster):
    written = lines(4)
    written[1] = {"kind": "stall", "say": "stalling", "out": "stalled", "mark": str(tmp_path / "mark")}
    place = place_of(tmp_path / "out")
    jobs = doubles.read(tmp_path / "jobs.jsonl", *written)
    report = run_jobs(jobs, place, KeptPool(place.address, cluster, 1, 1, doubles.TABLE))
    assert (report.made, report.lost, report.ended) == (3, 0, 1)
    assert report.failures[0].sentence.startswith("It was not done after 0.2 s, so its worker was ended.")


@pytest.mark.slow
def test_a_job_whose_actor_is_killed_is_given_to_another(tmp_path, cluster):
    written = lines(3)
    written[1]["fail"] = "kills its actor"
    place = place_of(tmp_path / "out")
    jobs = doubles.read(tmp_path / "jobs.jsonl", *written)
    report = run_jobs(jobs, place, KeptPool(place.address, cluster, 1, 1, doubles.TABLE))
    assert (report.made, report.lost) == (2, 3)
    assert report.failures[0].sentence.startswith("Its worker was lost each of the 3 times")
