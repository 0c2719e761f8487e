"""Numbers for Prometheus: a text that its parser takes, bounded labels, nothing of a visitor, none for strangers."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.core.clip import Clip
from emotalk.server import stopping
from emotalk.server.health import TOKEN, health_routes, process_gauges
from emotalk.server.meters import COUNTERS, GAUGES, LATEST, Meters, exposition
from emotalk.server.running import gauges_of, running_of
from emotalk.talk.play import SceneClip

LINE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="([a-z]+)"\})? (-?[0-9.e+-]+)')


def parsed(text: str) -> dict[tuple[str, str], float]:
    """Numbers by (name, value of the label), as the format's rules have them."""
    found: dict[tuple[str, str], float] = {}
    known = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            known = line.split()[2]
        elif line.startswith("# TYPE "):
            assert line.split()[2] == known
            assert line.split()[3] in ("counter", "gauge")
        else:
            name, _, value, number = LINE.fullmatch(line).groups()
            assert name == known, "a family's lines stand together, behind its type"
            assert (name, value or "") not in found
            found[name, value or ""] = float(number)
    assert text.endswith("\n")
    return found


def clip(seconds: float, **timings: float) -> Clip:
    return Clip("x.mp4", seconds, round(25 * seconds), 512, 512, timings)


def test_all_counters_are_there_from_the_start_at_zero() -> None:
    found = parsed(exposition(Meters(), {}))
    expected = {(family.name, value) for family in COUNTERS for value in family.values or ("",)}
    assert found == dict.fromkeys(expected, 0.0)


def test_what_is_counted_is_told() -> None:
    meters = Meters()
    meters.add("emotalk_jobs_total", value="talk")
    meters.add("emotalk_job_seconds_total", 2.25, "talk")
    meters.add("emotalk_refusals_total", 3, "hub")
    found = parsed(exposition(meters, {"emotalk_live_talks": 4, "emotalk_queue_waiting": {"talk": 2, "fit": 0}}))
    assert found["emotalk_jobs_total", "talk"] == 1
    assert found["emotalk_job_seconds_total", "talk"] == 2.25
    assert found["emotalk_refusals_total", "hub"] == 3
    assert found["emotalk_live_talks", ""] == 4
    assert found["emotalk_queue_waiting", "talk"] == 2
    assert ("emotalk_queue_waiting", "hub") not in found


def test_no_label_can_be_invented() -> None:
    meters = Meters()
    with pytest.raises(KeyError):
        meters.add("emotalk_refusals_total", value="198.51.100.7")
    gauges = {"emotalk_queue_waiting": {"talk": 1, 'x"} 1\nevil': 2}, "emotalk_of_somebody": 3}
    found = parsed(exposition(meters, gauges))
    assert len(found) == sum(len(family.values) or 1 for family in COUNTERS) + 1


def test_seconds_of_video_by_stage() -> None:
    meters = Meters()
    talk = meters.counted(lambda seconds: clip(seconds, speech=1, motion=0.5, pose=1, render=4, encode=2, total=5))
    assert talk(10.0).seconds == 10.0
    talk(10.0)
    assert meters.speeds() == {"speech": 10, "motion": 20, "pose": 10, "draw": 2.5, "encode": 5, "whole": 2}
    assert meters.get("emotalk_stage_seconds_total", "draw") == 8
    assert meters.get("emotalk_video_seconds_total") == 20


def test_a_scene_counts_as_a_clip() -> None:
    meters = Meters()
    scene = SceneClip("x.mp4", 8.0, 200, 512, 512, {"takes": 3.0, "join": 1.0, "total": 4.0})
    meters.counted(lambda: scene)()
    assert (meters.get("emotalk_clips_total"), meters.get("emotalk_video_seconds_total")) == (1, 8)
    assert meters.speeds() == {"whole": 2.0}


def test_speeds_are_those_of_the_latest_clips() -> None:
    meters = Meters()
    for work in (1.0, *[2.0] * LATEST):
        meters.made(clip(4.0, render=work))
    assert meters.speeds() == {"draw": 2.0}


def test_a_talk_that_fails_counts_nothing() -> None:
    meters = Meters()

    def failing() -> Clip:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        meters.counted(failing)()
    assert meters.get("emotalk_clips_total") == 0


LINE_OF_TWO = SimpleNamespace(
    counts=lambda: {"waiting": {"talk": 3, "hub": 0, "fit": 0}, "running": {"talk": 1, "hub": 1, "fit": 0}},
    listeners=[1, 2],
)
FACES = SimpleNamespace(
    making=1, tickets=[1], talks=SimpleNamespace(going=2, turns_waiting=1), puppets=SimpleNamespace(active=1)
)


def test_every_gauge_is_given_by_somebody() -> None:
    given = {**gauges_of(LINE_OF_TWO, FACES, SimpleNamespace(bytes=7)), **process_gauges()}
    assert set(given) == {family.name for family in GAUGES}
    parsed(exposition(Meters(), given))


def test_what_a_stop_waits_for() -> None:
    running = running_of(LINE_OF_TWO, FACES, SimpleNamespace(busy=True))
    assert running == {"jobs": 2, "fits": 1, "live talks": 2, "microphones": 1, "files on their way": 0}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    return TestClient(Starlette(routes=health_routes(lambda: {"emotalk_live_talks": 1})))


def test_strangers_read_nothing(web: TestClient) -> None:
    assert web.get("/metrics").status_code == 404
    assert web.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize("sent", ["Bearer wrong", "Bearer", "secret", "Basic secret", "Bearer sécret"])
def test_only_the_token_opens_it(web: TestClient, sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "secret")
    assert web.get("/metrics", headers={"Authorization": sent.encode()}).status_code == 404
    answer = web.get("/metrics", headers={"Authorization": "Bearer secret"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert parsed(answer.text)["emotalk_live_talks", ""] == 1


def test_an_owner_reads_without_a_token(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", "0")
    assert parsed(web.get("/metrics").text)["process_resident_memory_bytes", ""] > 1e7
    monkeypatch.setenv(TOKEN, "secret")
    assert web.get("/metrics").status_code == 404


def test_a_balancer_learns_that_the_server_ends(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (web.get("/healthz").status_code, web.get("/healthz").json()) == (200, {"status": "ok"})
    monkeypatch.setattr(stopping, "_begun", SimpleNamespace(is_set=lambda: True))
    ending = web.get("/healthz")
    assert (ending.status_code, ending.json(), ending.headers["retry-after"]) == (503, {"status": "stopping"}, "60")
