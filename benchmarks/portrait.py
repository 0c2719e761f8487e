"""Avatars from one photo: `python -m benchmarks.portrait [--only photos person]`.

Prints tables and writes them to benchmarks/results/portrait.md, section by section, so that parts can be renewed alone.
Photos are named by their files and never shown; contact sheets stay on this machine.
"""

from __future__ import annotations

import importlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.results_file import with_sections
from emotalk.core.atomic import write_text

RESULTS = Path(__file__).parent / "results" / "portrait.md"
ABOUT = """# Avatars from one photo

`python -m benchmarks.portrait` (`--only photos person` renews parts). Photos: `shared/data/portraits`, thirty CC0
pictures of 1000 x 1000 pixels that are no part of the repository.
"""
PARTS = {
    "photos": "Photos",
    "person": "Person and expression",
    "avatars": "From photo to avatar",
    "clips": "Driven by the person's own film",
    "closures": "Lips at closures",
}
"""What is measured, each by `table` of the module benchmarks.portrait_NAME."""


@dataclass(frozen=True)
class Options:
    """Measure what becomes of photos."""

    only: tuple[str, ...] = tuple(PARTS)
    """Parts to run; the others stay as they are in the file."""
    out: Path = RESULTS
    """Where the tables go."""


def main(options: Options) -> None:
    """Print every part and write the file after each."""
    for name in options.only:
        print(f"\n## {PARTS[name]}\n", flush=True)
        lines = []
        for line in importlib.import_module(f"benchmarks.portrait_{name}").table():
            lines.append(line)
            print(line, flush=True)
        load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
        lines.append(
            f"\n{os.cpu_count()} cores ({platform.machine()}); load average at the end (1, 5, 15 minutes): {load}."
        )
        kept = options.out.read_text(encoding="utf-8") if options.out.exists() else ABOUT
        write_text(options.out, with_sections(kept, [f"## {PARTS[name]}\n\n" + "\n".join(lines)]))


if __name__ == "__main__":
    main(tyro.cli(Options))
