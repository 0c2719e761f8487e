"""Part `talks`: many short talks in a row, then eight at once, beside a fit; does anything grow?"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.soak.measure import RULE, Watch, table, verdict
from scripts.soak.page import Page, made, spoken, uploaded
from scripts.soak.report import Part

AT_ONCE = 8
TEXTS = ("Good morning.", "How are you?", "I am fine, thank you.", "See you tomorrow.")
VISITORS = 4
"""Who talk in turn: each keeps a few clips until the next one makes room."""


def run(folder: Path, video: Path | None, talks: int, rounds: int) -> Part:
    """`talks` one after the other, then `rounds` of eight at once; a fit runs beside all of them where there is a
    video."""
    page = Page(folder, EMOTALK_PUBLIC="1").start()
    fits = _Fits(page, video)
    try:
        visitors = [page.visitor(f"127.0.0.{10 + i}") for i in range(VISITORS)]
        warm = [made(visitor.call("generate", spoken(TEXTS[0]))) for visitor in visitors]
        fits.start()
        started, failed = time.monotonic(), warm.count(False)
        with Watch(page.process.pid, page.files) as watch:
            for number in range(talks):
                answer = visitors[number % VISITORS].call("generate", spoken(TEXTS[number % len(TEXTS)]))
                failed += not made(answer)
                if number % 20 == 19:
                    print(f"  {number + 1} talks, {failed} failed, {fits.ended} fits", flush=True)
            in_a_row, row = time.monotonic() - started, list(watch.samples)
            crowd = [page.visitor(f"127.0.0.{20 + i}") for i in range(AT_ONCE)]
            with ThreadPoolExecutor(AT_ONCE) as hands:
                for turn in range(rounds):
                    asked = [hands.submit(v.call, "generate", spoken(TEXTS[turn % len(TEXTS)])) for v in crowd]
                    failed += sum(not made(job.result()) for job in asked)
        fits.stop()
    finally:
        page.stop()
    faults = verdict(row)
    faults += [f"{failed} talks failed"] if failed else []
    faults += ["a traceback is in the log"] if "Traceback" in page.log() else []
    # torch makes an empty folder for compiled code, which holds nothing of anybody.
    left = sorted(
        path.name for path in (folder / "tmp").iterdir() if any(path.glob("**/*.*")) or "emotalk" in path.name
    )
    faults += [f"left behind after the end: {', '.join(left)}"] if left else []
    text = (
        f"{talks} talks in a row by {VISITORS} visitors ({in_a_row:.0f} s), then {rounds} times {AT_ONCE} at once"
        f"{f', beside {fits.ended} fits' if video else ', without a fit (no video)'}; {len(watch.samples)} samples.\n\n"
        f"{table(watch.samples, row)}\n\n{RULE}"
    )
    return Part("Talks", text, faults)


class _Fits:
    """Somebody who makes an avatar again and again; one runs at a time on a page."""

    def __init__(self, page: Page, video: Path | None) -> None:
        self.ended = 0
        self._page, self._video = page, video
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fits", daemon=True)

    def start(self) -> None:
        if self._video is not None:
            self._thread.start()

    def stop(self) -> None:
        """End the one that runs."""
        self._stop.set()
        if self._thread.is_alive():
            self._visitor.call("cancel", [])
            self._thread.join(120)

    def _run(self) -> None:
        self._visitor = self._page.visitor("127.0.0.9")
        while not self._stop.is_set():
            answer = self._visitor.call("begin", [uploaded(self._visitor, self._video), "Me", 0.5, True, False])
            self.ended += answer.ok
            time.sleep(1)
