"""What Gradio's own answers say wrongly, put right on their way out.

GET /                    the card that chats and mail programs show for a link: this page's words, not Gradio's
POST /gradio_api/run/... a refusal in words is the sender's fault: 400, where Gradio says 500 to any error
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REFUSED = "That did not work"
"""The title of an error that whoever asked can do something about."""
ABOUT = "Type a sentence, pick a mood, watch somebody say it."
_CARD = re.compile(
    rb"<meta\s+(?:property=\"og:|name=\"twitter:)[a-z]+\"\s+content=\"[^\"]*\"\s*/?>|<meta\s+name=\"description\"[^>]*>"
)
_CALLS = ("/gradio_api/run/", "/gradio_api/api/")


class Answers:
    """The middleware; `title` is the page's, on its card."""

    def __init__(self, app: ASGIApp, title: str) -> None:
        self._app = app
        self._card = _tags(title)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/":
            await self._app(scope, receive, _Whole(send, self._with_card))
        elif scope["type"] == "http" and any(part in scope["path"] for part in _CALLS):
            await self._app(scope, receive, _Whole(send, _refused, 500))
        else:
            await self._app(scope, receive, send)

    def _with_card(self, status: int, body: bytes) -> tuple[int, bytes]:
        if status != 200 or b"</head>" not in body:
            return status, body
        return status, _CARD.sub(b"", body).replace(b"</head>", self._card + b"</head>", 1)


def _refused(status: int, body: bytes) -> tuple[int, bytes]:
    # Inside a text of the answer quotes are written \", so what somebody sent cannot look like this.
    return (400 if b'"title":"%s"' % REFUSED.encode() in body else status), body


def _tags(title: str) -> bytes:
    tags = {"property": {"og:title": title, "og:description": ABOUT, "og:type": "website"},
            "name": {"twitter:card": "summary", "twitter:title": title, "description": ABOUT}}  # fmt: skip
    return "".join(
        f'<meta {kind}="{name}" content="{words}">' for kind, named in tags.items() for name, words in named.items()
    ).encode()


class _Whole:
    """Sends an answer on, once it is there as a whole, as a function of status and body changes it; only those of a
    `status`, where one is given: all others go through as they come."""

    def __init__(
        self, send: Send, change: Callable[[int, bytes], tuple[int, bytes]], status: int | None = None
    ) -> None:
        self._send, self._change, self._only = send, change, status
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._only in (None, message["status"]):
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                status, body = self._change(self._start["status"], self._body)
                start = self._start | {"status": status, "headers": list(self._start["headers"])}
                MutableHeaders(raw=start["headers"])["content-length"] = str(len(body))
                await self._send(start)
                await self._send({"type": "http.response.body", "body": body})
