"""Emoji in a text colour the sentence they stand in, or the one they follow."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from emotalk.speech.english import read_aloud


@dataclass(frozen=True)
class Markup:
    """A tag that the cleaner takes out."""

    written: str
    name: str  # in small letters, "" for comments


@dataclass(frozen=True)
class Emoji:
    """An emoji with a feeling."""

    written: str
    point: tuple[float, float]  # valence and arousal in [-1, 1]


@dataclass(frozen=True)
class Coloured:
    """From here on the mood of the emoji; None: what it was before."""

    point: tuple[float, float] | None


# Where a sentence ends, of the text between two tags or cues: at once, before a space, and at an empty line or the next
# item of a list, across which no emoji looks back. The look-behind keeps "....x" from being tried at every dot.
_END = re.compile(
    r"(?P<hard>\n(?:[ \t\r]*\n|(?=[ \t]*(?:[-*•+]|\d{1,3}[.)])[ \t])))|(?P<line>\n)|(?P<wide>[。！？]+)"
    r"|(?<![.!?…؟।])(?P<soft>[.!?…؟।]+)[\"'”’»)]*(?=\s|$)"
)
_HARD_TAGS = frozenset(("p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6"))
_SOFT_TAGS = frozenset(("s", "br"))


@dataclass
class _Sentence:
    first: int | None = None  # the part that its first word begins
    last: int = 0  # the part behind its last sign
    ended: bool = False
    points: list[tuple[float, float]] = field(default_factory=list)


def colour_sentences(pieces: Sequence[Any]) -> Iterator[Any]:
    """Pieces of a text (strings, `Markup`, `Emoji`, anything else) with each `Emoji` replaced by a space, and a
    `Coloured` put at both ends of its sentence; several emoji in a sentence mean what lies in the middle of them.

    Where emoji are all there is to say, they stay in the text.
    """
    if not any(isinstance(piece, str) and _has_words(html.unescape(piece)) for piece in pieces):
        return iter([piece.written if isinstance(piece, Emoji) else piece for piece in pieces])
    if not any(isinstance(piece, Emoji) for piece in pieces):
        return iter(pieces)
    reader = _Reader()
    for piece in pieces:
        reader.read(piece)
    return reader.coloured()


class _Reader:
    """Finds sentences in pieces that come one by one."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._sentences = [_Sentence()]

    def read(self, piece: Any) -> None:
        """The next piece of the text."""
        if isinstance(piece, str):
            read = 0
            for end in _END.finditer(piece):
                self._words(piece[read : end.end()])
                read = end.end()
                if not (end.lastgroup == "soft" and _abbreviates(piece, end.start())):
                    self._end(end.lastgroup)
            self._words(piece[read:])
            return
        self._parts.append(" " if isinstance(piece, Emoji) else piece)
        if isinstance(piece, Emoji):
            self._sentences[-1].points.append(piece.point)
        elif isinstance(piece, Markup) and piece.name in _HARD_TAGS | _SOFT_TAGS:
            self._end("hard" if piece.name in _HARD_TAGS else "soft")

    def coloured(self) -> Iterator[Any]:
        """All parts, with the ends of the coloured sentences."""
        self._look_back()
        begins, ends = {}, set()
        for sentence in self._sentences:
            if sentence.points and sentence.first is not None:
                count = len(sentence.points)
                begins[sentence.first] = Coloured(
                    (sum(v for v, _ in sentence.points) / count, sum(a for _, a in sentence.points) / count)
                )
                ends.add(sentence.last)
        for index in range(len(self._parts) + 1):
            if index in ends:
                yield Coloured(None)
            if index in begins:
                yield begins[index]
            if index < len(self._parts):
                yield self._parts[index]

    def _words(self, text: str) -> None:
        if not text:
            return
        sentence = self._sentences[-1]
        letter = next((i for i, character in enumerate(text) if character.isalnum()), None)
        if letter is not None and sentence.ended:
            sentence = _Sentence()
            self._sentences.append(sentence)
        if letter is not None and sentence.first is None:
            self._parts += [text[:letter]] if letter else []
            sentence.first, text = len(self._parts), text[letter:]
        body = text.rstrip()
        if body:
            self._parts.append(body)
            if not sentence.ended or letter is not None:
                sentence.last = len(self._parts)
        if len(body) < len(text):
            self._parts.append(text[len(body) :])

    def _end(self, kind: str) -> None:
        sentence = self._sentences[-1]
        if kind == "hard":
            self._look_back()
        if sentence.first is None:
            return
        if kind == "hard" or (kind == "line" and sentence.ended):
            self._sentences.append(_Sentence())
        elif kind != "line":
            sentence.ended = True

    def _look_back(self) -> None:
        """Emoji on a line of their own, behind which nothing follows, belong to what stands before."""
        if len(self._sentences) > 1 and self._sentences[-1].first is None:
            self._sentences[-2].points += self._sentences[-1].points
            self._sentences[-1].points = []


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _abbreviates(text: str, stop: int) -> bool:
    """Whether the full stop at an offset belongs to a short form such as "Dr.", as the reader of English has it."""
    word = re.search(r"[^\W\d_]{0,9}$", text[max(0, stop - 9) : stop])[0].lower()
    return text[stop] == "." and is_short_form(word)


def is_short_form(word: str) -> bool:
    """Whether an English word in small letters takes a full stop that ends no sentence ("dr", "etc")."""
    return 1 < len(word) < 10 and word.isalpha() and _read_without_stop(word)


@functools.lru_cache(1000)
def _read_without_stop(word: str) -> bool:
    return "." not in read_aloud(f"{word}. x")
