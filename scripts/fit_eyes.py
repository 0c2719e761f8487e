"""Builds checkpoints/eyes.json: blink and gaze statistics of Live Link Face captures.

    python -m scripts.fit_eyes FOLDER [--out checkpoints/eyes.json]

The shipped file comes from the four free captures (S07-001, S88-001, apfel, facial) of
alexdjulin/LiveLinkFace-CSV-Retarget (MIT). Range-of-motion exercises (names with "rom") are left out: nobody blinks
or looks around naturally while exercising the face.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from emotalk.core.atomic import write_json
from emotalk.core.paths import CHECKPOINTS
from emotalk.motion.eye_statistics import measure_eyes, median_of
from emotalk.motion.livelink import read_livelink


def main(folder: Path, out: Path = CHECKPOINTS / "eyes.json") -> None:
    """Measure every free capture in the folder and write the medians."""
    captures = sorted(path for path in folder.glob("*.csv*") if "rom" not in path.name)
    measured = {path.name.split(".")[0]: measure_eyes(read_livelink(path)) for path in captures}

    def rounded(statistics):
        return {
            name: [round(x, 3) for x in value] if isinstance(value, tuple) else round(value, 4)
            for name, value in dataclasses.asdict(statistics).items()
        }

    document = {
        "what": "Medians of blink and gaze statistics over Live Link Face captures at 25 fps",
        "source": "alexdjulin/LiveLinkFace-CSV-Retarget (MIT), captures " + ", ".join(measured),
        "build": "python -m scripts.fit_eyes FOLDER",
        "statistics": rounded(median_of(list(measured.values()))),
        "captures": {name: rounded(statistics) for name, statistics in measured.items()},
    }
    write_json(out, document)


if __name__ == "__main__":
    tyro.cli(main)
