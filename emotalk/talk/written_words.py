"""The words of a written text with the times at which they are spoken.

A voice says "five kilometers" where the text has "5 km", and knows nothing of its commas. Words that are the same on
both sides are found in one pass; what lies between two such places belongs together.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

LATEST = 360_000.0
"""Seconds (100 hours): words with later times are nobody's."""

# Scripts without spaces between words: every letter with its marks stands for itself.
_WIDE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WIDE += "\U00020000-\U0003ffff"
_PIECE = re.compile(rf"[{_WIDE}][\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u3099\u309a]*|[^\s{_WIDE}]+")
_WIDE_LETTER = re.compile(f"[{_WIDE}]")
_HYPHEN = re.compile(r"(?<=[^\W\d_])([-‐–—/]+)(?=[^\W\d_])")
_OPENING = frozenset("\"'(¿¡«„“‘「『（《〈[{*")
_AHEAD = 60  # spoken words that are looked through for a place that is in the text, too
_WRITTEN = 12  # written words between two such places, beyond which it is not clear what was said for what
_SILENT = 3  # written words without any sound that still stand in a caption


@dataclass(frozen=True)
class TimedWord:
    """A word as it is shown, with its punctuation, from `start` to `end` in seconds."""

    start: float
    end: float
    text: str
    spaced: bool = True  # a space stands before it

    @property
    def key(self) -> str:
        """What is compared: letters and digits alone."""
        return _key(self.text)


def written_words(words: Iterable[tuple[float, float, str]], text: str = "") -> list[TimedWord]:
    """The words of `text` at the times of the spoken `words` (start second, end second, word), in order.

    Where it is not clear which written words were said, the spoken ones stand; without `text` all of them do. Times are
    in order and do not overlap; words without a time or with nothing to show are left out. Takes time in proportion to
    the words.
    """
    spoken = _spoken(words)
    written = _pieces(text)
    if not written or not spoken:
        return spoken
    written_keys = [_key(piece) for piece, _ in written]
    spoken_keys = [word.key for word in spoken]
    places = _pairs(written_keys)
    ahead = [*spoken_keys, "", ""]
    result: list[TimedWord] = []
    i = j = 0
    while j < len(spoken):
        if i < len(written) and written_keys[i] == spoken_keys[j]:
            result.append(_shown(spoken[j], written[i]))
            i, j = i + 1, j + 1
            continue
        skipped = _next_place(places, ahead, i, j)
        if skipped is None:
            result.append(spoken[j])
            j += 1
            continue
        unread, said = skipped
        _between(result, written[i : i + unread], spoken[j : j + said])
        i, j = i + unread, j + said
    _for_all(result, written[i:], [])
    return result


def _spoken(words: Iterable[tuple[float, float, str]]) -> list[TimedWord]:
    timed = [
        (max(float(start), 0.0), float(end), str(word))
        for start, end, word in words
        if math.isfinite(start) and math.isfinite(end) and start < LATEST
    ]
    timed.sort(key=lambda word: word[0])
    result = []
    for index, (start, end, word) in enumerate(timed):
        latest = timed[index + 1][0] if index + 1 < len(timed) else LATEST
        pieces = _pieces(word)
        if pieces and not _WIDE_LETTER.match(pieces[0][0]):
            pieces[0] = (pieces[0][0], True)
        if pieces:
            result += _shared_out(start, max(start, min(end, latest)), pieces)
    return result


def _pieces(text: str) -> list[tuple[str, bool]]:
    """(what is shown, whether a space is before it) of each word of a text; marks go with the word they stand at."""
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") else c for c in text)
    pieces: list[tuple[str, bool]] = []
    opening, spaced = "", False  # marks for the next word, and whether a space stands before those
    for match in _PIECE.finditer(plain):
        gap = match.start() > 0 and plain[match.start() - 1].isspace()
        for index, part in enumerate(_parts(match[0])):
            space = gap and index == 0
            if _key(part):
                pieces.append((opening + part, spaced if opening else space))
                opening = ""
            elif pieces and not opening and not (part[0] in _OPENING and (space or part[0] not in "\"'*")):
                pieces[-1] = (pieces[-1][0] + " " * space + part, pieces[-1][1])
            else:
                opening, spaced = opening + part, spaced if opening else space
    if opening and pieces:
        pieces[-1] = (pieces[-1][0] + opening, pieces[-1][1])
    return pieces


