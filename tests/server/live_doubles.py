"""Stand-ins for what live faces call: avatars that are names, talks that go on when a test says so, and a client that
sees every part of an answer as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from emotalk.avatar import AvatarCard, Consent
from emotalk.core.errors import AvatarError, ChatError
from emotalk.live.pack import LivePack
from emotalk.server.live_faces import PREFIX, LiveFaces
from emotalk.server.live_making import Making
from emotalk.talk.request import TalkRequest
from tests.loops import run_alone

SCRIPT = "export const face = 1;\n"
HELLO = {"avatar": "mira", "text": "Hello."}
SECONDS = 20.0
"""No verdict: whatever takes so long is stuck."""


def record(kind: str, payload: bytes) -> bytes:
    return kind.encode() + len(payload).to_bytes(3, "little") + payload


def sound(seconds: float) -> bytes:
    return record("A", bytes(2 * round(seconds * 16000)))


def kinds(stream: bytes) -> str:
    """The kinds of the records in a stream's bytes, which hold nothing else."""
    found, at = "", 0
    while at < len(stream):
        found += chr(stream[at])
        at += 4 + int.from_bytes(stream[at + 1 : at + 4], "little")
    assert at == len(stream)
    return found


def last(stream: bytes) -> dict[str, Any]:
    """The JSON of the last record."""
    at = 0
    while at + 4 + int.from_bytes(stream[at + 1 : at + 4], "little") < len(stream):
        at += 4 + int.from_bytes(stream[at + 1 : at + 4], "little")
    return json.loads(stream[at + 4 :])


class People:
    """The part of a studio that live faces use. `mira` and `kofi` are nobody; `anna` and `org/berta` are real."""

    def __init__(self) -> None:
        self.cards = {
            name: AvatarCard(name, "CC0-1.0", "made by a test", synthetic=not real, consent=agreed if real else None)
            for name, real in {"mira": False, "kofi": False, "anna": True, "org/berta": True}.items()
            for agreed in [Consent("I agree.", "2026-01-01", live=True)]
        }
        self.motion = SimpleNamespace(name="average")
        self.loaded: list[str] = []

    def avatars(self) -> list[SimpleNamespace]:
        listed = [SimpleNamespace(name=name, card=card, problem=None) for name, card in self.cards.items()]
        return [*listed, SimpleNamespace(name="broken", card=None, problem="it is damaged.")]

    def avatar(self, name: str) -> SimpleNamespace:
        if name not in self.cards:
            raise AvatarError(f"There is no avatar called {name!r:.80}.")
        self.loaded.append(name)
        return SimpleNamespace(name=name, card=self.cards[name])

    def motion_of(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=f"as {name} moves")


