"""Load test: `python -m benchmarks.load [--only live page kokoro] [--clients 1 2 4] [--seconds 60]`.

`python app.py` is served in a process of its own, open to strangers; 1 to 64 simulated clients are on loopback, each
with an address of its own (`load_clients`). Writes benchmarks/results/load.md, section by section. The clients take a
part of the same cores: their CPU seconds stand in the table.
"""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.load_clients import AVATAR, PAUSE_SECONDS, SHORT, TEXT, Notes, crowd
from benchmarks.results_file import with_remarks, with_sections
from emotalk.core.atomic import write_text
from scripts.soak.page import Page

RESULTS = Path(__file__).parent / "results" / "load.md"
ABOUT = """# Load

`python -m benchmarks.load` (`--only live page kokoro` renews parts); [docs/scale.md](../../docs/scale.md#viewers)
says what follows. One server (`python app.py` with EMOTALK_PUBLIC=1), simulated clients on loopback, each from an
address of its own. They begin at the same moment.
"""
PARTS = {
    "live": ("Live faces, flite", "live", "flite:slt", 64),
    "kokoro": ("Live faces, Kokoro", "live", "kokoro:af_heart", 8),
    "page": ("Videos", "page", "flite:slt", 64),
}
"""Title, what clients do, voice, and the most clients that are tried."""
DELAYS = {"live": ("first sound and motion",), "page": ("page", "still", "first piece", "whole video")}
SAID = {
    "live": (
        f"Each listens to a text of {len(TEXT.split())} words, a new one {PAUSE_SECONDS:g} s (on average) after the "
        "last was played. Gaps: moments whose sound or motion had not come when a browser would have played it; a "
        "browser begins a little later and bridges short ones."
    ),
    "page": (
        f"Each opens the page, sees a still, has {len(SHORT.split())} words made a video of 256 pixels, fetches it, "
        f"and thinks for {PAUSE_SECONDS:g} s on average. Delays count from the click, waiting and being told to come "
        "back included."
    ),
}


@dataclass(frozen=True)
class Options:
    """Put load on a page server."""

    only: tuple[str, ...] = tuple(PARTS)
    """Parts to run; the others stay as they are in the file."""
    clients: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    """Clients at once, a row each."""
    seconds: float = 60.0
    """How long clients of a row begin something new."""
    out: Path = RESULTS
    """Where the tables go."""


def main(options: Options) -> None:
    """Print every part and write the file after each."""
    for name in options.only:
        title, kind, voice, most = PARTS[name]
        print(f"\n## {title}\n", flush=True)
        lines = []
        began = time.perf_counter()
        for line in table(kind, voice, [count for count in options.clients if count <= most], options.seconds):
            print(line, flush=True)
            lines.append(line)
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        lines.append(
            f"\n{os.cpu_count()} cores ({platform.machine()}), {options.seconds:.0f} s a row, "
            f"{time.perf_counter() - began:.0f} s in all; load average at the end (1, 5, 15 minutes): {load}."
        )
        old = options.out.read_text(encoding="utf-8") if options.out.is_file() else ABOUT
        text = with_sections(old, [f"## {title}\n\n" + "\n".join(lines)])
        write_text(options.out, with_remarks(text, options.out) if "## Remarks" not in text else text)


def table(kind: str, voice: str, counts: list[int], seconds: float) -> Iterator[str]:
    """Markdown."""
    yield SAID[kind] + f" Voice {voice}, face {AVATAR}.\n"
    delays = [f"{what}: p50, p95, p99 (s)" for what in DELAYS[kind]]
    last = ["gaps: number, longest"] if kind == "live" else []
    heads = [
        "clients", *delays, "asked, refused, failed", *last, "seconds made a second", "CPU s per second made",
        "cores: server, clients", "memory (MB)", "kB/s",
    ]  # fmt: skip
    yield "| " + " | ".join(heads) + " |\n" + "|" + "---|" * len(heads)
    with tempfile.TemporaryDirectory(prefix="emotalk-load-") as folder:
        settings = {"EMOTALK_PUBLIC": "1", "EMOTALK_EMBED_ORIGINS": "https://load.example"}
        page = Page(Path(folder), **settings).start()
        try:
            asyncio.run(crowd(kind, page.address, 1, 1.0, voice))  # whatever is loaded at first use
            for count in counts:
                yield _row(page, kind, voice, count, seconds)
        finally:
            page.stop()


def _row(page: Page, kind: str, voice: str, count: int, seconds: float) -> str:
    process = page.process.pid
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            peak[0] = max(peak[0], rss(process))

    threading.Thread(target=watch, daemon=True).start()
    began, server, own = time.perf_counter(), cpu(process), time.process_time()
    notes = asyncio.run(crowd(kind, page.address, count, seconds, voice))
    took = time.perf_counter() - began
    server, own = cpu(process) - server, time.process_time() - own
    over.set()
    for fault in notes.faults[:3]:
        print(f"  failed: {fault}", flush=True)
    return "| " + " | ".join([str(count), *_cells(notes, kind, took, server, own, peak[0])]) + " |"


def _cells(notes: Notes, kind: str, took: float, server: float, own: float, memory: float) -> list[str]:
    last = DELAYS[kind][-1]
    asked = len(notes.delays.get(last, ())) + notes.refusals + len(notes.faults)
    cells = [percentiles(notes.delays.get(what, [])) for what in DELAYS[kind]]
    cells.append(f"{asked}, {notes.refusals}, {len(notes.faults)}")
    if kind == "live":
        cells.append(f"{len(notes.gaps)}, {max(notes.gaps, default=0):.2f} s")
    each = f"{server / notes.seconds:.3f}" if notes.seconds else "-"
    return [
        *cells, f"{notes.seconds / took:.2f}", each, f"{server / took:.2f}, {own / took:.2f}", f"{memory:.0f}",
        f"{notes.bytes / 1000 / took:.0f}",
    ]  # fmt: skip


def percentiles(values: list[float]) -> str:
    """The 50th, 95th and 99th of some seconds (the next one that was measured), or "-"."""
    if not values:
        return "-"
    return ", ".join(f"{value:.2f}" for value in np.quantile(values, [0.5, 0.95, 0.99], method="higher"))


def rss(process: int) -> float:
    """MB in memory of a process; 0 where it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)


def cpu(process: int) -> float:
    """CPU seconds of a process and of those that it started and that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(tyro.cli(Options))
