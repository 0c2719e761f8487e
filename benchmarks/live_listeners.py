"""Listeners of live faces at once: a served page in a process of its own, simulated browsers on loopback.

Every listener has a ticket of its own, says a text and takes the records as they come. What a browser would have heard
follows from when they came: sound begins with the first motion, and a gap is a moment whose sound or motion is not
there yet. Run by `benchmarks.live_streams --only listeners`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.live import wire

ROOT = Path(__file__).resolve().parents[1]
AVATAR = "mira"
TEXT = (
    "The harbour was quiet when we arrived, and the boats were back from the sea. Two fishermen were mending their "
    "nets beside a green boat, and a cat slept on the warm stones. We asked them for the way to the lighthouse. One of "
    "them laughed, put down his needle, and told us that nobody had walked there since the storm had taken the bridge. "
    "Still, he said, on a clear evening you can see the light from the hill behind the church, and it is worth the "
    "climb. "
)
CASES = (("flite:slt", 1, 4), ("flite:slt", 20, 4), ("kokoro:af_heart", 1, 1))
"""Voice, listeners at once, how often each hears TEXT (25 s a time)."""


def table() -> Iterator[str]:
    """Markdown."""
    yield (
        "The page is served by a process of its own; listeners are simulated on loopback and begin at the same moment. "
        "CPU: seconds of the server and the programs that it starts on a second of speech that was sent.\n"
    )
    yield "| voice | listeners | speech each | first sound and motion: median, last | gaps | longest gap | CPU |"
    yield "|" + "---|" * 7
    for voice, count, times in CASES:
        yield _case(voice, count, TEXT * times)


def _case(voice: str, count: int, text: str) -> str:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.live_listeners", str(count + 1)], cwd=ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        served = json.loads(process.stdout.readline())
        address, *tickets = served["address"], *served["tickets"]
        asyncio.run(_all(address, tickets[:1], voice, "Good morning."))  # whatever is loaded at first use
        before = _cpu(process.pid)
        heard = asyncio.run(_all(address, tickets[1:], voice, text))
        spent = _cpu(process.pid) - before
    finally:
        process.stdin.close()
        process.wait(60)
    seconds = np.array([one["seconds"] for one in heard])
    first = np.array([one["first"] for one in heard])
    gaps = [gap for one in heard for gap in one["gaps"]]
    return (
        f"| {voice} | {count} | {seconds.mean():.0f} s | {np.median(first):.2f} s, {first.max():.2f} s | {len(gaps)} | "
        f"{max(gaps, default=0):.2f} s | {spent / seconds.sum():.4f} |"
    )


async def _all(address: str, tickets: list[str], voice: str, text: str) -> list[dict]:
    # Imported here: only where listeners are simulated.
    import httpx

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=120) as web:
        return await asyncio.gather(*(_listen(web, ticket, voice, text) for ticket in tickets))


async def _listen(web, ticket: str, voice: str, text: str) -> dict:
    """Speech seconds, seconds until it could be heard, and the gaps in what a browser would have played."""
    wish = {
        "avatar": AVATAR, "text": text, "voice": voice, "valence": 0.5, "arousal": 0.2, "expressiveness": 1.0,
        "head_motion": 1.0, "mood_in_voice": True, "seed": 0, "follow": False,
    }  # fmt: skip
    asked = time.perf_counter()
    came: list[tuple[float, float]] = []  # when, and how many seconds could be played then
    samples = rows = 0
    buffer = b""
    async with web.stream("POST", f"emotalk/live-face/say?ticket={ticket}", json=wish) as answer:
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            buffer += chunk
            while len(buffer) >= 4 and len(buffer) >= (size := 4 + int.from_bytes(buffer[1:4], "little")):
                kind, payload, buffer = chr(buffer[0]), buffer[4:size], buffer[size:]
                if kind == "X":
                    raise RuntimeError(payload.decode())
                samples += len(payload) // 2 if kind == "A" else 0
                rows += len(payload) // (2 * wire.ROW.size) if kind == "M" else 0
                playable = min(samples / SAMPLE_RATE, rows / FPS)
                if playable > (came[-1][1] if came else 0):
                    came.append((time.perf_counter() - asked, playable))
    first = came[0][0]
    gaps, shift = [], first
    for (_, had), (at, _) in itertools.pairwise(came):
        late = at - (shift + had)  # what had come was played to its end before the next came
        if late > 0:
            gaps.append(late)
            shift += late
    return {"seconds": samples / SAMPLE_RATE, "first": first, "gaps": gaps}


def _cpu(pid: int) -> float:
    """CPU seconds of a process and of the ones that it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def serve(count: int) -> None:
    """Serve the page, print its address and some tickets that were shown a face, until the input ends."""
    from emotalk.talk import Studio
    from emotalk.ui import build_app

    studio = Studio()
    studio.warm_up()
    app = build_app(studio)
    app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")

    async def tickets() -> list[str]:
        for session in range(count):
            await app.faces.show(f"listener{session}", AVATAR)
        return [app.faces.ticket(f"listener{session}") for session in range(count)]

    print(json.dumps({"address": app.blocks.local_url, "tickets": asyncio.run(tickets())}), flush=True)
    sys.stdin.read()
    app.blocks.close(verbose=False)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
