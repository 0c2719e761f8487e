"""Makes the shards of filmed lips: `python -m scripts.motion_corpus --films ../shared/data/grid --out ../motion/grid`.

Started again, it goes on where it stopped.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import tyro

from scripts.motion_corpus.grid import MOST_OF_ONE, balanced, films
from scripts.motion_corpus.shards import build_shards


@dataclass(frozen=True)
class Options:
    """Track the lips of films and keep them with their sound."""

    films: Path
    """Folder of the GRID corpus: folders of films."""
    out: Path
    """Where the shards go; outside of the repository."""
    most: int = MOST_OF_ONE
    """Films of one speaker at most."""


def main(options: Options) -> None:
    """All missing shards."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    build_shards(options.out, balanced(films(options.films), options.most))


if __name__ == "__main__":
    main(tyro.cli(Options))
