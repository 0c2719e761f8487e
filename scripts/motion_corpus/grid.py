"""The GRID audio-visual sentences (Cooke et al. 2006, CC BY 4.0): which films there are, who speaks in them, and which
of them are trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from emotalk.core.errors import InputError

ATTRIBUTION = """GRID audio-visual sentence corpus, M. Cooke, J. Barker, S. Cunningham and X. Shao (2006), "An
audio-visual corpus for speech perception and automatic speech recognition", JASA 120(5), doi 10.5281/zenodo.3625687,
CC BY 4.0"""

MOST_OF_ONE = 80
"""Films of one speaker that are trained on: of more the lips of others gain nothing (measured with 40, 80 and 327)."""
_SPEAKER = re.compile(r"(?:^|_)(s\d+)_|^(id\d+)_")


@dataclass(frozen=True)
class Film:
    """A film of one sentence."""

    name: str
    speaker: str
    path: Path


def speaker_of(name: str) -> str:
    """Who speaks in the film of that name: `s26` of s26_bgbsza, `s33` of f1_s33_bwwy3s, `id2` of id2_vcd_swwp2s."""
    found = _SPEAKER.search(name)
    if found is None:
        raise InputError(
            f"{name} is no film of the GRID corpus: its name says no speaker (s1_..., f1_s33_..., id2_...)."
        )
    return found[1] or found[2]


def films(folder: Path) -> list[Film]:
    """All films under `folder`, by name; InputError where there is none. In a folder that is named after one speaker
    (s1/), the names of films do not say it: they are given it."""
    found = []
    for path in sorted(folder.glob("*/*.mp4")):
        name = f"{path.parent.name}_{path.stem}" if _SPEAKER.search(path.parent.name + "_") else path.stem
        found.append(Film(name, speaker_of(name), path))
    if not found:
        raise InputError(f"{folder} holds no films of the GRID corpus (folders with .mp4 files).")
    return found


def balanced(films: list[Film], most: int = MOST_OF_ONE) -> list[Film]:
    """Films with at most `most` of each speaker, spread evenly over that speaker's; who has few comes first."""
    of: dict[str, list[Film]] = {}
    for film in films:
        of.setdefault(film.speaker, []).append(film)
    kept: list[Film] = []
    for group in sorted(of.values(), key=len):
        count = min(most, len(group))
        kept += [group[i * len(group) // count] for i in range(count)]
    return kept
