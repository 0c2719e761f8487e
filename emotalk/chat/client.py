"""The answer of an OpenAI-compatible chat server, as it comes.

    answer ─► a thread: POST .../chat/completions ─► events ─► texts ─► queue ─► whoever asked, who never waits for it

The request runs in a thread with an event loop of its own, so that it can be ended in whatever it waits for: a name, a
connection, a model that thinks.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from emotalk.chat.endpoint import KEY, MODEL, URL
from emotalk.chat.events import DONE, EventReader, error_words, table_in, texts_of
from emotalk.core.errors import ChatError

if TYPE_CHECKING:
    from emotalk.chat.endpoint import Endpoint

Message = dict[str, str]
"""`role` and `content`."""
QUOTED = 200
"""Characters that are repeated of what a server says about an error."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_WHAT_TO_DO = {
    400: "check the model's name", 401: "check the key", 403: "check the key", 404: "check address (it usually ends "
    "with /v1) and model", 405: "check the address (it usually ends with /v1)", 413: "begin a new conversation",
    429: "wait a moment, or check what the key may spend",
}  # fmt: skip


@dataclass(frozen=True)
class Bounds:
    """What an answer may take: seconds until connected, until more comes, and in all; bytes; characters of text, behind
    which it is cut."""

    connecting: float = 10.0
    silent: float = 45.0
    whole: float = 300.0
    bytes: int = 8 * 2**20
    characters: int = 8000


def answer(
    endpoint: Endpoint,
    messages: Sequence[Message],
    wait: float = 0.05,
    quote: bool = True,
    bounds: Bounds | None = None,
) -> Iterator[str]:
    """Pieces of the model's answer to `messages` (role and content) as they come; "" where none came for `wait`
    seconds. Closing the iterator ends the request at once. `quote`: whether errors may repeat what the server says.

    The answer may be a stream of events or a single JSON. Redirects are not followed. Raises ChatError, which never
    holds the key.
    """
    request = _Request(endpoint, messages, quote, bounds or Bounds())
    thread = threading.Thread(target=request.run, name="emotalk-chat", daemon=True)
    try:
        try:
            thread.start()
        except RuntimeError:  # no thread left
            raise ChatError("The server is too busy to ask a chat server now; try again in a few seconds.") from None
        while True:
            try:
                piece = request.pieces.get(wait > 0, wait or None)
            except queue.Empty:
                yield ""
                continue
            if piece is None:
                return
            if isinstance(piece, ChatError):
                raise piece
            yield piece
    finally:
        request.end()


