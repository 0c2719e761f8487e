"""Put the mouths of fitted presets in order: `python -m scripts.mend_mouths mira kofi`.

New presets are mended by their fit; this is for avatars that were fitted before (scripts/preset_fit/mouth.py says what
is done). Needs neither Blender nor pictures, takes seconds, keeps card and thumbnail, and leaves mended ones alone.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import torch
import tyro

from emotalk.avatar import load_avatar
from emotalk.avatar.gallery import avatar_folders
from scripts.preset_fit.mouth import MENDED, mend_mouth

log = logging.getLogger(__name__)


def main(names: tyro.conf.Positional[tuple[str, ...]], out: Path | None = None) -> None:
    """names: shipped avatars. out: folder of avatar folders to write to (default: where they lie)."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    shipped = avatar_folders()[0][0]
    for name in names:
        avatar = load_avatar(shipped / name)
        if MENDED in avatar.card.metrics:
            log.info("%s: its mouth is in order already", name)
            continue
        mended = mend_mouth(avatar)
        metrics = avatar.card.metrics | {MENDED: 1, "gaussians": len(mended)}
        mended = mended.replace(card=dataclasses.replace(avatar.card, metrics=metrics))
        mended.save((out or shipped) / name)
        log.info("%s: %d Gaussians, %d before", name, len(mended), len(avatar))


if __name__ == "__main__":
    tyro.cli(main)
