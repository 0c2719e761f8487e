"""Live faces: the addresses that a browser asks when it draws a face itself, and what it may ask them for.

    page opens ─► ticket ─────────────────────────────► token
    a face is chosen ─► show ─► its pack, who it is ──► GET packs/<hash>.pack, face-<hash>.pack, script-<hash>.js
    something is said ─► POST say?ticket= ────────────► records of sound and speech code, as they are made
    somebody asks ─────► POST converse?ticket= ───────► the same of a language model's answer (`live_converse`)
    a microphone ─► POST puppet?ticket=&id= ──────────► records of speech code for each piece of sound

All lie under /emotalk/live-face/. `ticket` and `show` are for private events of the page, which has looked up whom it
may show; whatever comes by an address is tied to a ticket, and can name those faces alone that its page was shown. The
pack of a real person is given to pages that were shown it, and is written nowhere.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from emotalk.core.checks import check_number
from emotalk.core.errors import EmotalkError, InputError
from emotalk.server.hearing_service import making_here
from emotalk.server.housekeeping import Leftover
from emotalk.server.limits import max_seconds
from emotalk.server.live_answers import FOREVER, PRIVATE, answered, packed
from emotalk.server.live_converse import Conversations, converse_routes
from emotalk.server.live_embedded import embedded_routes
from emotalk.server.live_making import Making
from emotalk.server.live_packs import PackShelf
from emotalk.server.live_puppets import LONGEST_SECONDS, Puppets
from emotalk.server.live_requests import JSON_BYTES, PUPPET_ID, Refusal, body_of, check_shown, wanted_talk
from emotalk.server.live_talks import LiveTalks, Work
from emotalk.server.live_tickets import Ticket, Tickets
from emotalk.server.stills import Stills
from emotalk.server.stopping import RETRY_SECONDS, SENTENCE, is_stopping
from emotalk.server.visitors import address_of
from emotalk.talk.mood import style_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from emotalk.live.pack import LivePack
    from emotalk.server.live_converse import Asked
    from emotalk.talk.studio import Studio

log = logging.getLogger(__name__)

PREFIX = "emotalk/live-face"
"""Of all addresses, below the page's."""
SOUND_BYTES = int(LONGEST_SECONDS * 2 * 16000)
"""Of a piece of a microphone's sound."""
_GONE = "This face is not here any more; choose it anew."


