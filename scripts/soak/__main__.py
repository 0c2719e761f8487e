"""A long day of a page in some minutes: `python -m scripts.soak [--part talks|kills|visitors|faults]`.

    talks     200 short talks in a row and 8 at once, beside a fit: memory, files, threads, zombies, temporary bytes
    visitors  32 people at once on a page open to strangers: who is served, how long a still and the page itself take
    kills     the page and the command line killed at drawn moments: what is left after the next start
    faults    full disks, little memory, few files, no HOME, a clock that jumps, shipped files that are missing

Everything happens on this machine's loopback with a real `python app.py`; the video for fits is rendered from a shipped
synthetic person. Results go into benchmarks/results/soak.md; the exit status is 1 where something does not hold.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Literal

import tyro

from scripts.soak import faults, kills, talks, visitors
from scripts.soak.report import Part, write
from tests.preset_video import preset_video
from tests.ui.browsing import ROOT

PARTS = ("talks", "visitors", "kills", "faults")


def soak(
    part: tuple[Literal["talks", "visitors", "kills", "faults"], ...] = PARTS,
    talks_in_a_row: int = 200,
    rounds_at_once: int = 5,
    fit: bool = True,
    people: int = 32,
    kills_each: int = 10,
    seed: int = 0,
    output: Path = ROOT / "benchmarks" / "results" / "soak.md",
    folder: Path | None = None,
) -> int:
    """Put a page under load, kill it, take things away from it; write down what it holds and what it leaves.

    Args:
        part: which parts are run; all of them by default.
        talks_in_a_row: how many short talks are made one after the other.
        rounds_at_once: how often eight talks are asked for at once.
        fit: whether avatars are made beside the talks.
        people: how many visitors come at the same time.
        kills_each: how often a page is killed during a talk, and a page or a command during a fit.
        seed: draws the moments of the kills.
        output: the file of results; the sections of other parts stay.
        folder: where logs and temporary files go; a temporary folder that is removed otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="soak-") as own:
        place = own if folder is None else folder
        found = list(_parts(Path(place), part, talks_in_a_row, rounds_at_once, fit, people, kills_each, seed))
    write(output, found, shlex.join(["python", "-m", "scripts.soak", *sys.argv[1:]]))
    for one in found:
        print(f"{one.title}: {'; '.join(one.faults) if one.faults else 'holds'}")
    return int(any(one.faults for one in found))


def _parts(
    place: Path, wanted: tuple[str, ...], in_a_row: int, rounds: int, fit: bool, people: int, each: int, seed: int
):
    place.mkdir(parents=True, exist_ok=True)
    filmed = ("talks" in wanted and fit) or "kills" in wanted
    video = preset_video(place / "me.mp4") if filmed else None
    jobs = {
        "talks": lambda: talks.run(place / "talks", video if fit else None, in_a_row, rounds),
        "visitors": lambda: visitors.run(place / "visitors", people),
        "kills": lambda: kills.run(place / "kills", video, each, seed),
        "faults": lambda: faults.run(place / "faults"),
    }
    for name in PARTS:
        if name in wanted:
            print(f"{name} ...", flush=True)
            try:
                yield jobs[name]()
            except Exception as error:  # the other parts are still worth their time
                yield Part(name.title(), f"It ended with {type(error).__name__}: {error}", [f"it ended with {error}"])


def main() -> None:
    """The command."""
    sys.exit(tyro.cli(soak))


if __name__ == "__main__":
    main()
