"""Several servers behind one name: whoever was served by one comes back to it, and what they share is whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from emotalk.server import gate
from emotalk.server.gate import Gate
from emotalk.server.live_tickets import Tickets
from emotalk.server.replicas import cookie, replica, ticket_prefix
from scripts.soak.page import Page, made, spoken
from tests.killing import ROOT

NGINX = (ROOT / "scripts" / "deploy" / "nginx.conf").read_text()


@pytest.mark.parametrize(("wish", "name"), [("", ""), ("a", "a"), (" b2 ", "b2"), ("A", ""), ("a b", ""), ("a;", "")])
def test_a_name_is_small_letters_and_digits(wish: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_REPLICA", wish)
    assert replica() == name
    assert ticket_prefix() == (f"{name}." if name else "")


def test_the_cookie_names_the_process_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTALK_REPLICA", raising=False)
    assert cookie(True) is None
    monkeypatch.setenv("EMOTALK_REPLICA", "a")
    assert cookie(False) == "emotalk_replica=a; Path=/; HttpOnly; SameSite=Lax"
    assert cookie(True) == "emotalk_replica=a; Path=/; HttpOnly; SameSite=Lax; Secure"


def site() -> TestClient:
    async def page(_request) -> PlainTextResponse:
        return PlainTextResponse("page")

    app = Starlette(routes=[Route("/", page), Route("/config", page)])
    return TestClient(Gate(app, line=lambda: None), base_url="http://localhost")


def test_a_process_that_is_alone_sets_no_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTALK_REPLICA", raising=False)
    assert "set-cookie" not in site().get("/").headers


def test_whoever_opens_the_page_is_told_where_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_REPLICA", "a")
    assert site().get("/").headers["set-cookie"].startswith("emotalk_replica=a;")
    assert "set-cookie" not in site().get("/config").headers


def test_a_process_that_ends_gives_its_page_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_REPLICA", "a")
    monkeypatch.setattr(gate, "is_stopping", lambda: True)
    assert site().get("/").status_code == 503
    assert site().get("/config").status_code == 200  # pages that are open go on


def test_tickets_say_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_REPLICA", "b")
    tickets = Tickets(lambda _: None)
    token = tickets.open("page").token
    assert token.startswith("b.")
    assert tickets.find(token) is not None


def home(arguments: str, cookies: str) -> str:
    """Where scripts/deploy/nginx.conf sends a request, by its maps."""

    def mapped(variable: str, value: str) -> str:
        body = re.search(rf"map \{variable} \$\w+ \{{(.*?)\n\}}", NGINX, re.DOTALL)[1]
        for key, to in re.findall(r"^\s+(\S+)\s+(\S+);", body, re.MULTILINE):
            hit = re.search(key[1:], value) if key.startswith("~") else key in (value, "default")
            if hit:
                return to
        raise AssertionError(body)

    found = mapped("$arg_ticket", arguments)
    return mapped("$cookie_emotalk_replica", cookies) if found == "$by_cookie" else found


@pytest.mark.parametrize(
    ("ticket", "cookies", "to"),
    [
        ("", "", "emotalk"), ("", "a", "127.0.0.1:7861"), ("", "b", "127.0.0.1:7862"), ("", "evil:80", "emotalk"),
        ("b.x", "a", "127.0.0.1:7862"), ("a.x", "", "127.0.0.1:7861"), ("ab.x", "", "emotalk"),
    ],
)  # fmt: skip
def test_the_proxys_maps_lead_home(ticket: str, cookies: str, to: str) -> None:
    assert home(ticket, cookies) == to


def test_three_servers_hammer_the_same_caches(tmp_path: Path) -> None:
    places = {"EMOTALK_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "tests.server.shared_disk"]
    servers = [
        subprocess.Popen(
            [*command, str(seed), "120"], cwd=ROOT, env=os.environ | places, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for seed in range(3)
    ]  # fmt: skip
    for server in servers:
        out, errors = server.communicate(timeout=120)
        assert (server.returncode, out.strip()) == (0, "whole"), errors[-2000:]
        assert "Traceback" not in errors
    left = [path.name for path in tmp_path.rglob("*") if path.name.endswith(".part") or ".new-" in path.name]
    assert not left
    assert not list((tmp_path / "tmp").iterdir())


def joined(page: Page, address: str) -> int:
    """The status that somebody behind a proxy of this machine is answered with who asks for a video."""
    visitor = page.visitor()
    body = {"data": spoken("Hello."), "fn_index": visitor.handler("generate")["id"], "session_hash": visitor.session}
    return visitor.post("/gradio_api/queue/join", body, **{"X-Forwarded-For": address}).status


@pytest.mark.slow
def test_two_processes_share_one_disk_and_count_visitors_behind_a_proxy(tmp_path: Path) -> None:
    shared = {"EMOTALK_PUBLIC": "1", "TMPDIR": str(tmp_path / "tmp")}
    pages = [Page(tmp_path / name, EMOTALK_REPLICA=name, **shared) for name in ("a", "b")]
    (tmp_path / "tmp").mkdir()
    try:
        for page in pages:
            page.start()
        for page, name in zip(pages, "ab", strict=True):
            assert page.visitor().get("/").headers["set-cookie"].startswith(f"emotalk_replica={name};")
            assert made(page.visitor().call("generate", spoken("Hello.")))
        assert [joined(pages[1], "198.51.100.7") for _ in range(3)] == [200, 200, 429]
        assert joined(pages[1], "198.51.100.8") == 200  # another visitor of the same proxy
        pages[0].stop()
        assert pages[1].answers()  # the end of one is not the end of the other's files
        assert made(pages[1].visitor().call("generate", spoken("Hello again.")))
    finally:
        for page in pages:
            page.stop()
    assert not any("Traceback" in page.log() for page in pages)
