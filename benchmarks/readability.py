"""Are the moods of an avatar read? `python -m benchmarks.readability [AVATAR ...] [--work FOLDER]`.

Draws every avatar (gallery names or folders; the shipped ones by default) around the border of the valence/arousal
square and halfway to it, and reads the pictures with landmarks and folds alone (`readability_moods`). Writes
benchmarks/results/readability.md; needs the acted clips beside the checkout.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from benchmarks.readability_clips import changes
from benchmarks.readability_features import FEATURES, FOLDS, features
from benchmarks.readability_moods import MOODS, MoodReader, Reading, accuracy, without_folds
from benchmarks.results_file import with_remarks
from emotalk.core.atomic import write_text
from emotalk.core.paths import CHECKPOINTS
from emotalk.talk import Look, Studio
from emotalk.tracking.landmarks import FaceLandmarks

RESULTS = Path(__file__).parent / "results" / "readability.md"
REGIONS: dict[tuple[float, float], tuple[str, ...]] = {
    (1, 0): ("happy",),
    (1, 0.5): ("happy",),
    (1, 1): ("happy", "surprise"),
    (0.5, 1): ("happy", "surprise"),
    (0, 1): ("surprise",),
    (-0.5, 1): ("fear", "surprise"),
    (-1, 1): ("anger", "fear"),
    (-1, 0.5): ("disgust", "anger"),
    (-1, 0): ("disgust", "anger", "sad"),
    (-1, -0.5): ("sad",),
    (-1, -1): ("sad",),
    (-0.5, -1): ("sad", "neutral"),
    (0, -1): ("neutral", "sad"),
    (0.5, -1): ("neutral", "happy"),
    (1, -1): ("happy", "neutral"),
    (1, -0.5): ("happy",),
}
"""Valence and arousal of 16 points of the border -> the moods of their region, the one that the region is named after
first. Where the circumplex (Russell 1980) lays two within 25 degrees of a point, both are right: viewers do not tell
them apart there. Tiredness and calm may be read as neutral: none of the seven is theirs."""
STRENGTHS = {"border": 1.0, "half": 0.5}
SIDE = 512  # pixels of the pictures
_LOOKS = 3  # times that the landmarks' network sees each picture: it follows a face from the picture before


@dataclass(frozen=True)
class Options:
    """Measure how well an avatar's moods are read."""

    avatars: tyro.conf.Positional[tuple[str, ...]] = ()
    """Gallery names or folders; all shipped avatars by default."""
    data: Path = Path("../shared/data")
    """Folder with the acted clips in clips/mead."""
    work: Path | None = None
    """Folder that keeps the pictures, to look at."""
    out: Path = RESULTS
    """Where the tables go."""


@dataclass
class ReadAvatar:
    """What one avatar's pictures are read as, by strength and in the order of REGIONS."""

    name: str
    readings: dict[str, list[Reading]] = field(default_factory=dict)
    differences: dict[str, list[np.ndarray]] = field(default_factory=dict)  # [F] each, from its neutral picture

    def right(self, strength: str, mood: str | None = None) -> tuple[int, int]:
        """(points read as a mood of their region, points) at a strength; of the regions named after `mood` alone."""
        hits = [hit for moods, hit in self._hits(strength) if mood in (None, moods[0])]
        return sum(hits), len(hits)

    def sad(self, strength: str) -> tuple[int, int]:
        """The same of the regions that are sad and nothing else."""
        hits = [hit for moods, hit in self._hits(strength) if moods == ("sad",)]
        return sum(hits), len(hits)

    def _hits(self, strength: str) -> list[tuple[tuple[str, ...], bool]]:
        pairs = zip(REGIONS.values(), self.readings[strength], strict=True)
        return [(moods, reading.mood in moods) for moods, reading in pairs]


