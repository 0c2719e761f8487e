"""What a process holds, read from /proc, and the verdict on whether it grows."""

from __future__ import annotations

import contextlib
import math
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """What a process and its folder of temporary files hold at one moment."""

    seconds: float  # since the watch began
    rss: float  # MB in memory, of the process alone
    files: int  # open files and connections
    threads: int
    zombies: int  # children that ended and were never waited for
    temporary: float  # MB of temporary files


MEASURES = {"rss": "RSS of the page (MB)", "files": "open files", "threads": "threads", "zombies": "zombies",
            "temporary": "temporary files (MB)"}  # fmt: skip
BOUNDS = {"rss": 40.0, "files": 6.0, "threads": 6.0, "zombies": 0.0, "temporary": 15.0}
"""The most by which a median may grow from the third fifth of a run to the last one: see `verdict`. Memory: less than
what one talk takes; files and threads: a connection or two; temporary files: a clip and an upload."""
RULE = (
    "Flat: over the second half of the talks in a row (median of their last fifth against that of their third fifth) "
    "nothing grows by more than its bound; eight at once are more pages, and take more."
)


def take(process: int, folder: Path, started: float) -> Sample:
    """A sample of a process id and a folder; `started` is a moment of `time.monotonic`."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return Sample(
        seconds=time.monotonic() - started,
        rss=int(status["VmRSS"].split()[0]) / 1024,
        files=len(os.listdir(f"/proc/{process}/fd")),
        threads=int(status["Threads"]),
        zombies=sum(state == "Z" for _, state in children(process)),
        temporary=bytes_below(folder) / 2**20,
    )


def children(process: int) -> Iterator[tuple[int, str]]:
    """(id, state) of the children of a process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(parent) == process:
                    yield int(entry.name), state


def bytes_below(folder: Path) -> int:
    """The size of all files in a folder; those that go meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


class Watch:
    """Takes samples of a process until it is left; `samples` has them in order."""

    def __init__(self, process: int, folder: Path, every: float = 1.0) -> None:
        self.samples: list[Sample] = []
        self._process, self._folder, self._every = process, folder, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._started = time.monotonic()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the process ended
                self.samples.append(take(self._process, self._folder, self._started))
            if self._stop.wait(self._every):
                return


def grown(samples: list[Sample], name: str) -> float:
    """By how much a measure grew over the second half: the median of the last fifth less that of the third."""
    values = [getattr(sample, name) for sample in samples]
    fifth = max(1, len(values) // 5)
    return statistics.median(values[-fifth:]) - statistics.median(values[2 * fifth : 3 * fifth])


def verdict(samples: list[Sample]) -> list[str]:
    """What grows, in words; empty where all is flat (`RULE`)."""
    found = {name: grown(samples, name) for name in BOUNDS}
    return [f"{MEASURES[name]} grew by {found[name]:.1f}" for name, bound in BOUNDS.items() if found[name] > bound]


def table(samples: list[Sample], row: list[Sample] | None = None) -> str:
    """The measures at the start, at the end and at most, and their growth (over `row`, a part of the samples that is to
    be flat), as Markdown."""
    row = samples if row is None else row
    lines = ["| | start | end | peak | growth over the second half | bound |", "|---|---|---|---|---|---|"]
    for name, title in MEASURES.items():
        values = [getattr(sample, name) for sample in samples]
        cells = (values[0], values[-1], max(values), grown(row, name), BOUNDS[name])
        digits = 1 if name == "temporary" else 0
        lines.append(f"| {title} | " + " | ".join(f"{value:.{digits}f}" for value in cells) + " |")
    return "\n".join(lines)


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least that share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def eventually(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes to hold within that time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
