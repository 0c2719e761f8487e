"""Rebuilds checkpoints/landmarks.safetensors and its card: the landmark graph network.

    python -m scripts.motion_corpus --films ../shared/data/grid --out ../motion-films --whole ../motion-whole
    python -m scripts.train_motion --work ../motion --films ../motion-films ...
    python -m scripts.train_landmarks --work ../landmarks --motion ../motion --whole ../motion-whole

Half an hour of one core, most of it for faces and clips. Everything made on the way stays in --work; started again, it
goes on where it stopped. Then it learns motion once more without each group of speakers:
`python -m benchmarks.landmark_graph` measures those networks on who they never saw.
"""

from __future__ import annotations

import json
import logging
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from emotalk.core.atomic import write_text
from emotalk.core.blas import one_blas_thread
from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import Speech
from emotalk.head import HeadModel
from emotalk.learning.landmark_data import (
    felt_clip,
    filmed_clip,
    heard_clip,
    load_heard,
    load_people,
    save_heard,
    save_people,
)
from emotalk.learning.landmark_examples import HeardClip, LandmarkData
from emotalk.learning.landmark_films import SeenFace, seen_faces
from emotalk.learning.landmark_training import LandmarkConfig, train_faces, train_motion, usage_of
from emotalk.learning.landmark_transfer import PersonShapes, ShapeTransfer, random_people
from emotalk.learning.motion_data import HIDDEN, load_clips, rhythm_of
from emotalk.motion.landmark_graph import LandmarkGraphNetwork, save_landmarks
from emotalk.motion.model import load_network
from emotalk.motion.network import MotionNetwork
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.feature_rows import frame_rows
from emotalk.tracking.rig import motion_of
from scripts.motion_corpus.folds import FOLDS
from scripts.motion_corpus.grid import ATTRIBUTION
from scripts.motion_corpus.whole_motion import Sight, fit_films
from scripts.speech_corpus.distort import distort

log = logging.getLogger("train_landmarks")

PEOPLE, UNSEEN = 1012, slice(240, 252)
"""How many random faces there are, and which of them only the benchmark sees."""
PEOPLE_SEED = 2205
OF_A_VOICE = 10
"""Clips of every voice of the motion network's corpus."""
SHORTEST = 48
"""Frames of such a clip."""
CARD = """# Landmark graph network

What a person's lips, jaw and cheeks do beside the shapes that the head model moves on every face alike: speech window,
valence/arousal, expression and the face at rest to displacements of {nodes} landmarks at 25 fps
(`emotalk/motion/landmark_graph.py`, [docs/landmark-graph.md](../docs/landmark-graph.md)); {parameters} weights. Losses:
displacement, its change from frame to frame, the lips' gap (`emotalk/learning/landmark_training.py`);
linear parts in closed form (`emotalk/learning/landmark_closed_forms.py`).

- Data: {people} random faces of the shipped head with shapes by deformation transfer; {spoken} clips of synthetic
  speech (the motion network's corpus) in random moods; {films} films of 3 s by {speakers} speakers, with the
  expressions of motion networks that never saw the speaker.
  {attribution}.
- Training: `python -m scripts.train_landmarks --work FOLDER --motion FOLDER --whole FOLDER`, seed {seed},
  {face_steps} steps on faces and {steps} on motion ({minutes:.1f} CPU minutes on one core here, after faces and clips
  were made).
- Licence: Apache-2.0 (weights and code).
- Results: benchmarks/results/landmark_graph.md
"""


@dataclass(frozen=True)
class Options:
    """Rebuild the landmark graph network."""

    work: Path
    """Folder for faces, clips and training states."""
    motion: Path
    """The --work folder of `scripts.train_motion`: clips of synthetic speech, and networks that left speakers out."""
    whole: Path
    """Folder of shards of whole motion (`scripts.motion_corpus --whole`)."""
    out: Path = CHECKPOINTS
    """Where the checkpoint and its card go."""
    face_steps: int = LandmarkConfig.face_steps
    """Training steps on faces."""
    steps: int = LandmarkConfig.steps
    """Training steps on motion, of every network."""
    seed: int = 0
    """Of weights and batches."""


