"""How the addresses of live faces answer: packs, and refusals in words."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from emotalk.core.errors import EmotalkError
from emotalk.server.live_requests import Refusal
from emotalk.server.live_talks import TooMany
from emotalk.server.meters import METERS
from emotalk.server.sentences import sentence_of

if TYPE_CHECKING:
    from starlette.requests import Request

FOREVER = "public, max-age=31536000, immutable"
"""What has its hash for an address never changes."""
PRIVATE = "private, no-store"
"""A real person's."""
_CROWDED = {429: "live", 503: "stopping"}
"""As what a refusal for want of room is counted."""
_UNREAD = (400, 408, 413)
"""Refusals of a body that is not waited for."""


def packed(request: Request, data: bytes, keeping: str) -> Response:
    """A pack, which is gzip, for a browser that says it reads that; unpacked for any other program."""
    headers = {"Cache-Control": keeping, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        data = gzip.decompress(data)
    return Response(data, media_type="application/octet-stream", headers=headers)


def answered(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The handler, its refusals answered with a status and {"detail": sentence}."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return _told(refusal.status, str(refusal), refusal.seconds)
        except TooMany as crowd:
            return _told(429, str(crowd), crowd.seconds)
        except EmotalkError as error:
            return _told(422, sentence_of(error)[1])
        except Exception as error:
            return _told(500, sentence_of(error, discreet=True)[1])

    return guarded


def _told(status: int, sentence: str, seconds: int | None = None) -> Response:
    headers = {"Cache-Control": "no-store"}
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    if status in _CROWDED:
        METERS.add("emotalk_refusals_total", value=_CROWDED[status])
    if status in _UNREAD:
        headers["Connection"] = "close"
    words = sentence.encode("utf-8", "replace").decode()  # no answer can carry halves of letters
    return JSONResponse({"detail": words}, status, headers=headers)
