"""The folders in which avatars are made: what is a run's own, and what is somebody else's and stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from emotalk.core.errors import InputError
from emotalk.create.workplace import JOB, LOCK, PORTRAIT, discard, photo_folder, sweep, workplace


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "avatars"


def left(base: Path, name: str, *entries: str) -> Path:
    """A work folder as a killed run leaves it, with its lock."""
    work = base / f".{name}.work"
    for entry in (LOCK, *entries):
        file = work / entry
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a person")
    return work


def contents(base: Path) -> set[str]:
    return {str(path.relative_to(base)) for path in base.rglob("*")}


@pytest.mark.parametrize(
    "entries",
    [
        (),
        ("track/frame",),
        (f"{PORTRAIT}/track/frame",),
        ("track/frame", "fit/state"),
        (".job.json.0123456789ab.part",),
    ],
)
def test_what_killed_runs_left_and_nobody_can_go_on_with_goes(base: Path, entries: tuple[str, ...]) -> None:
    left(base, "anna-b", *entries)
    sweep(base)
    assert contents(base) == set()


def test_of_a_video_that_can_be_gone_on_with_only_the_photo_s_part_goes(base: Path) -> None:
    left(base, "anna", JOB, "track/frame", "fit/state", f"{PORTRAIT}/track/frame")
    left(base, "kofi", JOB, "track/frame")
    before = contents(base)
    sweep(base)
    assert contents(base) == {path for path in before if PORTRAIT not in path}


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("Anna", (LOCK,)), ("my notes", (LOCK, "track/a")), ("a_b", (LOCK,)), ("", (LOCK,)), ("ä", (LOCK,)),
        ("letters", ()), ("letters", ("track/a",)), ("letters", ("a.txt",)), ("letters", (LOCK, "a.txt")),
        ("letters", (LOCK, "track/a", "Track/b")), ("letters", (f"{LOCK}/a",)), ("letters", (PORTRAIT,)),
        ("letters", (LOCK, JOB, "a.txt", f"{PORTRAIT}/a")),
    ],
)  # fmt: skip
def test_a_folder_of_somebody_else_stays_as_it_is(base: Path, name: str, entries: tuple[str, ...]) -> None:
    work = base / f".{name}.work"
    work.mkdir(parents=True)
    for entry in entries:
        (work / entry).parent.mkdir(exist_ok=True)
        (work / entry).write_text("my own")
    before = contents(base)
    sweep(base)
    assert contents(base) == before  # no lock was put into it either


def test_links_and_files_are_no_work_folders(base: Path, tmp_path: Path) -> None:
    elsewhere = left(tmp_path / "elsewhere", "mine", "track/frame")
    base.mkdir()
    (base / ".linked.work").symlink_to(elsewhere)
    (base / ".file.work").write_text("my own")
    locked = base / ".locked.work"
    locked.mkdir()
    (locked / LOCK).symlink_to(tmp_path / "absent")
    sweep(base)
    discard("linked", base)
    assert sorted(path.name for path in base.iterdir()) == [".file.work", ".linked.work", ".locked.work"]
    assert (elsewhere / "track" / "frame").is_file()
    assert not (tmp_path / "absent").exists()


def test_what_a_run_holds_is_neither_swept_nor_discarded(base: Path) -> None:
    work = left(base, "anna", "track/frame")
    before = contents(base)
    with FileLock(work / LOCK):
        sweep(base)
        discard("Anna", base)
        assert contents(base) == before
    discard("Anna", base)
    assert contents(base) == set()


def test_discarding_what_there_is_not_makes_nothing(base: Path) -> None:
    discard("Anna", base)
    base.mkdir()
    discard("Anna", base)
    assert contents(base) == set()


@pytest.mark.parametrize("error", [InputError("No."), KeyboardInterrupt()])
def test_the_part_of_a_photo_goes_however_its_run_ends(base: Path, error: BaseException) -> None:
    def run() -> None:
        with workplace(base, "anna") as work, photo_folder(work) as own:
            (own / "frame").write_text("a person")
            raise error

    with pytest.raises(type(error)):
        run()
    assert contents(base) == set()


def test_a_photo_works_beside_what_was_there(base: Path) -> None:
    left(base, "anna", JOB, "track/frame", f"{PORTRAIT}/old")
    left(base, "kofi", "letter.txt")
    before = contents(base) - {f".anna.work/{PORTRAIT}/old", f".anna.work/{PORTRAIT}"}
    for name in ("anna", "kofi"):
        with workplace(base, name) as work, photo_folder(work) as own:
            assert list(own.iterdir()) == []
            (own / "frame").write_text("a person")
    assert contents(base) == before
