"""A text with places marked in it that stay where they are while the text around them is rewritten.

A marker is one private-use character. It is taken out before the text is cleaned and read aloud, so that no rule sees
it ("5 *km*" is read as "5 km" is), and put back where its place has moved to.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

FIRST_MARKER = 0xE000
PRIVATE_USE = re.compile("[\ue000-\uf8ff]")
"""The private-use characters of the first plane: nobody types them, and no font shows them."""


@dataclass(frozen=True)
class MarkedText:
    """A text without its markers, and the markers with their offsets [0, len(text)] in it, in order."""

    text: str
    marks: tuple[tuple[int, str], ...] = ()

    def sub(self, pattern: re.Pattern, replacement: str | Callable[[re.Match], str]) -> MarkedText:
        """`pattern.sub(replacement, text)`. A mark within what is replaced moves behind it where it ends something
        ("*5* km": a space or the text's end follows), else before it. `pattern` never matches the empty string."""
        if not self.marks:
            return MarkedText(pattern.sub(replacement, self.text))
        pieces, moved, read, written, next_mark = [], [], 0, 0, 0
        for match in pattern.finditer(self.text):
            new = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
            while next_mark < len(self.marks) and (offset := self.marks[next_mark][0]) < match.end():
                place = written + min(offset, match.start()) - read
                if offset > match.start() and self._ends_something(offset):
                    place += len(new)
                moved.append(max(place, moved[-1] if moved else 0))
                next_mark += 1
            pieces += [self.text[read : match.start()], new]
            written += match.start() - read + len(new)
            read = match.end()
        moved += [written + offset - read for offset, _ in self.marks[next_mark:]]
        pieces.append(self.text[read:])
        return self._moved("".join(pieces), moved)

    def map(self, function: Callable[[str], str]) -> MarkedText:
        """`function(text)`, for a function that rewrites every character by itself."""
        if not self.marks:
            return MarkedText(function(self.text))
        pieces, moved, read, written = [], [], 0, 0
        for offset, _ in self.marks:
            pieces.append(function(self.text[read:offset]))
            read, written = offset, written + len(pieces[-1])
            moved.append(written)
        pieces.append(function(self.text[read:]))
        return self._moved("".join(pieces), moved)

    def normalise(self, form: str) -> MarkedText:
        """A Unicode normal form ("NFKC") of the text: letters and their accents become one, over marks, too."""
        if not self.marks or unicodedata.is_normalized(form, self.text):
            return MarkedText(unicodedata.normalize(form, self.text), self.marks)
        text = unicodedata.normalize(form, self.text)
        return self._moved(text, [len(unicodedata.normalize(form, self.text[:offset])) for offset, _ in self.marks])

    def _ends_something(self, offset: int) -> bool:
        after = self.text[offset : offset + 1]
        return not after or after.isspace()

    def _moved(self, text: str, offsets: list[int]) -> MarkedText:
        places, last = [], 0
        for offset, (_, marker) in zip(offsets, self.marks, strict=True):
            last = min(max(offset, last), len(text))
            places.append((last, marker))
        return MarkedText(text, tuple(places))


def take_markers(text: str) -> MarkedText:
    """The private-use characters of a text as its marks."""
    plain, marks, read, length = [], [], 0, 0
    for match in PRIVATE_USE.finditer(text):
        plain.append(text[read : match.start()])
        length += match.start() - read
        marks.append((length, match[0]))
        read = match.end()
    return MarkedText("".join([*plain, text[read:]]), tuple(marks))


class MarkerPlacer:
    """Puts the marks of a cleaned text back into the phrases it is cut into.

    Cutting leaves out spaces, quotes and pieces without a letter or digit, so places are counted in letters and digits,
    which it keeps. A mark that stands directly behind something stays with it, any other goes with what follows.
    """

    def __init__(self) -> None:
        self._waiting: list[_Mark] = []
        self._letters_in = self._letters_out = 0

    def take(self, marked: MarkedText) -> None:
        """The next stretch of cleaned text."""
        text = marked.text
        letters = [i for i, character in enumerate(text) if character.isalnum()]
        for offset, marker in marked.marks:
            count = bisect_left(letters, offset)
            behind = offset - (letters[count - 1] + 1 if count else 0)
            ahead = (letters[count] if count < len(letters) else len(text)) - offset
            stays = offset > 0 and not text[offset - 1].isspace() and (ahead > 0 or offset == len(text))
            self._waiting.append(_Mark(marker, self._letters_in + count, stays, behind, ahead))
        self._letters_in += len(letters)

    def place(self, phrase: str) -> str:
        """The next phrase, with the marks that belong to it."""
        if not self._waiting:
            self._letters_out += sum(character.isalnum() for character in phrase)
            return phrase
        letters = [i for i, character in enumerate(phrase) if character.isalnum()]
        first, self._letters_out = self._letters_out, self._letters_out + len(letters)
        pieces, read, taken = [], 0, 0
        for mark in self._waiting:
            if mark.letters > self._letters_out or (mark.letters == self._letters_out and not mark.stays):
                break
            count = max(mark.letters - first, 0)
            low = letters[count - 1] + 1 if count else 0
            high = letters[count] if count < len(letters) else len(phrase)
            place = min(low + mark.behind, high) if mark.stays else max(high - mark.ahead, low)
            while not mark.stays and place < high and phrase[place].isspace():
                place += 1
            place = max(place, read)
            pieces += [phrase[read:place], mark.marker]
            read, taken = place, taken + 1
        del self._waiting[:taken]
        return "".join([*pieces, phrase[read:]])

    def rest(self) -> str:
        """The marks behind the last phrase."""
        markers = "".join(mark.marker for mark in self._waiting)
        self._waiting.clear()
        return markers


class _Mark(NamedTuple):
    """Where a marker stands: `letters` before it in the whole text, `behind` signs since the last of them and `ahead`
    until the next."""

    marker: str
    letters: int
    stays: bool
    behind: int
    ahead: int
