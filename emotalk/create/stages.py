"""The stages of a run in words, for people who wait for it, and one estimate of all the time that is left.

tracking (percent) ─► fit (steps) ─► voice (steps)      what each has done, at its own pace
     └───────────────────┴─────────────┴─► time left of this stage + what the later ones usually take
                                           └─► glides towards it: a number that jumps is not believed
"""

from __future__ import annotations

import math
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
JUDGING = "Looking at what was made"
VOICE_SECONDS = 15.0
"""What learning to speak takes on one idle core, the words of the sound included."""
END_SECONDS = 6.0
"""What comes after: drawing the lips for the verdict, saving."""
LEAST_SHARE = 0.05
"""Of a stage that must be done before its pace says how long the rest takes."""
GLIDE_SECONDS = 6.0
"""After so long two thirds of the way to a new estimate are gone."""


class Waiting:
    """Tells `progress` every stage of one run in words, the seconds since its start, and the time left for all of it.

    `fit_seconds` is what the fit shall take; `voice_seconds` what learning to speak does, 0 where nobody speaks (it may
    be set once that is known). `clock` counts seconds.
    """

    def __init__(
        self,
        progress: FitCallback,
        fit_seconds: float,
        voice_seconds: float = VOICE_SECONDS,
        *,
        end_seconds: float = END_SECONDS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.voice_seconds = voice_seconds
        self._progress, self._clock = progress, clock
        self._fit_seconds, self._end_seconds = fit_seconds, end_seconds
        self._started = clock()
        self._stage: tuple[str, float, float] | None = None  # its name, when it began and what was done of it then
        self._furthest = "", 0.0  # the stage told last, and the largest share of it
        self._end: tuple[float, float] | None = None  # when all will be done, and when that was said

    def show(self, stage: str, **news: object) -> None:
        """Tell a stage of which nothing is counted, with more fields of `FitProgress`."""
        self._progress(FitProgress(stage, seconds=self._clock() - self._started, remaining=self._told(None), **news))

    def tracking(self) -> ProgressCallback:
        """The callback for tracking."""

        def tell(news: Progress) -> None:
            left = self._left("track", news.share, None)
            whole = None if left is None else left + self._fit_seconds + self.voice_seconds + self._end_seconds
            self._tell(news, TRACK_STAGES, whole)

        return tell

    def fitting(self) -> FitCallback:
        """The callback for a fit."""

        def tell(news: FitProgress) -> None:
            # A fit of a video plans its time itself.
            left = news.remaining
            if left is None or news.stage == "done":
                left = 0.0 if news.stage == "done" else self._left(f"fit {news.stage}", news.share, self._fit_seconds)
            self._tell(news, FIT_STAGES, left + self.voice_seconds + self._end_seconds)

        return tell

    def speaking(self, cancelled: Callable[[], bool]) -> ProgressCallback:
        """The callback for the adaptation of motion; raises Cancelled where that was asked."""

        def tell(news: Progress) -> None:
            if cancelled():
                raise Cancelled("Stopped; it can go on from here.")
            left = self._left("voice", news.share, self.voice_seconds)
            self._tell(news, {news.stage: SPEAKING}, left + self._end_seconds)

        return tell

    def _tell(self, news: Progress, words: dict[str, str], whole: float | None) -> None:
        words_now = words.get(news.stage, news.stage)
        best = news.share if words_now != self._furthest[0] else max(news.share, self._furthest[1])
        self._furthest = words_now, best
        changed = {
            "stage": words_now,
            # What was planned anew is not less done than before.
            "total": round(news.done / best) if news.share < best else news.total,
            "seconds": self._clock() - self._started,
            "remaining": self._told(whole),
        }
        self._progress(FitProgress(**(vars(news) | changed)))

    def _left(self, stage: str, share: float, expected: float | None) -> float | None:
        """Seconds left of a stage of which that share is done, at its pace so far; before there is one, `expected`."""
        now = self._clock()
        if self._stage is None or self._stage[0] != stage or share < self._stage[2]:
            self._stage = (stage, now, share)
        _, since, before = self._stage
        done = share - before
        return expected if done < LEAST_SHARE else (now - since) * (1 - share) / done

    def _told(self, left: float | None) -> float | None:
        """What is told of an estimate of the seconds left: on the way from what was told before."""
        now = self._clock()
        if self._end is None:
            if left is None:
                return None
            self._end = (now + left, now)
        end, before = self._end
        if left is not None:
            end += (now + left - end) * (1 - math.exp(-(now - before) / GLIDE_SECONDS))
            self._end = (end, now)
        return max(0.0, end - now)
