"""A font that has the letters of a text, among those that are on this machine."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts", "/Library/Fonts",
            "/System/Library/Fonts", "~/Library/Fonts", "C:/Windows/Fonts")  # fmt: skip
_MOST = 600  # fonts that are looked into
_NOBODYS = "\U0010fffe"  # a code point that will never be a letter: drawn as what stands for a missing one


def font_file(text: str) -> Path | None:
    """The file of a bold font, or else any, that has all the letters of a text; None where there is none.

    First that which comes with matplotlib (Latin, Greek, Cyrillic, Arabic, Hebrew and more), then the system's.
    """
    letters = frozenset(letter for letter in text if not letter.isspace())
    return next((path for path in _fonts() if letters <= _known(path, letters)), None)


@functools.cache
def _fonts() -> tuple[Path, ...]:
    """Font files, bold ones without serifs first."""
    found = list(_bundled())
    for folder in _FOLDERS:
        for place, _, files in os.walk(Path(folder).expanduser()):
            found += [Path(place, file) for file in sorted(files) if file.lower().endswith((".ttf", ".otf", ".ttc"))]

    def likely(path: Path) -> tuple[bool, bool]:
        name = path.name.lower()
        odd = any(word in name for word in ("mono", "serif", "italic", "oblique", "light", "thin", "condensed"))
        return odd, "bold" not in name

    own = [path for path in found[:1] if path.is_file()]
    return tuple(own + sorted(found[1:], key=likely))[:_MOST]


def _bundled() -> Iterator[Path]:
    # Found without importing it, which takes half a second.
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans-Bold.ttf")


def _known(path: Path, letters: frozenset[str]) -> frozenset[str]:
    """Those of the letters that a font has."""
    try:
        font = _opened(path)
        missing = _shape(font, _NOBODYS)
        return frozenset(letter for letter in letters if _shape(font, letter) != missing)
    except OSError:
        return frozenset()  # a file that is no font


@functools.lru_cache(8)
def _opened(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), 24)


def _shape(font: ImageFont.FreeTypeFont, letter: str) -> tuple:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
