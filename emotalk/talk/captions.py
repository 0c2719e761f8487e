"""Captions: the words of a talk in short texts with times, and their files (.srt, .vtt).

    words with times ─► written_words (the text's own words) ─► captions (where to break) ─► WebVTT or SubRip

The limits are those of common guidelines for subtitles (two lines of 42 characters, 1 to 6 seconds, about 20 characters
a second).
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotalk.core.atomic import write_text
from emotalk.core.errors import InputError
from emotalk.speech.direction_sentences import is_short_form
from emotalk.talk.written_words import TimedWord, written_words

LINE = 42
"""Characters in a line at most; Chinese, Japanese and Korean ones count twice."""
LONGEST, SHORTEST = 6.0, 1.0
"""Seconds that a caption is shown at most, and at least where the next one leaves time."""
READING_SPEED = 20.0
"""Characters a second that people read; a caption stays longer for it where there is a pause."""
FORMATS = (".srt", ".vtt")

_CLOSE = 0.2  # a shorter gap between two captions only flickers
_INSTANT = 0.04  # one frame of video: no caption is shorter, whatever the words' times are

# What a break or a choice costs against others; only the ratios matter.
_PER_CAPTION, _FEW_WORDS = 3.0, 1.5
_AFTER_SENTENCE, _AFTER_CLAUSE, _AT_PAUSE, _WITHIN_CLAUSE = 0.0, 1.5, 2.5, 6.0
_SENTENCE_INSIDE, _PAUSE_INSIDE = 1.5, 8.0
_TOO_SHORT, _TOO_FAST = 10.0, 3.0  # per second that is lacking
_PAUSE, _LONG_PAUSE = 0.3, 1.0  # seconds
_SENTENCE_ENDS, _CLAUSE_ENDS = frozenset(".!?…。！？؟।"), frozenset(",;:–—-、，；：،؛")
_INITIALS = re.compile(r"\W*(?:\w\.){2,}")  # e.g., U.S.
_CLOSING = "\"'”’»)]）」』*"


@dataclass(frozen=True)
class Caption:
    """A text of one or two lines that is shown from `start` to `end` in seconds (whole milliseconds)."""

    start: float
    end: float
    text: str


def captions(words: Iterable[tuple[float, float, str]], text: str = "") -> tuple[Caption, ...]:
    """The captions of spoken `words` (start second, end second, word), such as `Speech.words`.

    `text` is what was to be said, without directions (`Script.written`): its punctuation and its way of writing numbers
    are shown. Captions do not overlap, and break after sentences, else clauses, else before pauses. None for no words.
    """
    units = [part for word in written_words(words, text) for part in _short_enough(word)]
    if not units:
        return ()
    ends = _breaks(units)
    groups = [units[first:last] for first, last in itertools.pairwise([0, *ends])]
    return tuple(_timed(groups))


def as_vtt(captions: Iterable[Caption]) -> str:
    """Captions as WebVTT, for a page's `<track>` or a file."""
    escaped = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    cues = (f"{_clock(c.start)} --> {_clock(c.end)}\n{c.text.translate(escaped)}\n" for c in captions)
    return "\n".join(["WEBVTT\n", *cues])


def as_srt(captions: Iterable[Caption]) -> str:
    """Captions as SubRip (.srt)."""
    cues = (
        f"{number}\n{_clock(c.start, ',')} --> {_clock(c.end, ',')}\n{c.text}\n" for number, c in enumerate(captions, 1)
    )
    return "\n".join(cues)


def check_captions_path(path: str | Path) -> Path:
    """`path`; InputError where its ending is none of FORMATS. For asking before a long talk is made."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"Captions are written as {' or '.join(FORMATS)}, found {path.name[-40:]!r}. Give the file such an ending."
        )
    return path


def write_captions(path: str | Path, captions: Iterable[Caption]) -> Path:
    """The captions as a file in UTF-8, WebVTT or SubRip by its ending; returns the path.

    Raises InputError for another ending, OSError where the file cannot be written.
    """
    path = check_captions_path(path)
    write_text(path, as_vtt(captions) if path.suffix.lower() == ".vtt" else as_srt(captions))
    return path


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends with a text, or with the last word of it; the full stop of a short form ends none."""
    words = text.split()
    return bool(words) and _ends_with(TimedWord(0.0, 0.0, words[-1]), _SENTENCE_ENDS)


def sentence_starts(words: Iterable[tuple[float, float, str]], text: str = "") -> list[float]:
    """The seconds at which sentences begin; arguments as for `captions`."""
    units = written_words(words, text)
    begins = [True, *(_ends_with(unit, _SENTENCE_ENDS) for unit in units)]
    return [unit.start for unit, first in zip(units, begins, strict=False) if first]