class LiveFaces:
    """All live faces of this server. `script` gives the text of the browser's module, `dialogue` of the one that is
    loaded when somebody talks with a face."""

    def __init__(
        self,
        studio: Studio,
        script: Callable[[], str],
        making: Making | None = None,
        clock: Callable[[], float] = time.monotonic,
        dialogue: Callable[[], str] = str,
    ) -> None:
        self._studio, self._script, self._making = studio, script, making or making_here()
        self._dialogue = dialogue
        self.talks = LiveTalks()
        self.puppets = Puppets(lambda avatar: self._making.puppet(studio, avatar), clock)
        self.conversations = Conversations(clock)
        self.packs = PackShelf()
        self.tickets = Tickets(self._ended, clock)
        self._line = Stills("Many faces are being made ready just now; choose one again in a few seconds.")

    # What the page's private events call.

    def ticket(self, session: str, address: str = "") -> str:
        """The token of a page session, the same until it ends; `address` is whose it is counted for. InputError for a
        session without a name."""
        if not session:
            raise InputError("A live face needs a page session; ask with a session_hash.")
        return self.tickets.open(session, address).token

    async def show(
        self, session: str, avatar: str, head_motion: float = 1.0, expressiveness: float = 1.0, address: str = ""
    ) -> dict[str, Any] | None:
        """What a page needs to show an avatar that its caller has looked up: addresses below the page's of `pack`,
        `face` and `script`, and `who` it is in the style of these controls (both 0 to 2); from now on the page's
        requests may name it. A `private` pack is given with the ticket only. With `video_only` there is no pack, face
        or who. `address` is whose wish it is counted as.

        None where the page chose another face before this one's turn came. Raises InputError where too many are being
        made, and what the studio raises.
        """
        self.ticket(session, address)
        return await self.show_to(self.tickets.open(session), avatar, head_motion, expressiveness, address)

    async def show_to(
        self, ticket: Ticket, avatar: str, head_motion: float = 1.0, expressiveness: float = 1.0, address: str = ""
    ) -> dict[str, Any] | None:
        """`show`, to the page with that ticket."""
        if not isinstance(avatar, str):
            raise InputError(f"A face is chosen by its name, found {type(avatar).__name__}.")
        check_number("The head motion amount", head_motion, 0, 2)
        check_number("The expressiveness", expressiveness, 0, 2)
        token = ticket.token

        def made() -> dict[str, Any]:
            loaded = self._studio.avatar(avatar)
            if not loaded.card.live:
                nothing = {"pack": None, "face": None, "who": None, "private": True}
                return nothing | {"script": self.script_path, "video_only": True}
            who = self._making.who(self._studio.motion_of(avatar), style_of(loaded.card, head_motion, expressiveness))
            pack, face = self._making.pack(loaded), self._face
            if self.tickets.find(token) is None:
                raise InputError("The page was closed.")
            private = not loaded.card.synthetic
            self.packs.put(pack, avatar, token if private else None)
            ticket.show(avatar)
            if self.tickets.find(token) is None:  # closed this moment
                self.packs.drop(token)
            addresses = {"pack": f"{PREFIX}/packs/{pack.name}.pack", "face": f"{PREFIX}/face-{face.name}.pack"}
            return addresses | {"who": who, "script": self.script_path, "private": private, "video_only": False}

        return await self._line.draw(token, address or ticket.address or token, made)

    @property
    def script_path(self) -> str:
        """Address of the browser's module, below the page's."""
        return f"{PREFIX}/script-{self._script_now[0]}.js"

    @property
    def dialogue_path(self) -> str:
        """Address of the module for talking with a face, below the page's."""
        return f"{PREFIX}/script-{self._dialogue_now[0]}.js"

    def warm_up(self, first: str = "") -> None:
        """Make what all faces share, and keep the packs of the gallery's faces that are nobody's likeness, `first` the
        one that pages begin with: some seconds each, once per machine."""
        _ = self._face
        usable = [info.name for info in self._studio.avatars() if not info.problem and info.card.synthetic]
        for name in sorted(usable, key=lambda name: name != first):
            try:
                self._making.pack(self._studio.avatar(name))
            except EmotalkError as error:
                log.warning("%s cannot be shown live: %s", name, error)

    def touch(self, session: str) -> None:
        """The page did something: its ticket stays for some time from now on."""
        self.tickets.touch(session)

    def end_session(self, session: str) -> None:
        """The page was closed: its talk and its puppet end, and a real person's pack is forgotten."""
        self.tickets.end_session(session)

    def forget(self, avatar: str) -> None:
        """That avatar was deleted, or made anew: its packs are forgotten."""
        self.packs.forget(avatar)

    @property
    def making(self) -> int:
        """Packs on their way."""
        return self._line.count

    def leftovers(self) -> list[Leftover]:
        """Every ticket, for the housekeeping; one that talks is in use. Silent puppets are forgotten by the way."""
        self.puppets.sweep()
        return [self._leftover(ticket) for ticket in self.tickets.all()]

    def close(self) -> None:
        """The server ends."""
        for ticket in self.tickets.all():
            self.tickets.end(ticket)
        self.talks.close()
        self.puppets.close()
        self._line.close()
        self.packs.clear()

    # What a browser asks for.

    def routes(self, embedded: bool = False) -> list[Route]:
        """What to add to the web server; `embedded`: also what pages of other sites begin with."""
        return [
            *(embedded_routes(self, self._studio, PREFIX) if embedded else []),
            Route(f"/{PREFIX}/script-{{name}}.js", answered(self._get_script)),
            Route(f"/{PREFIX}/face-{{name}}.pack", answered(self._get_face)),
            Route(f"/{PREFIX}/packs/{{name}}.pack", answered(self._get_pack)),
            Route(f"/{PREFIX}/say", answered(self._say), methods=["POST"]),
            *converse_routes(self, PREFIX, typed=not embedded),
            Route(f"/{PREFIX}/stop", answered(self._stop), methods=["POST"]),
            Route(f"/{PREFIX}/puppet", answered(self._puppet), methods=["POST"]),
        ]

    def ticket_of(self, request: Request) -> Ticket:
        """The ticket in an address; a Refusal where there is none."""
        ticket = self.tickets.find(request.query_params.get("ticket", ""))
        if ticket is None:
            raise Refusal(404, "This page's live face has ended; load the page anew.")
        return ticket

    async def _get_script(self, request: Request) -> Response:
        text = dict((self._script_now, self._dialogue_now)).get(request.path_params["name"])
        if text is None:
            raise Refusal(404, "This script is not here any more; load the page anew.")
        return Response(text, media_type="text/javascript", headers={"Cache-Control": FOREVER})

    async def _get_face(self, request: Request) -> Response:
        # Its hash is known once it was made: nobody makes it by asking.
        face = self.__dict__.get("_face")
        if face is None or request.path_params["name"] != face.name:
            raise Refusal(404, _GONE)
        return packed(request, face.data, FOREVER)

    async def _get_pack(self, request: Request) -> Response:
        token, name = request.query_params.get("ticket", ""), request.path_params["name"]
        ticket = self.tickets.find(token)
        entry = self.packs.find(name, token if ticket is not None else "")
        if entry is None:
            raise Refusal(404, _GONE)
        pack = entry.pack or await self._made_again(request, name, entry.avatar, token if entry.private else None)
        return packed(request, pack.data, PRIVATE if entry.private else FOREVER)

    async def _made_again(self, request: Request, name: str, avatar: str, private_to: str | None) -> LivePack:
        """A pack that made room for others in memory."""

        def made() -> LivePack | None:
            pack = self._making.pack(self._studio.avatar(avatar))
            if pack.name == name:  # else the avatar is another one by now
                self.packs.put(pack, avatar, private_to)
                return pack
            return None

        try:
            pack = await self._line.draw(f"again {name}", address_of(request), made)
        except InputError as error:
            raise Refusal(429, str(error), 5) from error
        except EmotalkError:
            pack = None
        if pack is None:
            raise Refusal(404, _GONE)
        return pack

    async def _say(self, request: Request) -> Response:
        ticket = self.ticket_of(request)
        wanted = wanted_talk(await body_of(request, JSON_BYTES), ticket.shown)
        return self.talk(request, ticket, lambda stopped: self._making.talk(self._studio, wanted, stopped))

    def converse(self, request: Request, ticket: Ticket, asked: Asked) -> Response:
        """The answer to what somebody asked, as a talk of their page."""

        def work(stopped: Callable[[], bool]) -> Iterator[bytes]:
            return asked.told(
                self._making.converse(self._studio, asked.talk, asked.sentences(), stopped, max_seconds())
            )

        return self.talk(request, ticket, work)

    def talk(self, request: Request, ticket: Ticket, work: Work) -> Response:
        """The records of a talk as an answer; an older talk of the page is interrupted. Raises TooMany, and a
        Refusal where the server ends."""
        _check_open()
        talk = self.talks.start(ticket.token, address_of(request), work, max_seconds())
        if self.tickets.find(ticket.token) is None:  # closed this moment
            talk.stop()
        return talk.response()

    async def _stop(self, request: Request) -> Response:
        ticket = self.ticket_of(request)
        self.talks.stop(ticket.token)
        self.puppets.stop(ticket.token)
        return Response(status_code=204)

    async def _puppet(self, request: Request) -> Response:
        ticket, values = self.ticket_of(request), request.query_params
        if not PUPPET_ID.fullmatch(values.get("id", "")):
            raise Refusal(422, "'id' must be 1 to 40 letters or digits; another one begins anew.")
        if not ticket.shown:
            raise Refusal(403, "This page shows no live face yet; choose one first.")
        avatar = values.get("avatar", ticket.shown[-1])
        check_shown(avatar, ticket.shown)
        if not self.puppets.follows(ticket.token, values["id"]):
            _check_open()
        sound = await body_of(request, SOUND_BYTES)
        rows = await self.puppets.push(ticket, values["id"], avatar, sound, values.get("last") == "1")
        if self.tickets.find(ticket.token) is None:  # closed this moment
            self.puppets.stop(ticket.token)
        return Response(rows, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    def _ended(self, ticket: Ticket) -> None:
        self.talks.stop(ticket.token)
        self.puppets.stop(ticket.token)
        self.conversations.end(ticket.token)
        self.packs.drop(ticket.token)

    def _leftover(self, ticket: Ticket) -> Leftover:
        return _Held(Path("live face"), ticket.used, self.talks.talking(ticket.token), lambda: self.tickets.end(ticket))

    @functools.cached_property
    def _face(self) -> LivePack:
        return self._making.face(self._studio.motion)

    @functools.cached_property
    def _script_now(self) -> tuple[str, bytes]:
        return _named(self._script())

    @functools.cached_property
    def _dialogue_now(self) -> tuple[str, bytes]:
        return _named(self._dialogue())


def _check_open() -> None:
    """Refuse to begin anything where the server ends."""
    if is_stopping():
        raise Refusal(503, SENTENCE, RETRY_SECONDS)


def _named(script: str) -> tuple[str, bytes]:
    """A script's name, by what is in it, and its bytes."""
    text = script.encode()
    return hashlib.sha256(text).hexdigest()[:32], text


class _Held(Leftover):
    """A ticket: it takes no room on the disk."""

    @property
    def bytes(self) -> int:
        return 0