class Plan:
    """How talks go: `records` are what each makes; a `held` one makes the next when the test says `go`."""

    def __init__(self, *records: bytes, held: bool = False) -> None:
        self.records = list(records) or [record("H", b"{}"), sound(0.5), record("E", b'{"seconds": 0.5}')]
        self._held, self._go = held, threading.Semaphore(0)
        self._changed = threading.Condition()
        self.requests: list[TalkRequest] = []
        self.begun = self.made = self.ended = 0
        self.most = 0  # talks at once

    def go(self, count: int = 1) -> None:
        self._go.release(count)

    def run(self, request: TalkRequest, stopped: Callable[[], bool]) -> Iterator[bytes]:
        self.requests.append(request)
        self._note(begun=1)
        try:
            for one in self.records:
                if self._held:
                    assert self._go.acquire(timeout=SECONDS)
                if stopped():
                    return
                self._note(made=1)
                yield one
        finally:
            self._note(ended=1)

    def until(self, **counts: int) -> None:
        """Wait until so many have begun, were made or have ended."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: all(getattr(self, name) >= n for name, n in counts.items()), SECONDS
            ), vars(self)

    def _note(self, **more: int) -> None:
        with self._changed:
            for name, n in more.items():
                setattr(self, name, getattr(self, name) + n)
            self.most = max(self.most, self.begun - self.ended)
            self._changed.notify_all()


class Echo:
    """A puppet whose records hold how much it was sent."""

    def __init__(self, avatar: str) -> None:
        self.avatar, self.heard = avatar, 0

    def push(self, samples: np.ndarray) -> bytes:
        assert samples.dtype == np.float32
        self.heard += len(samples)
        return record("M", json.dumps([self.avatar, self.heard]).encode())

    def finish(self) -> bytes:
        return record("M", b'"the end"')


class Doubles(Making):
    """`Making` without models; an avatar's pack holds its name."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        self.packed: list[str] = []
        self.puppets: list[Echo] = []

    def talk(self, studio, request, stopped):
        return self.plan.run(request, stopped)

    def converse(self, studio, request, sentences, stopped, max_seconds):
        """A second of sound for each sentence."""
        self.plan.requests.append(request)
        yield record("H", b"{}")
        said = 0
        with contextlib.closing(sentences):
            try:
                for sentence in sentences:
                    if not sentence:
                        yield b""
                        continue
                    yield record("T", json.dumps({"text": sentence, "start": said}).encode())
                    yield sound(1.0)
                    said += 1
            except ChatError as error:
                yield record("X", json.dumps({"error": str(error)}).encode())
                return
        yield record("E", b"{}")

    def puppet(self, studio, avatar):
        self.puppets.append(Echo(avatar))
        return self.puppets[-1]

    def pack(self, avatar):
        self.packed.append(avatar.name)
        return pack_of(avatar.name)

    def face(self, model):
        return pack_of(f"face of {model.name}")

    def who(self, model, style):
        return {"moves": model.name, "head_energy": style.head_energy, "expressivity": style.expressivity}


def pack_of(words: str) -> LivePack:
    return LivePack(hashlib.sha256(words.encode()).hexdigest()[:32], gzip.compress(words.encode(), mtime=0))


def live_faces(plan: Plan | None = None, **more: Any) -> LiveFaces:
    return LiveFaces(People(), lambda: SCRIPT, Doubles(plan), **more)


def show(faces: LiveFaces, session: str, *avatars: str, **controls: float) -> dict:
    for avatar in avatars:
        told = run_alone(faces.show(session, avatar, **controls))
    return told


def ticket(faces: LiveFaces, session: str = "page", *avatars: str) -> str:
    show(faces, session, *(avatars or ("mira",)))
    return faces.ticket(session)


def say(web: TestClient, token: str, body: object = None, **more: object):
    return web.post(f"/{PREFIX}/say?ticket={token}", json=HELLO | more if body is None else body)


def detail(answer) -> str:
    words = answer.json()["detail"]
    assert words.endswith("."), words
    assert answer.headers["cache-control"] == "no-store"
    return words


class Call:
    """One request to an ASGI application, its answer seen as it comes; used inside an event loop."""

    def __init__(
        self, app: Any, path: str, body: bytes = b"", method: str = "POST", address: str = "192.0.2.1", **headers: str
    ) -> None:
        self.status, self.headers, self.body = 0, {}, b""
        self.reads = True  # a test sets it False: the client takes nothing any more
        self._gone, self._news = asyncio.Event(), asyncio.Event()
        self._sent = False
        self._request = body
        where, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
            "path": where, "raw_path": where.encode(), "query_string": query.encode(), "scheme": "http",
            "root_path": "", "server": ("localhost", 80), "client": (address, 1),
            "headers": [(b"host", b"localhost"), *((k.lower().replace("_", "-").encode(), v.encode()) for k, v in
                        headers.items())],
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._request, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            while not self.reads:
                await asyncio.sleep(0.01)
            self.body += message.get("body", b"")
        self._news.set()

    def hang_up(self) -> None:
        self._gone.set()

    async def until(self, count: int) -> None:
        """Wait for so many bytes of the body."""
        async with asyncio.timeout(SECONDS):
            while len(self.body) < count:
                self._news.clear()
                await self._news.wait()

    async def end(self) -> Call:
        """Wait for the end of the answer."""
        async with asyncio.timeout(SECONDS):
            await self.task
        return self
