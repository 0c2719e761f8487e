"""`SmoothStart`: when a video that is still being made may begin to play, so that it never has to wait.

    made   ├──────────────────────────────────────────────────────────┤        frames so far, and the time they took
    played                      ├─────────────────────────────────────────────┤
                                begins where what is still to be made is made before it is needed

A machine that makes fewer frames a second than are played needs a head start. It is told beforehand how long that is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from emotalk.core.rates import FPS

if TYPE_CHECKING:
    from emotalk.core.progress import Progress

FIRST_PIECE = 21
"""Frames that are made when the first piece of 10 leaves the encoder."""
MARGIN = 0.1
"""What is still to be made is taken to need so much longer than the same amount has needed so far."""
BEHIND_SECONDS = 1.1
"""So much of what is made is not in the browser yet: up to FIRST_PIECE frames (8 to look ahead, two threads, a piece),
and the way."""
STARTING_SECONDS = 3.0
"""A talk's start counts as work that comes again (a voice speaks sentence by sentence) up to so many seconds; what it
takes longer is loading and compiling, which happens once."""
PHRASE = 75
"""Frames of what a voice says at a time, about."""
LISTENING_SECONDS = 0.4
"""Before the first frame: what is not the voice's work."""
FEWEST, SHORTEST = 6, 0.3
"""Frames, and the seconds they took, from which a rate is told."""


class SmoothStart:
    """Watches one talk. `note` takes what its progress callback is told, in order; the rest may be read at any time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, by which it is known how long nothing was noted."""
        self._clock = clock
        self._first: Progress | None = None
        self._last: Progress | None = None
        self._noted_at = 0.0
        self._ready = self._long = False

    def note(self, progress: Progress) -> None:
        """The talk's latest progress; what is not about frames, or was noted before, changes nothing."""
        if progress.stage != "frames" or progress is self._last:
            return
        self._first = self._first or progress
        self._last, self._noted_at = progress, self._clock()

    @property
    def rate(self) -> float | None:
        """Frames a second since the first one; None while too few have come to tell."""
        if self._last is None:
            return None
        frames, seconds = self._last.done - self._first.done, self._last.seconds - self._first.seconds
        return frames / seconds if frames >= FEWEST and seconds >= SHORTEST else None

    @property
    def ready(self) -> bool:
        """Whether the video may begin to play now; once it may, it may for good."""
        if not self._ready and self._last is not None and self._last.done >= FIRST_PIECE:
            self._ready = self._lead(self._last.done, self._worked()) >= 0
        return self._ready

    @property
    def seconds_left(self) -> float | None:
        """Seconds from now until `ready`, if the machine stays as quick as it is; 0 when it is, None while that cannot
        be told: too few frames have come, or it is not known how many there will be."""
        if self.ready:
            return 0.0
        rate = self.rate
        if rate is None or not self._last.total:
            return None
        # A voice has worked before the first frame, and will again: it is taken to have said PHRASE frames by then.
        begun = max(0.0, self._first.seconds - self._loading() - LISTENING_SECONDS)
        rate = 1 / (1 / rate + begun / max(PHRASE, self._last.done))
        # In x seconds there are `done + rate * x` frames; `_lead` is 0 at the root of a x² + b x + c.
        done, worked, total = self._last.done, self._worked(), self._last.total
        playing, slower = total / FPS - BEHIND_SECONDS, 1 + MARGIN
        a = slower * rate
        b = playing * rate - slower * (total - done - rate * worked)
        c = playing * done - slower * (total - done) * worked
        return max(0.0, (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a))

    def told_wait(self) -> int | None:
        """Whole seconds from now to tell whoever waits; None where there is nothing to tell: it is ready, that is not
        known yet, or it was never a second."""
        left = self.seconds_left
        self._long |= left is not None and left >= 1
        return max(1, math.ceil(left)) if left and self._long else None

    def _worked(self) -> float:
        """Seconds of work so far."""
        return self._last.seconds - self._loading() + self._clock() - self._noted_at

    def _loading(self) -> float:
        return max(0.0, self._first.seconds - STARTING_SECONDS)

    def _lead(self, done: int, worked: float) -> float:
        """Not negative where the rest is made, as slowly as all so far, within the time in which all is played."""
        total = self._last.total
        if not total:  # as if it went on for ever
            return done / FPS - BEHIND_SECONDS - (1 + MARGIN) * worked
        return (total / FPS - BEHIND_SECONDS) * done - (1 + MARGIN) * (total - done) * worked
