"""What a run makes, what it leaves as it is, and what it tells."""

import itertools
import json

import fsspec
import pytest

from emotalk.batch import BatchProgress, Renewal, run_jobs
from emotalk.batch.driver import TRIES
from emotalk.batch.kinds import LONGEST
from emotalk.batch.places import place_of
from emotalk.batch.pools import InlinePool
from emotalk.batch.tasks import MEMORY, MOST_MEMORY, TIME, Answer, Limits
from emotalk.core.errors import InputError
from tests.batch import doubles

FRESH = itertools.count()


@pytest.fixture(params=["local", "memory"])
def out(request, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "cache"))
    return str(tmp_path / "out") if request.param == "local" else f"memory://driver{next(FRESH)}"


def run(jobs, out, **options):
    place = place_of(out)
    return run_jobs(jobs, place, InlinePool(place.address, doubles.TABLE), **options)


def report_of(out):
    system, root = fsspec.core.url_to_fs(str(out))
    return json.loads(system.cat_file(f"{root}/report.json"))


def lines(ledger, count=4, **options):
    return [{"kind": "echo", "say": f"word{i}", "out": f"deep/{i}", "ledger": str(ledger), **options}
            for i in range(count)]  # fmt: skip


def test_a_second_run_makes_nothing_and_changes_no_byte(tmp_path, out):
    ledger = tmp_path / "ledger"
    jobs = doubles.read(tmp_path / "jobs.jsonl", *lines(ledger))
    system, root = fsspec.core.url_to_fs(out)
    first = run(jobs, out)
    assert (first.made, first.already, first.failures) == (4, 0, ())
    before = {path: system.cat_file(path) for path in system.find(root) if "report.json" not in path}
    second = run(jobs, out)
    assert (second.made, second.already, second.failures) == (0, 4, ())
    assert before == {path: system.cat_file(path) for path in system.find(root) if "report.json" not in path}
    assert len(ledger.read_text().splitlines()) == 4
    assert report_of(out)["sentence"].startswith("Of 4 jobs 0 made, 4 there before")


def test_what_changed_is_made_anew_and_nothing_else(tmp_path, out):
    sound, ledger = tmp_path / "a.wav", tmp_path / "ledger"
    sound.write_bytes(b"one")
    written = [*lines(ledger, 2), {"kind": "echo", "say": "heard", "out": "heard", "file": str(sound),
                                   "ledger": str(ledger)}]  # fmt: skip
    path = tmp_path / "jobs.jsonl"
    run(doubles.read(path, *written), out)
    sound.write_bytes(b"other")
    assert run(doubles.read(path, *written), out).made == 1
    written[0]["times"] = 2
    assert run(doubles.read(path, *reversed(written)), out).made == 1
    system, root = fsspec.core.url_to_fs(out)
    assert system.cat_file(f"{root}/deep/0/said.txt") == b"word0word0"
    assert system.cat_file(f"{root}/heard/deep/heard.bin") == b"other"
    assert ledger.read_text().splitlines() == ["word0", "word1", "heard", "heard", "word0"]


def test_files_from_elsewhere_are_fetched(tmp_path, out):
    store = fsspec.filesystem("memory")
    store.pipe_file("/inputs/a.wav", b"far away")
    written = {"kind": "echo", "say": "heard", "out": "heard", "file": "memory://inputs/a.wav"}
    jobs = doubles.read(tmp_path / "jobs.jsonl", written)
    assert [run(jobs, out).made, run(jobs, out).made] == [1, 0]
    store.pipe_file("/inputs/a.wav", b"farther away")
    assert run(jobs, out).made == 1
    system, root = fsspec.core.url_to_fs(out)
    assert system.cat_file(f"{root}/heard/deep/heard.bin") == b"farther away"
    store.rm("/inputs/a.wav")
    (failure,) = run(jobs, out).failures
    assert "There is no file 'memory://inputs/a.wav'" in failure.sentence


def test_failures_are_told_in_a_sentence_each_and_the_others_go_on(tmp_path, out):
    ledger = tmp_path / "ledger"
    written = lines(ledger)
    written[1]["fail"], written[2]["fail"] = "refused", "mistake"
    jobs, heard = doubles.read(tmp_path / "jobs.jsonl", *written), []
    report = run(jobs, out, on_failure=heard.append)
    assert (report.made, len(report.failures), heard) == (2, 2, list(report.failures))
    refused, mistake = report_of(out)["failures"]
    assert (refused["line"], refused["out"], refused["detail"]) == (2, "deep/1", "")
    assert refused["sentence"] == "It cannot be said like that."
    assert mistake["sentence"] == "Something unexpected went wrong (ZeroDivisionError: by nothing)."
    assert 'raise ZeroDivisionError("by nothing")' in mistake["detail"]
    again = run(jobs, out)
    assert (again.made, again.already, len(again.failures)) == (0, 2, 2)
    assert ledger.read_text().splitlines().count("word1") == 2


def test_a_file_that_goes_between_check_and_job_fails_that_job_alone(tmp_path):
    sound = tmp_path / "a.wav"
    sound.write_bytes(b"one")
    written = {"kind": "echo", "say": "heard", "out": "heard", "file": str(sound)}
    jobs = doubles.read(tmp_path / "jobs.jsonl", written, *lines(tmp_path / "ledger", 1))
    sound.unlink()
    report = run(jobs, tmp_path / "out")
    assert report.made == 1
    assert "cannot be read any more" in report.failures[0].sentence


