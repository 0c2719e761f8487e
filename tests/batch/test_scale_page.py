"""docs/scale.md does what it says: its list is read, its Python runs."""

import inspect
import json
import re
import shutil
from pathlib import Path

import pytest

from emotalk.batch import BatchProgress, read_jobs, run_batch
from emotalk.batch.command import LEAST_AT_WORK
from emotalk.batch.driver import FRESH_TASKS
from emotalk.batch.jobs import MOST_JOBS
from emotalk.batch.kinds import KEPT_STUDIOS, LONGEST, known_kinds
from emotalk.batch.report import BatchReport, Failure

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
LIST, REPORT, PROGRAM = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("jsonl", "json", "python"))
PHOTO = Path(__file__).resolve().parents[2] / "checkpoints" / "avatars" / "mira" / "thumbnail.jpg"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that its list names; what is in sounds and videos is not looked at before their jobs."""
    monkeypatch.chdir(tmp_path)
    for name in ("speech.wav", "me.mp4"):
        (tmp_path / name).write_bytes(b"sound")
    shutil.copy(PHOTO, tmp_path / "me.jpg")
    (tmp_path / "speech.txt").write_text("Hello.")
    (tmp_path / "curve.json").write_text('{"keys": [{"time": 0, "valence": 0.5, "arousal": 0.2}]}')
    (tmp_path / "cellar.txt").write_text("Mira: Hi.\nKofi: Ho.\n")
    (tmp_path / "jobs.jsonl").write_text(LIST)
    return tmp_path


def test_its_list_is_read_and_has_every_kind(folder):
    jobs = read_jobs("jobs.jsonl")
    assert len(jobs) == len(LIST.splitlines())
    assert {job.kind for job in jobs} == set(known_kinds())
    assert all(f"| `{kind}` |" in PAGE for kind in known_kinds())


def test_its_report_has_the_words_and_names_of_a_real_one():
    told = json.loads(REPORT)
    failure = told["failures"][0]
    real = json.loads(BatchReport(200, 198, 1, (Failure(**failure),), 212.0).to_json())
    assert real["sentence"] == told["sentence"]
    assert failure.items() <= real["failures"][0].items()
    progress = BatchProgress("jobs", 12, 200, 120.0, 1800.0, made=9, already=2, failed=1)
    assert progress.line in PAGE.replace("\n", " ")
    assert f"{MOST_JOBS:,} lines" in PAGE


def test_its_limits_are_those_of_the_program():
    words = " ".join(PAGE.split())
    assert f"It counts as hung after {LONGEST / 3600:.0f} hours, a `portrait` after one" in words
    assert {name: kind.seconds for name, kind in known_kinds().items() if kind.seconds != LONGEST} == {"portrait": 3600}
    kept = inspect.signature(run_batch).parameters["memory"].default
    assert f"more than `--memory` ({kept}) MB" in words
    assert f"it may hold twice that, {2 * kept} MB, and always {LEAST_AT_WORK}" in words
    assert f"after `--renew` ({FRESH_TASKS}) jobs" in words
    assert KEPT_STUDIOS == 2
    assert "A worker keeps two sets of models" in words


@pytest.mark.slow
def test_its_program_makes_what_can_be_made(folder, capsys):
    (folder / "jobs.jsonl").write_text("\n".join(LIST.replace("256", "64").splitlines()[:3]))
    exec(compile(PROGRAM, "docs/scale.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"Of 3 jobs 2 made, 1 failed in \d+ s\.", said[0])
    assert re.match(r"3 speech-[0-9a-f]{8} ", said[1])  # whose sound is none
    assert {path.name for path in (folder / "results" / "en" / "lesson-1").iterdir()} == {
        "job.json", "talk.mp4", "talk.srt"
    }  # fmt: skip
