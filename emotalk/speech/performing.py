"""A script's directions on their way to the voice and to the face: what holds where, and when it was said.

phrase with markers ─► parts between pauses ─► changes by letter (voice) ─► spoken words ─► moods by second (face)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from emotalk.core.speech import Speech
from emotalk.speech.direction import Cue, Emphasis, Mood, MoodEnd, Pause, Prosody, split_cues
from emotalk.speech.manner import Change


@dataclass(frozen=True)
class Part:
    """A piece of a phrase without a pause in it, and the silence that comes before it."""

    text: str
    changes: tuple[Change, ...]  # by letter of `text`; the first one holds from its beginning
    moods: tuple[tuple[int, tuple[float, float] | None], ...]  # (letter, mood) where a direction sets one
    pause: float = 0.0  # seconds


class Directions:
    """Follows the cues of a script from phrase to phrase: what one sets holds until another one changes it."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        self._cues = cues
        self._now = Change()
        self._waiting: list[tuple[float, float] | None] = []  # moods that were set where no word followed

    def parts(self, text: str) -> Iterator[Part]:
        """The parts of a phrase's text with markers. A last part may be empty: a pause at the end."""
        plain, cues = split_cues(text, self._cues)
        begin, pause = 0, 0.0
        changes, moods = [replace(self._now, letter=0)], self._moods()
        for offset, cue in cues:
            if isinstance(cue, Pause):
                if plain[begin:offset].strip():
                    yield Part(plain[begin:offset], _ordered(changes), tuple(moods), pause)
                    begin, pause, moods = offset, 0.0, self._moods()
                    changes = [replace(self._now, letter=0)]
                pause += cue.seconds
                continue
            self._now = replace(_changed(self._now, cue), letter=offset - begin)
            changes.append(self._now)
            if isinstance(cue, Mood | MoodEnd):
                moods.append((offset - begin, self._now.mood))
        yield Part(plain[begin:], _ordered(changes), tuple(moods), pause)

    def wait(self, moods: Sequence[tuple[float, float] | None]) -> None:
        """Moods of the part before, behind whose places no word was said: the last one begins with the next part."""
        self._waiting = list(moods)

    def _moods(self) -> list[tuple[int, tuple[float, float] | None]]:
        waiting, self._waiting = self._waiting[-1:], []
        return [(0, mood) for mood in waiting]


def _changed(now: Change, cue: Cue) -> Change:
    if isinstance(cue, Mood):
        return replace(now, mood=(cue.valence, cue.arousal))
    if isinstance(cue, MoodEnd):
        return replace(now, mood=None)
    if isinstance(cue, Prosody):
        return replace(now, rate=cue.rate, pitch=cue.pitch)
    if isinstance(cue, Emphasis):
        return replace(now, emphasis=cue.level or 0.0)
    return now


def _ordered(changes: list[Change]) -> tuple[Change, ...]:
    """Of changes at the same letter the last one."""
    return tuple({change.letter: change for change in changes}.values())


class Stopwatch:
    """When the moods of a part are said: tells each piece of its speech which moods begin in it.

    A mood begins with the first word behind its place; where the voice does not tell its words, in proportion to the
    letters.
    """

    def __init__(self, part: Part) -> None:
        self._text, self._waiting, self._letter = part.text, list(part.moods), 0

    @property
    def left(self) -> list[tuple[float, float] | None]:
        """The moods that have not begun yet."""
        return [mood for _, mood in self._waiting]

    def timed(self, piece: Speech) -> Speech:
        """A piece of the part's speech with `moods`; the pieces come in order."""
        moods = []
        if not piece.words:
            length = max(1, len(self._text))
            moods = [(piece.seconds * letter / length, mood) for letter, mood in self._waiting]
            self._waiting = []
        for start, _, word in piece.words:
            found = self._text.find(word, self._letter)
            here = found if found >= 0 else self._letter
            self._letter = here + (len(word) if found >= 0 else 0)
            while self._waiting and self._waiting[0][0] <= here:
                moods.append((start, self._waiting.pop(0)[1]))
        return replace(piece, moods=tuple(moods)) if moods else piece
