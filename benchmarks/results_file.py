"""Result files that are renewed section by section."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_REMARKS = "\n## Remarks\n"


def with_sections(text: str, sections: Iterable[str]) -> str:
    """The Markdown `text` with its sections replaced by those of the same heading; others are added at the end."""
    title, *old = text.rstrip("\n").split("\n## ")
    by_heading = {section.split("\n")[0]: section for section in old}
    for section in sections:
        body = section.strip("\n").removeprefix("## ")
        by_heading[body.split("\n")[0]] = body
    return "\n\n## ".join(part.strip("\n") for part in [title, *by_heading.values()]) + "\n"


def with_remarks(text: str, path: Path) -> str:
    """The new Markdown `text` with the hand-written section "Remarks" of the file that it takes the place of."""
    _, found, remarks = (path.read_text(encoding="utf-8") if path.is_file() else "").partition(_REMARKS)
    return text.rstrip("\n") + "\n" + (f"{_REMARKS}{remarks}" if found else "")