def read_avatar(studio: Studio, avatar: str, reader: MoodReader, work: Path | None = None) -> ReadAvatar:
    """Draws all points of one avatar (33 pictures with the neutral one, about 10 s) and reads them."""
    result = ReadAvatar(Path(avatar).name)
    with FaceLandmarks() as landmarks:

        def measured(name: str, valence: float, arousal: float) -> np.ndarray:
            picture = studio.still(avatar, Look(SIDE, mark="off"), valence, arousal)
            if work is not None:
                (work / result.name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(work / result.name / f"{name}.png")
            points = [landmarks.find(picture) for _ in range(_LOOKS)][-1]
            if points is None:
                sys.exit(f"No face is found in the picture {name} of {avatar}: look at it with --work FOLDER.")
            return features(picture, points)

        rest = measured("neutral", 0.0, 0.0)
        for strength, share in STRENGTHS.items():
            rows = [measured(f"{strength}_{k:02d}", v * share, a * share) - rest for k, (v, a) in enumerate(REGIONS)]
            result.differences[strength] = rows
            result.readings[strength] = [reader.read(row) for row in rows]
    return result


def calibration_lines(people: dict[str, dict[str, np.ndarray]]) -> Iterator[str]:
    """Markdown: each person read with the others' strengths."""
    yield "## Calibration\n"
    yield (
        "Acted clips (MEAD, level 3) of two people, relative to the same person's neutral clip; each is read by a "
        "measure whose strengths come from the other alone (which signs count was decided with both in view: a little "
        f"optimistic). Features: {', '.join(FEATURES)}; the last {len(FOLDS)} are folds.\n"
    )
    yield "| person left out | clips read right | frames | clips misread | clips, landmarks alone | frames |"
    yield "|---|---|---|---|---|---|"
    totals = []
    for person in people:
        cells = []
        for view in (dict, without_folds):
            others = [view(changed) for name, changed in people.items() if name != person]
            clips, frames = accuracy(MoodReader.calibrated(others), view(people[person]))
            wrong = ", ".join(f"{mood} as {read}" for mood, read in clips.items() if read != mood)
            right = sum(read == mood for mood, read in clips.items())
            cells += [f"{right} of {len(clips)}", f"{100 * frames:.0f} %"] + ([wrong] if view is dict else [])
            totals.append((right, frames))
        yield f"| {person} | {' | '.join(cells)} |"
    full, bare = np.array(totals[::2]), np.array(totals[1::2])
    points = len(MOODS) * len(people)
    yield (
        f"| all | {full[:, 0].sum():.0f} of {points} | {100 * full[:, 1].mean():.0f} % | | {bare[:, 0].sum():.0f} of "
        f"{points} | {100 * bare[:, 1].mean():.0f} % |"
    )


def summary_lines(avatars: list[ReadAvatar]) -> Iterator[str]:
    """Markdown: shares read right, in all, sadness, and by the mood that a region is named after (border + half)."""
    named = [mood for mood in MOODS if any(moods[0] == mood for moods in REGIONS.values())]
    yield "## Read as a mood of the region\n"
    yield (
        "Sadness: the regions that are sad and nothing else. Moods: regions named after them (neutral: tired and "
        "calm), border + half strength.\n"
    )
    yield f"| avatar | border | half | sadness, border | sadness, half | {' | '.join(named)} |"
    yield "|" + "---|" * (5 + len(named))
    for avatar in avatars:
        shares = [100 * np.divide(*count(s)) for count in (avatar.right, avatar.sad) for s in STRENGTHS]
        counts = ["{}+{} of {}".format(*(avatar.right(s, m)[0] for s in STRENGTHS), avatar.right("half", m)[1])
                  for m in named]  # fmt: skip
        yield f"| {avatar.name} | {' | '.join(f'{share:.0f} %' for share in shares)} | {' | '.join(counts)} |"


def point_lines(avatars: list[ReadAvatar]) -> Iterator[str]:
    """Markdown: every point's reading."""
    yield "## Point by point\n"
    yield "Valence, arousal; in bold what is no mood of the region.\n"
    yield f"| avatar | strength | {' | '.join(f'{v:g}, {a:g}' for v, a in REGIONS)} |"
    yield "|" + "---|" * (2 + len(REGIONS))
    for avatar in avatars:
        for strength, readings in avatar.readings.items():
            cells = [
                reading.mood if reading.mood in moods else f"**{reading.mood}**"
                for moods, reading in zip(REGIONS.values(), readings, strict=True)
            ]
            yield f"| {avatar.name} | {strength} | {' | '.join(cells)} |"


def missing_lines(avatars: list[ReadAvatar], reader: MoodReader) -> Iterator[str]:
    """Markdown: what would have to change at the points of the border that are not read."""
    yield "## What is missing\n"
    yield (
        "Points of the border that are not read: how near the nearest mood of the region is (1: read, unless another "
        "is nearer), and the three features that lack most, by how much (geometry in hundredths of the eye distance, "
        "folds in hundredths of a natural logarithm).\n"
    )
    yield "| avatar | point | wanted | read | nearness | lacks |\n|---|---|---|---|---|---|"
    for avatar in avatars:
        rows = zip(REGIONS.items(), avatar.readings["border"], avatar.differences["border"], strict=True)
        for ((v, a), moods), reading, difference in rows:
            if reading.mood not in moods:
                wanted = max(moods, key=reading.nearness)
                lacks = ", ".join(f"{name} {more:+.1f}" for name, more in reader.missing(difference, wanted))
                yield (
                    f"| {avatar.name} | {v:g}, {a:g} | {wanted} | {reading.mood} | {reading.nearness(wanted):.2f} "
                    f"| {lacks} |"
                )


def main(options: Options) -> None:
    """Print the tables and write the file."""
    people = changes(options.data / "clips" / "mead")
    if len(people) < 2:
        sys.exit(
            f"The acted clips that this is calibrated on are not in {options.data / 'clips' / 'mead'}. Name the folder "
            "that holds clips/mead with --data."
        )
    reader = MoodReader.calibrated(list(people.values()))
    studio = Studio(folders=True)
    names = options.avatars or sorted(path.name for path in (CHECKPOINTS / "avatars").iterdir() if path.is_dir())
    avatars = [read_avatar(studio, name, reader, options.work) for name in names]
    parts = (
        calibration_lines(people), summary_lines(avatars), point_lines(avatars), missing_lines(avatars, reader),
    )  # fmt: skip
    about = (
        "# Are moods read?\n\n`python -m benchmarks.readability`: pictures of 512 pixels as a talk shows them, without "
        "speech, read by landmarks and folds relative to the avatar's neutral picture."
    )
    text = "\n\n".join([about, *("\n".join(part) for part in parts)])
    print(text)
    write_text(options.out, with_remarks(text, options.out))


if __name__ == "__main__":
    main(tyro.cli(Options))
