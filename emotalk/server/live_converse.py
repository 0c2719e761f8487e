"""Talking with a live face: what a visitor says goes to a language model, whose answer the face speaks as it comes.

    POST converse?ticket= ─► question ─► the ticket's dialogue ─► messages ─► model ─► sentences ─► a talk as of say
                                           ▲ what of it was said, and when ◄──────── T, A records ───────┘

The model's server is the one that the owner names (EMOTALK_CHAT_URL). A visitor may name another one only where the
page is nobody else's: a server must call no address that strangers name. What was said is kept in memory with the
ticket, is bounded, and goes with it; neither text nor key is written anywhere.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emotalk.chat.client import answer
from emotalk.chat.dialogue import Dialogue, Turn
from emotalk.chat.endpoint import URL, Endpoint, endpoint_of_environment, persona_of_environment
from emotalk.chat.sentences import sentences
from emotalk.core.checks import check_number
from emotalk.core.errors import ChatError, InputError
from emotalk.server.limits import is_public
from emotalk.server.live_answers import answered
from emotalk.server.live_requests import FLAG, NUMBER, TEXT, Refusal, body_of, check_shown, table_of
from emotalk.server.live_talks import TooMany, sound_seconds
from emotalk.server.visitors import address_of
from emotalk.speech.text import clean_text
from emotalk.talk.request import TalkRequest, talk_request

if TYPE_CHECKING:
    from starlette.requests import Request

    from emotalk.server.live_faces import LiveFaces

log = logging.getLogger(__name__)

JSON_BYTES = 64 * 1024
"""Of what is asked, and how it is to be answered."""
CHARACTERS = 2000
"""Of what a visitor says at once."""
LONGEST_HEARD = 24 * 3600.0
"""Seconds of an answer; more is no time."""
LATE_SECONDS = 50.0
"""So long may the model take for its next sentence: a listener is let go after a minute of nothing."""
PER_MINUTE = {True: 20, False: 120}
"""Questions of an address that are passed on in a minute, in public and on one's own machine: models cost money."""
TYPED = {"url": TEXT, "key": TEXT, "model": TEXT}
"""What names another endpoint."""
FIELDS = {
    "avatar": TEXT, "text": TEXT, "voice": TEXT, "valence": NUMBER, "arousal": NUMBER, "expressiveness": NUMBER,
    "head_motion": NUMBER, "mood_in_voice": FLAG, "seed": NUMBER, "heard": NUMBER, "fresh": FLAG,
} | TYPED  # fmt: skip
"""What a question may hold; `avatar` and `text` it must."""


@dataclass(frozen=True)
class Asked:
    """A question that may be answered: how the answer is said (`talk`, whose text is the question), who is asked, and
    the turn of the dialogue that it is."""

    talk: TalkRequest
    endpoint: Endpoint
    turn: Turn

    def sentences(self, clock: Callable[[], float] = time.monotonic) -> Iterator[str]:
        """The answer's sentences as they come; "" where none is there. Raises ChatError. Nothing is asked before the
        first one is asked for; closing the iterator ends the request."""
        with contextlib.closing(answer(self.endpoint, self.turn.messages, 0.0, quote=not is_public())) as pieces:
            begun = clock()
            for sentence in sentences(pieces):
                begun = clock() if sentence else begun
                if clock() - begun > LATE_SECONDS:
                    raise ChatError(
                        f"The model has given no sentence for {LATE_SECONDS:.0f} seconds; ask again, or ask for less."
                    )
                if sentence:
                    self.turn.wrote(sentence)
                yield sentence

    def told(self, records: Iterator[bytes]) -> Iterator[bytes]:
        """The records of the answer, noted in the turn as they pass."""
        # Imported here: with the first answer.
        from emotalk.live import wire

        with contextlib.closing(records):
            for record in records:
                if record[:1] == b"T":
                    said = wire.content("T", record[4:])
                    self.turn.said(said["text"], said["start"])
                elif record:
                    self.turn.sounded(sound_seconds(record))
                yield record


