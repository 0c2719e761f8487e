"""What is the same for everybody is made once: the page itself and the table of its controls.

Gradio copies its whole description for every request, a tenth of a second of work in which nothing else moves; when
many people come at once that is what they wait for. Both depend on nothing but the name under which they are asked
for, as long as nobody signs in.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/", "/config")
KEPT = 8
"""Answers that are kept: few names lead to one page, and a stranger may invent more."""
_NAMING = ("host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "x-direct-url")
"""Headers from which Gradio makes the page's own address."""


class SamePages:
    """Answers of `PATHS` by the name they were asked for under; asks the app itself for whatever else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: OrderedDict[tuple, list[Message]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered from what is kept where it can be."""
        key = _key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        if key in self._kept:
            self._kept.move_to_end(key)
            for message in self._kept[key]:
                await send(_copy(message))
            return
        told: list[Message] = []

        async def noted(message: Message) -> None:
            told.append(_copy(message))
            await send(message)

        await self._app(scope, receive, noted)
        if _complete(told):
            self._kept[key] = told
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)


def _key(scope: Scope) -> tuple | None:
    """What an answer depends on; None where it is not the same for everybody."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in PATHS or scope["query_string"]:
        return None
    headers = Headers(scope=scope)
    names = tuple(tuple(headers.getlist(name)) for name in _NAMING)
    return scope["path"], scope.get("scheme"), scope.get("root_path"), scope.get("server"), names


def _copy(message: Message) -> Message:
    """A message with headers of its own: what stands in front of this adds some."""
    return message | ({"headers": list(message["headers"])} if "headers" in message else {})


def _complete(told: list[Message]) -> bool:
    """Whether these messages are a whole answer that says yes and sets no cookie."""
    if not told or told[0]["type"] != "http.response.start" or told[0]["status"] != 200:
        return False
    if any(name.lower() == b"set-cookie" for name, _ in told[0]["headers"]):
        return False
    return told[-1]["type"] == "http.response.body" and not told[-1].get("more_body", False)
