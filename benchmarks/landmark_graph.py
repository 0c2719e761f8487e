"""The landmark graph network: `python -m benchmarks.landmark_graph --work FOLDER --motion FOLDER --corpus FOLDER`.

The folders are those of `scripts.train_landmarks`, `scripts.train_motion` and its corpus. Prints tables and writes them
to benchmarks/results/landmark_graph.md. The clips of real people are research material outside of the repository;
EMOTALK_TRACKS names the folder where they lie tracked (`benchmarks.portrait_clips`). Nothing is tuned on them.
"""

from __future__ import annotations

import copy
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from benchmarks.motion_clips import CLIPS as SPEAKING
from benchmarks.portrait_clips import TRACKS
from benchmarks.results_file import with_sections
from emotalk.core.atomic import write_text
from emotalk.core.blas import one_blas_thread
from emotalk.emotion import EmotionCurve
from emotalk.head import HeadModel
from emotalk.learning.landmark_data import felt_clip, load_heard, load_people
from emotalk.learning.landmark_examples import HeardClip, copied_motion
from emotalk.learning.landmark_films import seen_faces
from emotalk.learning.landmark_training import PAIR_ROWS
from emotalk.learning.landmark_transfer import PersonShapes
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.landmark_corrections import LARGEST, solver
from emotalk.motion.landmark_graph import MOUTH, LandmarkGraphNetwork, load_landmarks, shape_landmarks
from emotalk.speech.encoder import SpeechEncoder
from emotalk.tracking import TrackedVideo, load_tracked
from emotalk.tracking.rig import FaceRig
from emotalk.tracking.solve import Lens
from scripts.motion_corpus.folds import FOLDS
from scripts.speech_corpus.build import load_shard, shard_path, validation_sentence
from scripts.train_landmarks import fold_path, unseen_people
from scripts.train_motion import heard_clip as heard_utterance

RESULTS = Path(__file__).parent / "results" / "landmark_graph.md"
ABOUT = """# Landmark graph network

`python -m benchmarks.landmark_graph --work FOLDER --motion FOLDER --corpus FOLDER` (see
[docs/landmark-graph.md](../../docs/landmark-graph.md)). *Mouth*: 40 nodes of the lips. *Opening*: the gap of seven
pairs of points of the inner lips; r is Pearson's, spread the standard deviation in that of the truth.
"""
VOICES = ("flite:slt", "festival:voice_ked_diphone", "espeak:en-us+linda")
SENTENCES = 4  # of each voice
_MM = 1000.0


@dataclass(frozen=True)
class Options:
    """Measure the landmark graph network."""

    work: Path
    """The --work folder of `scripts.train_landmarks`."""
    motion: Path
    """The --work folder of `scripts.train_motion`."""
    corpus: Path
    """Its corpus of shards."""
    out: Path = RESULTS
    """Where the tables go."""


@dataclass(frozen=True)
class Score:
    """How far made landmarks are from the true ones."""

    every: float  # mm, mean of the nodes
    mouth: float  # mm
    r: float  # of the opening
    spread: float  # of the opening, in that of the truth

    @staticmethod
    def mean(scores: list[Score]) -> Score:
        """The mean of some."""
        columns = np.array([(s.every, s.mouth, s.r, s.spread) for s in scores]).T
        return Score(*(float(np.nanmean(x)) if np.isfinite(x).any() else float("nan") for x in columns))

    def row(self, name: str) -> str:
        """A line of a table."""
        r = f"{self.r:.3f}" if np.isfinite(self.r) else "-"
        return f"| {name} | {self.every:.3f} | {self.mouth:.3f} | {r} | {self.spread:.2f} |"


CLOSED, WHOLE = "closed forms alone", "whole network"
HEAD_ROW = "| motion | all, mm | mouth, mm | opening r | spread |\n|---|---|---|---|---|"


def opening(moved: np.ndarray) -> np.ndarray:
    """[T] metres that the inner lips are further apart than at rest, of displacements [T, N, 3]."""
    upper, lower = PAIR_ROWS.T
    return (moved[:, upper, 1] - moved[:, lower, 1]).mean(1)


def score(made: np.ndarray, true: np.ndarray, filmed: bool) -> Score:
    """Of displacements [T, N, 3]; `filmed` ones are compared across and along the picture, without their mean, and in
    frames where a face was seen."""
    there = np.isfinite(true).all((1, 2))
    made, true = made[there], true[there]
    gaps = opening(made), opening(true)
    if filmed:
        made, true = (x[..., :2] - x[..., :2].mean(0) for x in (made, true))
    off = _MM * np.linalg.norm(made - true, axis=-1)
    still = min(gap.std() for gap in gaps) < 1e-6
    r = float("nan") if still else float(np.corrcoef(*gaps)[0, 1])
    return Score(float(off.mean()), float(off[:, list(MOUTH)].mean()), r, float(gaps[0].std() / gaps[1].std()))


