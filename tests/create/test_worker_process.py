"""A worker that waits ahead of time, and a fit that is stopped at an awkward moment, with children that do nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from emotalk.core.errors import Cancelled
from emotalk.create import worker_process
from emotalk.create.request import CONSENT, PortraitRequest
from emotalk.create.worker import BackgroundFit
from emotalk.create.worker_process import SpareWorker, Worker

PATIENCE = 60.0
"""Seconds that guard against hanging; nothing here takes so long."""


class Idle(Worker):
    """Waits for the end of its input, as a worker does, and makes nothing of a request."""

    code = "import sys; sys.stdin.read()"

    def __init__(self, warm: bool = False) -> None:
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed by `close` or by the fit
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", self.code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True,
        )  # fmt: skip


@pytest.fixture
def spare(monkeypatch: pytest.MonkeyPatch) -> SpareWorker:
    monkeypatch.setattr(worker_process, "Worker", Idle)
    return SpareWorker()


def ended(worker: Worker) -> bool:
    """Whether it ends by itself, and nothing of it stays open."""
    worker.process.wait(PATIENCE)
    for thread in threading.enumerate():
        if thread.name == "emotalk-worker-end":
            thread.join(PATIENCE)
    return worker.errors.closed and worker.process.stdout.closed and worker.process.stdin.closed


def test_one_worker_waits_and_is_taken_once(spare: SpareWorker) -> None:
    spare.prepare()
    first = spare._worker
    spare.prepare()
    assert spare._worker is first
    assert spare.take() is first
    assert spare.take() is None
    first.close()
    assert ended(first)


def test_the_timer_of_an_earlier_waiting_ends_nothing_later(spare: SpareWorker) -> None:
    spare.prepare()
    late = spare._turn  # its timer has run off, and waits for the lock
    spare.take().close()
    spare.prepare()
    second = spare._worker
    spare._expire(late)
    assert spare._worker is second
    spare._expire(None)
    assert spare._worker is second
    spare._expire(spare._turn)
    assert spare._worker is None
    assert ended(second)


@pytest.mark.parametrize("ask", [SpareWorker.prepare, SpareWorker.take])
def test_of_a_worker_that_died_the_log_has_why(spare: SpareWorker, caplog, monkeypatch, ask) -> None:
    monkeypatch.setattr(Idle, "code", "import sys; sys.stderr.write('out of memory'); sys.exit(7)")
    spare.prepare()
    dead = spare._worker
    dead.process.wait(PATIENCE)
    monkeypatch.undo()
    monkeypatch.setattr(worker_process, "Worker", Idle)
    with caplog.at_level(logging.WARNING):
        ask(spare)
    assert "ended with status 7:\nout of memory" in caplog.text
    assert ended(dead)
    assert spare._worker is not dead
    spare.close()


def test_where_no_thread_is_left_no_worker_waits_for_ever(spare: SpareWorker, caplog, monkeypatch) -> None:
    made = []
    monkeypatch.setattr(worker_process, "Worker", lambda warm: made.append(Idle()) or made[-1])

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        spare.prepare()
    assert "can't start new thread" in caplog.text
    assert spare.take() is None
    assert ended(made[0])


@pytest.fixture
def fit(tmp_path: Path) -> BackgroundFit:
    photo = tmp_path / "me.jpg"
    photo.write_bytes(b"a photo")
    return BackgroundFit(PortraitRequest(photo, "me", CONSENT), tmp_path / "avatars")


def test_a_fit_that_is_stopped_before_it_has_a_child_makes_nothing(fit: BackgroundFit) -> None:
    fit.cancel()
    fit.join(PATIENCE)  # there is nothing to wait for
    fit.start(Idle())
    fit.join(PATIENCE)
    assert fit.done
    assert isinstance(fit.error, Cancelled)


def test_a_fit_that_is_stopped_while_it_begins_makes_nothing(fit: BackgroundFit) -> None:
    class Stopped(Idle):
        def order(self, order: dict) -> None:
            fit.cancel()
            super().order(order)

    fit.start(Stopped())
    fit.join(PATIENCE)
    assert isinstance(fit.error, Cancelled)


def test_where_no_thread_listens_to_a_worker_it_is_sent_away(fit: BackgroundFit, monkeypatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    worker = Idle()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            fit.start(worker)
    assert ended(worker)
