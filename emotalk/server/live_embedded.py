"""What stands in for the page's private events where a page of another site shows a live face.

    page elsewhere ─► POST open ─► ticket ─► POST show?ticket= ─► addresses, who ─► the other addresses

There only where the owner has named an origin (`embedding`). A real person's face, or one from the Hub, is shown to no
other site: the gallery's synthetic ones alone.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emotalk.server.live_answers import answered
from emotalk.server.live_requests import NUMBER, TEXT, Refusal, body_of, table_of
from emotalk.server.live_talks import TooMany
from emotalk.server.visitors import address_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from emotalk.server.live_faces import LiveFaces
    from emotalk.talk.studio import Studio

JSON_BYTES = 4096
"""Of which face, and how it moves."""
FIELDS = {"avatar": TEXT, "head_motion": NUMBER, "expressiveness": NUMBER}
_UNKEPT = {"Cache-Control": "no-store"}


def embedded_routes(faces: LiveFaces, studio: Studio, prefix: str) -> list[Route]:
    """The two addresses, below `prefix`."""

    async def begin(request: Request) -> Response:
        token = faces.ticket(f"elsewhere {secrets.token_urlsafe(24)}", address_of(request))
        return JSONResponse({"ticket": token, "script": faces.script_path}, headers=_UNKEPT)

    async def show(request: Request) -> Response:
        ticket = faces.ticket_of(request)
        values = table_of(await body_of(request, JSON_BYTES), FIELDS)
        avatar = values.pop("avatar", "")
        offered = await asyncio.to_thread(_offered, studio)
        if avatar not in offered:
            raise Refusal(403, f"{avatar!r:.80} is not shown on other sites; there are {', '.join(offered) or 'none'}.")
        told = await faces.show_to(ticket, avatar, address=address_of(request), **values)
        if told is None:
            raise TooMany("Another face was chosen before this one was ready.", 1)
        return JSONResponse(told, headers=_UNKEPT)

    return [
        Route(f"/{prefix}/open", answered(begin), methods=["POST"]),
        Route(f"/{prefix}/show", answered(show), methods=["POST"]),
    ]


def _offered(studio: Studio) -> list[str]:
    """Names of the gallery's avatars that are nobody's likeness."""
    infos = [info for info in studio.avatars() if info.card is not None and not info.problem]
    return [info.name for info in infos if info.card.synthetic]
