"""`python -m benchmarks.smooth_start`: whether a slow machine's videos begin when it was said and never pause.

The page is opened in Chromium with the real studio, whose frames are held back to `--rates` a second: what is measured
is what whoever presses "Make video" sees. Pauses are those that the browser tells (`waiting`) while the video plays.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results_file import with_sections

if TYPE_CHECKING:
    from emotalk.core.clip import Clip

RESULTS = Path(__file__).resolve().parent / "results" / "smooth_start.md"
TEXTS = {
    "one sentence": "The river was quiet in the morning, and a thin mist lay over the fields.",
    "three sentences": "The river was quiet in the morning, and a thin mist lay over the fields. We walked along the "
    "bank and talked about the years that had gone by. Nobody was in a hurry, and the birds had the sky to themselves.",
}
COLUMNS = (
    "frames a second", "voice", "text", "pixels", "length", "a start is said after", "for",
    "it starts at", "wrong by", "pauses", "made in",
)  # fmt: skip
NOTE = """`python -m benchmarks.smooth_start`: the page in Chromium, preset `mira`; the renderer is held back to so many
frames a second. All seconds count from the press on "Make video"; a start is said for the second at which the first
sentence about it ("Starts in 5 s") has run out. A pause is a `waiting` of the browser while the video plays."""
WATCH = """() => {
  const video = document.querySelector("#stage video"), say = document.querySelector("#stage .say");
  const seen = [], now = () => performance.now() / 1000;
  document.querySelector("#generate").addEventListener("click", () => (window.pressed = now()), { capture: true });
  for (const kind of ["playing", "waiting", "ended"]) {
    video.addEventListener(kind, () => seen.push([now() - window.pressed, kind, video.currentTime]));
  }
  const told = () => seen.push([now() - window.pressed, "say", say.textContent]);
  new MutationObserver(told).observe(say, { childList: true });
  window.seen = seen;
}"""


def held_back(talk: Callable[..., Clip], rates: list[float]) -> Callable[..., Clip]:
    """`Studio.talk` with no more frames a second than the last of `rates`."""

    def slow(*arguments: Any, progress: Callable[[Any], None], **options: Any) -> Clip:
        first = 0.0

        def paced(told: Any) -> None:
            nonlocal first
            if told.stage == "frames":
                first = first or time.perf_counter()
                time.sleep(max(0.0, first + (told.done - 1) / rates[-1] - time.perf_counter()))
            progress(told)

        return talk(*arguments, progress=paced, **options)

    return slow


@contextmanager
def page(rates: list[float]) -> Iterator[Any]:
    """A tab of Chromium with the page of a machine that is as slow as the last of `rates`."""
    from playwright.sync_api import sync_playwright

    from emotalk.talk.studio import Studio
    from emotalk.ui import build_app

    studio = Studio(folders=True)
    studio.warm_up()
    studio.talk = held_back(studio.talk, rates)
    app = build_app(studio, server_name="127.0.0.1")
    app.launch(prevent_thread_lock=True, quiet=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    switches = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    try:
        with sync_playwright() as running:
            browser = running.chromium.launch(executable_path=chromium, args=switches)
            tab = browser.new_page(viewport={"width": 1280, "height": 1000})
            tab.goto(app.blocks.local_url)
            tab.wait_for_selector("#stage .face[src]")
            tab.get_by_role("radio", checked=True).first.wait_for()
            tab.evaluate(WATCH)
            yield tab
            browser.close()
    finally:
        app.blocks.close(verbose=False)
        app.clips.close()


def measure(tab: Any, text: str) -> dict[str, Any]:
    """One video of a text, from the press to its end; seconds since the press."""
    tab.locator("#say textarea").fill(text)
    tab.evaluate("window.seen.length = 0")
    tab.click("#generate")
    tab.wait_for_function("window.seen.some(([, kind]) => kind === 'ended')", timeout=300_000)
    seen = tab.evaluate("window.seen")
    begun = next(at for at, kind, _ in seen if kind == "playing")
    words = [(at, re.match(r"Starts in (\d+) s", what)) for at, kind, what in seen if kind == "say" and at < begun]
    told, said = next(((at, at + int(match[1])) for at, match in words if match), (None, None))
    tab.wait_for_function("document.querySelector('#status').innerText.includes('made in')")
    video, made = map(float, re.search(r"([\d.]+) s of video made in ([\d.]+) s", tab.inner_text("#status")).groups())
    pauses = [where for at, kind, where in seen if kind == "waiting" and at > begun and 0.1 < where < video - 0.1]
    return {"told": told, "said": said, "begun": begun, "pauses": pauses, "length": video, "made": made}


def row(rate: float, voice: str, name: str, size: int, found: dict[str, Any]) -> str:
    said, begun = found["said"], found["begun"]
    promise = ["-", "-"] if said is None else [f"{found['told']:.1f} s", f"{said:.1f} s"]
    wrong = "-" if said is None else f"{100 * (said / begun - 1):+.0f} %"
    cells = [f"{rate:g}", voice, name, f"{size}", f"{found['length']:.1f} s", *promise, f"{begun:.1f} s", wrong]
    pauses = found["pauses"]
    where = f" (at {', '.join(f'{second:.1f} s' for second in pauses)})" if pauses else ""
    cells += [f"{len(pauses)}{where}", f"{found['made']:.1f} s"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[15.0, 20.0, 8.0])
    parser.add_argument("--voice", default="flite:slt", help="who reads, by id")
    parser.add_argument("--size", type=int, default=512, help="pixels; the page's own is 512")
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["EMOTALK_VOICE"] = arguments.voice
    started, lines, rates = os.getloadavg()[0], [], [arguments.rates[0]]
    with page(rates) as tab:
        if arguments.size != 512:
            tab.get_by_role("button", name="Video and background").click()
            tab.get_by_label(str(arguments.size), exact=True).check()
        for rate in arguments.rates:
            rates.append(rate)
            for name, text in TEXTS.items():
                for _ in range(arguments.runs):
                    lines.append(row(rate, arguments.voice, name, arguments.size, measure(tab, text)))
                    print(lines[-1], flush=True)
    head = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"
    section = (
        f"## {arguments.voice}, {arguments.size} pixels\n\n{platform.machine()}, {os.cpu_count()} cores, load average "
        f"{started:.1f} before and {os.getloadavg()[0]:.1f} after.\n\n{head}\n" + "\n".join(lines)
    )
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else f"# Videos of a slow machine\n\n{NOTE}\n"
    RESULTS.write_text(with_sections(old, [section]), encoding="utf-8")


if __name__ == "__main__":
    main()
