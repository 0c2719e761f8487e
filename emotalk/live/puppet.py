"""`Puppet`: a face that says what comes from a microphone, 120 ms after its sound.

A row of speech code usually waits for half a second of sound behind it: the encoder's look-ahead, the rhythm's, the
block's. Nobody who speaks to a mirror would bear that, so each row leaves early, computed as if silence followed what
has been heard, and the streams go on with the sound that follows (`peek`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.errors import AudioError, InputError
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.live import wire
from emotalk.live.who import who_of
from emotalk.speech.mel import SMALL_GROUP
from emotalk.talk.mood import style_of

if TYPE_CHECKING:
    from emotalk.core.speech import SpeechFeatures
    from emotalk.motion import MotionStyle
    from emotalk.talk import Studio

LAG_SECONDS = 0.12
"""How long after the end of its sound a frame leaves. What it costs the lips stands in
benchmarks/results/live_streams.md."""
MAX_SECONDS = 600.0
_FRAME = SAMPLE_RATE // FPS


class Puppet:
    """One microphone; memory does not grow with what it hears."""

    def __init__(
        self, studio: Studio, avatar: str, style: MotionStyle | None = None, max_seconds: float = MAX_SECONDS
    ) -> None:
        """`style` is the avatar's person where None; more than `max_seconds` of sound are refused."""
        model = studio.motion_of(avatar)
        style = style or style_of(studio.avatar(avatar).card)
        self.head = wire.head(who_of(model, style), False, model.code_stream(style).layout.size)
        """The `H` record."""
        self._encoder = studio.encoder.stream(SMALL_GROUP)
        self._code = model.code_stream(style)
        self._most = round(max_seconds * SAMPLE_RATE)
        self._heard = 0  # samples
        self._sent = self._done = 0  # frames that have left, and that the code stream has given
        self._finished = False

    def push(self, samples: np.ndarray) -> bytes:
        """The next samples [N] (mono, 16 kHz, in [-1, 1], any N); a record `M` with the frames whose sound ended at
        least LAG_SECONDS ago, each once and in order, or b"" where there is none. Raises InputError for what is no
        sound or comes after the end, AudioError for more than `max_seconds`."""
        if self._finished:
            raise InputError("This microphone has been switched off; start a new one.")
        samples = np.asarray(samples, np.float32)
        if self._heard + samples.size > self._most:
            raise AudioError(
                f"The microphone has been on for {self._most / SAMPLE_RATE:.0f} seconds, the most that is taken at "
                "once. Switch it on again."
            )
        rows = self._given(self._encoder.push(samples))
        self._heard += len(samples)
        ready = max(0, (self._heard - round(LAG_SECONDS * SAMPLE_RATE)) // _FRAME)
        if ready > self._done and ready > self._sent:
            rows = np.concatenate([rows, self._code.peek(self._encoder.peek())])
        return self._leave(rows, ready)

    def finish(self) -> bytes:
        """The record `M` of the frames that remain, then `E`; b"" when called again."""
        if self._finished:
            return b""
        self._finished = True
        rows = self._given(self._encoder.finish())
        rest = self._code.finish()
        self._done += len(rest)
        rows = np.concatenate([rows, rest])
        return self._leave(rows, self._done) + wire.end(self._heard / SAMPLE_RATE)

    def _given(self, features: SpeechFeatures | None) -> np.ndarray:
        """Rows that the code stream gives for good."""
        rows = np.zeros((0, self._code.layout.size), np.float32)
        if features is not None:
            rows = self._code.push(features)
        self._first = self._done
        self._done += len(rows)
        return rows

    def _leave(self, rows: np.ndarray, until: int) -> bytes:
        """The record of frames `self._sent` to `until` out of rows that begin with frame `self._first`."""
        first, self._sent = self._sent - self._first, max(until, self._sent)
        rows = rows[first : until - self._first]
        return wire.code(rows) if len(rows) else b""
