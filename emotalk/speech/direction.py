"""Directions inside a text: moods, pauses, stress, emoji and a part of SSML, read once.

    text ─► tokens ─► parser (one stack) ─► pieces of text, cues, emoji ─► emoji colour their sentences ─► Script

A `Script` is what is left to say, with a private-use character wherever a cue stands: it stays at its place while
`text.phrases(script.text, markers=True)` cleans and cuts the text, and `split_cues` takes it out of each phrase.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emotalk.speech.direction_cues import MAX_CUES, Cue, Emphasis, Mood, MoodEnd, Pause, Prosody, check_count
from emotalk.speech.direction_parser import Parser
from emotalk.speech.direction_sentences import Coloured, Markup, colour_sentences
from emotalk.speech.marked_text import FIRST_MARKER, PRIVATE_USE, take_markers
from emotalk.speech.text import BREAKING_TAGS, TAGS

__all__ = [
    "MAX_CUES", "Cue", "Emphasis", "Mood", "MoodEnd", "Pause", "Prosody", "Script", "parse", "split_cues",
]  # fmt: skip


@dataclass(frozen=True)
class Script:
    """A text read for its directions."""

    text: str  # what is left to say; the character U+E000 + n stands where cues[n] does
    cues: tuple[Cue, ...] = ()
    remarks: tuple[str, ...] = ()  # sentences for the person who wrote it: what was not understood

    @property
    def written(self) -> str:
        """The text as it would stand in a book: without markers and tags. For captions."""
        plain = TAGS.sub(" ", BREAKING_TAGS.sub(" ", PRIVATE_USE.sub("", self.text)))
        plain = PRIVATE_USE.sub("", html.unescape(plain))
        return re.sub(r"(?<=[^ \t]) (?=[.,!?;:](?:\s|$))", "", re.sub(r"[ \t]+", " ", plain)).strip()


def parse(text: str, language: str = "en") -> Script:
    """`text` as a Script. `language` is that of the voice: `say-as` is read out in English only.

    Every string is understood in some way: what is no direction is text, what is left open ends with the text. Takes
    time in proportion to the length. Raises InputError where the text holds more than MAX_CUES directions.
    """
    parser = Parser(PRIVATE_USE.sub("", text), language.split("-")[0].lower())
    said, cues = _joined(colour_sentences(parser.pieces()))
    return Script(said, cues, tuple(parser.remarks))


def split_cues(text: str, cues: Sequence[Cue]) -> tuple[str, tuple[tuple[int, Cue], ...]]:
    """A piece of a script's text without its markers, and the cues that they stand for, each with its offset in that
    plain text [0, its length]."""
    marked = take_markers(text)
    found = ((offset, ord(marker) - FIRST_MARKER) for offset, marker in marked.marks)
    return marked.text, tuple((offset, cues[index]) for offset, index in found if index < len(cues))


def _joined(pieces: Iterator[str | Markup | Coloured | Cue]) -> tuple[str, tuple[Cue, ...]]:
    """Pieces as one text with a marker for every cue, and the cues.

    A cue between two words keeps them apart, and one between two spaces takes one of them along: "5 [sad] km" is read
    as "5 km" is.
    """
    text: list[str] = []
    cues: list[Cue] = []
    mood: Mood | None = None  # what the brackets say
    coloured = apart = False
    last = ""  # the last character that is no marker

    def put(cue: Cue) -> None:
        text.append(chr(FIRST_MARKER + len(cues)))
        cues.append(cue)
        check_count(len(cues))

    for piece in pieces:
        if isinstance(piece, Markup):
            text.append(piece.written)
            last, apart = ">", False
        elif isinstance(piece, str):
            if cues and text[-1] == chr(FIRST_MARKER + len(cues) - 1):
                if last == " " and piece[0] == " ":
                    piece = piece[1:]
                elif apart and last.isalnum() and piece[0].isalnum():
                    piece = f" {piece}"
            if piece:
                text.append(piece)
                last, apart = piece[-1], False
        elif isinstance(piece, Coloured):
            if piece.point:
                coloured = True
                put(Mood(*piece.point))
            elif coloured:
                coloured = False
                put(mood or MoodEnd())
        else:
            if isinstance(piece, Mood | MoodEnd):
                mood, coloured = piece if isinstance(piece, Mood) else None, False
            apart = apart or isinstance(piece, Mood | MoodEnd | Pause)
            put(piece)
    return "".join(text), tuple(cues)
