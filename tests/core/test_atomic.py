"""Files and folders are whole: the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from emotalk.core import atomic

ROOT = Path(__file__).resolve().parents[2]
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_when_the_block_has_ended_and_not_before(tmp_path):
    path = tmp_path / "made" / "on the way" / "x.bin"
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["x.bin"]


def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(b"half of the n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]


def test_a_writer_that_is_killed_half_way_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    code = (
        "import os, sys\nfrom emotalk.core import atomic\n"
        "with atomic.replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(b'half of the n')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, check=False).returncode == -9
    assert path.read_bytes() == b"old"
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["x.bin"]


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path, steps = tmp_path / "x.bin", []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor):
        steps.append(("fsync", os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))
        fsync(descriptor)

    def moved(source, target):
        steps.append(("move", os.stat(source).st_ino, os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", moved)
    atomic.write_bytes(path, b"12345")
    inode = path.stat().st_ino
    assert steps[:2] == [("fsync", inode, 5), ("move", inode, 5)]
    if os.name != "nt":  # and then the name is
        assert [step[:2] for step in steps[2:]] == [("fsync", tmp_path.stat().st_ino)]
    steps.clear()
    atomic.write_bytes(path, b"1234567", flush=False)
    assert [step for step, *_ in steps] == ["move"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    atomic.write_text(tmp_path / "x.txt", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_text(tmp_path / "x.txt", "new")
    assert (tmp_path / "x.txt").read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


@POSIX
@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600)])
def test_everybody_may_read_unless_the_umask_says_otherwise(tmp_path, umask, expected):
    def by_a_library(temporary: Path) -> None:  # as safetensors does
        temporary.unlink()
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))

    before = os.umask(umask)
    try:
        atomic.write_bytes(tmp_path / "plain", b"x")
        with atomic.replacing(tmp_path / "own") as temporary:
            by_a_library(temporary)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("plain", "own")] == [expected, expected]


def test_of_writers_at_once_one_wins_whole(tmp_path):
    path, start = tmp_path / "x.bin", threading.Barrier(8)
    contents = [bytes([letter]) * 200_000 for letter in b"abcdefgh"]

    def write(content: bytes) -> None:
        start.wait()
        for _ in range(5):
            atomic.write_bytes(path, content, flush=False)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            assert path.read_bytes() in contents
    assert path.read_bytes() in contents
    assert names(tmp_path) == ["x.bin"]


def test_a_name_as_long_as_file_systems_allow_can_be_written(tmp_path):
    path = tmp_path / ("ü" * 120 + ".txt")
    atomic.write_text(path, "here")
    assert path.read_text() == "here"


def test_json_is_written_as_json_or_not_at_all(tmp_path):
    path = tmp_path / "x.json"
    atomic.write_json(path, {"name": "Zoë", "numbers": [1, 2.5]})
    assert json.loads(path.read_text("utf-8")) == {"name": "Zoë", "numbers": [1, 2.5]}
    assert path.read_bytes().endswith(b"}\n")
    with pytest.raises(TypeError):
        atomic.write_json(path, {"x": object()})
    assert json.loads(path.read_text("utf-8"))["name"] == "Zoë"
    assert names(tmp_path) == ["x.json"]


def test_a_folder_takes_the_place_of_the_old_one_as_a_whole(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    with atomic.replacing_folder(folder) as work:
        (work / "new").write_bytes(b"new")
        assert names(folder) == ["old"]
    assert names(folder) == ["new"]
    assert names(tmp_path) == ["x"]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")

    def write_half() -> None:
        with atomic.replacing_folder(folder) as work:
            (work / "new").write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert names(folder) == ["old"]
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_move_that_fails_leaves_the_old_folder(tmp_path, monkeypatch, failing):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    rename, moves = Path.rename, []

    def sometimes(path, target):
        moves.append(path)
        if len(moves) == failing:
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", sometimes)
    with pytest.raises(OSError, match="denied"), atomic.replacing_folder(folder) as work:
        (work / "new").write_bytes(b"new")
    assert names(folder) == ["old"]
    assert names(tmp_path) == ["x"]


def test_a_folder_set_aside_by_a_killed_writer_comes_back(tmp_path):
    (tmp_path / ".x.previous").mkdir()
    (tmp_path / ".x.previous" / "old").write_bytes(b"old")
    assert atomic.set_aside(tmp_path) == [tmp_path / "x"]
    atomic.recover_folder(tmp_path / "x")
    assert names(tmp_path / "x") == ["old"]
    assert atomic.set_aside(tmp_path) == []


def test_a_folder_that_came_meanwhile_is_kept_where_that_is_wanted(tmp_path):
    folder = tmp_path / "x"
    with atomic.replacing_folder(folder, keep=True) as work:
        (work / "ours").write_bytes(b"")
        folder.mkdir()
        (folder / "theirs").write_bytes(b"")
    assert names(folder) == ["theirs"]
    assert names(tmp_path) == ["x"]
    with atomic.replacing_folder(tmp_path / "y", keep=True) as work:
        (work / "ours").write_bytes(b"")
    assert names(tmp_path / "y") == ["ours"]


def test_what_was_set_aside_goes_where_the_new_folder_is_in_place(tmp_path):
    for name in ("x", ".x.previous"):
        (tmp_path / name).mkdir()
    atomic.recover_folder(tmp_path / "x")
    assert names(tmp_path) == ["x"]


@POSIX
def test_a_folder_and_its_name_are_on_the_disk_when_it_is_told_to_be_there(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    with atomic.replacing_folder(tmp_path / "x") as work:
        (work / "sub").mkdir()
        (work / "sub" / "file").write_bytes(b"x")
    wanted = [tmp_path / "x" / "sub" / "file", tmp_path / "x" / "sub", tmp_path / "x", tmp_path]
    inodes = [path.stat().st_ino for path in wanted]
    assert set(inodes) == set(flushed)
    assert flushed[-1] == inodes[-1]  # after the move


def test_a_folder_that_cannot_be_flushed_is_no_error_once_the_file_is_there(tmp_path, monkeypatch):
    fsync = os.fsync

    def files_only(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    atomic.write_text(tmp_path / "x.txt", "there")
    assert names(tmp_path) == ["x.txt"]


def test_what_killed_writers_left_is_swept_when_it_is_old(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom emotalk.core import atomic\n"
        "base = Path(sys.argv[1])\n"
        "with atomic.replacing(base / 'deep' / 'x.bin') as one, atomic.replacing_folder(base / 'avatar') as two:\n"
        "    one.write_bytes(b'half')\n    (two / 'half').write_bytes(b'x')\n    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, check=False)
    for kept in (".notes.part", ".x.bin.part", ".me.work", ".avatar.new-mine", ".x.previous"):
        (tmp_path / kept).mkdir()
    now = max(path.stat().st_mtime for path in tmp_path.rglob("*"))
    assert atomic.sweep_unfinished(tmp_path, 3600, now + 3000) == []
    gone = atomic.sweep_unfinished(tmp_path, 3600, now + 4000)
    assert sorted(path.name.split(".")[1] for path in gone) == ["avatar", "x"]
    assert names(tmp_path / "deep") == []
    assert names(tmp_path) == [".avatar.new-mine", ".me.work", ".notes.part", ".x.bin.part", ".x.previous", "deep"]


@POSIX
def test_sweeping_follows_no_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".x.0123456789ab.part").write_bytes(b"x")
    base = tmp_path / "cache"
    base.mkdir()
    (base / "link").symlink_to(elsewhere, target_is_directory=True)
    (base / ".y.new-0123456789ab").symlink_to(elsewhere, target_is_directory=True)
    assert len(atomic.sweep_unfinished(base, 0, 4e9)) == 1  # the second link itself
    assert names(elsewhere) == [".x.0123456789ab.part"]
