"""No address of the page leads to a file that is not the visitor's own, to another server, or out of the uploads."""

# ruff: noqa: E501 (the tables below have one kind a line)

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.hostile.cases import SECRET_WORDS
from tests.hostile.running import OpenPage
from tests.hostile.verdicts import files_below
from tests.hostile.visitor import PREFIX

pytestmark = pytest.mark.slow
UP = "../" * 12
TARGETS = ["{secret}", "/etc/passwd", "/proc/self/environ", "/proc/self/cmdline", "{root}/app.py", "{folder}/app.txt"]
WRITINGS = [
    lambda path: path,
    lambda path: path.lstrip("/"),
    lambda path: UP + path.lstrip("/"),
    lambda path: quote(UP + path.lstrip("/"), safe=""),
    lambda path: quote(quote(UP + path.lstrip("/"), safe=""), safe=""),
    lambda path: ("..\\" * 12) + path.lstrip("/").replace("/", "\\"),
    lambda path: "%2e%2e/" * 12 + path.lstrip("/"),
    lambda path: "..%c0%af" * 12 + path.lstrip("/"),
    lambda path: "....//" * 12 + path.lstrip("/"),
    lambda path: f"file://{path}",
    lambda path: f"{path}%00.png",
    lambda path: f"//{path}",
]
"""How a path is written."""
ROUTES = [
    f"{PREFIX}/file={{}}", f"{PREFIX}/file/{{}}", f"{PREFIX}/proxy={{}}", "/emotalk/live/{}.mp4", "/emotalk/clip/{}.mp4",
    "/emotalk/live/{}", "/assets/{}", "/static/{}", "/svelte/{}", f"{PREFIX}/custom_component/{{}}/client/component/a.js",
    f"{PREFIX}/custom_component/gradio.textbox/client/component/{{}}", f"{PREFIX}/stream/a/b/{{}}/playlist.m3u8",
    "/emotalk/live-face/packs/{}.pack", "/emotalk/live-face/face-{}.pack", "/emotalk/live-face/script-{}.js",
    f"{PREFIX}/stream/a/b/c/{{}}.ts", f"{PREFIX}/deep_link?session_hash={{}}", "/pwa_icon/{}", "/monitoring/{}", "/{}",
]  # fmt: skip
"""Where a path is put."""
OTHERS = [
    "/config", "/theme.css", f"{PREFIX}/theme.css", f"{PREFIX}/info", f"{PREFIX}/openapi.json", f"{PREFIX}/app_id", f"{PREFIX}/token",
    f"{PREFIX}/user", f"{PREFIX}/dev/reload", f"{PREFIX}/runs", f"{PREFIX}/vibe-code/", f"{PREFIX}/queue/status", "/monitoring",
    "/monitoring/summary", f"{PREFIX}/profiling/traces", f"{PREFIX}/mcp/sse", f"{PREFIX}/mcp/http", f"{PREFIX}/run-history/records",
    f"{PREFIX}/queue/data?session_hash=nobody", f"{PREFIX}/queue/data", f"{PREFIX}/call/talk/nobody", "/robots.txt", "/manifest.json",
    "/docs", "/redoc", "/openapi.json", "/.git/config", "/.env", "/app.py", "/logout",
]  # fmt: skip


def given_away(page: OpenPage, body: bytes) -> bool:
    """Whether an answer holds something of a file that is not the visitor's."""
    signs = (SECRET_WORDS.encode(), b"root:x:0:0", b"TMPDIR=", b"signal.SIGTERM", Path(page.secret).read_bytes()[:200])
    return any(sign in body for sign in signs)


