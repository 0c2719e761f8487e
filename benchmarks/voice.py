"""The neural voice: its times, moods, words, cost and lips: `python -m benchmarks.voice [--only times mood]`.

Prints tables and writes them to benchmarks/results/voice.md, section by section, so that parts can be renewed alone.
Sound is never kept.
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

RESULTS = Path(__file__).parent / "results" / "voice.md"
ABOUT = """# The neural voice

`python -m benchmarks.voice` (`--only times mood` renews parts). The voice is Kokoro-82M as `requirements.txt` brings
it.
"""
PARTS = {
    "times": "Times of phones and words",
    "captions": "Captions",
    "mood": "Mood in the voice",
    "words": "Words understood",
    "closures": "Lip closures",
    "cost": "Cost",
}
"""What is measured, each by `table` of the module benchmarks.voice_NAME."""


@dataclass(frozen=True)
class Options:
    """Measure the neural voice."""

    only: tuple[str, ...] = tuple(PARTS)
    """Parts to run; the others stay as they are in the file."""
    out: Path = RESULTS
    """Where the tables go."""


def main(options: Options) -> None:
    """Print every part and write the file after each."""
    for name in options.only:
        print(f"\n## {PARTS[name]}\n", flush=True)
        lines = []
        for line in importlib.import_module(f"benchmarks.voice_{name}").table():
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