def _clock(seconds: float, point: str = ".") -> str:
    milliseconds = round(seconds * 1000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{rest:03}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _short_enough(word: TimedWord) -> list[TimedWord]:
    """The word, in pieces where it is longer than a line."""
    if _width(word.text) <= LINE:
        return [word]
    pieces, width = [""], 0
    for character in word.text:
        if width + _width(character) > LINE:
            pieces.append("")
            width = 0
        pieces[-1] += character
        width += _width(character)
    pieces = [piece for piece in pieces if piece.strip()]
    step = (word.end - word.start) / len(pieces)
    return [
        TimedWord(word.start + step * n, word.start + step * (n + 1), piece.strip(), word.spaced and n == 0)
        for n, piece in enumerate(pieces)
    ]


def _joined(units: Sequence[TimedWord]) -> str:
    return "".join((" " if unit.spaced and n else "") + unit.text for n, unit in enumerate(units))


def _breaks(units: Sequence[TimedWord]) -> list[int]:
    """The ends of the captions (one past their last units) that cost least together."""
    count = len(units)
    widths = [_width(unit.text) + unit.spaced for unit in units]
    total = [0, *itertools.accumulate(widths)]  # with a space before the first
    sentences = [0, *itertools.accumulate(_ends_with(unit, _SENTENCE_ENDS) for unit in units)]
    pauses = [max(after.start - unit.end, 0.0) for unit, after in itertools.pairwise(units)]
    long_pauses = [0, *itertools.accumulate(pause > _LONG_PAUSE for pause in pauses)]
    after = [_break_cost(unit, pause) for unit, pause in zip(units, [*pauses, 0.0], strict=True)]
    line_end = _line_ends(units, total)
    best, came_from = [0.0] + [float("inf")] * count, [0] * (count + 1)
    for first in range(count):
        second_line = line_end[first]
        last = line_end[second_line] if second_line < count else count
        start = units[first].start
        for end in range(first + 1, last + 1):
            if units[end - 1].end - start > LONGEST and end > first + 1:
                break
            free = min((units[end].start if end < count else float("inf")) - start, LONGEST)
            characters = total[end] - total[first] - units[first].spaced
            cost = best[first] + _PER_CAPTION + after[end - 1]
            cost += _SENTENCE_INSIDE * (sentences[end - 1] - sentences[first])
            cost += _PAUSE_INSIDE * (long_pauses[end - 1] - long_pauses[first])
            cost += _TOO_SHORT * max(0.0, SHORTEST - free) + _TOO_FAST * max(0.0, characters / READING_SPEED - free)
            cost += _FEW_WORDS * (characters < LINE // 3)
            if cost < best[end]:
                best[end], came_from[end] = cost, first
    ends = [count]
    while came_from[ends[-1]]:
        ends.append(came_from[ends[-1]])
    return ends[::-1]


def _line_ends(units: Sequence[TimedWord], total: Sequence[int]) -> list[int]:
    """For each unit, one past the last that fits in a line with it as the first."""
    ends, end = [], 0
    for first in range(len(units)):
        end = max(end, first + 1)
        while end < len(units) and total[end + 1] - total[first] - units[first].spaced <= LINE:
            end += 1
        ends.append(end)
    return ends


def _break_cost(unit: TimedWord, pause: float) -> float:
    if _ends_with(unit, _SENTENCE_ENDS):
        return _AFTER_SENTENCE
    if _ends_with(unit, _CLAUSE_ENDS):
        return _AFTER_CLAUSE
    return _AT_PAUSE if pause >= _PAUSE else _WITHIN_CLAUSE


def _ends_with(unit: TimedWord, marks: frozenset[str]) -> bool:
    text = unit.text.rstrip(_CLOSING)
    if not text or text[-1] not in marks:
        return False
    return text[-1] != "." or not (is_short_form(unit.key) or _INITIALS.fullmatch(text))


def _timed(groups: Sequence[Sequence[TimedWord]]) -> list[Caption]:
    result: list[Caption] = []
    free_from = 0.0
    for group, following in itertools.zip_longest(groups, groups[1:]):
        text = _in_lines(group)
        start = max(round(group[0].start, 3), free_from)
        latest = min(following[0].start if following else float("inf"), start + LONGEST)
        end = min(max(group[-1].end, start + max(SHORTEST, _width(text) / READING_SPEED)), latest)
        if latest - end < _CLOSE:
            end = latest
        free_from = round(max(end, start + _INSTANT), 3)
        result.append(Caption(start, free_from, text))
    return result


def _in_lines(group: Sequence[TimedWord]) -> str:
    """One line where it fits, else two of about the same length, broken after a mark if possible."""
    whole = _joined(group)
    if _width(whole) <= LINE:
        return whole
    lines: list[tuple[float, str]] = []
    for cut in range(1, len(group)):
        first, second = _joined(group[:cut]), _joined(group[cut:])
        widths = _width(first), _width(second)
        if max(widths) <= LINE:
            mark = _ends_with(group[cut - 1], _SENTENCE_ENDS | _CLAUSE_ENDS)
            lines.append((abs(widths[0] - widths[1]) - 16 * mark, f"{first}\n{second}"))
    return min(lines)[1]
