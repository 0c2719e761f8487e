"""What every motion stream begins with: speech features as they come in -> blocks of frames that the network can take.

features (50 Hz) ─┬─► rows, two a frame ─────────────────┐
                  └─► rhythm, LOOKAHEAD frames behind ───┴─► blocks of frames, with their surroundings
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.speech import SpeechFeatures, video_pairs
from emotalk.motion.network import AHEAD, BEFORE, RHYTHM_SIZE
from emotalk.motion.rhythm import LOOKAHEAD, Rhythm, RhythmTracker
from emotalk.speech.feature_rows import frame_rows, quiet


@dataclass(frozen=True)
class Block:
    """The next frames; the last block of a sound is filled with silence."""

    first: int  # frame with which the block begins
    frames: int  # of the sound; what follows them in the block is silence
    rows: np.ndarray  # [BEFORE + size + AHEAD, row]
    rhythm: list[Rhythm]  # [size]

    @property
    def beat(self) -> np.ndarray:
        """[size, RHYTHM_SIZE] of the rhythm, what the network reads of it."""
        return np.float32([now.row()[:RHYTHM_SIZE] for now in self.rhythm])


class SpeechFront:
    """Features in, blocks of frames out, LOOKAHEAD frames behind the features; keeps nothing of what is past.

    `hidden` is the width of the encoder's hidden layer that the network reads. Block i has `sizes[i]` frames, the last
    of the sizes holding for all that follow, however the features come: matrix products of another size round
    differently, and a stream must equal the whole clip bit for bit.
    """

    def __init__(self, hidden: int, *sizes: int) -> None:
        self._hidden, self._sizes = hidden, sizes
        self._tracker = RhythmTracker()
        self._odd: SpeechFeatures | None = None
        self._rows = quiet(BEFORE, hidden)  # from frame `self._done - BEFORE` on
        self._rhythm: list[Rhythm] = []  # of frame `self._done` on
        self._received = self._done = 0
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether nothing more may come."""
        return self._finished

    def push(self, features: SpeechFeatures) -> list[Block]:
        """Features that follow the last ones, any number of rows; the blocks that are complete. InputError for a
        stream that is finished."""
        if self._finished:
            raise InputError("This motion stream has been finished; start a new one with the MotionModel.")
        if self._odd is not None:
            features = SpeechFeatures.concatenate([self._odd, features])
        even = len(features) // 2 * 2
        self._odd = features[even:] if even < len(features) else None
        if even:
            self._take(features[:even])
        return self._ready()

    def finish(self) -> list[Block]:
        """The blocks that remain; silence is taken to follow. None are left when it is called again."""
        if self._finished:
            return []
        if self._odd is not None:
            self._take(SpeechFeatures.concatenate([self._odd, self._odd]))  # it stands for its whole frame
        self._finished = True
        remaining = self._received - self._done
        if not remaining:
            return []
        more = self._missing(remaining) + LOOKAHEAD
        self._rows = np.concatenate([self._rows, quiet(more, self._hidden)])
        for _ in range(more):
            self._track(1.0, -100.0, 0.0, 0.0)
        return self._ready()

    def fork(self) -> SpeechFront:
        """A copy that goes its own way; what both have heard so far is shared, not copied."""
        other = copy.copy(self)
        other._tracker, other._rhythm = self._tracker.fork(), list(self._rhythm)
        return other

    def _take(self, features: SpeechFeatures) -> None:
        self._rows = np.concatenate([self._rows, frame_rows(features, self._hidden)])
        # As `features.at_video_rate`, which would also take the means of what the tracker does not read.
        silence, energy, voicing = (
            video_pairs(values).mean(1) for values in (features.phones[:, 0], features.energy, features.voicing)
        )
        f0 = np.where(voicing > 0, video_pairs(features.f0).max(1), 0.0)
        self._received += len(f0)
        for values in zip(silence.tolist(), energy.tolist(), voicing.tolist(), f0.tolist(), strict=True):
            self._track(*values)

    def _track(self, silence: float, energy: float, voicing: float, f0: float) -> None:
        rhythm = self._tracker.push(silence, energy, voicing, f0)
        if rhythm is not None:
            self._rhythm.append(rhythm)

    def _missing(self, frames: int) -> int:
        """Frames that are missing to fill the blocks that these frames begin."""
        sizes = self._sizes
        while frames > 0:
            frames -= sizes[0]
            sizes = sizes[1:] or sizes
        return -frames

    def _ready(self) -> list[Block]:
        blocks = []
        while len(self._rhythm) >= (size := self._sizes[0]):
            self._sizes = self._sizes[1:] or self._sizes
            rhythm, self._rhythm = self._rhythm[:size], self._rhythm[size:]
            rows, self._rows = self._rows[: BEFORE + size + AHEAD], self._rows[size:]
            blocks.append(Block(self._done, min(size, self._received - self._done), rows, rhythm))
            self._done += size
        return blocks
