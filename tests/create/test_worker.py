"""A fit in a process of its own: what the page hears of it, and that it never outlives what started it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emotalk.core.errors import Cancelled
from emotalk.create.request import CONSENT, PersonalizeRequest, PortraitRequest
from emotalk.create.worker import BackgroundFit
from emotalk.create.worker_process import SpareWorker
from tests.preset_photo import preset_photo
from tests.preset_video import preset_video

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preset_video(tmp_path_factory.mktemp("video") / "me.mp4")


def test_what_is_wrong_with_a_video_arrives_as_a_sentence(tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear all, this is no video.")
    ended = []
    fit = BackgroundFit(PersonalizeRequest(letter, "me", CONSENT), tmp_path / "avatars", on_done=ended.append).start()
    fit.join(300)
    assert fit.done
    assert "letter.mp4 is not a video" in str(fit.error)
    assert fit.name is None
    assert ended == [fit]


def test_a_cancelled_fit_ends_soon_and_makes_nothing(video: Path, tmp_path: Path) -> None:
    fit = BackgroundFit(PersonalizeRequest(video, "me", CONSENT), tmp_path / "avatars").start()
    end = time.monotonic() + 300
    while not fit.news.done:
        assert time.monotonic() < end
        fit.wait(0.2)
    fit.cancel()
    fit.join(300)
    assert isinstance(fit.error, Cancelled)
    assert [path.name for path in (tmp_path / "avatars").iterdir()] == [".me.work"]


def test_a_fit_ends_when_whoever_started_it_is_gone(video: Path, tmp_path: Path) -> None:
    order = {"video": str(video), "name": "me", "consent": CONSENT, "minutes": 30, "folder": str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, "-m", "emotalk.create.worker"], cwd=ROOT, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    child.stdin.write(json.dumps(order) + "\n")
    child.stdin.flush()
    assert "stage" in json.loads(child.stdout.readline())
    child.stdin.close()  # as the system does when the server dies
    child.stdout.close()
    assert child.wait(300) is not None


@pytest.mark.parametrize("killed", [False, True])
def test_where_nothing_shall_stay_a_fit_without_its_server_removes_all_of_it(
    video: Path, tmp_path: Path, killed: bool
) -> None:
    avatars = tmp_path / "avatars"
    avatars.mkdir()
    order = {"video": str(video), "name": "me", "consent": CONSENT, "minutes": 30, "folder": str(avatars)}
    child = subprocess.Popen(
        [sys.executable, "-m", "emotalk.create.worker"], cwd=ROOT, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    child.stdin.write(json.dumps(order | {"keep": False}) + "\n")
    child.stdin.flush()
    if killed:  # before it began, and the next server has tidied up
        avatars.rmdir()
        child.stdin.close()
        assert child.wait(120) == 0
        assert list(tmp_path.iterdir()) == []
        return
    assert "stage" in json.loads(child.stdout.readline())
    assert [path.name for path in avatars.iterdir()] == [".me.work"]
    child.stdin.close()
    child.stdout.read()
    assert child.wait(120) == 0
    assert list(avatars.iterdir()) == []


def until(condition) -> None:
    """Wait for what another process does; five minutes guard against hanging."""
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_photo_of_two_people_is_answered_with_their_faces_and_leaves_nothing(tmp_path: Path) -> None:
    photo, avatars = preset_photo(tmp_path / "two.jpg", "elena", "kofi", size=384), tmp_path / "avatars"
    avatars.mkdir()
    fit = BackgroundFit(PortraitRequest(photo, "me", CONSENT), avatars, keep=False).start()
    fit.join(300)
    assert "shows 2 faces" in str(fit.error)
    assert [face.partition(",")[0] for face in fit.faces] == ["data:image/jpeg;base64"] * 2
    assert list(avatars.iterdir()) == []


def test_a_worker_that_waits_takes_the_next_request_of_either_kind(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear all, this is no photo.")
    spare = SpareWorker()
    for request, said in (
        (PortraitRequest(letter, "me", CONSENT), "The photo cannot be read (no picture of a known kind)"),
        (PersonalizeRequest(letter, "me", CONSENT), "letter.txt is not a video"),
    ):
        spare.prepare()
        spare.prepare()
        worker = spare.take()
        assert worker is not None
        assert spare.take() is None  # one at most
        fit = BackgroundFit(request, tmp_path / "avatars").start(worker)
        assert fit._child is worker.process
        fit.join(300)
        assert said in str(fit.error)


def test_a_worker_that_nobody_needs_ends(tmp_path: Path) -> None:
    spare = SpareWorker(seconds=0.5)
    spare.prepare()
    first = spare._worker
    until(lambda: spare._worker is None)
    spare.prepare()
    second = spare._worker
    spare.close()
    for worker in (first, second):
        until(lambda worker=worker: worker.process.poll() is not None)
    assert spare.take() is None


def test_a_waiting_worker_ends_when_whoever_started_it_is_gone() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "emotalk.create.worker", "--warm"], cwd=ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    child.stdin.close()  # as the system does when the server dies
    assert child.wait(300) == 0
    assert child.stdout.read() == b""
    child.stdout.close()
