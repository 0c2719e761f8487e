"""From photo to avatar: seconds, megabytes, and a contact sheet of each to look at.

Sheets of real people never leave the machine: they go to the folder that EMOTALK_SHEETS names, or are not drawn.
"""

from __future__ import annotations

import datetime
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.portrait_photos import photo_files
from benchmarks.portrait_sheet import portrait_sheet
from emotalk.avatar import Consent
from emotalk.core.errors import EmotalkError
from emotalk.core.progress import FitProgress
from emotalk.portrait import read_photo, track_photo
from emotalk.portrait.make import make_portrait

SHEETS = "EMOTALK_SHEETS"
"""The variable that names a folder outside the repository."""


def table() -> Iterator[str]:
    """Markdown."""
    yield (
        "One warm process; seconds on the clock from the file to the first picture of the avatar, and to the finished "
        "one; MB of its folder; PSNR of the photo drawn again, over the head.\n"
    )
    yield "| photo | first picture, s | finished, s | Gaussians | MB | PSNR, dB |\n|---|---|---|---|---|---|"
    consent = Consent("A CC0 photo, used for a measurement; the avatar is thrown away.", _now())
    finished = []
    with tempfile.TemporaryDirectory() as folder:
        for path in photo_files():
            work = Path(folder) / path.stem
            start, first = time.perf_counter(), []

            def told(progress: FitProgress, start: float = start, first: list = first) -> None:
                if progress.preview is not None and not first:
                    first.append(time.perf_counter() - start)

            try:
                tracked = track_photo(read_photo(path), work)
                avatar = make_portrait(tracked, name=path.stem, consent=consent, report=told)
            except EmotalkError:
                continue  # which photos are refused, and why, the part "photos" tells
            seconds = time.perf_counter() - start
            avatar.save(work / "avatar")
            size = sum(file.stat().st_size for file in (work / "avatar").rglob("*") if file.is_file()) / 1e6
            finished.append(seconds)
            yield (
                f"| {path.stem} | {first[0] if first else float('nan'):.1f} | {seconds:.1f} | "
                f"{len(avatar.gaussians.position):,} | {size:.1f} | {avatar.card.metrics['photo_psnr_head']:.1f} |"
            )
            if os.environ.get(SHEETS):
                target = Path(os.environ[SHEETS])
                target.mkdir(parents=True, exist_ok=True)
                portrait_sheet(avatar).save(target / f"{path.stem}.png")
    if finished:
        yield f"\n{len(finished)} avatars; median {np.median(finished):.1f} s, longest {max(finished):.1f} s."


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
