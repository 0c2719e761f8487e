"""What a job's result may be called: a folder below the batch's own, and nothing beyond it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from emotalk.core.errors import InputError

REPORT = "report.json"
"""Where the report lies; no result is called so."""
DEEPEST = 8
"""Folders one in the other at most."""
LONGEST = 100
"""Bytes of each of their names in UTF-8: file systems allow 255, and temporary names come on top."""
_FORBIDDEN = re.compile(r'[<>:"|?*\\]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def checked_out(name: object) -> str:
    """The place of a result, "fr/lesson-3": names of folders from the outer to the inner one, joined by slashes.

    Each has letters, digits, spaces and signs that every file system takes, and neither begins with a dot nor ends in
    one. Raises InputError for anything else, so that no text leads out of the batch's folder or to its own files.
    """
    if not isinstance(name, str) or not name:
        raise InputError(
            f'"out" must be the name of a folder, such as "lesson-3" or "fr/lesson-3", found {name!r:.60}.'
        )
    parts = name.split("/")
    if len(parts) > DEEPEST:
        raise InputError(f'"out" names {len(parts)} folders one in the other; at most {DEEPEST} are taken.')
    for part in parts:
        if problem := _problem(part):
            raise InputError(f'"out" is {name!r:.80}, and {problem}. Use letters, digits, hyphens and slashes.')
    if parts[0].lower() == REPORT:
        raise InputError(f'"out" is {name!r}, where the report lies; choose another name.')
    return "/".join(parts)


def _problem(part: str) -> str:
    """What is wrong with the name of a folder; empty where nothing is."""
    if not part:
        return "a folder in it has no name"
    if part.startswith(".") or part.endswith("."):
        return f"the name {part!r:.60} begins or ends with a dot"
    if part != part.strip() or not part.isprintable() or _FORBIDDEN.search(part):
        return f"the name {part!r:.60} holds a letter that not every disk takes"
    if len(part.encode("utf-8", "surrogatepass")) > LONGEST:
        return f"the name {part!r:.40} is longer than {LONGEST} bytes"
    return f"{part!r} is no name on Windows" if _RESERVED.fullmatch(part) else ""


class Taken:
    """The places that are taken, by line: no two results lie in one place, and none inside another."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._outer: dict[str, int] = {}  # folders that results lie in

    def take(self, out: str, line: int) -> None:
        """Note that the result of a line lies at `out` (`checked_out`); InputError where that place is not free."""
        # Many disks hold capitals and small letters for the same.
        place = PurePosixPath(out.casefold())
        outer = [str(parent) for parent in place.parents if str(parent) != "."]
        own = str(place)
        before = self._lines.get(own) or self._outer.get(own)
        before = before or next((self._lines[folder] for folder in outer if folder in self._lines), None)
        if before:
            raise InputError(
                f"its result {out!r:.80} would lie in the same place as that of line {before}. Give one of the two "
                'another name with "out".'
            )
        self._lines[own] = line
        for folder in outer:
            self._outer.setdefault(folder, line)
