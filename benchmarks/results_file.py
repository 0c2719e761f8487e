"""Result files that are renewed section by section."""

from __future__ import annotations

from collections.abc import Iterable


def with_sections(text: str, sections: Iterable[str]) -> str:
    """The Markdown `text` with its sections replaced by those of the same heading; others are added at the end."""
    title, *old = text.rstrip("\n").split("\n## ")
    by_heading = {section.split("\n")[0]: section for section in old}
    for section in sections:
        body = section.strip("\n").removeprefix("## ")
        by_heading[body.split("\n")[0]] = body
    return "\n\n## ".join(part.strip("\n") for part in [title, *by_heading.values()]) + "\n"
