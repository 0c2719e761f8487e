"""The live face's sound modules on a blank page, and streams of records written by hand."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from emotalk.ui.live_script import live_script

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS = "http://localhost/"
RATE, FPS, HOP, SIZE = 16000, 25, 640, 173
_OPEN = """async () => {
    window.live = { ...await import("/stream.js"), ...await import("/voice.js"), ...await import("/puppet.js") };
    window.base64 = (array) => {
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
        let text = "";
        for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
        return btoa(text);
    };
    window.recorded = () => {
        const records = [];
        const names = ["header", "sound", "rows", "moods", "words", "remark", "end", "failed"];
        const handlers = Object.fromEntries(names.map((name) => [
            name, (value) => records.push([name, ArrayBuffer.isView(value) ? Array.from(value) : value]),
        ]));
        return { records, handlers };
    };
}"""
_PLAY = """async ({ rate, seconds, step, feed, latency, stop, window: wide }) => {
    const context = new OfflineAudioContext(1, Math.round(seconds * rate), rate);
    if (latency) Object.defineProperty(context, "outputLatency", { value: latency });
    const events = [], log = [], bytes = new Uint8Array(await (await fetch("/records")).arrayBuffer());
    const told = (name) => (sentence) => events.push([name, context.currentTime, sentence ?? null]);
    const voice = new live.Voice(context, {
        wall: () => context.currentTime, onstart: told("start"), onend: told("end"), onstall: told("stall"),
        onresume: told("resume"), onfail: told("fail"),
    });
    clearInterval(voice.timer);                 // the clock of this test is the context's
    const records = new live.Records({
        sound: (x) => voice.sound(x), rows: (x) => voice.rows(x), moods: (x) => voice.moods(x),
        words: (x) => voice.words(x), end: (x) => voice.end(x), failed: (x) => voice.fail(x),
    }, true);
    let at = 0, most = 0;
    const look = () => {
        const time = context.currentTime;
        for (; feed.length && feed[0][0] <= time + 1e-9; feed.shift()) {
            records.push(bytes.subarray(at, at + feed[0][1]));
            at += feed[0][1];
        }
        if (stop !== null && time >= stop && voice.state !== "stopped") {
            events.push(["stop", time, null]);
            voice.stop();
        }
        voice.tick();
        const frame = voice.frame, row = voice.row(frame), mood = voice.moodAt(frame);
        log.push([time, frame, voice.state, row && row[0] + 1000 * row[1], mood, voice.word]);
        most = Math.max(most, voice.motion.kept.length);
    };
    for (let time = 0; time < seconds - 1e-6; time += step) {
        context.suspend(time).then(() => { look(); context.resume(); });
    }
    const samples = (await context.startRendering()).getChannelData(0);
    const heard = wide
        ? log.map(([time]) => Array.from(samples.subarray(Math.round(time * rate), Math.round(time * rate) + wide)))
        : null;
    return {
        events, log, heard, samples: wide ? null : base64(samples),
        left: [most, voice.pieces.length, voice.runs.length],
    };
}"""


# --- streams ------------------------------------------------------------------------------------------------------


def record(kind: str, payload: bytes | dict) -> bytes:
    body = json.dumps(payload).encode() if isinstance(payload, dict) else payload
    return kind.encode() + struct.pack("<I", len(body))[:3] + body


def header() -> bytes:
    return record("H", {"version": 1, "rate": RATE, "fps": FPS, "row": SIZE, "who": {"size": 1.0}, "words": True})


def sound(samples: np.ndarray) -> bytes:
    return record("A", samples.astype("<i2").tobytes())


def rows(first: int, count: int) -> bytes:
    """Rows whose first two numbers tell their frame."""
    numbers = np.zeros((count, SIZE), "<f2")
    frames = np.arange(first, first + count)
    numbers[:, 0], numbers[:, 1] = frames % 1000, frames // 1000
    return record("M", numbers.tobytes())


def end(seconds: float) -> bytes:
    return record("E", {"seconds": seconds})


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Samples [N] int16, no two stretches alike."""
    return np.random.default_rng(seed).integers(-20000, 20000, round(seconds * RATE)).astype(np.int16)


