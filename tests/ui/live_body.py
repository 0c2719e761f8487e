"""Python's body and the browser's side by side: the same chances for both, the same rows of speech."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.live.body_arrays import body_arrays
from emotalk.live.container import write
from emotalk.motion.body_network import load_body
from emotalk.motion.eye_network import load_eyes
from emotalk.motion.habits import Habits, manner_of
from emotalk.motion.rhythm import LOOKAHEAD, Rhythm, RhythmTracker
from emotalk.motion.style import MotionStyle
from emotalk.ui import live_script

ADDRESS = "http://localhost/"
QUIET = Rhythm(0.0, 0.0, 0.0, False, False, 0.0)
_OPEN = """async () => {
    window.live = { ...await import("/life.js"), ...await import("/pack.js") };
    window.pack = live.readPack(await (await fetch("/pack")).arrayBuffer());
    // Plays back what Python drew; another kind of draw than Python's, or one more, is an error.
    window.replay = ([kinds, values]) => {
        let at = 0;
        const next = (kind) => () => {
            if (kinds[at] !== kind) throw new Error(`draw ${at} is ${kind}, Python has ${kinds[at]}`);
            return values[at++];
        };
        return { uniform: next("u"), normal: next("n"), left: () => values.length - at };
    };
    window.base64 = (floats) => { // so many numbers are slow as JSON
        const bytes = new Uint8Array(floats.buffer);
        let text = "";
        for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
        return btoa(text);
    };
}"""
_GLIDE = """export class MoodGlide {
  constructor(random, pack) { this.random = random; this.smooth = [0, 0]; this.lively = [0, 0]; }
  step(v, a) { this.smooth = [v, a]; this.lively = [v, a]; }
}
"""
_SPOKEN = """export class SpokenFace {
  constructor(pack) { this.pack = pack; }
  setWho(who) { this.who = who; }
  show(row, at, valence, arousal, out) { for (let i = 0; i < 52; i++) out[i] = row[at + i]; }
}
"""
"""Simple ones in place of glide.js and spoken.js: mood as it is told, and the first 52 numbers of a row as the face."""


class Recorder:
    """A numpy generator that writes down what it drew: kinds (u in [0, 1), n standard normal) and values."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self.kinds = ""
        self.values: list[float] = []

    def _kept(self, kind: str, drawn: Any) -> Any:
        flat = np.ravel(drawn).tolist()
        self.kinds += kind * len(flat)
        self.values += flat
        return drawn

    def standard_normal(self, size: Any = None) -> Any:
        return self._kept("n", self._generator.standard_normal(size))

    def random(self, size: Any = None) -> Any:
        return self._kept("u", self._generator.random(size))

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    @property
    def drawn(self) -> list[Any]:
        return [self.kinds, self.values]


class BodyPage:
    """A blank page that has the live face's modules (`live`), a pack of the shipped body (`pack`) and `replay`."""

    def __init__(self, page: Any, modules: dict[str, str]) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        arrays, meta = body_arrays(load_body(), load_eyes())
        answers = {
            "": ("text/html", b'<!doctype html><meta charset="utf-8">'),
            "pack": ("application/octet-stream", write(arrays, {"expression": list(ARKIT_NAMES), "body": meta})),
        }
        answers |= {f"{name}.js": ("text/javascript", text.encode()) for name, text in modules.items()}

        def answer(route: Any) -> None:
            kind, body = answers.get(route.request.url.removeprefix(ADDRESS), ("text/plain", b""))
            route.fulfill(status=200, content_type=kind, body=body)

        page.route("**/*", answer)
        page.goto(ADDRESS)
        page.evaluate(_OPEN)

    def __call__(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)


def modules_with_doubles(folder) -> dict[str, str]:
    """The texts of life.js and pack.js with all they import; mouth and mood in them are simple ones."""
    for path in live_script.FOLDER.glob("*.js"):
        (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "glide.js").write_text(_GLIDE)
    (folder / "spoken.js").write_text(_SPOKEN)
    kept, live_script.FOLDER = live_script.FOLDER, folder
    try:
        return {name: live_script.live_script.__wrapped__(name) for name in ("life", "pack")}
    finally:
        live_script.FOLDER = kept


def talk(frames: int, seed: int = 0) -> list[Rhythm]:
    """What the tracker hears in phrases of one to three seconds with pauses, syllables and stresses by chance; numbers
    as the wire has them, in half precision."""
    random = np.random.default_rng(seed)
    tracker, beats = RhythmTracker(), []
    while len(beats) < frames:
        for length, silent in ((random.integers(25, 80), False), (random.integers(8, 30), True)):
            loud, high = -25 + 4 * random.standard_normal(40), 120 + 25 * random.standard_normal(40)
            for i in range(length):
                swell = 5 * np.cos(2 * np.pi * i / 5)
                heard = (1.0, -70.0, 0.0, 0.0) if silent else (0.05, loud[i // 5] + swell, 0.9, max(60.0, high[i // 5]))
                beats.append(tracker.push(*map(float, heard)))
    return [Rhythm.of(np.float16(beat.row())) for beat in beats[LOOKAHEAD : LOOKAHEAD + frames]]


def rows_of(beats: list[Rhythm]) -> list[list[float]]:
    """Their six numbers [T][6], as JSON takes them."""
    return [[float(x) for x in beat.row()] for beat in beats]


def who_of(style: MotionStyle, quiet: list[float] | None = None, habits: Habits | None = None) -> dict[str, Any]:
    """What the browser knows of a person's body."""
    habits = habits or Habits()
    return {
        "head": dataclasses.asdict(manner_of(style, habits)),
        "gaze": list(habits.gaze),
        "gaze_wander": style.gaze_wander * habits.wander,
        "blink_rate": style.blink_rate * habits.blinks,
        "sideways": style.sideways,
        "gains": style.gains.tolist(),
        "quiet": quiet or [0.0] * 58,
    }
