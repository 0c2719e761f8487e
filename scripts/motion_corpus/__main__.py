"""Makes the shards of films: `python -m scripts.motion_corpus --films ../shared/data/grid --out ../motion/grid`.

With `--whole ../motion/whole` also what the whole head does in them, for the body network.

Started again, it goes on where it stopped.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import tyro

from scripts.motion_corpus.grid import MOST_OF_ONE, balanced, films
from scripts.motion_corpus.shards import build_shards
from scripts.motion_corpus.whole_motion import build_whole_motion


@dataclass(frozen=True)
class Options:
    """Track the lips of films and keep them with their sound."""

    films: Path
    """Folder of the GRID corpus: folders of films."""
    out: Path
    """Where the shards go; outside of the repository."""
    most: int = MOST_OF_ONE
    """Films of one speaker at most."""
    whole: Path | None = None
    """Where the whole motion goes (expression, lids, gaze, head); not made where not given."""


def main(options: Options) -> None:
    """All missing shards."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    chosen = balanced(films(options.films), options.most)
    build_shards(options.out, chosen)
    if options.whole:
        build_whole_motion(options.whole, chosen)


if __name__ == "__main__":
    main(tyro.cli(Options))
