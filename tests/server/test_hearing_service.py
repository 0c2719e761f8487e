"""Hearing and voice as a service: the same records as the page's own, and the page speaks itself where it has to."""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.testclient import TestClient

from emotalk.core.errors import VoiceError
from emotalk.emotion import EmotionCurve
from emotalk.server.hearing_service import HearingService, RemoteMaking, making_here, plain_values
from emotalk.server.live_making import Making
from emotalk.server.live_requests import FIELDS
from emotalk.talk.request import TalkRequest, talk_request
from tests.server.live_doubles import HELLO, Doubles, People, Plan, record, sound

ROWS = record("M", bytes(346 * 4))


@pytest.fixture
def plan() -> Plan:
    return Plan(record("H", b"{}"), sound(0.5), ROWS, record("E", b'{"seconds": 0.5}'))


@pytest.fixture
def service(plan: Plan) -> HearingService:
    return HearingService(People(), Doubles(plan))


@pytest.fixture
def served(service: HearingService) -> Iterator[str]:
    """The address of a service that runs."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(uvicorn.Config(service.app(), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> list[TalkRequest]:
    """What the page itself was asked to say."""
    asked: list[TalkRequest] = []

    def talk(self, _studio, request, _stopped) -> Iterator[bytes]:
        asked.append(request)
        yield b"own"

    monkeypatch.setattr(Making, "talk", talk)
    return asked


def said(url: str, request: TalkRequest, token: str = "") -> list[bytes]:
    return list(RemoteMaking(url, token).talk(People(), request, lambda: False))


def test_the_records_of_a_service_are_those_that_it_made(served: str, plan: Plan, own: list) -> None:
    request = talk_request(text="Hello.", valence=0.25, arousal=-0.5, seed=3, expressiveness=1.5, voice="flite:slt")
    assert said(served, request) == plan.records
    assert not own
    [wanted] = plan.requests
    assert plain_values(wanted) == plain_values(request)


def test_values_are_those_that_an_address_takes() -> None:
    request = talk_request(text="Hello.", emotion="auto", valence=0.25)
    values = plain_values(request)
    assert set(values) == set(FIELDS)
    assert (values["follow"], values["valence"]) == (True, 0.25)
    assert plain_values(talk_request(text="Hello.", emotion=EmotionCurve((0, 1), ((0, 0), (1, 1))))) is None


def test_a_real_persons_face_never_goes_to_the_service(served: str, plan: Plan, own: list) -> None:
    assert said(served, talk_request(avatar="anna", text="Hello.")) == [b"own"]
    assert not plan.requests


def test_without_an_answer_the_page_speaks_itself(own: list) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        nobody = f"http://127.0.0.1:{door.getsockname()[1]}"
    assert said(nobody, talk_request(text="Hello.")) == [b"own"]


def test_a_service_without_room_leaves_it_to_the_page(served: str, own: list, service, monkeypatch) -> None:
    monkeypatch.setenv("EMOTALK_HEARING_TOKEN", "secret")
    assert said(served, talk_request(text="Hello."), "wrong") == [b"own"]
    assert said(served, talk_request(text="Hello."), "secret")[0][:1] == b"H"


def test_what_breaks_off_in_the_middle_is_told(plan: Plan, served: str, own: list) -> None:
    plan.records[1:] = [b"A\xff\xff\x00half"]
    talk = RemoteMaking(served).talk(People(), talk_request(text="Hello."), lambda: False)
    assert next(talk)[:1] == b"H"
    with pytest.raises(VoiceError, match="broke off"):
        next(talk)
    assert not own


@pytest.mark.parametrize(("more", "status"), [({"avatar": "anna"}, 403), ({"text": ""}, 422), ({"audio": "x"}, 422)])
def test_what_it_does_not_say(service: HearingService, more: dict, status: int) -> None:
    answer = TestClient(service.app()).post("/say", json=HELLO | more)
    assert answer.status_code == status
    assert answer.json()["detail"].endswith(".")


def test_the_page_asks_where_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTALK_HEARING_URL", raising=False)
    assert type(making_here()) is Making
    monkeypatch.setenv("EMOTALK_HEARING_URL", "http://127.0.0.1:8000/")
    assert type(making_here()) is RemoteMaking


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("ray", "grpc"))), reason="needs pip install 'ray[serve]' (docs/scale.md)"
)
def test_ray_serve_says_it_with_autoscaling() -> None:
    import httpx
    from ray import serve

    from scripts.deploy.ray_serve import app

    assert app is not None
    serve.run(app, route_prefix="/")
    try:
        answer = httpx.post("http://127.0.0.1:8000/say", json=HELLO | {"voice": "flite:slt"}, timeout=120)
        assert (answer.status_code, answer.content[:1]) == (200, b"H")
    finally:
        serve.shutdown()