class Conversations:
    """The dialogues of all pages, by the token of their tickets."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._dialogues: dict[str, Dialogue] = {}
        self._asked: dict[str, deque[float]] = {}  # when an address asked, in the last minute

    def __len__(self) -> int:
        return len(self._dialogues)

    def asked(self, body: bytes, token: str, shown: Collection[str], address: str, typed: bool = True) -> Asked:
        """What a body asks, of a face that the page was `shown`; `typed`: whether it may name an endpoint. Raises a
        Refusal with a sentence, TooMany."""
        values = table_of(body, FIELDS)
        for name in ("avatar", "text"):
            if name not in values:
                raise Refusal(422, f"What is said lacks '{name}'; a question has at least an avatar and a text.")
        check_shown(values["avatar"], shown)
        text = clean_text(values.pop("text")).strip()
        if not text:
            raise Refusal(422, "There is nothing to answer: say or type something.")
        if len(text) > CHARACTERS:
            raise Refusal(422, f"What was said has {len(text):,} characters; {CHARACTERS:,} are taken at once.")
        named = {name: values.pop(name) for name in TYPED if values.get(name)}
        fresh, heard = values.pop("fresh", False), values.pop("heard", None)
        try:
            if heard is not None:
                check_number("What was heard", heard, 0, LONGEST_HEARD)
            endpoint = _endpoint(named, typed)
            talk = talk_request(**{name: value for name, value in values.items() if name not in TYPED}, text=text)
        except InputError as error:
            raise Refusal(422, str(error)) from error
        self._check_pace(address)
        with self._lock:
            dialogue = self._dialogues.setdefault(token, Dialogue(persona_of_environment()))
        if fresh:
            dialogue.forget()
        mood = tuple(float(number) for number in talk.emotion.at(1)[0])
        return Asked(talk, endpoint, dialogue.ask(text, mood, heard))

    def end(self, token: str) -> None:
        """The page is gone, and with it what was said."""
        with self._lock:
            self._dialogues.pop(token, None)

    def _check_pace(self, address: str) -> None:
        most, now = PER_MINUTE[is_public()], self._clock()
        with self._lock:
            for one in [one for one, times in self._asked.items() if now - times[-1] > 60]:
                del self._asked[one]
            times = self._asked.setdefault(address, deque([now - 61], maxlen=most))
            if len(times) == most and now - times[0] < 60:
                raise TooMany(
                    f"{most} questions of your address were answered in the last minute; wait a moment.",
                    max(1, round(60 - (now - times[0]))),
                )
            times.append(now)


def converse_routes(faces: LiveFaces, prefix: str, typed: bool = True) -> list[Route]:
    """The two addresses, below `prefix`. `typed`: whether pages may name an endpoint where they are nobody else's; not
    where another site's pages are let in."""

    async def offer(request: Request) -> Response:
        return JSONResponse(offered(typed), headers={"Cache-Control": "no-store"})

    async def converse(request: Request) -> Response:
        ticket = faces.ticket_of(request)
        body = await body_of(request, JSON_BYTES)
        asked = faces.conversations.asked(body, ticket.token, ticket.shown, address_of(request), typed)
        try:
            return faces.converse(request, ticket, asked)
        finally:
            if faces.tickets.find(ticket.token) is None:  # closed this moment
                faces.conversations.end(ticket.token)

    return [
        Route(f"/{prefix}/converse", answered(offer), methods=["GET"]),
        Route(f"/{prefix}/converse", answered(converse), methods=["POST"]),
    ]


def offered(typed: bool = True) -> dict[str, Any]:
    """Whether this server has an endpoint (`offered`), its `model`, and whether a page may name another (`typed`)."""
    try:
        endpoint = endpoint_of_environment()
    except InputError as error:
        log.warning("%s: %s", URL, error)
        endpoint = None
    return {
        "offered": endpoint is not None, "typed": typed and not is_public(),
        "model": endpoint.model if endpoint is not None else None,
    }  # fmt: skip


def _endpoint(named: dict[str, str], typed: bool) -> Endpoint:
    if named and (not typed or is_public()):
        raise Refusal(403, "This page calls no server that a visitor names; leave out address, key and model.")
    if named and "url" not in named:
        raise Refusal(422, "A key and a model belong to the address of a chat server; type that too.")
    if named:
        return Endpoint(named["url"], named.get("key"), named.get("model"))
    try:
        endpoint = endpoint_of_environment()
    except InputError as error:
        log.warning("%s: %s", URL, error)
        raise Refusal(503, "The language model of this page is set up wrongly; its log has the details.") from None
    if endpoint is None:
        raise Refusal(
            404, f"This page has no language model to talk with; its owner sets {URL} (docs/conversation.md)."
        )
    return endpoint
