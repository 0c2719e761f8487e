"""The way of somebody new from `python app.py` to a shared clip for phones with captions: its presses and its seconds.

    python -m benchmarks.first_clip            # with the caches of this machine
    python -m benchmarks.first_clip --fresh    # as after the installation: kernels and the voice are made ready first

A browser of a phone's size opens a server of its own, types, chooses 9:16 and captions, makes the video and presses
Share. A headless browser has no share sheet: one that keeps the file stands in for it. What was shared is
decoded. Writes a section of benchmarks/results/first_clip.md.
"""

from __future__ import annotations

import argparse
import base64
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.results_file import with_sections
from emotalk.video.reader import read_frames
from tests.conftest import CHROMIUM, SWITCHES
from tests.ui.browsing import running_app, wait_until_open

RESULTS = Path(__file__).parent / "results" / "first_clip.md"
TEXT = "Good morning, everybody! This is my first clip."
_SHEET = """() => {
  navigator.canShare = () => true;
  navigator.share = async ({ files }) => {
    const bytes = new Uint8Array(await files[0].arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    window.shared = [files[0].name, files[0].type, btoa(text)];
  };
}"""


@dataclass
class Steps:
    """What was done so far, and when it was done, in seconds from `began` on."""

    began: float
    rows: list[str] = field(default_factory=list)
    presses: int = 0
    last: float = 0.0

    def done(self, what: str, presses: int = 0) -> None:
        """A step has come to its end."""
        now = time.perf_counter() - self.began
        self.presses += presses
        self.rows.append(f"| {what} | {presses or ''} | {now - self.last:.1f} | {now:.1f} |")
        self.last = now
        print(self.rows[-1], flush=True)


def walk(page: Page, url: str, steps: Steps) -> tuple[str, str, bytes]:
    """The way itself, on an open server; returns the name, the type and the bytes of the file that was shared."""
    page.goto(url)
    wait_until_open(page)
    page.evaluate(_SHEET)
    steps.done("the page is open, the face is there")
    page.locator("#say textarea").tap()
    page.locator("#say textarea").fill("")
    page.locator("#say textarea").press_sequentially(TEXT, delay=40)
    steps.done(f"tap the text, type {len(TEXT)} letters (25 a second)", 1)
    page.get_by_role("button", name="Video and background").tap()
    page.locator("#shape").get_by_label("9:16", exact=True).tap()
    page.locator("#captions label").nth(2).tap()
    steps.done("Video and background, 9:16, captions with the word in colour", 3)
    page.locator("#generate").tap()
    page.wait_for_function(
        "() => [...document.querySelectorAll('#stage video')].some((video) => video.currentTime > 0)"
    )
    steps.done("Make video: it plays", 1)
    page.locator("#saves .share").wait_for()
    steps.done("the video is finished")
    page.locator("#saves .share").tap()
    page.wait_for_function("() => window.shared")
    steps.done("Share: the share sheet has the file", 1)
    name, kind, data = page.evaluate("window.shared")
    return name, kind, base64.b64decode(data)


def main() -> None:
    """Walk once and write down how it went."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fresh", action="store_true", help="with an empty cache")
    parser.add_argument("--voice", default="", help="who reads, where Kokoro is not installed: espeak:en-us")
    options = parser.parse_args()
    fresh, voice = options.fresh, options.voice
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        settings = {"EMOTALK_CACHE": str(folder / "cache")} if fresh else {}
        settings |= {"EMOTALK_VOICE": voice} if voice else {}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        phone = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        page = phone.new_page()
        page.set_default_timeout(100_000)
        load = os.getloadavg()[0]
        steps = Steps(time.perf_counter())
        with running_app(folder, **settings) as url:
            steps.done("`python app.py`: the address answers")
            shared, kind, data = walk(page, url, steps)
            browser.close()
        clip = folder / "shared.mp4"
        clip.write_bytes(data)
        frames = sum(1 for _ in read_frames(clip, 512, 910))
    title = "## With an empty cache" if fresh else "## With the caches of the machine"
    section = "\n".join([
        title, "",
        f"x86-64 with two cores, no GPU, load average {load:.1f} before, voice "
        f"{voice or 'of the avatar'}; what was shared: `{shared}`, {kind}, "
        f"512 x 910, {frames} pictures, {len(data) / 1000:.0f} kB.", "",
        "| step | presses | s | since the start |", "|---|---|---|---|", *steps.rows,
        f"| **all** | **{steps.presses}** | | **{steps.last:.1f}** |",
    ])  # fmt: skip
    head = (
        "# The first clip\n\n`python -m benchmarks.first_clip [--fresh]`: from `python app.py` to a shared clip of "
        "9:16 with captions, in a headless Chromium of 390 x 844 pixels with touch. Before it stand the two commands "
        "of the README (`pip install -r requirements.txt && python app.py`), whose download depends on the line."
    )
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else head
    RESULTS.write_text(with_sections(text, [section]), encoding="utf-8")
    print(section)


if __name__ == "__main__":
    main()
