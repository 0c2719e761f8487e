"""How much people differ in their habits of head, eyes and brows: prints `learning.person_habits.PEOPLE` and `MOMENTS`.

    python -m scripts.motion_corpus --films ../shared/data/grid --out ../motion-films --whole ../motion-whole
    python -m scripts.fit_habits --whole ../motion-whole

Of every film the numbers are taken against those of the average person's takes for the same speech. Between speakers
they differ by people and by chance; what films of one speaker differ by is taken off (variance components of a one-way
layout). Blinks are counted: what their counts vary more than Poisson's would is people's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import tyro

from emotalk.core.motion import HeadMotion
from emotalk.core.speech import Speech
from emotalk.learning.motion_data import rhythm_of
from emotalk.learning.person_habits import HabitNumbers, expected, habit_numbers
from emotalk.motion import MotionModel
from emotalk.motion.rhythm import Rhythm
from emotalk.speech.encoder import SpeechEncoder


@dataclass(frozen=True)
class Options:
    """Measure how much people differ."""

    whole: Path
    """Folder of shards of whole motion (`scripts.motion_corpus --whole`)."""
    takes: int = 4
    """Of the average person for every film."""


def main(options: Options) -> None:
    """Print one line a habit."""
    encoder, model = SpeechEncoder.load(), MotionModel.load()
    speakers: dict[str, list[tuple[HabitNumbers, list[HabitNumbers]]]] = {}
    for path in sorted(options.whole.glob("*.npz")):
        with np.load(path) as file:
            motion = HeadMotion(**{f.name: file[f.name] for f in fields(HeadMotion)})
            beats = [Rhythm.of(row) for row in rhythm_of(encoder.encode(Speech(file["audio"], source=path.name)))]
            speaker = str(file["speaker"])
        frames = min(len(motion), len(beats))
        motion, beats, seen = motion[:frames], beats[:frames], np.ones(frames, bool)
        pair = habit_numbers(motion, seen), expected(beats, seen, model, options.takes)
        speakers.setdefault(speaker, []).append(pair)
    print(f"{sum(map(len, speakers.values()))} films of {len(speakers)} speakers")
    for f in fields(HabitNumbers):
        if f.name == "blinks":
            print(f'"blinks": people {_overdispersion(speakers):.3f},')
            continue
        groups = [
            np.array([
                np.ravel(getattr(found, f.name)) - np.mean([np.ravel(getattr(take, f.name)) for take in takes], 0)
                for found, takes in films
            ])
            for films in speakers.values() if len(films) > 1
        ]  # fmt: skip
        between = np.var([group.mean(0) for group in groups], 0, ddof=1)
        chance = np.mean([group.var(0, ddof=1) / len(group) for group in groups], 0)
        moments = np.sqrt(np.mean([group.var(0, ddof=1).mean() for group in groups]))
        spread = np.sqrt(np.maximum(between - chance, 0))
        mean = np.mean([group.mean(0) for group in groups], 0)
        axes = f"by axis {spread.round(3)}, mean {mean.round(3)}"
        print(f'"{f.name}": people {np.sqrt(np.mean(spread**2)):.3f}, moments {moments:.3f}; {axes}')


def _overdispersion(speakers: dict[str, list[tuple[HabitNumbers, list[HabitNumbers]]]]) -> float:
    """Standard deviation of speakers' rates of blinks as a share of the mean rate, by moments."""
    counts = np.array([sum(found.blinks for found, _ in films) for films in speakers.values()])
    films = np.array([len(films) for films in speakers.values()])
    rate = counts.sum() / films.sum()
    extra = ((counts - rate * films) ** 2 - rate * films).sum() / (films**2).sum()
    return float(np.sqrt(max(extra, 0)) / max(rate, 1e-9))


if __name__ == "__main__":
    main(tyro.cli(Options))