@pytest.mark.parametrize("route", ROUTES)
def test_no_address_leads_to_a_file_of_the_server(page: OpenPage, route: str) -> None:
    from tests.ui.browsing import ROOT

    visitor, wrong = page.visitor(), []
    for target in TARGETS:
        path = target.format(secret=page.folder / "secret" / "diary.txt", root=ROOT, folder=page.folder)
        for write in WRITINGS:
            address = route.format(write(path))
            for method in ("GET", "HEAD"):
                answer = visitor.send(method, address)
                page.sent += 1
                if given_away(page, answer.body) or (answer.status >= 500 and answer.status != 501):
                    wrong.append(f"{method} {address}: {answer.status} {answer.body[:200]!r}")
                if "Traceback" in (said := page.news()):
                    wrong.append(f"{method} {address}: a traceback is logged: {said[-500:]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("address", OTHERS)
def test_no_other_address_says_anything_of_the_server(page: OpenPage, address: str) -> None:
    visitor = page.visitor()
    visitor.patience = 0  # an answer of signs of life alone has said what it says
    answer = visitor.get(address)
    page.sent += 1
    assert not given_away(page, answer.body)
    assert answer.status < 500
    assert str(page.folder) not in answer.text
    assert "Traceback" not in page.news()


@pytest.mark.parametrize("route", [
    f"{PREFIX}/file={{}}", f"{PREFIX}/proxy={{}}", f"{PREFIX}/file={{}}?a=http://127.0.0.1/", f"{PREFIX}/file=%20{{}}",
])  # fmt: skip
def test_the_server_fetches_no_address_for_a_stranger(page: OpenPage, door, route: str) -> None:
    knocks, visitor = door.knocks, page.visitor()
    port = door.address.rstrip("/").rpartition(":")[2]
    for host in (
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "2130706433",
        "0x7f000001",
        "127.1",
        "[::ffff:127.0.0.1]",
        "a@127.0.0.1",
    ):
        for scheme in ("http", "https", "HTTP"):
            answer = visitor.get(route.format(f"{scheme}://{host}:{port}/a"))
            page.sent += 1
            assert 400 <= answer.status < 500, (host, answer)
    assert door.knocks == knocks
    assert "Traceback" not in page.news()


@pytest.mark.parametrize("name", [
    "../../../climbed.txt", "/tmp/climbed.txt", "..\\..\\climbed.txt", "a/../../climbed.txt", ".", "..", "", "\0", "a\0.png",
    "%2e%2e%2fclimbed.txt", "a" * 5000, "\u202egpj.txt", "con", "a\r\nX-Climbed: 1", "<script>", ".bashrc", "\U0001f600" * 100,
])  # fmt: skip
def test_an_upload_stays_in_the_folder_of_uploads(page: OpenPage, name: str) -> None:
    before = files_below(page.folder)
    answer = page.visitor().upload(name, b"climbed")
    page.sent += 1
    new = files_below(page.folder) - before
    assert all(path.startswith(("gradio/", "tmp/", "gradio")) for path in new), new
    assert answer.status in (0, 200, 400, 413, 422), answer
    assert "Traceback" not in page.news()
    if answer.ok:
        [where] = json.loads(answer.body)
        assert Path(where).resolve().is_relative_to(page.folder / "gradio")


@pytest.mark.parametrize("value", [
    "bytes=1-2-3", "bytes=5-2", "bytes=-1", "bytes=a-b", "bytes=0-99999999999999999999", "bytes=0-0,1-1,2-2", "bytes=" + "0-0," * 5000,
    "bytes=٣-٤", "chapters=1-2", "",
])  # fmt: skip
def test_an_odd_part_of_a_file_is_answered(page: OpenPage, value: str) -> None:
    visitor = page.visitor()
    [where] = json.loads(visitor.upload("a.txt", b"0123456789").body)
    answer = visitor.get(f"{PREFIX}/file={where}", Range=value.encode("utf-8").decode("latin-1"))
    page.sent += 1
    assert answer.status in (200, 206, 400, 403, 416, 431), answer
    assert "Traceback" not in page.news()


@pytest.mark.parametrize(
    "fn_name", ["__init__", "get_config", "postprocess", "__class__", "_is_server_fn", "ls", "a" * 10_000, None]
)
def test_no_method_of_a_control_can_be_called(page: OpenPage, fn_name: str | None) -> None:
    visitor = page.visitor()
    for component in [*(entry["id"] for entry in visitor.config()["components"][:30]), -1, 10**9, "a", None, [1]]:
        body = {"data": ["/etc"], "component_id": component, "session_hash": visitor.session, "fn_name": fn_name}
        answer = visitor.post(f"{PREFIX}/component_server", body)
        page.sent += 1
        assert 400 <= answer.status < 500, (component, answer)
    assert "Traceback" not in page.news()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "169.254.169.254", "a" * 5000, "[::1", "a b"],
)
def test_another_name_of_the_page_is_refused(page: OpenPage, host: str) -> None:
    """A page elsewhere whose name is made to point here (DNS rebinding) reads nothing."""
    answer = page.visitor().get("/config", Host=host)
    page.sent += 1
    assert 400 <= answer.status < 500, answer.status
    assert b"dependencies" not in answer.body
    assert "Traceback" not in page.news()


@pytest.mark.parametrize("origin", ["http://evil.example", "https://evil.example:7860", "null", "file://"])
def test_another_site_cannot_upload_here(page: OpenPage, origin: str) -> None:
    before = files_below(page.folder)
    answer = page.visitor().upload("a.txt", b"from elsewhere", Origin=origin)
    page.sent += 1
    assert 400 <= answer.status < 500, answer.status
    assert files_below(page.folder) == before
    assert "Traceback" not in page.news()


def test_the_page_itself_may_upload(page: OpenPage) -> None:
    assert page.visitor().upload("a.txt", b"from here", Origin=page.address).ok