def delivered(
    samples: np.ndarray, piece: float, every: float, lag: float = 0.0, start: float = 0.0
) -> list[tuple[float, bytes]]:
    """Records of a talk and when they come: `piece` seconds of it `every` so many seconds, its rows `lag` seconds
    of the talk behind the sound, then its end."""
    step, found, told, time = round(piece * RATE), [], 0, start
    frames = -(-len(samples) // HOP)
    for at in range(0, len(samples), step):
        found.append((time, sound(samples[at : at + step])))
        there = min(len(samples), at + step)
        known = frames if there == len(samples) else max(told, int(there - lag * RATE) // HOP)
        if known > told:
            found.append((time, rows(told, known - told)))
        told, time = known, time + every
    found.append((time - every, end(len(samples) / RATE)))
    return found


# --- the page -----------------------------------------------------------------------------------------------------


class SoundPage:
    """A page with the modules as `live`."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.body = b""
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.route("**/*", self._answer)
        page.goto(ADDRESS)
        page.evaluate(_OPEN)

    def _answer(self, route: Any) -> None:
        name = route.request.url.removeprefix(ADDRESS)
        if name.endswith(".js"):
            route.fulfill(status=200, content_type="text/javascript", body=live_script(name.removesuffix(".js")))
        elif name == "records":
            route.fulfill(status=200, content_type="application/octet-stream", body=self.body)
        else:
            route.fulfill(status=200, content_type="text/html", body='<!doctype html><meta charset="utf-8">')

    def play(
        self,
        feed: Sequence[tuple[float, bytes]],
        seconds: float,
        rate: int = RATE,
        step: float = 0.016,
        latency: float = 0.0,
        stop: float | None = None,
        window: int = 0,
    ) -> Played:
        """What a Voice does with these records, in a context that renders `seconds` and is looked at every `step`."""
        self.body = b"".join(data for _, data in feed)
        found = self.page.evaluate(
            _PLAY,
            {
                "rate": rate,
                "seconds": seconds,
                "step": step,
                "feed": [[time, len(data)] for time, data in feed],
                "latency": latency,
                "stop": stop,
                "window": window,
            },
        )
        return Played(found, rate)


class Played:
    """What came out: `samples` [N] float32 of the context, `events` by name, and a line of the log for every look."""

    def __init__(self, found: dict, rate: int) -> None:
        self.rate = rate
        self.samples = np.frombuffer(base64.b64decode(found["samples"] or ""), "<f4")
        self.heard = found["heard"]
        self.events: list[tuple[str, float, str | None]] = [tuple(event) for event in found["events"]]
        self.names = [name for name, _, _ in self.events]
        self.times, self.frames, self.states, self.rows, self.moods, self.words = zip(*found["log"], strict=True)
        self.most_rows, self.pieces, self.runs = found["left"]

    def when(self, name: str) -> float:
        return next(time for event, time, _ in self.events if event == name)

    def wrong(self, sent: np.ndarray, latency: float = 0.0, within: float = 0.1) -> list[float]:
        """Seconds between the frame that was told and the sample that was played, for every look at which it spoke.
        `sent` [N] int16 must be played without fades there; looks where nothing like it is found are left out."""
        found = []
        wanted = sent.astype(np.float32) / 32768
        for i, (time, frame, state) in enumerate(zip(self.times, self.frames, self.states, strict=True)):
            if state != "speaking":
                continue
            at = round((time - latency) * self.rate)
            played = self.samples[at : at + 24 * self.rate // RATE] if self.heard is None else np.array(self.heard[i])
            played = played[:: self.rate // RATE][:24]
            middle, reach = round(frame * HOP), round(within * RATE)
            for shift in sorted(range(-reach, reach + 1), key=abs):
                there = wanted[max(0, middle + shift) : max(0, middle + shift) + 24]
                if len(there) == len(played) == 24 and np.array_equal(there, played):
                    found.append(shift / RATE)
                    break
        return found