def main(options: Options) -> None:
    """All stages, each skipped where its result lies in `work`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    one_blas_thread()
    options.work.mkdir(parents=True, exist_ok=True)
    head = HeadModel.load()
    data = training_data(options, head)
    started = time.process_time()
    config = LandmarkConfig(options.face_steps, steps=options.steps, seed=options.seed)
    torch.manual_seed(config.seed)
    new = LandmarkGraphNetwork.on_head(head)
    faces = train_faces(new, data.people, usage_of(data.spoken), config, options.work / "faces.state")
    network = train_motion(faces, data, config, options.work / "landmarks.state")
    facts = {
        "nodes": network.config.nodes, "parameters": network.weights,
        "people": len(data.people), "spoken": len(data.spoken), "films": len(data.filmed),
        "speakers": len(data.speakers), "seed": options.seed,
        "face_steps": options.face_steps, "steps": options.steps,
        "minutes": round((time.process_time() - started) / 60, 1),
    }  # fmt: skip
    save_landmarks(network, options.out / "landmarks.safetensors", facts)
    write_text(options.out / "landmarks.md", CARD.format(attribution=ATTRIBUTION, **facts))
    log.info("done: %s", json.dumps(facts))
    for group in FOLDS:
        path = fold_path(options.work, group)
        if not path.exists():
            save_landmarks(train_motion(faces, data.without(group), config, path.with_suffix(".state")), path)
            log.info("learned without %s", " ".join(group))


def training_data(options: Options, head: HeadModel) -> LandmarkData:
    """Faces, synthetic speech and films, made where they are not there yet."""
    work = options.work
    if not (work / "people.npz").exists():
        people = random_people(ShapeTransfer(head), PEOPLE, PEOPLE_SEED)
        save_people(work / "people.npz", {f"random{i}": person for i, person in enumerate(people)})
    if not (work / "spoken.npz").exists():
        save_heard(work / "spoken.npz", _spoken(options.motion, options.seed))
    if not (work / "filmed.npz").exists():
        filmed, speakers = _filmed(options, head)
        save_people(work / "speakers.npz", speakers)
        save_heard(work / "filmed.npz", filmed)
    people = list(load_people(work / "people.npz").values())
    del people[UNSEEN]
    return LandmarkData(
        load_heard(work / "spoken.npz"), load_heard(work / "filmed.npz"), people,
        load_people(work / "speakers.npz"),
    )  # fmt: skip


def fold_path(work: Path, group: tuple[str, ...]) -> Path:
    """Where the network lies that never saw these speakers."""
    return work / f"fold_{'_'.join(group)}.safetensors"


def unseen_people(work: Path) -> list[PersonShapes]:
    """The random faces that no network was trained on."""
    return list(load_people(work / "people.npz").values())[UNSEEN]


def _spoken(folder: Path, seed: int) -> list[HeardClip]:
    """Sentences of every voice, in random moods, spread over the voice's."""
    network, clips = load_network(CHECKPOINTS / "motion.safetensors"), []
    for path in sorted(folder.glob("clips_*.npz")):
        long = [clip for clip in load_clips(path) if len(clip) >= SHORTEST]
        random = np.random.default_rng([seed, zlib.crc32(path.stem.encode())])
        for i in range(min(OF_A_VOICE, len(long))):
            clip = long[i * len(long) // OF_A_VOICE]
            # The last version knows the true phones, which no talk does.
            clips.append(felt_clip(network, clip.rows[:2], clip.rhythm[:2], random))
        log.info("%s: %d clips", path.stem, len(clips))
    if not clips:
        raise InputError(f"{folder} holds no clips of synthetic speech; make them with scripts.train_motion.")
    return clips


def _filmed(options: Options, head: HeadModel) -> tuple[list[HeardClip], dict[str, PersonShapes]]:
    """Films with the expressions of networks that never saw their speaker, and the speakers' faces."""
    encoder = SpeechEncoder.load()
    of: dict[str, list[Path]] = {}
    for path in sorted(options.whole.glob("*.npz")):
        with np.load(path) as file:
            of.setdefault(str(file["speaker"]), []).append(path)
    if not of:
        raise InputError(f"{options.whole} holds no shards of whole motion; make them with scripts.motion_corpus.")
    clips, speakers = [], {}
    for speaker, paths in of.items():
        network = stranger(options.motion, speaker)
        person, faces = filmed_faces(paths, head)
        speakers[speaker] = person
        for path, seen in zip(paths, faces, strict=True):
            clips.append(filmed_clip(heard_film(path, encoder, network), speaker, seen))
        log.info("%s: %d films", speaker, len(paths))
    return clips, speakers


def stranger(folder: Path, speaker: str) -> MotionNetwork:
    """The motion network that learned lips without this speaker; InputError where there is none in `folder`."""
    group = next((group for group in FOLDS if speaker in group), None)
    path = folder / f"fold_{'_'.join(group or (speaker,))}.safetensors"
    if not path.exists():
        raise InputError(f"{path} is missing: a motion network that never saw {speaker}. Run scripts.train_motion.")
    return load_network(path)


def filmed_faces(paths: list[Path], head: HeadModel) -> tuple[PersonShapes, list[SeenFace]]:
    """One speaker's face, fitted to all films together, and what it did in each."""
    sights = []
    for path in paths:
        with np.load(path.parent / "seen" / path.name) as file:
            sights.append(Sight(**{name: file[name] for name in file.files}))
    fit, rig = fit_films(sights)
    motion = motion_of(rig, fit.frames.rotation, fit.frames.place, fit.frames.controls)
    ends = np.cumsum([len(sight.landmarks) for sight in sights])
    cut: list[HeadMotion] = [motion[end - len(s.landmarks) : end] for end, s in zip(ends, sights, strict=True)]
    faces = seen_faces(rig, fit.face.lens, cut, [sight.landmarks for sight in sights])
    return PersonShapes.of_head(head.with_identity(torch.as_tensor(rig.identity, dtype=torch.float32))), faces


def heard_film(path: Path, encoder: SpeechEncoder, network: MotionNetwork) -> HeardClip:
    """The sound of a film, clean and through a simulated microphone or room."""
    with np.load(path) as file:
        sound = file["audio"]
    random = np.random.default_rng(zlib.crc32(path.stem.encode()))
    versions = [encoder.encode(Speech(s, source=path.name)) for s in (sound, distort(sound, np.zeros(0), random))]
    frames = min(len(version) // 2 for version in versions)
    cut = [version[: 2 * frames] for version in versions]
    rows = np.stack([frame_rows(version, HIDDEN) for version in cut])
    return heard_clip(network, rows, np.stack([rhythm_of(version) for version in cut]), np.zeros((frames, 2)))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except (CheckpointError, InputError) as error:
        raise SystemExit(f"train_landmarks: {error}") from error