def parts(network: LandmarkGraphNetwork, faces: bool = True, motion: bool = True) -> LandmarkGraphNetwork:
    """The network without what its convolutions on faces, or those on motion, say: closed forms remain."""
    other = copy.deepcopy(network)
    silent = [*([] if faces else [other.shapes]), *([] if motion else [other.amounts, other.last])]
    for layer in silent:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return other


@torch.inference_mode()
def residual(network: LandmarkGraphNetwork, clip: HeardClip, person: PersonShapes, hidden: bool = False) -> np.ndarray:
    """[T, N, 3] metres that the network adds on a clip as it is heard clean; `hidden`: it sees the mean face."""
    face = network.face(network.mean[None] if hidden else torch.from_numpy(person.neutral)[None])
    speech, va, expression = (
        torch.from_numpy(x.astype(np.float32))[None] for x in (clip.speech[0], clip.va, clip.expression[0])
    )
    return network(speech, va, expression, face)[0][0].numpy()


def ways(network: LandmarkGraphNetwork, clip: HeardClip, person: PersonShapes) -> dict[str, np.ndarray]:
    """Displacements [T, N, 3] by the way they are made."""
    copied = copied_motion(clip.expression[0], person.copied)
    known = residual(network, clip, person)
    change = np.clip(np.tensordot(known, solver(person.copied), ((1, 2), (1, 2))), -LARGEST, LARGEST)
    return {
        "none": np.zeros_like(copied),
        "copied to the face": copied,
        CLOSED: copied + residual(parts(network, faces=False, motion=False), clip, person),
        "closed forms + convolutions on faces": copied + residual(parts(network, motion=False), clip, person),
        WHOLE: copied + known,
        "whole network, face hidden": copied + residual(network, clip, person, hidden=True),
        "whole network, as expression": copied_motion(np.maximum(clip.expression[0] + change, 0), person.copied),
    }


def on_faces(network: LandmarkGraphNetwork, clip: HeardClip, person: PersonShapes) -> dict[str, np.ndarray]:
    """Displacements [T, N, 3] by what is known of the face alone."""
    copied = copied_motion(clip.expression[0], person.copied)
    quiet = parts(network, motion=False)
    quiet.common.zero_()
    return {
        "none": np.zeros_like(copied),
        "copied to the face": copied,
        "closed form": copied + residual(parts(quiet, faces=False), clip, person),
        "closed form + convolutions": copied + residual(quiet, clip, person),
        "face hidden": copied + residual(quiet, clip, person, hidden=True),
    }


def transferred(options: Options) -> Iterator[str]:
    """Random faces and sentences that were never trained on."""
    network, model, encoder = load_landmarks(), MotionModel.load(), SpeechEncoder.load()
    people, rows = unseen_people(options.work), {}
    count = 0
    for voice in VOICES:
        held = (u for u in load_shard(shard_path(options.corpus, voice)) if validation_sentence(u.text))
        for index, utterance in zip(range(SENTENCES), held, strict=False):
            heard = heard_utterance(utterance, encoder)
            random = np.random.default_rng([7, count])
            clip = felt_clip(model.network, heard.rows[:1], heard.rhythm[:1], random)
            count += 1
            for person in people[index::SENTENCES]:
                true = copied_motion(clip.expression[0], person.own)
                for name, made in on_faces(network, clip, person).items():
                    rows.setdefault(name, []).append(score(made, true, filmed=False))
    yield (
        f"{len(people)} random faces and {count} sentences (in random moods) that nothing was trained on. Truth: "
        "shapes by deformation transfer; the network says what a face's geometry changes, nothing that films taught.\n"
    )
    yield HEAD_ROW
    for name, scores in rows.items():
        yield Score.mean(scores).row(name)


def strangers(options: Options) -> Iterator[str]:
    """GRID speakers that neither the motion network nor the graph network ever saw, as they are and as random faces
    would do the same."""
    speakers, filmed = load_people(options.work / "speakers.npz"), load_heard(options.work / "filmed.npz")
    people = unseen_people(options.work)
    by: dict[str, dict[str, list[Score]]] = {}
    retold: dict[str, dict[str, list[Score]]] = {}
    for group in FOLDS:
        network = load_landmarks(fold_path(options.work, group))
        for index, clip in enumerate(clip for clip in filmed if clip.speaker in group):
            speaker, other = speakers[clip.speaker], people[index % len(people)]
            as_other = clip.moved + copied_motion(clip.tracked, other.own - speaker.copied)
            for rows, person, true in ((by, speaker, clip.moved), (retold, other, as_other)):
                for name, made in ways(network, clip, person).items():
                    rows.setdefault(clip.speaker, {}).setdefault(name, []).append(score(made, true, filmed=True))
    count = len(filmed)
    yield (
        f"{count} films of {len(by)} speakers, driven by their sound. Motion network and graph network both "
        "learned without the speaker. Means of the speakers' means; across and along the picture, without a film's "
        "mean; *all* are all nodes, lids and brows too, which sound does not move.\n"
    )
    yield from _means(by)
    yield "\nBy speaker, mouth in mm and opening r:\n"
    yield "| speaker | films | copied | closed forms | whole | r copied | closed forms | whole |\n" + "|---" * 8 + "|"
    for speaker, rows in by.items():
        made = [Score.mean(rows[name]) for name in ("copied to the face", CLOSED, WHOLE)]
        cells = [f"{s.mouth:.2f}" for s in made] + [f"{s.r:.3f}" for s in made]
        yield f"| {speaker} | {len(rows['none'])} | {' | '.join(cells)} |"
    yield "\nThe same films as random faces that were never trained on would do it (shapes by deformation transfer):\n"
    yield from _means(retold)


