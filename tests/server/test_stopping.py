"""A server that ends: running work comes to its end, nothing new begins, the limit and a second signal cut it short."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from emotalk.server import stopping as module
from emotalk.server.stopping import LINGER_SECONDS, SENTENCE, Stopping, is_stopping, limit_seconds
from scripts.soak.measure import eventually
from scripts.soak.page import Page, made, spoken


@pytest.fixture(autouse=True)
def open_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_begun", threading.Event())


class Clock:
    """Seconds pass where somebody pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def stopping(until: float, clock: Clock, said: list[str]) -> Stopping:
    """Of a server whose one job ends at that time."""
    return Stopping(
        lambda: {"jobs": int(clock.now < until), "fits": 0}, lambda: said.append("dismissed"), lambda: None,
        said.append, clock, clock.pause,
    )  # fmt: skip


def test_what_runs_comes_to_its_end_and_is_fetched() -> None:
    clock, said = Clock(), []
    assert stopping(20.0, clock, said).wait()
    assert 20.0 + LINGER_SECONDS <= clock.now <= 20.0 + LINGER_SECONDS + 1
    assert said == ["dismissed", "Stopping: jobs: 1 may go on for 300 s; stop again to end at once."]


def test_an_idle_server_ends_at_once() -> None:
    clock, said = Clock(), []
    assert stopping(0.0, clock, said).wait()
    assert clock.now == 0.0
    assert said == ["dismissed"]


def test_after_the_limit_it_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_STOP_SECONDS", "7")
    clock, said = Clock(), []
    assert not stopping(1e9, clock, said).wait()
    assert 7.0 <= clock.now <= 8.0
    assert said[-1] == "Stopped after 7 s: jobs: 1 cut off."


@pytest.mark.parametrize(("wish", "seconds"), [("", 300.0), ("12.5", 12.5), ("-3", 0.0), ("soon", 300.0)])
def test_the_limit_is_a_setting(wish: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_STOP_SECONDS", wish)
    assert limit_seconds() == seconds


def test_the_first_signal_closes_the_doors_the_second_is_known_as_one() -> None:
    left = threading.Event()
    end = Stopping(dict, lambda: None, left.set, lambda _: None)
    assert not is_stopping()
    assert end.begin()
    assert is_stopping()
    assert left.wait(10)
    assert not end.begin()


def in_the_background(page: Page, source: str, words: str, answers: dict) -> threading.Thread:
    """Somebody who makes a video of these words."""

    def make() -> None:
        try:
            answers[source] = page.visitor(source).call("generate", spoken(words))
        except OSError as error:
            answers[source] = error

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    return thread


def metrics(page: Page) -> str:
    return page.visitor().get("/metrics", Authorization="Bearer secret").text


def running(page: Page) -> int:
    """Talks at work, as the owner is told."""
    text = metrics(page)
    found = [line for line in text.splitlines() if line.startswith('emotalk_queue_running{kind="talk"}')]
    return int(found[0].split()[-1]) if found else 0


@pytest.mark.slow
def test_a_process_that_is_stopped_finishes_its_talk(tmp_path: Path) -> None:
    page = Page(tmp_path, EMOTALK_PUBLIC="1", EMOTALK_METRICS_TOKEN="secret", EMOTALK_STOP_SECONDS="200").start()
    try:
        answers: dict = {}
        words = "The harbour was quiet when we arrived, and the boats were back from the sea. " * 3
        talk = in_the_background(page, "127.0.0.2", words, answers)
        assert eventually(lambda: running(page) == 1, 180)
        second = in_the_background(page, "127.0.0.3", words, answers)
        waits = 'emotalk_queue_waiting{kind="talk"} 1'
        assert eventually(lambda: waits in metrics(page), 120)
        page.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: page.visitor().get("/healthz").status == 503, 60)

        refused = page.visitor("127.0.0.4").call("generate", spoken("Hello."))
        assert (refused.status, refused.error) == (503, SENTENCE)
        second.join(120)
        assert answers["127.0.0.3"].error == SENTENCE  # it waited in line
        assert page.process.poll() is None

        talk.join(240)
        assert made(answers["127.0.0.2"]), answers["127.0.0.2"].text[:300]
        where = next(part["final"] for part in answers["127.0.0.2"].data if isinstance(part, dict) and "final" in part)
        clip = page.visitor("127.0.0.2").get(f"/{where}")
        assert (clip.status, clip.body[4:8]) == (200, b"ftyp")
        assert page.process.wait(120) == 0
    finally:
        if page.process.poll() is None:
            page.kill()
    assert "Traceback" not in page.log()
    assert "Stopping: jobs: 1" in page.log()
    assert not list((tmp_path / "tmp").glob("emotalk-server-*"))


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    page = Page(tmp_path, EMOTALK_METRICS_TOKEN="secret").start()
    try:
        in_the_background(page, "127.0.0.2", "The harbour was quiet when we arrived. " * 20, {})
        assert eventually(lambda: running(page) == 1, 180)
        page.process.send_signal(signal.SIGINT)
        assert eventually(lambda: page.visitor().get("/healthz").status == 503, 60)
        page.process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        assert page.process.wait(120) == 0
        print(f"ended {time.monotonic() - asked:.1f} s after the second signal")
    finally:
        if page.process.poll() is None:
            page.kill()
    assert not list((tmp_path / "tmp").glob("emotalk-server-*"))