class _Request:
    """One request; `pieces` holds texts, then None or the error that ended it."""

    def __init__(self, endpoint: Endpoint, messages: Sequence[Message], quote: bool, bounds: Bounds) -> None:
        self.pieces: queue.SimpleQueue[str | ChatError | None] = queue.SimpleQueue()
        self._endpoint, self._messages, self._quote, self._bounds = endpoint, messages, quote, bounds
        self._lock = threading.Lock()
        self._ended = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task] | None = None

    def run(self) -> None:
        """Ask, and read the answer to its end."""
        outcome: ChatError | None = None
        try:
            asyncio.run(self._bounded())
        except ChatError as error:
            outcome = ChatError(self._discreet(str(error)))
        except asyncio.CancelledError:
            pass
        except Exception as error:  # the thread's end: whoever asked must learn of it
            outcome = ChatError(self._discreet(_sentence(error, self._bounds)))
        self.pieces.put(outcome)

    def end(self) -> None:
        """Nobody wants the answer any more."""
        with self._lock:
            self._ended = True
            if self._running is not None:
                loop, task = self._running
                with contextlib.suppress(RuntimeError):  # it is over
                    loop.call_soon_threadsafe(task.cancel)

    async def _bounded(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._running = asyncio.get_running_loop(), asyncio.current_task()
        try:
            async with asyncio.timeout(self._bounds.whole):
                await self._ask()
        except TimeoutError:
            raise ChatError(
                f"The chat server's answer has not ended after {self._bounds.whole:.0f} seconds; ask for less, or take "
                "a smaller model."
            ) from None
        finally:
            with self._lock:
                self._running = None

    async def _ask(self) -> None:
        endpoint, bounds = self._endpoint, self._bounds
        headers = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        body = {"messages": list(self._messages), "stream": True}
        if endpoint.model:
            body["model"] = endpoint.model
        timeout = httpx.Timeout(bounds.silent, connect=bounds.connecting)
        # A proxy of the environment leads to the world, not to this machine.
        proxied = endpoint.host not in _LOOPBACK
        async with (
            httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=proxied) as client,
            client.stream("POST", endpoint.completions, json=body, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise ChatError(await self._refused(response))
            await self._read(response)

    async def _read(self, response: httpx.Response) -> None:
        reader: EventReader | None = None
        single = False  # whether it is one JSON, as from servers that do not stream
        taken, said, whole = 0, 0, bytearray()

        def give(texts: list[str]) -> bool:
            nonlocal said
            for text in texts:
                text = text[: self._bounds.characters - said]
                said += len(text)
                if text:
                    self.pieces.put(text)
            return said >= self._bounds.characters

        # Never unpacked: nothing packed was asked for, and a little of it may be much.
        async for part in response.aiter_raw():
            taken += len(part)
            if taken > self._bounds.bytes:
                raise ChatError(
                    f"The chat server's answer has more than {self._bounds.bytes:,} bytes; ask for less, or check that "
                    "the address is that of a chat server."
                )
            if reader is None:
                whole += part
                if not single and (begun := whole.lstrip()):
                    single = begun.startswith(b"{")
                    reader, part = (None, b"") if single else (EventReader(), bytes(whole))
            if reader is not None:
                for data in reader.push(part):
                    if data.strip() == DONE or give(self._texts(data)):
                        return self._check(said, response)
        for data in reader.finish() if reader is not None else ():
            if data.strip() != DONE:
                give(self._texts(data))
        if reader is None:
            give(self._texts(bytes(whole).decode("utf-8", "replace")))
        return self._check(said, response)

    def _texts(self, data: str) -> list[str]:
        try:
            return texts_of(data)
        except ChatError as error:
            words = f": {str(error)[:QUOTED]!r}" if self._quote else ""
            raise ChatError(f"The chat server tells of an error{words}. Look at its log, or ask again.") from None

    def _check(self, said: int, response: httpx.Response) -> None:
        if not said:
            kind = response.headers.get("content-type", "nothing")[:60]
            raise ChatError(
                f"The chat server answered without a word (found {kind!r}); check that the address is that of an "
                "OpenAI-compatible server, and ask again."
            )

    async def _refused(self, response: httpx.Response) -> str:
        status = response.status_code
        if 300 <= status < 400:
            return (
                f"The chat server answers with another address (status {status}), which is not followed; set {URL} to "
                "the address itself."
            )
        remedy = _WHAT_TO_DO.get(status, "look at its log, or try again later")
        words = ""
        # What is said about a key may repeat it.
        if self._quote and status not in (401, 403):
            body = bytearray()
            with contextlib.suppress(httpx.HTTPError):
                async for part in response.aiter_raw():
                    body += part
                    if len(body) > 2**14:
                        break
            said = error_words(table_in(bytes(body)))
            words = f" and says {said[:QUOTED]!r}" if said else ""
        if self._quote and status in (400, 401, 403, 404):
            remedy += f" ({KEY}, {MODEL}, {URL})"
        return f"The chat server refuses (status {status}){words}; {remedy}."

    def _discreet(self, words: str) -> str:
        return words.replace(self._endpoint.key, "...") if self._endpoint.key else words


def _sentence(error: Exception, bounds: Bounds) -> str:
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return f"The chat server gives no connection within {bounds.connecting:.0f} seconds; check that it runs."
    if isinstance(error, httpx.TimeoutException):
        return (
            f"The chat server has sent nothing for {bounds.silent:.0f} seconds; a model may still be loading: ask "
            "again, or take a smaller one."
        )
    if isinstance(error, httpx.ConnectError):
        return f"The chat server cannot be reached; check that it runs, and its address ({URL})."
    if isinstance(error, httpx.TransportError):
        return "The connection to the chat server broke off in its answer; ask again."
    return f"The chat server cannot be asked ({type(error).__name__}); check its address ({URL})."
