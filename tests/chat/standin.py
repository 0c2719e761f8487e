"""A chat server on this machine that answers what a test tells it to, piece by piece, when the test says so."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 60.0
"""No verdict: whatever takes so long is stuck."""
HANG = "until the client goes"
"""A part that never comes."""


def delta(text: str) -> bytes:
    """An event with a piece of an answer."""
    return event({"choices": [{"index": 0, "delta": {"content": text}}]})


def event(said: Any) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


class StandIn:
    """Answers every request with `parts`: bytes are sent, an Event is waited for, HANG until the client is gone, a
    function is asked for bytes again and again. `requests` holds what came: path, headers, body."""

    def __init__(self, *parts: bytes | str | threading.Event | Callable[[], bytes], status: int = 200, **headers: str):
        self.parts, self.status = list(parts) or [delta("Hello."), DONE], status
        self.headers = {"Content-Type": "text/event-stream"} | {k.replace("_", "-"): v for k, v in headers.items()}
        self.requests: list[dict[str, Any]] = []
        self.begun, self.gone = threading.Event(), threading.Event()  # a request came; its client went away
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stand_in._answer(self)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    def messages(self, number: int = -1) -> list[tuple[str, str]]:
        """Role and content of what a request asked."""
        return [(message["role"], message["content"]) for message in self.requests[number]["body"]["messages"]]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        self.requests.append(
            {"path": handler.path, "headers": dict(handler.headers), "body": json.loads(body or b"null")}
        )
        self.begun.set()
        with contextlib.suppress(ConnectionError):
            if self.parts[0] == HANG and self.status == 200:
                return self._hang(handler)
            handler.send_response(self.status)
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            for part in self.parts:
                if isinstance(part, threading.Event):
                    assert part.wait(SECONDS)
                elif part == HANG:
                    return self._hang(handler)
                elif callable(part):
                    while True:
                        handler.wfile.write(part())
                else:
                    handler.wfile.write(part)
            return None
        self.gone.set()
        return None

    def _hang(self, handler: BaseHTTPRequestHandler) -> None:
        handler.connection.settimeout(SECONDS)
        handler.connection.recv(1)
        self.gone.set()
