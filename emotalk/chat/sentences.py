"""A text that grows, cut into sentences that can be spoken as soon as they end.

    pieces ─► without code and thoughts ─► sentences ─► without markdown and emoji ─► [mood that holds] sentence

Each character is looked at once, and decides with those before it: the sentences are the same however the text comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from emotalk.chat.markdown import is_direction, mood_behind, spoken
from emotalk.speech.direction_sentences import is_short_form

FIRST_LONG, LONG, LONGEST = 70, 160, 280
"""Characters behind which a sentence ends at a comma (the first one, and all others), and behind which at a space."""
LONGEST_TAG = 80
"""Characters in brackets that are kept together."""

_FENCE, _THINK, _THOUGHT = "```", "<think>", "</think>"
_ENDS, _WIDE_ENDS = frozenset(".!?…؟।"), frozenset("。！？")
_CLOSING = frozenset("\"'”’»)]）」』*_`~")
_CLAUSES, _WIDE_CLAUSES = frozenset(",;:—–،؛"), frozenset("，、；：")
_SHORT_FORMS = frozenset((
    "al", "bzw", "ca", "cf", "co", "corp", "dra", "etc", "evtl", "ggf", "inc", "ltd", "max", "min", "mme", "mlle", "nr",
    "sra", "usw", "vgl",
))  # fmt: skip
"""In small letters, beside those that the reader of English knows."""
_INITIALS = re.compile(r"""(?:^|[\s("„“«])(?:[^\W\d_]\.\s?)*[^\W\d_]\.$""")
_NUMBER_OF_ITEM = re.compile(r"\s*\d{1,3}\.")
_LAST_WORD = re.compile(r"([^\W\d_]{1,12})\.$")


class SentenceCutter:
    """Takes pieces of a text, gives sentences with their directions ([happy]); a mood that holds is put in front of
    every sentence behind it, since each is spoken by itself. What has no letter or digit to be said is left out."""

    def __init__(self) -> None:
        self._held = ""  # what may become a fence or a thought
        self._inside = ""  # what ends the part that is left out
        self._now = ""  # the sentence so far
        self._mood = ""  # the direction that holds
        self._open = -1  # where in the sentence a bracket is open
        self._ended = self._spaced = False  # whether it may be over, and a space has followed
        self._said = False

    def push(self, piece: str) -> list[str]:
        """The sentences that this piece completes."""
        return [sentence for character in piece for plain in self._plain(character) for sentence in self._take(plain)]

    def finish(self) -> list[str]:
        """What remains: the text is over."""
        held, self._held = self._held, ""
        rest = [] if self._inside else [sentence for character in held for sentence in self._take(character)]
        return rest + self._cut()

    def _plain(self, character: str) -> str:
        """The characters that are known now to be neither code nor thought."""
        self._held += character
        free = ""
        while self._held:
            marks = (self._inside,) if self._inside else (_FENCE, _THINK, _THOUGHT)
            if self._held in marks:
                self._inside = {_FENCE: _FENCE, _THINK: _THOUGHT}.get(self._held, "") if not self._inside else ""
                self._held, free = "", free + "\n"
            elif any(mark.startswith(self._held) for mark in marks):
                break
            else:
                free += "" if self._inside else self._held[0]
                self._held = self._held[1:]
        return free

    def _take(self, character: str) -> list[str]:
        if character in "\n\r":
            return self._cut()
        found = []
        if self._ended:
            if character.isspace():
                self._spaced = True
            elif not self._spaced and (character in _ENDS | _WIDE_ENDS or character in _CLOSING):
                self._now += character
                return found
            elif self._is_over(character):
                found = self._cut()
            else:
                self._ended = self._spaced = False
        if character.isspace() and not self._now:
            return found
        self._now += character
        self._watch(character)
        return found + self._shortened()

    def _watch(self, character: str) -> None:
        """What this character says about brackets, and whether the sentence may be over."""
        at = len(self._now) - 1
        if character == "[":
            self._open = at
        elif character == "]" or at - self._open > LONGEST_TAG:
            self._open = -1
        if (character in _ENDS or character in _WIDE_ENDS) and self._open < 0:
            self._ended, self._spaced = True, False

    def _is_over(self, following: str) -> bool:
        """Whether the sentence is over, `following` being the first sign behind it that is no space."""
        written = self._now.rstrip()
        bare = written.rstrip("".join(_CLOSING))
        closed, last = len(bare) < len(written), bare[-1:]
        if last in _WIDE_ENDS:
            return True
        if not self._spaced:
            return following == "[" and not bare.endswith(" !")  # ![a picture](address)
        if following.islower() and (closed or last in ".…"):
            return False
        if last != "." or closed or bare.endswith(".."):
            return True
        word = _LAST_WORD.search(bare)
        word = word[1].lower() if word else ""
        if word == "no":
            return not following.isdigit()
        initials = _INITIALS.search(bare) is not None and not bare.endswith(" I.")
        return not (_NUMBER_OF_ITEM.fullmatch(bare) or initials or word in _SHORT_FORMS or is_short_form(word))

    def _shortened(self) -> list[str]:
        """The part of a long sentence that can be said already."""
        now = self._now
        last, before = now[-1], now[-2:-1]
        soft = LONG if self._said else FIRST_LONG
        clause = last in _WIDE_CLAUSES or (last.isspace() and before in _CLAUSES)
        if self._open < 0 and not self._ended and clause and len(now) >= soft:
            return self._cut()
        if len(now) < LONGEST:
            return []
        until = now if self._open < 0 else now[: self._open]
        space = max((at for at, sign in enumerate(until) if sign.isspace()), default=-1)
        at = space + 1 if space >= LONGEST // 2 else len(until) if len(until) >= LONGEST // 2 else len(now)
        rest = now[at:]
        found = self._cut(now[:at])
        for character in rest:
            found += self._take(character)
        return found

    def _cut(self, sentence: str | None = None) -> list[str]:
        """The sentence so far (or that part of it), and none begun."""
        raw = self._now if sentence is None else sentence
        self._now, self._open = "", -1
        self._ended = self._spaced = False
        text = spoken(raw)
        mood, self._mood = self._mood, mood_behind(text, self._mood)
        if not any(sign.isalnum() for sign in _BRACKETS.sub("", text)):
            return []
        self._said = True
        return [f"{mood} {text}" if mood and not _begins_with_mood(text) else text]


_BRACKETS = re.compile(r"\[[^\[\]\n]{0,80}\]")


def _begins_with_mood(text: str) -> bool:
    """Whether a mood of its own is the first that a sentence has: then the one before need not be told."""
    first = _BRACKETS.match(text)
    return first is not None and is_direction(first[0]) and mood_behind(first[0], "") != ""


def sentences(pieces: Iterable[str]) -> Iterator[str]:
    """The sentences of a text that comes in pieces, each as soon as it ends; "" where a piece is "" (nothing has come):
    whoever speaks then knows that there is time."""
    cutter = SentenceCutter()
    for piece in pieces:
        if piece:
            yield from cutter.push(piece)
        else:
            yield ""
    yield from cutter.finish()
