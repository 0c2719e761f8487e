"""Two addresses for whoever runs the server: is it alive, and how is it.

    GET /healthz ─► 200 {"status": "ok"}, 503 {"status": "stopping"}: for anybody; a balancer sends nobody new there
    GET /metrics ─► numbers for Prometheus (`meters`): on one's own machine; in public with the owner's token alone

The numbers tell nothing of a visitor, but how busy a server is, is the owner's affair: in public there is no such
address (404) unless EMOTALK_METRICS_TOKEN is set and sent as `Authorization: Bearer <token>`. Where a request comes
from does not count, since behind a proxy on the same machine every stranger comes from loopback.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from emotalk.server.limits import is_public
from emotalk.server.meters import CONTENT_TYPE, METERS, Gauges, exposition
from emotalk.server.stopping import RETRY_SECONDS, is_stopping

if TYPE_CHECKING:
    from starlette.requests import Request

TOKEN = "EMOTALK_METRICS_TOKEN"
_UNKEPT = {"Cache-Control": "no-store"}
_STARTED = time.time()


def health_routes(gauges: Callable[[], Gauges]) -> list[Route]:
    """The two addresses; `gauges` gives what is there now."""

    async def healthz(_request: Request) -> Response:
        if is_stopping():
            return JSONResponse({"status": "stopping"}, 503, headers=_UNKEPT | {"Retry-After": str(RETRY_SECONDS)})
        return JSONResponse({"status": "ok"}, headers=_UNKEPT)

    async def metrics(request: Request) -> Response:
        if not may_read(request.headers.get("authorization", "")):
            return PlainTextResponse("There is nothing here.", 404, headers=_UNKEPT)
        text = await asyncio.to_thread(lambda: exposition(METERS, {**gauges(), **process_gauges()}))
        return Response(text, headers=_UNKEPT | {"Content-Type": CONTENT_TYPE})

    return [Route("/healthz", healthz), Route("/metrics", metrics)]


def may_read(authorization: str) -> bool:
    """Whether somebody who sends this Authorization header may read the numbers. Where a token is set it is needed on
    one's own machine too."""
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        return not is_public()
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), token.encode())


def process_gauges() -> dict[str, float]:
    """What the process itself takes now; where the system does not tell (no /proc), fewer of them."""
    times = os.times()
    found = {
        "process_cpu_seconds_total": times.user + times.system + times.children_user + times.children_system,
        "process_start_time_seconds": round(_STARTED),
        "process_threads": float(threading.active_count()),
        "emotalk_stopping": float(is_stopping()),
    }
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found["process_resident_memory_bytes"] = float(pages * os.sysconf("SC_PAGE_SIZE"))
        found["process_open_fds"] = float(len(os.listdir("/proc/self/fd")))
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    return found
