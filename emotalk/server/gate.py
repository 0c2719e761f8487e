"""The gate in front of the page: what may come in, how much of it, and from where.

    browser ─► Gate ─► Gradio's routes, the clips
               ├ 400 a name that does not lead here (DNS rebinding)
               ├ 403 a change that another site's page asks for
               ├ 404 parts of Gradio that this page does not use, jobs that there are not
               ├ 413 a body that is too large, announced or not
               └ 429 too many files of one address at once

It is a plain ASGI middleware: streams pass through it unbuffered.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from fastapi import HTTPException
from gradio.server_messages import UnexpectedErrorMessage
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response

from emotalk.server.limits import is_public, limits
from emotalk.server.meters import METERS
from emotalk.server.replicas import cookie, replica
from emotalk.server.serving import host_name, settled
from emotalk.server.stopping import RETRY_SECONDS, SENTENCE, is_stopping
from emotalk.server.visitors import address_of, forwarding_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from emotalk.server.line import FairQueue

JSON_BYTES = 4 * 2**20
"""Largest body that is no upload. What the page posts has a few kilobytes."""
_ENVELOPE_BYTES = 2**20
"""What an upload's form adds to its file."""
_API = "/gradio_api/"
_CLOSED = (
    "/gradio_api/file=http", "/gradio_api/file/http", "/gradio_api/proxy=", "/gradio_api/process_recording",
    "/gradio_api/component_server", "/gradio_api/deep_link", "/gradio_api/vibe-", "/gradio_api/undo-vibe-edit",
    "/gradio_api/dev/", "/gradio_api/run-history", "/gradio_api/runs", "/gradio_api/custom_component", "/monitoring",
)  # fmt: skip
"""Parts of Gradio that this page does not use: fetching of addresses, screen recordings, snapshots of states, editing
of the page, statistics."""
_FILES = ("/emotalk/live/", "/emotalk/clip/", f"{_API}file=")
"""Whoever reads one of these is waited for when the server ends."""
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class Gate:
    """The middleware. `line` gives the waiting line, which learns who waits for outcomes."""

    def __init__(self, app: ASGIApp, line: Callable[[], FairQueue]) -> None:
        self._app, self._line = app, line
        self._uploads: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = _refusal(scope)
        if refusal is not None:
            status, sentence = refusal
            await _answer(scope, receive, send, status, sentence)
            return
        path, send = scope["path"], _with_headers(send)
        if path == "/" and replica():
            if is_stopping():  # the proxy asks another process, whose cookie takes the place of this one's
                told = {"Retry-After": str(RETRY_SECONDS)}
                await PlainTextResponse(SENTENCE, 503, headers=told)(scope, receive, send)
                return
            send = _with_cookie(send, scope.get("scheme") == "https")
        if path.startswith(f"{_API}mcp"):
            ours = forwarding_header(HTTPConnection(scope))
            scope = scope | {"headers": [ours, *(header for header in scope["headers"] if header[0] != ours[0])]}
        if path.startswith(f"{_API}upload") and scope["method"] == "POST":
            await self._upload(scope, receive, send)
        elif path.startswith(_FILES):
            METERS.reading(1)
            try:
                await self._capped(scope, receive, send, JSON_BYTES)
            finally:
                METERS.reading(-1)
        elif (key := _listens_to(scope)) is not None:
            await self._news(key, scope, receive, send)
        else:
            await self._capped(scope, receive, send, JSON_BYTES)

    async def _news(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        line = self._line()
        if not line.knows(key):
            # Gradio says it too, in the middle of an answer that it then breaks off with a traceback.
            message = UnexpectedErrorMessage(message="There is no such session (any more).", session_not_found=True)
            if scope["path"].startswith(f"{_API}call/"):
                await _answer(scope, receive, send, 404, "There is no such job, or its outcome has been fetched.")
            else:
                said = f"data: {message.model_dump_json()}\n\n"
                await Response(said, media_type="text/event-stream")(scope, receive, send)
            return
        line.listeners.opened(key)
        try:
            await self._app(scope, receive, send)
        finally:
            line.listeners.closed(key)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed, address = limits(), address_of(HTTPConnection(scope))
        if self._uploads[address] >= allowed.uploads_of_address:
            sentence = f"{allowed.uploads_of_address} files are on their way already; wait until one has arrived."
            await _answer(scope, receive, send, 429, sentence)
            return
        self._uploads[address] += 1
        try:
            await self._capped(scope, receive, send, allowed.upload_megabytes * 2**20 + _ENVELOPE_BYTES)
        finally:
            self._uploads[address] -= 1
            if not self._uploads[address]:
                del self._uploads[address]

    async def _capped(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        sentence = f"What was sent is larger than the {_megabytes(most)} MB that are taken here; send less."
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced[:18]) > most or len(announced) > 18:
            await _answer(scope, receive, send, 413, sentence)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:  # a body without a length, or longer than it said
                raise HTTPException(413, sentence)
            return message

        await self._app(scope, counted, send)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    """Why a request may not come in: a status and a sentence. None where it may."""
    headers, serving = Headers(scope=scope), settled()
    for name in ("host", "x-forwarded-host"):
        for host in headers.getlist(name):
            if not all(serving.is_host(part) for part in host.split(",")):
                return 400, (
                    f"This page is not served as {host_name(host)[:80]!r}. If that name is yours, list it in the "
                    "setting EMOTALK_HOSTS (docs/app.md) and start the page again."
                )
    if "host" not in headers:
        return 400, "The request names no host."
    origin = headers.get("origin")
    # What another site may read of a page that is open to everybody, it may read; of somebody's own page nothing.
    guarded = scope["method"] in _CHANGING or not is_public()
    if origin is not None and guarded and not _is_own(origin, headers):
        return 403, (
            "This was asked for by a page of another site. If that site is yours, list its name in the setting "
            "EMOTALK_HOSTS (docs/app.md)."
        )
    if scope["path"].startswith(_CLOSED):
        return 404, "This part of Gradio is not used here."
    return None


def _is_own(origin: str, headers: Headers) -> bool:
    """Whether an Origin header names the page itself: the host that the request goes to, or a configured one."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    name = host_name(parts.netloc)
    if parts.scheme not in ("http", "https") or not name:
        return False  # "null" too: a file, or a frame that was locked away
    if name in settled().hosts:
        return True
    usual = {"http": 80, "https": 443}[parts.scheme]
    return any(
        (name, port or usual) == (host_name(host), _port(host) or usual)
        for header in ("host", "x-forwarded-host")
        for host in headers.get(header, "").split(",")
        if host
    )


def _port(host: str) -> int | None:
    try:
        return urlsplit(f"//{host.strip()}").port
    except ValueError:
        return None


def _listens_to(scope: Scope) -> str | None:
    """The page session or job whose outcome a request waits for; None for any other request."""
    path = scope["path"].rstrip("/")
    if scope["method"] != "GET":
        return None
    if path == f"{_API}queue/data":
        return parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
    if path.startswith(f"{_API}call/"):
        return path.rpartition("/")[2]
    return None


def _with_headers(send: Send) -> Send:
    """Tell browsers to guess no types, to send no addresses elsewhere, and who may show the page in a frame."""
    serving = settled()
    framing = "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*"  # notebooks of this machine
    if serving.on_space:
        framing = "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
            if not serving.share:  # a notebook elsewhere shows it in a frame
                headers["Content-Security-Policy"] = framing
        await send(message)

    return told


def _with_cookie(send: Send, secure: bool) -> Send:
    """Tell the browser which of several processes its page lives in."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            MutableHeaders(scope=message).append("Set-Cookie", cookie(secure) or "")
        await send(message)

    return told


async def _answer(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    METERS.add("emotalk_refusals_total", value="gate")
    # "detail" is where Gradio's page and clients look for words.
    close = {"Connection": "close"} if scope["method"] in _CHANGING else {}  # the rest of the body is not waited for
    await JSONResponse({"detail": sentence}, status, headers=close)(scope, receive, _with_headers(send))


def _megabytes(size: int) -> int:
    return size // 2**20
