"""Gives the shipped presets skin that folds and moods that are read: `python -m scripts.fold_presets [NAME ...]`.

For avatars that were fitted before there were folds; `scripts.fit_preset` does the same at its end. Depths come from
the age of the character sheet; running it again changes nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path

import tyro

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.avatar.thumbnail import render_thumbnail
from emotalk.core.paths import CHECKPOINTS
from emotalk.fitting.expressive import expressive

SHEETS = Path(__file__).resolve().parent / "characters"
YOUNG, PER_AGE = 0.42, 1.35
"""Depth of the folds at the age 0 of a sheet (a person around twenty-five), and how much deeper at 1 (ninety)."""


def folded(avatar: GaussianAvatar, sheet: dict) -> GaussianAvatar:
    """The avatar with folds as deep as its character sheet's age says."""
    return expressive(avatar, depth=YOUNG + PER_AGE * sheet["phenotype"]["age"])


def main(names: tyro.conf.Positional[tuple[str, ...]] = ()) -> None:
    for name in names or sorted(path.stem for path in SHEETS.glob("*.json")):
        folder = CHECKPOINTS / "avatars" / name
        avatar = folded(load_avatar(str(folder)), json.loads((SHEETS / f"{name}.json").read_text()))
        avatar.thumbnail = render_thumbnail(avatar)
        avatar.save(folder)
        print(f"{name}: {len(avatar)} Gaussians, reach {avatar.card.reach}, folds {avatar.card.folds['frown']}")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