def _means(by: dict[str, dict[str, list[Score]]]) -> Iterator[str]:
    yield HEAD_ROW
    for name in next(iter(by.values())):
        yield Score.mean([Score.mean(rows[name]) for rows in by.values()]).row(name)


def real_faces() -> Iterator[str]:
    """Talking avatars' motion with and without corrections, beside what real people did at the same sound."""
    tracks = Path(os.environ.get(TRACKS, "tracks"))
    head, model, encoder = HeadModel.load(), MotionModel.load(), SpeechEncoder.load()
    yield (
        "Real clips, driven by their sound through `MotionModel` as a talk is (closures kept), with corrections for "
        "the tracked face and without. Across and along the picture, without the clip's mean.\n"
    )
    yield (
        "| clip | articulation | mouth, mm | corrected | opening r | corrected | spread | corrected |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    every: dict[str, list[tuple[Score, Score]]] = {}
    for name in SPEAKING:
        if not (tracks / name / "finished.json").is_file():
            continue
        tracked = load_tracked(tracks / name)
        sound = tracked.audio()
        if sound is None:
            continue
        true = filmed_nodes(tracked, head)
        person = head.with_identity(torch.from_numpy(tracked.identity))
        shapes, features = shape_landmarks(person), encoder.encode(sound)
        for articulation in ("accurate", "lively"):
            style = MotionStyle(articulation=articulation)
            both = []
            for driven in (model, model.on_face(person)):
                motion = driven(features, EmotionCurve.constant(0.0, 0.0), style, seed=0)
                frames = min(len(motion), len(true))
                made = copied_motion(motion.expression[:frames], shapes)
                both.append(score(made, true[:frames], filmed=True))
            plain, corrected = both
            every.setdefault(articulation, []).append((plain, corrected))
            yield _pair(name.split("_", 1)[1], articulation, plain, corrected)
    for articulation, pairs in every.items():
        yield _pair("mean", articulation, *(Score.mean(list(scores)) for scores in zip(*pairs, strict=True)))
    if not every:
        yield "\nThe clips are not on this machine."


def _pair(name: str, articulation: str, plain: Score, corrected: Score) -> str:
    return (
        f"| {name} | {articulation} | {plain.mouth:.2f} | {corrected.mouth:.2f} | {plain.r:.3f} | {corrected.r:.3f} | "
        f"{plain.spread:.2f} | {corrected.spread:.2f} |"
    )


def filmed_nodes(tracked: TrackedVideo, head: HeadModel) -> np.ndarray:
    """[T, N, 3] metres that the nodes of a tracked person moved; NaN where no face was seen."""
    camera = tracked.camera
    lens = Lens(camera.fx, camera.cx, camera.cy, float(camera.world_to_camera[2, 3]))
    rig = FaceRig.of(head, tracked.identity.astype(np.float64))
    moved = seen_faces(rig, lens, [tracked.motion], [tracked.landmarks])[0].moved
    moved[~tracked.seen] = np.nan
    return moved


def cost() -> Iterator[str]:
    """Time and size."""
    network, head = load_landmarks(), HeadModel.load()
    person = head.with_identity(torch.ones(head.components))
    started = time.process_time()
    face = MotionModel.load().on_face(person).landmarks.face
    ready = time.process_time() - started
    inputs = torch.randn(1, 16, network.config.speech), torch.zeros(1, 16, 2), torch.rand(1, 16, 52)
    with torch.inference_mode():
        network(*inputs, face)
        started = time.process_time()
        for _ in range(50):
            network(*inputs, face)
    spent = (time.process_time() - started) / 800
    yield (
        f"{network.weights:,} weights; {1000 * spent:.2f} ms of one core a frame (in "
        f"blocks of 16), {ready:.2f} s once a face (loading included)."
    )


def main(options: Options) -> None:
    """All tables, each written when it is complete."""
    torch.set_num_threads(1)
    one_blas_thread()
    text = ABOUT
    parts = {
        "Faces never seen, shapes transferred": transferred(options),
        "Speakers never seen": strangers(options),
        "Real faces, with and without": real_faces(),
        "Cost": cost(),
    }
    for title, lines in parts.items():
        body = "\n".join(lines)
        print(f"\n## {title}\n\n{body}", flush=True)
        text = with_sections(text, [f"## {title}\n\n{body}"])
    text += f"\n{os.cpu_count()} cores ({platform.machine()}).\n"
    write_text(options.out, text)


if __name__ == "__main__":
    main(tyro.cli(Options))
