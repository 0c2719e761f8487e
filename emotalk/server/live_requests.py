"""What strangers send to a live face, read strictly: a body has a cap, a value its type, a name was shown before."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect

from emotalk.core.errors import InputError
from emotalk.server.limits import max_seconds
from emotalk.talk.request import TalkRequest, talk_request

if TYPE_CHECKING:
    from starlette.requests import Request

JSON_BYTES = 256 * 1024
"""Of what is to be said and how: half an hour of words."""
BODY_SECONDS = 20.0
"""A body has to be here by then."""
PUPPET_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")

TEXT, NUMBER, FLAG = "a text", "a number", "true or false"
"""Kinds of values."""
FIELDS = {
    "avatar": TEXT, "text": TEXT, "voice": TEXT, "valence": NUMBER, "arousal": NUMBER, "expressiveness": NUMBER,
    "head_motion": NUMBER, "mood_in_voice": FLAG, "seed": NUMBER, "follow": FLAG,
}  # fmt: skip
"""What a request to say something may hold; `avatar` and `text` it must. `voice` may be null."""


class Refusal(Exception):
    """A request that is answered with a status and a sentence; `seconds` says when to come back."""

    def __init__(self, status: int, sentence: str, seconds: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.seconds = status, seconds


async def body_of(request: Request, most: int) -> bytes:
    """The whole body; a Refusal where it has more than `most` bytes, announced or not, or does not come."""
    refusal = Refusal(413, f"What was sent has more than the {most:,} bytes that are taken here; send less.")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or len(announced) > 18 or int(announced) > most:
        raise refusal
    taken = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                taken += part
                if len(taken) > most:
                    raise refusal
    except TimeoutError:
        raise Refusal(408, "What was announced has not come; send it again.") from None
    except ClientDisconnect:
        raise Refusal(400, "The connection was closed.") from None
    return bytes(taken)


def wanted_talk(body: bytes, shown: Collection[str]) -> TalkRequest:
    """The talk that a body asks for, of a face that the page was `shown`. Raises a Refusal with a sentence."""
    values = table_of(body, FIELDS)
    for name in ("avatar", "text"):
        if name not in values:
            raise Refusal(422, f"What to say lacks '{name}'; a request has at least an avatar and a text.")
    check_shown(values["avatar"], shown)
    follow = values.pop("follow", False)
    try:
        return talk_request(**values, emotion="auto" if follow else None, max_seconds=max_seconds())
    except InputError as error:
        raise Refusal(422, str(error)) from error


def check_shown(avatar: str, shown: Collection[str]) -> None:
    """Refuse a name that this page was not shown: it is looked up among those, and nowhere else."""
    if avatar not in shown:
        raise Refusal(403, f"This page does not show {avatar!r:.80}; choose that face first.")


def table_of(body: bytes, fields: dict[str, str]) -> dict[str, Any]:
    """The JSON table in a body, each value of its kind; null counts as left out. Raises a Refusal: 400 for what is no
    JSON, 422 for what is none of the `fields`."""
    try:
        values = json.loads(body.decode("utf-8"), object_pairs_hook=_single, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, 'The body is no JSON that can be read; send a table such as {"text": "Hello."}.') from None
    if not isinstance(values, dict):
        raise Refusal(422, "The body must be a table of values by name.")
    for name, value in values.items():
        if name not in fields:
            raise Refusal(422, f"There is no {name!r:.60} here; known are {', '.join(fields)}.")
        if value is not None and not _is(value, fields[name]):
            raise Refusal(422, f"'{name}' must be {fields[name]}, found {_shown(value)}.")
    return {name: value for name, value in values.items() if value is not None}


def _is(value: Any, kind: str) -> bool:
    if kind is NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str if kind is TEXT else bool)


def _shown(value: Any) -> str:
    """A value in a message: its kind, where it may be long or deep."""
    kinds = {dict: "a table", list: "a list", str: "a text"}
    return kinds.get(type(value)) or f"{value!r:.40}"


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("an entry is named twice")
    return table


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")