def test_nothing_is_begun_where_something_else_lies_in_a_results_place(tmp_path):
    ledger, mine = tmp_path / "ledger", tmp_path / "out" / "deep" / "2"
    mine.mkdir(parents=True)
    (mine / "notes.txt").write_text("mine")
    jobs = doubles.read(tmp_path / "jobs.jsonl", *lines(ledger))
    with pytest.raises(InputError, match=r"Line 3: .* holds other files \(notes.txt\)"):
        run(jobs, tmp_path / "out")
    assert not ledger.exists()
    with place_of(tmp_path / "out").held(), pytest.raises(InputError, match="Another batch"):
        run(jobs, tmp_path / "out")


def test_progress_counts_and_tells_rate_and_time_left(tmp_path):
    news: list[BatchProgress] = []
    jobs = doubles.read(tmp_path / "jobs.jsonl", *lines(tmp_path / "ledger"))
    run(jobs[:1], tmp_path / "out")
    run(jobs, tmp_path / "out", progress=news.append)
    assert [(told.done, told.total, told.already, told.made) for told in news] == [
        (1, 4, 1, 0), (2, 4, 1, 1), (3, 4, 1, 2), (4, 4, 1, 3)
    ]  # fmt: skip
    assert news[0].remaining is None
    told = BatchProgress("jobs", 12, 200, 120.0, 1800.0, made=9, already=2, failed=1)
    assert told.line == "12 of 200 jobs, 1 failed, 5 a minute, 30:00 left"


class TestWorkers:
    """What the driver does with workers that end, grow or stay."""

    def run(self, tmp_path, answer, size=1, count=4, renewal=None, limits=None):
        tmp_path.mkdir(exist_ok=True)
        pool = doubles.ScriptedPool(answer, size)
        jobs = doubles.read(tmp_path / "jobs.jsonl", *lines(tmp_path / "ledger", count))
        return run_jobs(jobs, place_of(tmp_path / "out"), pool, renewal, limits=limits), pool

    def test_a_job_whose_worker_is_lost_is_given_to_another_a_few_times(self, tmp_path):
        tries = {}

        def answer(task):
            tries[task.index] = tries.get(task.index, 0) + 1
            if task.index == 1 or (task.index == 2 and tries[2] < TRIES):
                return Answer(task.index, error="was ended by signal 9", detail="its last words", lost=True)
            return Answer(task.index, {})

        report, pool = self.run(tmp_path, answer, size=2)
        assert (report.made, report.lost) == (3, 2 * TRIES - 1)
        (failure,) = report.failures
        assert (failure.line, failure.tries, failure.detail) == (2, TRIES, "its last words")
        assert "was ended by signal 9 each of the 3 times" in failure.sentence
        assert tries == {0: 1, 1: TRIES, 2: TRIES, 3: 1}
        assert pool.closed

    def test_a_worker_is_renewed_when_it_holds_too_much_or_has_made_enough(self, tmp_path):
        def answer(task):
            return Answer(task.index, {}, memory=2000 if task.index == 3 else 900)

        report, pool = self.run(tmp_path, answer, count=8, renewal=Renewal(memory=1000, tasks=3))
        # After the third, after the fourth for its memory, and three later.
        assert [len(pool.renewed), report.renewed, report.memory] == [3, 3, 2000]
        assert report.made == 8

    def test_a_job_over_its_memory_is_begun_once_more_only_where_its_worker_was_not_fresh(self, tmp_path):
        tries = []

        def answer(task):
            tries.append(task.index)
            if task.index in (0, 2):
                return Answer(task.index, error="Its worker held too much.", memory=9000, ended=MEMORY)
            return Answer(task.index, {}, memory=900)

        report, pool = self.run(tmp_path, answer, renewal=Renewal(memory=1000))
        # The first had a fresh worker; what the third held may have been left from the second.
        assert tries == [0, 1, 2, 2, 3]
        assert (report.made, report.ended, report.lost, report.renewed, report.memory) == (2, 3, 0, 0, 9000)
        assert [(failure.line, failure.tries) for failure in report.failures] == [(1, 1), (3, 2)]
        assert pool.renewed == []

    def test_a_job_that_took_too_long_is_not_begun_again(self, tmp_path):
        def answer(task):
            return Answer(task.index, error="It was not done.", ended=TIME) if task.index == 1 else Answer(0, {})

        report, pool = self.run(tmp_path, answer)
        assert [out for _, out in pool.given] == [f"deep/{i}" for i in range(4)]
        assert (report.ended, report.failures[0].sentence) == (1, "It was not done.")

    def test_every_task_knows_what_it_may_take(self, tmp_path):
        seen = []

        def answer(task):
            seen.append((task.seconds, task.memory))
            return Answer(task.index, {})

        for limits in (None, Limits(7.5, 8), Limits(0, 0)):
            self.run(tmp_path / str(len(seen)), answer, count=1, limits=limits)
        assert seen == [(LONGEST, MOST_MEMORY), (7.5, 8), (None, None)]

    def test_what_is_not_done_when_it_is_stopped_is_left_in_the_report(self, tmp_path):
        def answer(task):
            if task.index == 2:
                raise KeyboardInterrupt
            return Answer(task.index, {})

        with pytest.raises(KeyboardInterrupt):
            self.run(tmp_path, answer)
        told = report_of(tmp_path / "out")
        assert told["stopped"] is True
        assert told["sentence"].startswith("Of 4 jobs 2 made, 2 left")
