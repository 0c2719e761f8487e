"""Which photos are taken and which are refused, with which sentence, in what time and memory."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emotalk.core.errors import EmotalkError
from emotalk.core.progress import Progress
from emotalk.portrait import read_photo, track_photo

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "portraits"


def photo_files() -> list[Path]:
    """The photos that are measured; none where they are not on this machine."""
    return sorted(PHOTOS.glob("*.jpg"))


def table() -> Iterator[str]:
    """Markdown."""
    yield (
        "Read, checked and tracked in one warm process, its libraries loaded; seconds on the clock and of "
        "all threads; MB: peak of the process during the photo. Error: mean distance of landmarks seen and fitted, in "
        "percent of the eye distance. Expression: sum of the ARKit weights that are taken out.\n"
    )
    yield "| photo | result | s | CPU s | MB | yaw, pitch (degrees) | error | expression | what is said |"
    yield "|---|---|---|---|---|---|---|---|---|"
    files = photo_files()
    if not files:
        yield "\nThe photos are not on this machine."
        return
    with tempfile.TemporaryDirectory() as folder:
        _tracked(files[0], Path(folder))  # loads models and libraries
        rows = [_tracked(path, Path(folder)) for path in files]
    yield from (row for row, *_ in rows)
    taken = [seconds for _, accepted, seconds, _ in rows if accepted]
    cpu = [seconds for _, accepted, _, seconds in rows if accepted]
    yield (
        f"\n{len(taken)} of {len(rows)} are taken, {len(rows) - len(taken)} refused; a photo that is taken costs "
        f"{np.median(taken):.1f} s (CPU {np.median(cpu):.1f} s; medians)."
    )


def _tracked(path: Path, folder: Path) -> tuple[str, bool, float, float]:
    """A row of the table; whether the photo was taken; wall and CPU seconds."""
    stages: list[Progress] = []
    _reset_peak()
    start, cpu = time.perf_counter(), time.process_time()
    try:
        tracked = track_photo(read_photo(path), folder / path.stem, progress=stages.append)
    except EmotalkError as error:
        wall, spent = time.perf_counter() - start, time.process_time() - cpu
        return (
            f"| {path.stem} | refused | {wall:.1f} | {spent:.1f} | {_peak():.0f} | | | | {error} |",
            False,
            wall,
            spent,
        )
    wall, spent = time.perf_counter() - start, time.process_time() - cpu
    quality = tracked.quality
    numbers = (
        f"{quality.yaw[0]:+.0f}, {quality.pitch[0]:+.0f} | {100 * quality.relative_error:.2f} % | "
        f"{tracked.motion.expression.sum():.1f}"
    )
    said = " ".join(quality.sentences)
    row = f"| {path.stem} | {quality.verdict} | {wall:.1f} | {spent:.1f} | {_peak():.0f} | {numbers} | {said} |"
    return row, True, wall, spent


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """MB that this process took at most since `_reset_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
