"""A run that is killed at any moment goes on from there, or has changed nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from emotalk.avatar import list_avatars, load_avatar
from emotalk.create.job import JOB
from emotalk.create.request import CONSENT
from tests.preset_video import preset_video

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
KILLS = 10


class Run:
    """One run in a process of its own, as the page starts it; `news` are its messages."""

    def __init__(self, video: Path, base: Path, minutes: float = 0.2) -> None:
        order = {
            "video": str(video), "name": "me", "consent": CONSENT, "minutes": minutes, "size": 256, "seed": 0,
            "resume": True, "seconds": 2.5, "folder": str(base),
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emotalk.create.worker"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self.news: list[dict] = []
        self.said = ""  # by libraries, and by Python where it crashed
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.startswith("{"):
                self.news.append(json.loads(line))
            else:
                self.said += line

    def finish(self, seconds: float = 1800) -> dict:
        """Let it end; its last message."""
        self.process.wait(seconds)
        self._reader.join()
        assert self.news, self.said[-3000:]
        return self.news[-1]

    def seconds_to_first_news(self) -> float:
        started = time.monotonic()
        while not self.news:
            assert self.process.poll() is None
            time.sleep(0.02)
        return time.monotonic() - started

    def kill_after(self, seconds: float) -> bool:
        """SIGKILL after so many seconds; False where it had ended before."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return True
        finally:
            self._reader.join()
        return False

    @property
    def first_step(self) -> int | None:
        """Steps already done when the fit was taken up."""
        return next((news["done"] for news in self.news if news.get("stage") == "Fitting the avatar"), None)


def contents(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def test_killed_at_ten_random_moments_it_resumes_and_a_good_avatar_stays_good(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"moments drawn with seed {seed}")
    moments = random.Random(seed)
    video, base = preset_video(tmp_path / "me.mp4"), tmp_path / "avatars"
    mira = load_avatar("mira")
    mira.replace(card=dataclasses.replace(mira.card, name="The good one")).save(base / "me")
    before = contents(base / "me")

    kills, tracked, whole = 0, False, 0.0
    for _ in range(4 * KILLS):
        run = Run(video, base)
        if not whole:
            whole = 8 * run.seconds_to_first_news()  # a first guess at what a run takes on this machine
        moment = moments.uniform(0.02, 1) * whole
        killed = run.kill_after(moment)
        kills += killed
        whole *= 1.25 if killed else 0.6  # so that about a third of the runs come to their end, however fast they are
        stages = [news["stage"] for news in run.news if "stage" in news]
        print(f"{'killed' if killed else 'done'} after {moment:.1f} s in stage {(stages or ['Starting'])[-1]}")
        # Whatever the moment: one whole avatar of that name, the one that was there or a finished new one.
        assert [(info.name, info.problem) for info in list_avatars([(base, False)])] == [("me", None)]
        made = load_avatar(base / "me")
        assert contents(base / "me") == before or made.card.consent.statement == CONSENT
        if not killed:
            assert run.news[-1:] == [{"name": "me"}], run.said[-3000:]
            assert made.card.name == "me"
        before = contents(base / "me")
        # What was tracked once is not tracked again.
        assert not (tracked and "Following the face" in stages)
        work = base / ".me.work"
        tracked = (work / "track" / "landmarks.npz").is_file() and (work / JOB).is_file()
        if kills == KILLS:
            break
    assert kills == KILLS
    last = Run(video, base)
    assert last.finish() == {"name": "me"}, last.said[-3000:]
    made = load_avatar(base / "me")
    assert made.card.name == "me"
    assert made.card.consent.statement == CONSENT
    assert [path.name for path in base.iterdir()] == ["me"]  # no work folder, no leftovers of any save


def test_a_fit_that_is_killed_goes_on_from_its_saved_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video, base = preset_video(tmp_path / "me.mp4"), tmp_path / "avatars"
    state = base / ".me.work" / "fit" / "fit.safetensors"
    run = Run(video, base, minutes=1.0)
    end = time.monotonic() + 3000
    while not state.is_file() and run.process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    killed = run.kill_after(0)
    if not killed:
        pytest.skip("this machine ended the fit before its state was saved for the first time")
    again = Run(video, base, minutes=1.0)
    assert again.finish() == {"name": "me"}
    assert again.first_step > 0
