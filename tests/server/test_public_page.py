"""The page as strangers meet it, over HTTP: two places each, nothing for nobody, nothing that stays."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from emotalk.server import line, serving
from tests.hostile.parameters import TALK
from tests.ui.browsing import free_port
from tests.ui.drawn_studio import DrawnStudio

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> DrawnStudio:
    return DrawnStudio(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def app(studio: DrawnStudio) -> Iterator:
    from emotalk.ui import build_app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTALK_PUBLIC", "1")
        patch.setattr(serving, "_settled", None)
        built = build_app(studio, server_name="127.0.0.1")
        built.launch(prevent_thread_lock=True, quiet=True, server_port=free_port())
        yield built
        built.blocks.close(verbose=False)
        built.clips.close()
        built.fits.close()


@pytest.fixture(autouse=True)
def slow_talks(app, studio: DrawnStudio) -> Iterator[None]:
    studio.frame_seconds = 0.2
    yield
    studio.frame_seconds = 0.0
    until(lambda: studio.running == 0 and app.blocks._queue.jobs() == [])


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Visitor:
    """A program at an address of its own: loopback has many."""

    def __init__(self, app, number: int) -> None:
        self.port, self.address = app.blocks.server_port, f"127.0.0.{number}"

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        link = HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(self.address, 0))
        sent = None if body is None else json.dumps(body).encode()
        link.request(method, f"/gradio_api/{path}", sent, {"Content-Type": "application/json"} if sent else {})
        answer = link.getresponse()
        said = answer.read()
        link.close()
        return answer.status, json.loads(said)

    def talk(self, session: str | None = None) -> tuple[int, object]:
        return self.ask("POST", "call/talk", {"data": TALK, "session_hash": session})

    def listen(self, path: str) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", self.port), 60, source_address=(self.address, 0))
        link.sendall(f"GET /gradio_api/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b" 200 " in link.recv(15)
        return link


def test_two_places_and_then_a_sentence(app, studio: DrawnStudio) -> None:
    one, other = Visitor(app, 2), Visitor(app, 3)
    jobs = [one.talk(), one.talk()]
    links = [one.listen(f"call/talk/{said['event_id']}") for status, said in jobs if status == 200]
    assert len(links) == 2
    until(lambda: studio.running == 1)
    status, said = one.talk()
    assert status == 429
    assert "2 jobs of your address are waiting or at work" in said["detail"]
    assert "come back in about" in said["detail"]
    status, said = other.talk()
    assert status == 200
    links.append(other.listen(f"call/talk/{said['event_id']}"))
    assert one.ask("POST", "call/voices", {"data": []})[0] == 200  # no heavy one
    for link in links:
        link.close()


def test_a_talk_ends_when_whoever_asked_for_it_has_gone(app, studio: DrawnStudio) -> None:
    visitor, before = Visitor(app, 4), studio.cancelled
    _, said = visitor.talk()
    link = visitor.listen(f"call/talk/{said['event_id']}")
    until(lambda: studio.running == 1)
    link.close()
    until(lambda: studio.cancelled == before + 1)
    assert visitor.talk()[0] == 200  # and its place is free


def test_a_talk_nobody_ever_listened_to_ends(app, studio: DrawnStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    before = studio.cancelled
    assert Visitor(app, 5).talk()[0] == 200
    until(lambda: studio.running == 1)
    monkeypatch.setattr(line, "GRACE_SECONDS", 0.0)  # its time to listen is over
    until(lambda: studio.cancelled == before + 1)


def test_what_endpoints_made_lies_in_the_servers_folder_and_goes(app, studio: DrawnStudio, monkeypatch) -> None:
    from emotalk.server import housekeeping
    from emotalk.server.temporary import folder_for, uploads_folder

    studio.frame_seconds = 0.0
    visitor = Visitor(app, 6)
    _, said = visitor.talk()
    link = visitor.listen(f"call/talk/{said['event_id']}")
    until(lambda: b"complete" in link.recv(65536))
    link.close()
    made = [path for folder in (folder_for("calls"), uploads_folder()) for path in folder.rglob("emotalk.mp4")]
    assert len(made) >= 2  # where it was made, and where it is handed out
    monkeypatch.setattr(app.housekeeping, "_clock", lambda: time.monotonic() + 3600)
    app.housekeeping.step()
    assert [path for path in made if path.exists()] == []
    assert housekeeping.size_of(folder_for("calls")) < 10_000


def test_a_killed_server_leaves_a_strangers_clip_until_the_next_start(tmp_path: Path) -> None:
    settings = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1", "EMOTALK_PUBLIC": "1", "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT),
        "GRADIO_TEMP_DIR": "", "EMOTALK_CACHE": str(tmp_path / "cache"),
    }  # fmt: skip
    code = (
        "import sys, tempfile\nfrom pathlib import Path\nfrom tests.ui.drawn_studio import DrawnStudio\n"
        "from emotalk.ui import build_app\n"
        "folder = Path(tempfile.mkdtemp(prefix='drawn-'))\n"
        "app = build_app(DrawnStudio(folder, frame_seconds=0.2))\n"
        "app.launch(prevent_thread_lock=True, quiet=True, server_port=int(sys.argv[1]))\n"
        "print('open', flush=True)\nsys.stdin.read()\n"
    )

    def start(port: int) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(port)], cwd=ROOT, env=settings, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        while process.stdout.readline() != "open\n":
            assert process.poll() is None
        return process

    port = free_port()
    first = start(port)
    try:
        link = HTTPConnection("127.0.0.1", port, timeout=60)
        boundary = b'--b\r\nContent-Disposition: form-data; name="files"; filename="me.mp4"\r\n\r\nface\r\n--b--\r\n'
        link.request("POST", "/gradio_api/upload", boundary, {"Content-Type": "multipart/form-data; boundary=b"})
        (video,) = json.loads(link.getresponse().read())
        headers = {"Content-Type": "application/json"}
        link.request("POST", "/gradio_api/call/talk", json.dumps({"data": TALK}), headers)
        assert link.getresponse().read()
        until(lambda: any(tmp_path.glob("emotalk-server-*/calls/*")))
    finally:
        first.kill()
        first.communicate()
    assert Path(video).read_bytes() == b"face"
    second = start(free_port())
    try:
        until(lambda: not Path(video).exists() and len(list(tmp_path.glob("emotalk-server-*"))) == 1)
    finally:
        second.stdin.close()  # it ends by itself
        assert second.wait(60) == 0
    assert list(tmp_path.glob("emotalk-*")) == []
