"""The results as benchmarks/results/soak.md: a section for each part, renewed where that part was run."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.results_file import with_sections

TITLE = """# Soak

`python -m scripts.soak` renews the section of each part that it runs; [docs/security.md](../../docs/security.md) says
what they are for.
"""


@dataclass(frozen=True)
class Part:
    """What one part found: a text in Markdown, and what went wrong, in words."""

    title: str
    text: str
    faults: list[str] = field(default_factory=list)

    def section(self, command: str) -> str:
        """The part's section of the file."""
        machine = (
            f"{os.cpu_count()} cores, Python {platform.python_version()}, load average {os.getloadavg()[1]:.1f} after"
        )
        verdict = (
            f"Verdict: **does not hold**: {' '.join('; '.join(self.faults).split())}."
            if self.faults
            else "Verdict: **holds**."
        )
        return f"## {self.title}\n\n`{command}`, {machine}.\n\n{self.text}\n\n{verdict}\n"


def write(path: Path, parts: list[Part], command: str) -> None:
    """Renew the sections of these parts."""
    old = path.read_text(encoding="utf-8") if path.is_file() else TITLE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(with_sections(old, [part.section(command) for part in parts]), encoding="utf-8")
