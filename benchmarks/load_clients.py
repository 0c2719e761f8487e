"""Simulated clients of a served page: somebody who listens to a live face, somebody who makes videos.

Each has a network address of its own in 127.1.0.0/16, as strangers have, and does what a browser does: one connection
that reads as fast as it can, a new talk when the last one has been played, another try when it was told to wait.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.live import wire
from scripts.soak.page import face, spoken

TEXT = (
    "The harbour was quiet when we arrived, and the boats were back from the sea. Two fishermen were mending their "
    "nets beside a green boat, and a cat slept on the warm stones. "
)
"""What a live face says at once: 8 seconds."""
SHORT = "Good morning! The boats are back from the sea."
"""What a video says: 3 seconds."""
PAUSE_SECONDS = 4.0
"""Mean time between two talks of a client, in which somebody thinks."""
LONGEST_WAIT = 10.0
"""Seconds after which a client that was told to wait longer tries again all the same."""
AVATAR = "mira"


@dataclass
class Notes:
    """What all clients of one row met; delays in seconds."""

    delays: dict[str, list[float]] = field(default_factory=dict)
    refusals: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0  # of speech or video that arrived
    bytes: int = 0
    gaps: list[float] = field(default_factory=list)

    def took(self, what: str, since: float) -> None:
        """Note a delay from `since`, a moment of `time.perf_counter`."""
        self.delays.setdefault(what, []).append(time.perf_counter() - since)


class Refused(Exception):
    """Told to come back after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = min(seconds, LONGEST_WAIT)


def web_of(address: str, number: int) -> httpx.AsyncClient:
    """The browser of client `number`."""
    # The server closes a connection that was idle for 5 s.
    limits = httpx.Limits(keepalive_expiry=3)
    source = f"127.1.{number // 250}.{1 + number % 250}"
    transport = httpx.AsyncHTTPTransport(local_address=source, limits=limits)
    return httpx.AsyncClient(base_url=address, transport=transport, timeout=120)


async def crowd(kind: str, address: str, count: int, seconds: float, voice: str) -> Notes:
    """So many clients ("live" or "page") at once, for so long; those under way then come to their end."""
    notes = Notes()
    ready, end = asyncio.Barrier(count), [0.0]
    visit = _listener if kind == "live" else _maker

    async def one(number: int) -> None:
        dice = random.Random(f"{kind} {count} {number}")
        async with web_of(address, number) as web:
            try:
                await visit(web, notes, dice, ready, end, seconds, voice)
            except Exception as error:
                notes.faults.append(f"{type(error).__name__}: {error}"[:200])
                if not ready.broken and not end[0]:
                    await ready.abort()

    await asyncio.gather(*(one(number) for number in range(count)))
    return notes


async def _begin(ready: asyncio.Barrier, end: list[float], seconds: float) -> None:
    """All begin at the same moment, once all are there."""
    await ready.wait()
    end[0] = end[0] or time.perf_counter() + seconds


async def _listener(web, notes, dice, ready, end, seconds, voice) -> None:
    origin = {"Origin": "https://load.example"}
    ticket = (await web.post("emotalk/live-face/open", headers=origin)).raise_for_status().json()["ticket"]
    for _ in range(60):
        shown = await web.post(f"emotalk/live-face/show?ticket={ticket}", json={"avatar": AVATAR}, headers=origin)
        if shown.is_success:
            break
        await asyncio.sleep(0.5)
    await _begin(ready, end, seconds)
    while time.perf_counter() < end[0]:
        try:
            played_until = await _hear(web, ticket, notes, voice)
        except Refused as refused:
            notes.refusals += 1
            await asyncio.sleep(refused.seconds * dice.uniform(0.8, 1.2))
            continue
        await asyncio.sleep(max(0.0, played_until - time.perf_counter()) + dice.uniform(0, 2 * PAUSE_SECONDS))