def _parts(piece: str) -> list[str]:
    """ "well-known" is two words to most voices; a date or a number stays whole."""
    return [piece] if any(c.isdigit() for c in piece) else _HYPHEN.sub("\\1\n", piece).split("\n")


def _key(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _pairs(keys: list[str]) -> dict[tuple[str, str], list[int]]:
    """Two words that follow each other -> where; the end of the text counts as two empty ones."""
    places: dict[tuple[str, str], list[int]] = {}
    for index, pair in enumerate(zip([*keys, ""], [*keys[1:], "", ""], strict=True)):
        places.setdefault(pair, []).append(index)
    return places


def _next_place(places: dict[tuple[str, str], list[int]], ahead: list[str], i: int, j: int) -> tuple[int, int] | None:
    """How many written and spoken words from i and j on to skip to the nearest place that both have."""
    best: tuple[int, int] | None = None
    for said in range(min(_AHEAD, len(ahead) - 2 - j) + 1):
        if best and said >= sum(best):
            break
        found = places.get((ahead[j + said], ahead[j + said + 1]), ())
        nearest = bisect_left(found, i)
        if nearest < len(found) and (best is None or found[nearest] - i + said < sum(best)):
            best = found[nearest] - i, said
    return best


def _between(result: list[TimedWord], written: Sequence[tuple[str, bool]], spoken: Sequence[TimedWord]) -> None:
    """Add what lies between two places that are the same: the same words in it, else all for all."""
    if len(written) > _WRITTEN:
        result += spoken
        return
    matcher = SequenceMatcher(None, [_key(piece) for piece, _ in written], [word.key for word in spoken], False)
    i = j = 0
    for first, second, count in matcher.get_matching_blocks():
        _for_all(result, written[i:first], spoken[j:second])
        result += [
            _shown(word, piece)
            for word, piece in zip(spoken[second : second + count], written[first : first + count], strict=True)
        ]
        i, j = first + count, second + count


def _for_all(result: list[TimedWord], written: Sequence[tuple[str, bool]], spoken: Sequence[TimedWord]) -> None:
    if not spoken:
        if result and len(written) <= _SILENT:
            text = "".join(" " * spaced + piece for piece, spaced in written)
            result[-1] = replace(result[-1], text=result[-1].text + text)
    elif not written or not _clear([piece for piece, _ in written], spoken):
        result += spoken
    elif len(written) == len(spoken):
        result += [_shown(word, piece) for word, piece in zip(spoken, written, strict=True)]
    else:
        result += _shared_out(spoken[0].start, spoken[-1].end, written)


def _clear(written: list[str], spoken: Sequence[TimedWord]) -> bool:
    """Whether these written words may well have been said as those: numbers, signs and short forms are; other words
    that differ in number are another text."""
    if len(written) == 1 or len(written) == len(spoken):
        return True
    if any(not c.isalpha() for piece in written for c in piece.rstrip(".,!?;:\"')")):
        return True
    return "".join(map(_key, written)) == "".join(word.key for word in spoken)


def _shown(word: TimedWord, piece: tuple[str, bool]) -> TimedWord:
    return replace(word, text=piece[0], spaced=piece[1])


def _shared_out(start: float, end: float, pieces: Sequence[tuple[str, bool]]) -> list[TimedWord]:
    """Words over a stretch of time, each as long as it takes to say: a digit takes about five letters."""
    weights = [1 + sum(5 if c.isdigit() else 1 for c in piece) for piece, _ in pieces]
    total, before, result = sum(weights), 0, []
    for (piece, spaced), weight in zip(pieces, weights, strict=True):
        first = start + (end - start) * before / total
        before += weight
        last = start + (end - start) * before / total
        result.append(TimedWord(first, min(last, end), piece, spaced))
    return result
