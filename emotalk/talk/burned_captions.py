"""The words of a talk as captions in its pictures, while the talk is still being made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotalk.core.rates import FPS
from emotalk.talk.request import Look
from emotalk.talk.written_words import written_words
from emotalk.video.caption_painter import CaptionPainter, CaptionWord

SAMPLE = "Captions look like this"


def draw_sample(frame: np.ndarray, look: Look) -> None:
    """Paint words that show where a look's captions stand, and how they look, into `frame` [height, width, 3 or 4]
    uint8."""
    painter = CaptionPainter(look.width, look.height, look.captions)
    painter.add(CaptionWord(start, start + 1.0, word) for start, word in enumerate(SAMPLE.split()))
    painter.draw(frame, 0.5)


class BurnedCaptions:
    """Paints the `words` (start second, end second, word) that a list holds so far, and will hold; as `written` in the
    text that is said, once that is known."""

    def __init__(self, look: Look, words: Sequence[tuple[float, float, str]]) -> None:
        self._painter = CaptionPainter(look.width, look.height, look.captions)
        self._words, self._taken, self._until = words, 0, 0.0

    def draw(self, frame: np.ndarray, number: int, written: str) -> None:
        """Paint the captions of frame `number` into `frame` [height, width, 3] uint8."""
        count = len(self._words)
        if count > self._taken:
            # All words so far, so that the same ones are found in the text each time; those of before are painted.
            units = written_words(self._words[:count], written)
            new = [unit for unit in units if unit.start >= self._until]
            self._painter.add(CaptionWord(unit.start, unit.end, unit.text, unit.spaced) for unit in new)
            self._taken = count
            self._until = max([self._until, *(unit.end for unit in units)])
        self._painter.draw(frame, (number + 0.5) / FPS)

    @property
    def remark(self) -> str | None:
        """What was left out, in a sentence."""
        if not self._painter.missing:
            return None
        return (
            f"No font of this machine has the letters {self._painter.missing[:20]!r}, so words with them are not in "
            "the picture; install a font of their script (Debian: fonts-noto-core, fonts-noto-cjk), or use a captions "
            "file."
        )
