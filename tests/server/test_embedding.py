"""EMOTALK_EMBED_ORIGINS: pages of named sites may use live faces from afar, and no other page anything."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from emotalk.server import serving
from emotalk.server.embedding import embed_origins, origin_of
from emotalk.server.live_faces import PREFIX
from tests.server.live_doubles import Doubles
from tests.server.test_gate import ask, detail
from tests.ui.drawn_studio import DrawnStudio

NAMED, FOREIGN = "https://named.example", "https://evil.example"
READ = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module", params=[True, False], ids=["one named", "none named"])
def named(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(scope="module")
def app(named: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """The real page with drawn faces; it names a site, or none."""
    from emotalk.ui import build_app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTALK_EMBED_ORIGINS", f"{NAMED}, http://other.example:8080" if named else "")
        built = build_app(DrawnStudio(tmp_path_factory.mktemp("drawn")), server_name="127.0.0.1")
        built.faces._making = Doubles()
        built.launch(prevent_thread_lock=True, quiet=True)
    yield built
    built.blocks.close(verbose=False)
    built.clips.close()
    built.faces.close()


@pytest.fixture
def port(app, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.delenv("EMOTALK_PUBLIC", raising=False)
    monkeypatch.setattr(serving, "_settled", app.serving)
    return app.blocks.server_port


@pytest.fixture
def token(app) -> str:
    token = app.faces.ticket("page")
    app.faces.tickets.find(token).show("mira")
    return token


def asked_before(port: int, path: str, origin: str):
    """A browser's question whether a page of that origin may post JSON."""
    return ask(
        port, "OPTIONS", path, Origin=origin, Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="content-type",
    )  # fmt: skip


def test_a_named_site_may_ask_and_read_where_there_is_one(named: bool, port: int, token: str) -> None:
    say, body = f"/{PREFIX}/say?ticket={token}", json.dumps({"avatar": "mira", "text": "Hello."}).encode()
    status, _, headers = asked_before(port, say, NAMED)
    assert (headers[READ] == NAMED and status == 204) if named else READ not in headers
    status, said, headers = ask(port, "POST", say, body, Origin=NAMED, Content_Type="application/json")
    if named:
        assert (status, headers[READ]) == (200, NAMED)
        assert "Origin" in headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in headers
        assert "content-type" in asked_before(port, say, NAMED)[2]["Access-Control-Allow-Headers"]
    else:
        assert status == 403
        assert "another site" in detail(said)
        assert READ not in headers


def test_a_named_site_is_given_a_ticket_and_a_face(named: bool, port: int) -> None:
    for origin in (NAMED, FOREIGN):
        status, said, _ = ask(port, "POST", f"/{PREFIX}/open", Origin=origin)
        if not named or origin == FOREIGN:
            assert status == 403
            continue
        begun = json.loads(said)
        assert ask(port, "GET", f"/{begun['script']}", Origin=origin)[0] == 200
        wish = json.dumps({"avatar": "nobody"}).encode()
        status, said, headers = ask(port, "POST", f"/{PREFIX}/show?ticket={begun['ticket']}", wish, Origin=origin)
        assert (status, headers[READ]) == (403, NAMED)
        assert "mira, kofi" in detail(said)
    assert ask(port, "POST", f"/{PREFIX}/open")[0] == (200 if named else 404)  # programs


def test_refusals_can_be_read_there_too(named: bool, port: int) -> None:
    status, said, headers = ask(port, "POST", f"/{PREFIX}/say?ticket=a", b"{}", Origin=NAMED)
    assert status == (404 if named else 403)
    assert detail(said)
    assert headers.get(READ) == (NAMED if named else None)


@pytest.mark.parametrize("public", ["0", "1"])
@pytest.mark.parametrize(
    "origin",
    [FOREIGN, "null", "http://named.example", f"{NAMED}:444", f"{NAMED}.evil.example", "https://a.named.example", "*"],
)
def test_no_other_site_may(port: int, token: str, monkeypatch, origin: str, public: str) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", public)
    say = f"/{PREFIX}/say?ticket={token}"
    assert READ not in asked_before(port, say, origin)[2]
    status, _, headers = ask(port, "POST", say, b"{}", Origin=origin)
    assert (status, READ in headers) == (403, False)
    assert READ not in ask(port, "GET", f"/{PREFIX}/packs/{'0' * 32}.pack", Origin=origin)[2]


def test_a_named_site_may_nothing_else(port: int) -> None:
    for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/emotalk/live-face", "/emotalk/live-faces/say"):
        assert ask(port, "POST", path, b"{}", Origin=NAMED)[0] == 403
    assert ask(port, "GET", "/config", Origin=NAMED)[0] == 403
    assert READ not in ask(port, "GET", "/config", Origin=NAMED)[2]


def test_the_page_itself_and_programs_may(port: int, token: str) -> None:
    say, body = f"/{PREFIX}/say?ticket={token}", json.dumps({"avatar": "mira", "text": "Hello."}).encode()
    for headers in ({}, {"Origin": f"http://127.0.0.1:{port}"}):
        assert ask(port, "POST", say, body, **headers)[0] == 200
    assert ask(port, "POST", say, body, Host="evil.example")[0] == 400


def test_the_page_knows_its_script(app, port: int) -> None:
    status, said, headers = ask(port, "GET", f"/{app.faces.script_path}")
    assert status == 200
    assert "export" in said
    assert "immutable" in headers["Cache-Control"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("said", "origin"), [
    ("https://a.example", "https://a.example"), ("HTTPS://A.Example:443/", "https://a.example"),
    ("http://a.example:80", "http://a.example"), ("http://[::1]:8080", "http://[::1]:8080"),
    ("a.example", None), ("*", None), ("https://*", None), ("https://*.a.example", None), ("null", None),
    ("file:///a", None), ("https://a.example/path", None), ("https://a@b.example", None), ("https://", None),
    ("https://a.example:x", None), ("https://a.example?b", None), ("https://a.example:99999", None),
])  # fmt: skip
def test_an_origin_is_written_as_browsers_write_it(said: str, origin: str | None) -> None:
    assert origin_of(said) == origin


def test_nobody_is_named_unless_it_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("EMOTALK_EMBED_ORIGINS", raising=False)
    assert embed_origins() == frozenset()
    monkeypatch.setenv("EMOTALK_EMBED_ORIGINS", " https://a.example ,*,, http://b.example:8080/")
    with caplog.at_level(logging.WARNING):
        assert embed_origins() == {"https://a.example", "http://b.example:8080"}
    assert "'*'" in caplog.text
