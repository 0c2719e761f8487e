"""What leaves the server under Gradio's name: the card of a link, and the status of what was refused."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from emotalk.server.answers import ABOUT, REFUSED, Answers

PAGE = """<html><head><title>emotalk</title><meta charset="utf-8" />
<meta property="og:title" content="Gradio" /><meta
  property="og:image"
  content="https://example.org/gradio.jpg"
/><meta name="twitter:creator" content="@Gradio" /></head><body>Gradio makes pages.</body></html>"""


async def page(_: Request) -> Response:
    return HTMLResponse(PAGE)


async def call(request: Request) -> Response:
    sent = json.loads(await request.body())
    return JSONResponse({"error": sent["error"], "title": sent["title"]}, sent["status"])


async def stream(_: Request) -> Response:
    return StreamingResponse(iter([b"one", b"two"]), 500)


@pytest.fixture(scope="module")
def client() -> TestClient:
    routes = [Route("/", page), Route("/gradio_api/run/talk", call, methods=["POST"]), Route("/other", stream)]
    return TestClient(Answers(Starlette(routes=routes), title="emotalk"))


def test_the_card_of_a_link_is_the_page_s_own(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.text.count("Gradio") == 1  # what the page itself says
    assert '<meta property="og:title" content="emotalk">' in answer.text
    assert f'<meta property="og:description" content="{ABOUT}">' in answer.text
    assert '<meta charset="utf-8" />' in answer.text
    assert len(answer.content) == int(answer.headers["content-length"])


@pytest.mark.parametrize(
    ("status", "title", "told"), [(500, REFUSED, 400), (500, "Sorry", 500), (200, REFUSED, 200), (403, REFUSED, 403)]
)
def test_a_refusal_is_the_sender_s_fault_and_a_failure_the_server_s(client, status: int, title: str, told: int) -> None:
    answer = client.post("/gradio_api/run/talk", json={"error": "No.", "title": title, "status": status})
    assert answer.status_code == told
    assert answer.json() == {"error": "No.", "title": title}


def test_what_is_quoted_in_an_answer_changes_nothing(client: TestClient) -> None:
    quoted = f'"title":"{REFUSED}"'
    answer = client.post("/gradio_api/run/talk", json={"error": quoted, "title": "Sorry", "status": 500})
    assert answer.status_code == 500


def test_everything_else_goes_through_as_it_comes(client: TestClient) -> None:
    answer = client.get("/other")
    assert (answer.status_code, answer.content) == (500, b"onetwo")
