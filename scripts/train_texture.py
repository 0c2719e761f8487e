"""Trains the texture branch of portraits on synthetic people and licensed films: texture.safetensors and its card.

    python -m scripts.train_texture --work ../texture-training --films ../shared/data/grid

Both, and everything made on the way, are in --work; started again, it goes on where it stopped. What it brings on real
people `python -m benchmarks.portrait_texture` measures.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from emotalk.core.atomic import write_text
from emotalk.core.blas import one_blas_thread
from emotalk.core.motion import HeadMotion
from emotalk.emotion import EmotionCurve
from emotalk.learning.driven_photo import driven_photo, neutral_row
from emotalk.learning.texture_pairs import TexturePairs, filmed_pairs, synthetic_pairs
from emotalk.learning.texture_training import TextureTraining, train_texture
from emotalk.motion import MotionModel
from emotalk.portrait.texture import save_texture
from emotalk.speech import say
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.known_phones import known_phones
from emotalk.tracking import track_video
from emotalk.tracking.reading import Shots
from scripts.motion_corpus.grid import ATTRIBUTION

log = logging.getLogger("train_texture")

SENTENCES = (
    "Maybe my mother remembers the problem better, but Bob built up my map.",
    "She saw five zebras and asked whether they were thirsty.",
    "How wide should the open window be on a day as warm as this one?",
    "I laughed out loud, yes, and then we all went over to the yard.",
)
MOODS = ((0.0, 0.0), (0.9, 0.5), (-0.8, 0.7), (-0.7, -0.5), (0.1, 0.95), (0.6, -0.6), (-0.95, 0.2))
JUDGED_FILMS = ("s31", "s34", "id2")
"""Speakers who are never learned from."""
JUDGED_PEOPLE = 4
"""Synthetic people of the same kind."""
CARD = """# Texture branch of portraits

What is to be added to the mouth of a frame of a photo's avatar: the mouth as drawn, the photo's, how much of it the
photo shows and how it moved to colours, on crops of 128 x 96 pixels (`emotalk/portrait/texture.py`,
[docs/portrait.md](../docs/portrait.md)); {weights} weights. Losses: colours and their differences between neighbours at
three scales, and sharpness that is missing (`emotalk/learning/texture_training.py`).

- Data: {pairs} pairs of {people} people. {films} films of speakers who read, one frame of each in the place of the
  photo; {synthetic} made-up people, shipped avatars with other faces, teeth and light.
  {attribution}
- People who were not learned from, PSNR of their mouths before -> after, dB, and gradients in those of the truth:
  {judged_films} films of speakers {film_before:.2f} -> {film_after:.2f}, {film_sharpness_before:.2f} ->
  {film_sharpness:.2f}; {judged_people} made-up people {synthetic_before:.2f} -> {synthetic_after:.2f},
  {synthetic_sharpness_before:.2f} -> {synthetic_sharpness:.2f}.
- Training: `python -m scripts.train_texture --work FOLDER --films FOLDER`, {options}, seed {seed}, {steps} steps
  ({minutes:.0f} minutes on one core here, after pairs were made).
