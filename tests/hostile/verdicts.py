"""What must hold of an answer, whatever was sent."""

from __future__ import annotations

import html
import re
from pathlib import Path

from tests.hostile.cases import SECRET_WORDS

_ROOTS = r"/(?:tmp|home|root|usr|work|var|etc)/"
PLACES = re.compile(rf"{_ROOTS}|site-packages|emotalk/[a-z]+/[a-z_]+\.py|[A-Z]:\\\\")
"""What a path of the server looks like."""
CODE = re.compile(r"Traceback|object at 0x|\bNoneType\b|\bndarray\b|File \"")
"""What a programmer reads and nobody else understands."""


def is_sentence(text: str) -> bool:
    """Whether a person could act on it: some words that begin like a sentence, no code."""
    return len(text.split()) >= 3 and not CODE.search(text)


def tells_no_place(text: str, *sent: str) -> bool:
    """Whether no path of the server stands in an answer; what was sent, or its beginning, may be quoted."""
    text = html.unescape(text)
    found = (re.match(r"[\w/.:\\-]*[\w/]", text[match.start() :]) for match in PLACES.finditer(text))
    told = [path[0] if path else "" for path in found]
    return SECRET_WORDS not in text and all(any(path in part for part in sent) for path in told)


def files_below(folder: Path) -> set[str]:
    """The names of everything in a folder, links not followed."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