async def _hear(web, ticket: str, notes: Notes, voice: str) -> float:
    """One talk; returns when it would have been played to its end."""
    wish = {"avatar": AVATAR, "text": TEXT, "voice": voice, "valence": 0.5, "arousal": 0.2}
    asked = time.perf_counter()
    samples = rows = 0
    played = None  # until when what has come lasts
    buffer = b""
    async with web.stream("POST", f"emotalk/live-face/say?ticket={ticket}", json=wish) as answer:
        await _check(answer)
        async for chunk in answer.aiter_bytes():
            notes.bytes += len(chunk)
            buffer += chunk
            while len(buffer) >= 4 and len(buffer) >= (size := 4 + int.from_bytes(buffer[1:4], "little")):
                kind, payload, buffer = chr(buffer[0]), buffer[4:size], buffer[size:]
                if kind == "X":
                    raise RuntimeError(payload.decode())
                before = min(samples / SAMPLE_RATE, rows / FPS)
                samples += len(payload) // 2 if kind == "A" else 0
                rows += len(payload) // (2 * wire.ROW.size) if kind == "M" else 0
                more = min(samples / SAMPLE_RATE, rows / FPS) - before
                if more <= 0:
                    continue
                now = time.perf_counter()
                if played is None:
                    notes.took("first sound and motion", asked)
                    played = now
                elif now > played:  # what had come was played to its end before this came
                    notes.gaps.append(now - played)
                    played = now
                played += more
    notes.seconds += samples / SAMPLE_RATE
    return played or time.perf_counter()


async def _maker(web, notes, dice, ready, end, seconds, voice) -> None:
    session = f"{dice.getrandbits(64):016x}"
    entries: dict[str, dict] = {}
    await _begin(ready, end, seconds)
    while time.perf_counter() < end[0]:
        since = time.perf_counter()
        (await web.get("/")).raise_for_status()
        config = (await web.get("/config")).raise_for_status().json()
        notes.took("page", since)
        entries = {str(entry["api_name"]): entry for entry in config["dependencies"]}
        since = time.perf_counter()
        try:
            async for _ in _job(web, entries["still"], face(dice.uniform(-1, 1)), session):
                pass
            notes.took("still", since)
        except Refused:  # the page shows the next one
            notes.refusals += 1
        since = time.perf_counter()
        arguments = spoken(SHORT)
        arguments[3] = voice
        while True:
            try:
                await _video(web, entries["generate"], arguments, session, notes, since)
                break
            except Refused as refused:
                notes.refusals += 1
                await asyncio.sleep(refused.seconds * dice.uniform(0.8, 1.2))
                if time.perf_counter() > end[0] + 60:
                    return
        await asyncio.sleep(dice.uniform(0, 2 * PAUSE_SECONDS))


async def _video(web, entry, arguments, session, notes: Notes, since: float) -> None:
    first, final, length = True, "", 0.0
    async for message in _job(web, entry, arguments, session):
        if first and "emotalk/live/" in message:
            notes.took("first piece", since)
            first = False
        found = re.search(r"emotalk/clip/[\w-]+\.mp4", message)
        final = found[0] if found else final
        told = re.search(r"([\d.]+) s of video made", message)
        length = float(told[1]) if told else length
    if not final:
        raise RuntimeError("a talk ended without a clip")
    notes.bytes += len((await web.get(final)).raise_for_status().content)
    notes.took("whole video", since)
    notes.seconds += length


async def _job(web, entry: dict, data: list, session: str) -> AsyncIterator[str]:
    """The messages of one call of a handler, as a browser makes it."""
    body = {"data": data, "fn_index": entry["id"], "session_hash": session, "event_data": None}
    if entry["queue"] is False:
        answer = await web.post(f"gradio_api/run/{entry['api_name']}", json=body)
        await _check(answer)
        yield answer.text
        return
    joined = await web.post("gradio_api/queue/join", json=body)
    await _check(joined)
    event = joined.json()["event_id"]
    async with web.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as news:
        async for line in news.aiter_lines():
            if line.startswith("data: ") and event in line:
                message = json.loads(line[6:])
                yield line
                if message["msg"] == "process_completed":
                    if not message.get("success"):
                        raise RuntimeError(str(message.get("output"))[:150])
                    return


async def _check(answer: httpx.Response) -> None:
    if answer.status_code == 400 and "Many faces" in (await answer.aread()).decode():
        raise Refused(3.0)
    if answer.status_code in (429, 503):
        raise Refused(float(answer.headers.get("Retry-After", 5)))
    answer.raise_for_status()
