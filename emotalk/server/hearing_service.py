"""Hearing and voice of live faces as a service of their own, and the page's side of it.

    page: LiveFaces ─► RemoteMaking.talk ─► POST <EMOTALK_HEARING_URL>/say ─► HearingService ─► records, one by one
                          └ no answer, no room, a real person's face, a mood that changes ─► made by the page itself

A service listens to pages of the same owner in a network of their own, not to visitors: a page has looked at what is
asked for before, and counts who asks. It has the shipped faces alone; what is a real person's never leaves the page's
machine. `scripts/deploy/ray_serve.py` puts as many services behind one address as there is work for.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emotalk.core.errors import EmotalkError
from emotalk.emotion import EmotionCurve
from emotalk.server.limits import max_seconds
from emotalk.server.live_answers import answered
from emotalk.server.live_making import Making
from emotalk.server.live_requests import JSON_BYTES, Refusal, body_of, wanted_talk
from emotalk.server.live_talks import LiveTalks

if TYPE_CHECKING:
    from starlette.requests import Request

    from emotalk.talk.request import TalkRequest
    from emotalk.talk.studio import Studio

log = logging.getLogger(__name__)

URL, TOKEN = "EMOTALK_HEARING_URL", "EMOTALK_HEARING_TOKEN"
"""Where a page finds the service, and what both know, sent as a bearer token; without a token whoever reaches it may
ask."""
CONNECT_SECONDS, SILENT_SECONDS = 2.0, 30.0


class HearingService:
    """Says texts for pages. `making` stands in for models in a test."""

    def __init__(self, studio: Studio, making: Making | None = None) -> None:
        self._studio, self._making = studio, making or Making()
        self.talks = LiveTalks()

    async def say(self, request: Request) -> Response:
        """`POST /say` with the values of `live_requests.FIELDS`: the records of a talk (docs/live-stream.md). 401
        without the token, 403 for a face that is not shipped, 422 for what cannot be said, 429 where there is no room,
        each with {"detail": sentence}."""
        return await answered(self._say)(request)

    def app(self) -> Starlette:
        """The service as an ASGI application: `/say` and `/healthz`."""

        async def healthz(_request: Request) -> Response:
            return JSONResponse({"status": "ok", "talks": self.talks.going})

        return Starlette(routes=[Route("/say", self.say, methods=["POST"]), Route("/healthz", healthz)])

    async def _say(self, request: Request) -> Response:
        token = os.environ.get(TOKEN, "").strip()
        sent = request.headers.get("authorization", "").partition(" ")[2].strip()
        if token and not secrets.compare_digest(sent.encode(), token.encode()):
            raise Refusal(401, f"This service belongs to pages that know its token; set {TOKEN} there too.")
        shipped = [info.name for info in self._studio.avatars() if info.card is not None and info.card.synthetic]
        wanted = wanted_talk(await body_of(request, JSON_BYTES), shipped)

        def work(stopped: Callable[[], bool]) -> Iterator[bytes]:
            return self._making.talk(self._studio, wanted, stopped)

        return self.talks.start(secrets.token_urlsafe(12), "", work, max_seconds()).response()


class RemoteMaking(Making):
    """What live faces are made with, their talks by a service at `url` wherever it can."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url, self._token = url.rstrip("/"), token

    def talk(self, studio: Studio, request: TalkRequest, stopped: Callable[[], bool]) -> Iterator[bytes]:
        """The records of a talk; those of the page itself where the service gives none. VoiceError where it breaks off
        in the middle."""
        values = plain_values(request)
        if values is None or not studio.avatar(request.avatar).card.synthetic:
            yield from super().talk(studio, request, stopped)
            return
        begun = False
        try:
            for record in self._records(values, stopped):
                begun = True
                yield record
        except (OSError, EmotalkError) as error:
            if begun:
                raise
            log.warning("The hearing service gives nothing (%s); the page speaks itself.", error)
            yield from super().talk(studio, request, stopped)

    def _records(self, values: dict[str, Any], stopped: Callable[[], bool]) -> Iterator[bytes]:
        # Imported here: only where there is a service.
        import httpx

        from emotalk.core.errors import VoiceError

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        wait = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        try:
            with httpx.stream("POST", f"{self._url}/say", json=values, headers=headers, timeout=wait) as answer:
                if answer.status_code != 200:
                    raise VoiceError(f"The hearing service answered with status {answer.status_code}.")
                buffer = bytearray()
                for chunk in answer.iter_raw():
                    buffer += chunk
                    while len(buffer) >= 4 and len(buffer) >= (size := 4 + int.from_bytes(buffer[1:4], "little")):
                        yield bytes(buffer[:size])
                        del buffer[:size]
                    if stopped():
                        return
                if buffer:
                    raise VoiceError("The hearing service broke off in the middle of a record.")
        except httpx.HTTPError as error:
            raise VoiceError(f"The hearing service cannot be reached ({type(error).__name__}).") from error


def making_here() -> Making:
    """What live faces of this process are made with, as EMOTALK_HEARING_URL says."""
    url = os.environ.get(URL, "").strip()
    return RemoteMaking(url, os.environ.get(TOKEN, "").strip()) if url else Making()


def plain_values(request: TalkRequest) -> dict[str, Any] | None:
    """The values of `live_requests.FIELDS` that describe a request; None where they cannot: a recording, a mood that
    changes over time."""
    curve = request.emotion
    constant = isinstance(curve, EmotionCurve) and len(curve.values) == 1
    if request.text is None or not (constant or curve == "auto"):
        return None
    valence, arousal = curve.values[0] if constant else (request.valence_in_auto, 0.0)
    return {
        "avatar": request.avatar, "text": request.text, "voice": request.voice, "valence": valence, "arousal": arousal,
        "expressiveness": request.expressiveness, "head_motion": request.head_motion,
        "mood_in_voice": request.mood_in_voice, "seed": request.seed, "follow": not constant,
    }  # fmt: skip
