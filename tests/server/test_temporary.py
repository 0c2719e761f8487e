"""One folder per server process: for this user alone, gone with it, and swept by the next one after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from emotalk.server.temporary import HeldFolder, process_folder, sweep_dead, sweep_old, uploads_folder

ROOT = Path(__file__).resolve().parents[2]
SERVER = """
import sys
from pathlib import Path
from emotalk.server.temporary import HeldFolder
held = HeldFolder(Path(sys.argv[1]))
folder = held.path
(folder / "sessions" / "x").mkdir(parents=True)
(folder / "sessions" / "x" / "face.mp4").write_bytes(b"x")
print(folder, flush=True)
sys.stdin.read()
"""


def start_server(base: Path) -> tuple[subprocess.Popen, Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(base)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_server_left_goes_at_the_next_start_and_a_living_ones_stays(tmp_path: Path) -> None:
    killed, left = start_server(tmp_path)
    living, kept = start_server(tmp_path)
    try:
        assert sweep_dead(tmp_path) == []
        killed.kill()
        killed.wait(20)
        assert (left / "sessions" / "x" / "face.mp4").is_file()
        assert sweep_dead(tmp_path) == [left]
        assert [path.name for path in tmp_path.iterdir()] == [kept.name]
        assert (kept / "sessions" / "x" / "face.mp4").is_file()
    finally:
        for process in (killed, living):
            process.kill()
            process.communicate()


def test_a_server_does_not_sweep_itself(tmp_path: Path) -> None:
    held = HeldFolder(tmp_path)
    assert sweep_dead(tmp_path) == []
    assert held.path.is_dir()
    held.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_nobody_else_may_look_into_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert HeldFolder(tmp_path).path.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    base, elsewhere = tmp_path / "tmp", tmp_path / "elsewhere"
    base.mkdir()
    (elsewhere / "sub").mkdir(parents=True)
    (elsewhere / "mine.txt").write_text("x")
    (base / "emotalk-server-planted").symlink_to(elsewhere, target_is_directory=True)
    (base / "emotalk-own-planted").symlink_to(elsewhere, target_is_directory=True)
    inside = base / "emotalk-server-dead"
    inside.mkdir()
    (inside / "link").symlink_to(elsewhere, target_is_directory=True)
    assert sweep_dead(base) == [inside]
    assert sweep_old(base, now=time.time() + 10**6) == []
    assert sorted(path.name for path in elsewhere.iterdir()) == ["mine.txt", "sub"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make another user's folder")
def test_another_users_folder_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "emotalk-server-theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    assert sweep_dead(tmp_path) == []
    assert theirs.is_dir()


def test_a_fit_that_is_still_ending_keeps_its_folder_until_it_has(tmp_path: Path) -> None:
    work = tmp_path / "emotalk-server-dead" / "own" / "a" / "pages" / "b" / ".me.work"
    work.mkdir(parents=True)
    with FileLock(work / "lock"):
        assert sweep_dead(tmp_path) == []
    assert sweep_dead(tmp_path) == [tmp_path / "emotalk-server-dead"]
    assert list(tmp_path.iterdir()) == []


def test_other_leftovers_go_after_a_day(tmp_path: Path) -> None:
    for name in ("emotalk-push-a", "emotalk-sessions-b", "emotalk-notes", "push-c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x")
    assert sweep_old(tmp_path) == []
    gone = sweep_old(tmp_path, now=time.time() + 25 * 3600)
    assert sorted(path.name for path in gone) == ["emotalk-push-a", "emotalk-sessions-b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emotalk-notes", "push-c"]


@pytest.mark.slow
def test_uploads_lie_in_the_processs_folder_and_all_goes_with_it(tmp_path: Path) -> None:
    code = (
        "from emotalk.server.temporary import process_folder, uploads_folder\n"
        "from gradio.utils import get_upload_folder\n"
        "import gradio as gr\n"
        "folder, uploads = process_folder(), uploads_folder()\n"
        "with gr.Blocks():\n    part = gr.File()\n"
        "assert part.GRADIO_CACHE == get_upload_folder() == str(uploads)\n"
        "(uploads / 'video.mp4').write_bytes(b'x')\n"
        "print(uploads.is_relative_to(folder), uploads)\n"
    )
    for wish in (None, str(tmp_path / "wanted")):
        settings = {key: value for key, value in os.environ.items() if key != "GRADIO_TEMP_DIR"}
        settings |= {"TMPDIR": str(tmp_path)} | ({"GRADIO_TEMP_DIR": wish} if wish else {})
        said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=settings, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        inside, uploads = said.stdout.split()
        assert (inside == "True") == (wish is None)
        assert Path(uploads).is_relative_to(wish or tmp_path)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_wish_for_another_place_is_followed_whenever_it_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    own = uploads_folder()
    assert own.is_relative_to(process_folder())
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "wanted"))
    wanted = uploads_folder()
    assert wanted.is_relative_to(tmp_path / "wanted")
    assert uploads_folder() == wanted == Path(os.environ["GRADIO_TEMP_DIR"])
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    assert uploads_folder() == own == Path(os.environ["GRADIO_TEMP_DIR"])