- Licence: Apache-2.0 (weights and code).
- Results: benchmarks/results/portrait_texture.md
"""


@dataclass
class Arguments:
    """Where things are, and how much of them."""

    work: Path
    films: Path | None = None  # GRID as its SOURCES.md describes it
    people: int = 48  # synthetic
    pairs: int = 60  # of each person
    per_film: int = 25
    films_of_one: int = 10  # of one speaker at most
    steps: int = 3000
    seed: int = 0


def main(arguments: Arguments) -> None:
    """All of it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    one_blas_thread()
    folder = arguments.work / "pairs"
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.films is not None:
        film_people(arguments, folder)
    synthetic_people(arguments, folder)
    pairs = [TexturePairs.load(path) for path in sorted(folder.glob("*.npz"))]
    judged = [one for one in pairs if is_judged(one.person)]
    learned = [one for one in pairs if not is_judged(one.person)]
    log.info("%d people, %d pairs; judged by %d people", len(learned), sum(map(len, learned)), len(judged))
    settings = TextureTraining(steps=arguments.steps, seed=arguments.seed)
    started = time.process_time()
    network, metrics = train_texture(learned, judged, settings, arguments.work / "state.safetensors", log.info)
    facts = {
        "weights": sum(part.numel() for part in network.parameters()), "pairs": sum(map(len, learned)),
        "people": len(learned), "films": sum(one.person.startswith("film") for one in learned),
        "synthetic": sum(one.person.startswith("synthetic") for one in learned),
        "judged_films": sum(one.person.startswith("film") for one in judged),
        "judged_people": sum(one.person.startswith("synthetic") for one in judged),
        "seed": arguments.seed, "steps": arguments.steps, "minutes": (time.process_time() - started) / 60,
        "options": f"--people {arguments.people} --films-of-one {arguments.films_of_one}", **metrics,
    }  # fmt: skip
    save_texture(network, arguments.work / "texture.safetensors", facts)
    write_text(arguments.work / "texture.md", CARD.format(attribution=ATTRIBUTION, **facts))
    log.info("%s", metrics)


def is_judged(person: str) -> bool:
    """Is this one of the people that are never learned from?"""
    kind, name = person.split("-")[:2]
    return int(name) < JUDGED_PEOPLE if kind == "synthetic" else name.startswith(JUDGED_FILMS)


def synthetic_people(arguments: Arguments, folder: Path) -> None:
    """Pairs of those that are not there yet."""
    motions: list[HeadMotion] = []
    for number in range(arguments.people):
        person = f"synthetic-{number:03d}"
        path = folder / f"{person}.npz"
        if path.exists():
            continue
        motions = motions or talks()
        with tempfile.TemporaryDirectory() as temporary:
            try:
                synthetic_pairs(person, motions, arguments.pairs, arguments.seed, Path(temporary)).save(path)
            except Exception as error:  # a face that the checks refuse: there are others
                log.warning("%s: %s", person, error)
                continue
        log.info("%s", person)


def film_people(arguments: Arguments, folder: Path) -> None:
    """Pairs of the films that are not there yet."""
    taken: dict[str, int] = {}
    for path in sorted(arguments.films.glob("others/*.mp4")) + sorted(arguments.films.glob("s1/*.mp4"))[::24]:
        speaker = "s1" if path.parent.name == "s1" else path.stem.split("_")[0]
        taken[speaker] = taken.get(speaker, 0) + 1
        target = folder / f"film-{speaker}-{path.stem.replace('_', '')}.npz"
        if taken[speaker] > arguments.films_of_one or target.exists():
            continue
        tracks = arguments.work / "tracks" / path.stem
        tracked = track_video(path, tracks)
        with np.load(tracks / "landmarks.npz") as file:
            shots = Shots(**{name: file[name] for name in file.files if name != "version"})
        seen = np.flatnonzero(tracked.seen)
        rows = seen[np.linspace(0, len(seen) - 1, min(arguments.per_film, len(seen))).astype(int)]
        driven = driven_photo(tracked, shots.points, neutral_row(tracked), rows)
        filmed_pairs(target.stem, driven, tracked.frame, rows).save(target)
        log.info("%s", target.stem)


def talks() -> list[HeadMotion]:
    """What heads do to a few sentences in several moods, with turns of the head beside."""
    encoder, model = SpeechEncoder.load(), MotionModel.load()
    found = []
    for text in SENTENCES:
        speech = say(text)
        features = known_phones(encoder.encode(speech), speech)
        for k, (valence, arousal) in enumerate(MOODS):
            motion = model(features, EmotionCurve.constant(valence, arousal), None, seed=k)
            found.append(motion)
    return found


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.time()
    main(tyro.cli(Arguments))
    log.info("%.0f s", time.time() - started)
