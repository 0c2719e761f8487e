"""A sentence as a language model writes it, without what nobody would read out: markdown, emoji, unknown brackets."""

from __future__ import annotations

import functools
import re

from emotalk.speech.direction import Mood, MoodEnd, parse
from emotalk.speech.direction_emoji import EMOJI
from emotalk.speech.text import BREAKING_TAGS, TAGS, clean_text

_PICTURE = re.compile(r"!\[[^\[\]]*\]\([^()\s]*\)")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*\)")
_BRACKET = re.compile(r"\[[^\[\]\n]{0,80}\]")
_BEGINNING = re.compile(r"\s*(?:(?:#{1,6}|>+|[-*+•–]|\d{1,3}[.)])\s+)+(?:\[[ xX]\]\s+)?")
_STRONG = re.compile(r"\*{2,}|_{2,}|~{2,}|`+")
_UNDERLINED = re.compile(r"(?<!\w)_|_(?!\w)")
_BARS = re.compile(r"\s*\|[\s|:-]*")
_EMOJI = re.compile(EMOJI)
_LETTERLIKE = frozenset("™ℹ‼⁉←↑→↓↔⇒⇐")
_SPACES = re.compile(r"\s+")


def spoken(sentence: str) -> str:
    """The sentence on one line, with directions ([happy], [pause 1], *stress*) and without marks of markdown, tags,
    emoji, and brackets that are no direction ([1], [laughs]); of a link its words."""
    text = _PICTURE.sub(" ", clean_text(sentence))
    text = _LINK.sub(r"\1", text)
    text = TAGS.sub(" ", BREAKING_TAGS.sub(" ", text))
    text = _BRACKET.sub(lambda found: found[0] if is_direction(found[0]) else " ", text)
    text = _BEGINNING.sub("", text, count=1) if _BEGINNING.match(text) else text
    text = _UNDERLINED.sub(" ", _STRONG.sub("", text))
    text = _EMOJI.sub(lambda found: found[0] if found[0][0] in _LETTERLIKE else " ", text)
    text = _BARS.sub(", ", text).strip(", ") if text.lstrip().startswith("|") else text
    text = _SPACES.sub(" ", text).strip()
    return re.sub(r"(?<=\w) (?=[.,!?;:](?:\s|$))", "", text)


def mood_behind(text: str, before: str) -> str:
    """The direction of the mood that holds behind a text, `before` being the one in front of it; "" for none."""
    for tag in _BRACKET.findall(text):
        cues = _cues(tag)
        if cues and isinstance(cues[-1], Mood):
            before = tag
        elif cues and isinstance(cues[-1], MoodEnd):
            before = ""
    return before


def is_direction(tag: str) -> bool:
    """Whether a text in brackets is a direction (a mood, its end, a pause)."""
    return bool(_cues(tag))


@functools.lru_cache(1000)
def _cues(tag: str) -> tuple:
    """The cues of a tag where a mood holds: without one [/] would be none."""
    return parse(f"[happy]a{tag}").cues[1:]
