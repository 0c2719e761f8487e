"""Live faces on pages of other sites, for those that the owner has named (EMOTALK_EMBED_ORIGINS), and no others.

    browser ─► Embedding ─┬─ /emotalk/live-face/ of a named origin: preflights answered, the answer may be read
                          ├─ the same of any other origin: no answer may be read, changes are refused (`gate`)
                          └─ whatever else: untouched

It stands in front of everything, also of Gradio's own middleware, which lets any site read where a page has a name.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from emotalk.server.serving import host_name

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

BELOW = "/emotalk/live-face/"
_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Max-Age": "600",
}


def embed_origins() -> frozenset[str]:
    """The origins that EMOTALK_EMBED_ORIGINS names, separated by commas: scheme, name and port, as browsers say them.
    What is none is left out and logged: no star, no "null", no path."""
    said = [part.strip() for part in os.environ.get("EMOTALK_EMBED_ORIGINS", "").split(",") if part.strip()]
    found = {part: origin_of(part) for part in said}
    for part in (part for part, origin in found.items() if origin is None):
        log.warning("EMOTALK_EMBED_ORIGINS: %.80r is no origin such as https://example.org; left out", part)
    return frozenset(origin for origin in found.values() if origin is not None)


def origin_of(text: str) -> str | None:
    """An origin in the one form in which a browser writes it; None for what is none."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    name = host_name(parts.netloc)
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in ("http", "https") or not name or not plain or "*" in name:
        return None
    shown = f"[{name}]" if ":" in name else name
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}" if port in (None, usual) else f"{parts.scheme}://{shown}:{port}"


class Embedding:
    """The middleware; `origins` are those that may embed (`embed_origins`)."""

    def __init__(self, app: ASGIApp, origins: frozenset[str] = frozenset()) -> None:
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        origin = headers.get("origin")
        if origin is None or not scope["path"].startswith(BELOW):
            await self._app(scope, receive, send)
            return
        named = origin in self._origins
        told = _telling(send, origin if named else None)
        if not named:
            await self._app(scope, receive, told)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=_ALLOWED)(scope, receive, told)
        else:
            # For the rest of the server it is a program's request: what it may do hangs on its ticket.
            own = [(name, value) for name, value in scope["headers"] if name != b"origin"]
            await self._app(scope | {"headers": own}, receive, told)

    @contextlib.asynccontextmanager
    async def in_front(self, app: Any) -> AsyncIterator[None]:
        """A `lifespan` that puts this in front of an application whose middleware is put together already."""
        self._app, app.middleware_stack = app.middleware_stack, self
        yield


def _telling(send: Send, origin: str | None) -> Send:
    """Answers that a page of `origin` may read, and nobody else's page."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in ("access-control-allow-origin", "access-control-allow-credentials"):
                del headers[name]
            headers.add_vary_header("Origin")
            if origin is not None:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = "Retry-After"
        await send(message)

    return told
