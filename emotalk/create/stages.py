"""The stages of a run in words, for people who wait for it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from emotalk.core.errors import Cancelled
from emotalk.core.progress import FitCallback, FitProgress, Progress, ProgressCallback

TRACK_STAGES = {
    "look": "Looking for the face",
    "read": "Following the face",
    "fit": "Finding the shape of the head",
    "masks": "Telling hair from background",
    "poses": "Following every turn of the head",
}
FIT_STAGES = {
    "look": "Taking the colours",
    "fit": "Fitting the avatar",
    "mouth": "Making mouth and eyelids",
    "done": "Finishing the avatar",
}
SPEAKING = "Learning how this person speaks"


def tracking_in_words(progress: FitCallback, started: float) -> ProgressCallback:
    """A callback for tracking that tells `progress` the stage in words, and the time that is left.

    `started` is when the run began, in seconds of `time.perf_counter`.
    """

    def tell(news: Progress) -> None:
        seconds = time.perf_counter() - started
        remaining = seconds * (1 - news.share) / news.share if news.share > 0.1 else None
        words = TRACK_STAGES.get(news.stage, news.stage)
        progress(FitProgress(words, news.done, news.total, seconds, remaining))

    return tell


def fitting_in_words(progress: FitCallback) -> FitCallback:
    """A callback for a fit that tells `progress` the same with the stage in words."""

    def tell(news: FitProgress) -> None:
        progress(dataclasses.replace(news, stage=FIT_STAGES.get(news.stage, news.stage)))

    return tell


def speaking_in_words(progress: FitCallback, cancelled: Callable[[], bool], started: float) -> ProgressCallback:
    """A callback for the adaptation of motion: as `tracking_in_words`, and it raises Cancelled where that was asked."""

    def tell(news: Progress) -> None:
        if cancelled():
            raise Cancelled("Stopped; it can go on from here.")
        progress(FitProgress(SPEAKING, news.done, news.total, time.perf_counter() - started))

    return tell
