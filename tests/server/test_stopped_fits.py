"""A server that is stopped while an avatar is being made: in a real child, whose fit is a small one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from emotalk.avatar.gallery import own_folder
from emotalk.core.errors import Cancelled
from emotalk.create import PersonalizeRequest, consent_to, worker
from emotalk.create.worker import BackgroundFit
from emotalk.create.workplace import can_resume, workplace
from emotalk.server import stopping as module
from emotalk.server.fits import FitSessions
from emotalk.server.running import running_of
from emotalk.server.stopping import LINGER_SECONDS, Stopping
from tests.server.stand_in_fit import GO
from tests.ui.drawn_studio import DrawnStudio

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Seconds that guard against hanging."""
NOBODY = SimpleNamespace(going=0, active=0)
IDLE = SimpleNamespace(counts=lambda: {"waiting": {"talk": 0, "fit": 0}, "running": {"talk": 0, "fit": 0}})


class Small(worker.Worker):
    """A child whose fit is that of `stand_in_fit`."""

    def __init__(self) -> None:
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed by `close` or by the fit
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.server.stand_in_fit"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, text=True, cwd=ROOT,
        )  # fmt: skip


class Server:
    """One with a fit that has begun, asked to stop. Seconds pass where it pauses; `meanwhile` is called then."""

    def __init__(self, tmp_path: Path) -> None:
        self.fits = FitSessions(DrawnStudio(tmp_path))
        video = tmp_path / "me.mp4"
        video.write_bytes(b"a video")
        self.fit = self.fits.start("page", str(video), "me", 1.0, True)
        while not self.fit.news.done:
            assert not self.fit.wait(PATIENCE), self.fit.error
        self.folder = self.fits._running.folder
        self.now, self.said = 0.0, []

    def stop(self, meanwhile=lambda: None) -> bool:
        def pause(seconds: float) -> None:
            self.now += seconds
            meanwhile()

        faces = SimpleNamespace(talks=NOBODY, puppets=NOBODY)
        running = lambda: running_of(IDLE, faces, self.fits)  # noqa: E731
        left = lambda: None  # noqa: E731
        return Stopping(running, left, left, self.said.append, lambda: self.now, pause).wait()

    def go(self) -> None:
        """Let the fit come to its end."""
        (self.folder / GO).touch()
        self.fit.join(PATIENCE)


@pytest.fixture(params=["own machine", "public"])
def public(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_begun", threading.Event())
    monkeypatch.setattr(worker, "Worker", Small)
    monkeypatch.setenv("EMOTALK_PUBLIC", "1" if request.param == "public" else "0")
    return request.param == "public"


def test_a_fit_comes_to_its_end(tmp_path: Path, public: bool) -> None:
    server = Server(tmp_path)
    assert server.stop(server.go)
    assert server.said == ["Stopping: fits: 1 may go on for 300 s; stop again to end at once."]
    assert server.now >= LINGER_SECONDS  # in which its page hears of it
    assert server.fit.error is None
    assert (server.folder / "me" / "begun").read_text() == "begun"
    server.fits.close()
    assert (own_folder() / "me").is_dir() is not public
    assert not server.fits.temporary.exists()


def test_one_that_takes_too_long_is_ended_and_can_be_gone_on_with_by_its_owner(
    tmp_path: Path, public: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTALK_STOP_SECONDS", "7")
    server = Server(tmp_path)
    assert not server.stop()
    assert server.said[-1] == "Stopped after 7 s: fits: 1 cut off."
    server.fits.close()
    assert server.fit.done
    assert server.fit._child.poll() is not None
    assert isinstance(server.fit.error, Cancelled)
    assert not (server.folder / "me").exists()
    assert not server.fits.temporary.exists()
    if public:  # nothing of a stranger stays
        assert not server.folder.exists()
        return
    assert can_resume("me", server.folder)
    with workplace(server.folder, "me"):
        pass  # nobody holds it any more
    (server.folder / GO).touch()
    request = PersonalizeRequest(tmp_path / "me.mp4", "me", consent_to(False), resume=True)
    again = BackgroundFit(request, server.folder).start()
    again.join(PATIENCE)
    assert (again.name, again.error) == ("me", None)
    assert (server.folder / "me" / "begun").read_text() == "again begun"


def test_one_that_its_page_has_stopped_leaves_nothing_also_where_the_server_ends_next(
    tmp_path: Path, public: bool
) -> None:
    server = Server(tmp_path)
    server.fits.cancel("page")
    server.fit.join(PATIENCE)
    server.fits.close()
    assert not can_resume("me", server.folder)
