"""scripts/deploy/nginx.conf as nginx itself reads it, in front of two processes that tell what they were asked."""

from __future__ import annotations

import contextlib
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from scripts.soak.measure import eventually
from tests.killing import ROOT
from tests.ui.browsing import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="the Debian package nginx-light is not installed"),
]
CONFIGURATION = (ROOT / "scripts" / "deploy" / "nginx.conf").read_text()


class Answering(BaseHTTPRequestHandler):
    """Tells who answers and what was asked; `/slowly` answers in two parts, the second one when it may."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.server.name
        if self.server.ended:  # a connection that nginx had kept
            self.close_connection = True
            return
        if self.path == "/" and self.server.stopping:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Who", name)
        for told in ("Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"):
            self.send_header(f"X-Had-{told}", self.headers.get(told, "nothing"))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._part(b"first")
        if self.path == "/slowly":
            self.server.go_on.wait(20)
        self._part(b"last")
        self._part(b"")

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        self.send_response(200)
        self.send_header("Content-Length", str(len(str(len(body)))))
        self.end_headers()
        self.wfile.write(str(len(body)).encode())

    def _part(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@dataclass
class Site:
    """nginx and what stands behind it."""

    address: str
    context: ssl.SSLContext
    servers: dict[str, ThreadingHTTPServer] = field(default_factory=dict)

    def client(self, **options: object) -> httpx.Client:
        """A browser of its own, with its cookies."""
        return httpx.Client(base_url=self.address, verify=self.context, trust_env=False, timeout=30, **options)

    def end(self, name: str) -> None:
        """One process is gone."""
        server = self.servers.pop(name)
        server.ended = True
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    port, ports = free_port(), {"a": free_port(), "b": free_port()}
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    name = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, *name], cwd=tmp_path, check=True, capture_output=True)
    text = CONFIGURATION.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("faces.example;", "_;")
    text = re.sub(r"/etc/ssl/faces\.example\.(pem|key)", lambda hit: f"{tmp_path}/{KEYS[hit[1]]}", text)
    for old, new in zip((7861, 7862), ports.values(), strict=True):
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off;\npid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{text}\n}}\n"
    )
    context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    found = Site(f"https://localhost:{port}", context)
    for one, at in ports.items():
        server = found.servers[one] = ThreadingHTTPServer(("127.0.0.1", at), Answering)
        server.name, server.stopping, server.ended, server.go_on = one, False, False, threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    nginx = subprocess.Popen(
        ["nginx", "-e", f"{tmp_path}/errors", "-p", str(tmp_path), "-c", f"{tmp_path}/nginx.conf"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        with found.client() as visitor:
            assert eventually(lambda: answers(visitor), 20), (tmp_path / "errors").read_text()
        yield found
    finally:
        nginx.terminate()
        nginx.communicate(timeout=20)
        for one in list(found.servers):
            found.end(one)


KEYS = {"pem": "cert.pem", "key": "key.pem"}


def answers(visitor: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return visitor.get("/").status_code == 200
    return False


def who(answer: httpx.Response) -> str:
    assert answer.status_code == 200
    return answer.headers["x-who"]


def told(visitor: httpx.Client, path: str, cookie: str = "") -> str:
    return who(visitor.get(path, headers={"cookie": f"emotalk_replica={cookie}"} if cookie else {}))


def test_a_visitor_comes_back_to_the_process_of_the_cookie(site: Site) -> None:
    with site.client() as visitor:
        for name in ("a", "b", "a"):
            assert {told(visitor, path, name) for path in ("/", "/config", "/x?y=1")} == {name}


def test_a_ticket_leads_home_without_a_cookie_and_against_one(site: Site) -> None:
    with site.client() as visitor:
        assert told(visitor, "/live/pack?ticket=a.x") == "a"
        assert told(visitor, "/live/pack?ticket=b.x") == "b"
        assert told(visitor, "/live/pack?ticket=b.x", "a") == "b"


def test_who_brings_neither_stays_with_one(site: Site) -> None:
    with site.client() as visitor:
        assert len({told(visitor, f"/{i}") for i in range(8)}) == 1
        assert told(visitor, "/", "evil:80") in ("a", "b")


def test_the_process_is_told_who_asked_whatever_they_say(site: Site) -> None:
    with site.client() as visitor:
        said = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
        heard = visitor.get("/config", headers=said).headers
    assert heard["x-had-x-forwarded-for"] == "127.0.0.1"
    assert heard["x-had-x-forwarded-proto"] == "https"
    assert heard["x-had-x-forwarded-host"] == "nothing"
    assert heard["x-had-host"] == "localhost"


def test_what_is_made_arrives_as_it_is_made(site: Site) -> None:
    with site.client() as visitor, visitor.stream("GET", "/slowly") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first"  # the rest has not been said yet
        site.servers[answer.headers["x-who"]].go_on.set()
        assert b"".join(parts) == b"last"


def test_numbers_are_for_those_who_ask_the_process_itself(site: Site) -> None:
    with site.client() as visitor:
        assert visitor.get("/metrics").status_code == 404


def test_a_large_video_passes_and_a_larger_one_does_not(site: Site) -> None:
    with site.client() as visitor:
        assert visitor.post("/upload", content=bytes(55 << 20)).text == str(55 << 20)
        with contextlib.suppress(httpx.TransportError):  # it may hang up before all has been sent
            assert visitor.post("/upload", content=bytes(61 << 20)).status_code == 413


def ended(site: Site) -> None:
    site.end("a")


def ending(site: Site) -> None:
    site.servers["a"].stopping = True


@pytest.mark.parametrize("what", [ended, ending])
def test_the_page_of_a_process_that_goes_is_given_by_the_other(site: Site, what: Callable[[Site], None]) -> None:
    what(site)
    with site.client() as visitor:
        assert told(visitor, "/", "a") == "b"
