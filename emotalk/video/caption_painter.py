"""Captions painted into the frames: the words that are being said, where neither face nor mark is.

words with times ─► screens (as many words as two lines hold) ─► painted once for each word ─► blended into frames
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emotalk.core.errors import InputError
from emotalk.video.fonts import font_file

CAPTION_STYLES = ("off", "lines", "highlight", "words")
"""None; two lines on a dark ground; the word that is said now in colour; one large word after the other."""

_WIDTH = 0.86  # of the picture that a line may take: the rest is margin
_LETTER = {"lines": 0.052, "highlight": 0.064, "words": 0.105}
"""Height of the letters, in shorter sides."""
_BOTTOM, _BOTTOM_TALL = 0.905, 0.84
"""Where captions end, in heights: above the mark; on phones above the buttons that their programs lay over a video."""
_LEADING = 1.22  # from line to line, in letter heights
_STAYS = 0.6  # seconds for which the last word still stands while nothing is said
_PAUSE = 0.7  # seconds of silence behind which a new screen begins
_WHITE, _SAID, _DARK = (255, 255, 255, 255), (255, 214, 64, 255), (16, 16, 22, 255)
_GROUND = (16, 16, 22, 150)
_SENTENCE_ENDS = ".!?…。！？؟।"


@dataclass(frozen=True)
class CaptionWord:
    """A word as it is written, said from `start` to `end` in seconds; `spaced`: a space stands before it."""

    start: float
    end: float
    text: str
    spaced: bool = True


@dataclass(frozen=True)
class _Screen:
    """What is shown at once: words in lines (numbers into `words`), from `start` to `end`."""

    words: tuple[CaptionWord, ...]
    lines: tuple[tuple[int, ...], ...]
    start: float
    end: float

    def said(self, seconds: float) -> int:
        """The number of the word that is said at that time, or was last."""
        return max(0, sum(word.start <= seconds for word in self.words) - 1)


class CaptionPainter:
    """Captions of one video, whose words may become known while it is made.

    `style` is one of CAPTION_STYLES. Raises InputError for another one.
    """

    def __init__(self, width: int, height: int, style: str) -> None:
        if style not in CAPTION_STYLES:
            raise InputError(f"There are no captions {style!r:.40}; choose one of {', '.join(CAPTION_STYLES)}.")
        self._width, self._height, self._style = width, height, style
        self._screens: list[_Screen] = []
        self._painted: tuple[tuple[int, int], _Patch] | None = None
        self._file = None
        self.missing = ""
        """Letters that no font on this machine has: words with them are not painted."""

    def add(self, words: Iterable[CaptionWord]) -> None:
        """Takes the words that follow those before."""
        if self._style == "off":
            return
        drawable = [word for word in words if word.text.strip() and self._has_letters(word.text)]
        for screen in self._screens_of(drawable):
            if self._screens and self._screens[-1].end > screen.start:
                last = self._screens[-1]
                self._screens[-1] = _Screen(last.words, last.lines, last.start, screen.start)
            self._screens.append(screen)

    def draw(self, frame: np.ndarray, seconds: float) -> None:
        """Blend what is said at that time into `frame` [height, width, 3] uint8, in place."""
        number = next(
            (i for i in reversed(range(len(self._screens))) if self._screens[i].start <= seconds), None
        )  # the last one nearly always
        if number is None or seconds >= self._screens[number].end:
            return
        screen = self._screens[number]
        key = number, 0 if self._style == "lines" else screen.said(seconds)
        if self._painted is None or self._painted[0] != key:
            self._painted = key, _Patch(self._paint(screen, key[1]), self._width, self._height)
        self._painted[1].blend(frame)

    @property
    def _letter(self) -> int:
        return max(8, round(_LETTER[self._style] * min(self._width, self._height)))

    def _has_letters(self, text: str) -> bool:
        if self._file is None or font_file(text) != self._file:
            found = font_file(text)
            if found is None:
                self.missing += "".join(sorted(set(text) - set(self.missing)))[:20]
                return False
            self._file = self._file or found
        return True

    def _font(self, text: str, size: int) -> ImageFont.FreeTypeFont:
        return _font_of(str(font_file(text) or self._file), size)

    def _screens_of(self, words: Sequence[CaptionWord]) -> list[_Screen]:
        screens: list[_Screen] = []
        group: list[CaptionWord] = []
        for word, after in itertools.zip_longest(words, words[1:]):
            lines = self._lines([*group, word])
            if group and (self._style == "words" or len(lines) > 2):
                screens.append(self._screen(group))
                group = []
            group.append(word)
            ended = word.text.rstrip("\"'”’»)]")[-1:] in _SENTENCE_ENDS and len(group) > 2
            if after is None or ended or after.start - word.end > _PAUSE:
                screens.append(self._screen(group))
                group = []
        return [
            _Screen(s.words, s.lines, s.start, min(s.end, after.start) if after else s.end)
            for s, after in itertools.zip_longest(screens, screens[1:])
        ]

    def _screen(self, words: Sequence[CaptionWord]) -> _Screen:
        return _Screen(tuple(words), self._lines(words), words[0].start, words[-1].end + _STAYS)

    def _lines(self, words: Sequence[CaptionWord]) -> tuple[tuple[int, ...], ...]:
        """Numbers of the words in lines that fit, of about the same width where there are two."""
        widths = [self._word_width(word) for word in words]
        most, everything = _WIDTH * self._width, tuple(range(len(words)))
        if sum(widths) <= most or len(words) == 1:
            return (everything,)
        wider = [max(sum(widths[:cut]), sum(widths[cut:])) for cut in everything[1:]]
        if min(wider) <= most:
            cut = wider.index(min(wider)) + 1
            return everything[:cut], everything[cut:]
        lines: list[list[int]] = [[]]
        for i, width in enumerate(widths):
            if lines[-1] and sum(widths[k] for k in lines[-1]) + width > most:
                lines.append([])
            lines[-1].append(i)
        return tuple(map(tuple, lines))

    def _word_width(self, word: CaptionWord) -> float:
        return self._font(word.text, self._letter).getlength((" " if word.spaced else "") + word.text)

    def _paint(self, screen: _Screen, said: int) -> Image.Image:
        """The words of a screen [their height, width, RGBA] and where they end: see `_Patch`."""
        letter, most = self._letter, _WIDTH * self._width
        texts = [
            "".join(
                (" " if word.spaced and n else "") + word.text for n, word in enumerate(screen.words[i] for i in line)
            )
            for line in screen.lines
        ]
        widest = max(self._font(text, letter).getlength(text) for text in texts)
        if widest > most:  # a word that is longer than a line
            letter = max(6, int(letter * most / widest))
        step, pad = round(letter * _LEADING), round(0.45 * letter)
        picture = Image.new("RGBA", (self._width, step * len(texts) + 2 * pad), (*_DARK[:3], 0))
        draw = ImageDraw.Draw(picture)
        fonts = [self._font(text, letter) for text in texts]
        if self._style == "lines":
            half = max(font.getlength(text) for font, text in zip(fonts, texts, strict=True)) / 2 + 0.7 * letter
            box = (self._width / 2 - half, 0, self._width / 2 + half, picture.height - 1)
            draw.rounded_rectangle(box, radius=0.4 * letter, fill=_GROUND)
        stroke = 0 if self._style == "lines" else max(1, round(0.11 * letter))
        for n, (line, text, font) in enumerate(zip(screen.lines, texts, fonts, strict=True)):
            middle = pad + step * (n + 0.5)
            shared = {"font": font, "anchor": "mm", "stroke_width": stroke, "stroke_fill": _DARK}
            draw.text((self._width / 2, middle), text, fill=_WHITE, **shared)
            if self._style == "highlight" and said in line:
                self._colour_word(picture, screen, line, said, text, middle, shared)
        return picture

    def _colour_word(self, picture, screen, line, said, text, middle, shared) -> None:
        """The word that is said in its own colour: the whole line again, seen only where that word is."""
        font = shared["font"]
        before = "".join(
            (" " if screen.words[i].spaced and n else "") + screen.words[i].text for n, i in enumerate(line) if i < said
        )
        gap = " " if screen.words[said].spaced and said != line[0] else ""
        left = self._width / 2 - font.getlength(text) / 2
        start, end = font.getlength(before + gap), font.getlength(before + gap + screen.words[said].text)
        if _right_to_left(text):
            start, end = font.getlength(text) - end, font.getlength(text) - start
        coloured = Image.new("RGBA", picture.size, (*_DARK[:3], 0))
        ImageDraw.Draw(coloured).text((self._width / 2, middle), text, fill=_SAID, **shared)
        room = font.getlength(" ") / 2
        box = (max(0, int(left + start - room)), 0, min(self._width, int(left + end + room)), picture.height)
        patch = coloured.crop(box)
        picture.paste(patch, box[:2], patch)


class _Patch:
    """A painted strip as wide as the picture, ready to be blended."""

    def __init__(self, strip: Image.Image, width: int, height: int) -> None:
        bottom = round(height * (_BOTTOM_TALL if height > width else _BOTTOM))
        pixels = np.asarray(strip)[-bottom:]
        top = max(0, bottom - len(pixels))
        columns = np.flatnonzero(pixels[..., 3].any(0))
        left, right = (columns[0], columns[-1] + 1) if len(columns) else (0, 1)
        self._area = slice(top, top + len(pixels)), slice(left, right)
        alpha = pixels[:, left:right, 3:].astype(np.uint16)
        self._keep = 255 - alpha
        self._add = pixels[:, left:right, :3].astype(np.uint16) * alpha + 127

    def blend(self, frame: np.ndarray) -> None:
        patch = frame[self._area]
        patch[...] = (patch * self._keep + self._add) // 255


@functools.lru_cache(32)
def _font_of(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def _right_to_left(text: str) -> bool:
    return any("\u0590" <= letter <= "\u08ff" for letter in text)
