"""Whole motions whose mood is known, for the emotion recogniser to learn from.

A recogniser that knew one emotional field by heart would find fault with any other face, and nothing wrong with that
field's. So every training person has a field of their own: the plane of valence and arousal lies a little askew in face
and body, shapes have other sizes and drag others along, heads and eyes other sizes, tempos and usual places. Then all
is seen as a tracker would see it. Where films or captures are at hand, their people lend mouths, brows and eyes (their
own mood is unknown, or neutral).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.core.speech import PHONES
from emotalk.emotion.expression import LID_SHAPES, LOOK_SHAPES, PAIRS
from emotalk.learning.motion_data import SpokenClip, random_emotion
from emotalk.learning.teacher import teach
from emotalk.motion.body import Body
from emotalk.motion.body_network import load_body
from emotalk.motion.emotion_recogniser import motion_tensor
from emotalk.motion.eye_network import EyeWeights
from emotalk.motion.lip_rules import combine
from emotalk.motion.livelink import read_livelink
from emotalk.motion.rhythm import Rhythm
from emotalk.motion.style import MotionStyle

log = logging.getLogger(__name__)

NEUTRAL, LENT_FACE, LENT_EYES = 0.06, 0.2, 0.12
"""Shares of the motions that are a filmed neutral person's own, that talk with one's mouth, and that look about with
the eyes and brows of a captured one."""
_NEUTRAL_WEIGHT = 0.3
_UPPER = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith(("brow", "eyeSquint", "eyeWide"))]
_LOWER = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith(("jaw", "mouth", "cheek", "nose"))]


@dataclass(frozen=True)
class FeltMotions:
    """N whole motions of T frames and the mood of each."""

    motion: Tensor  # [N, T, 65] as `emotion_recogniser.motion_tensor`
    va: Tensor  # [N, T, 2]
    weight: Tensor  # [N] how much each counts


@dataclass(frozen=True)
class FeltConfig:
    """How many motions, and how far their people are from the average one."""

    count: int = 1400
    frames: int = 250
    strangeness: float = 1.0  # 0: the shipped field and body language, seen perfectly
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or self.frames < FPS:
            raise InputError(
                f"Motions to learn moods from must be 1 or more, of {FPS} frames or more; found {self.count} of "
                f"{self.frames}."
            )


def filmed_people(folder: Path) -> dict[str, list[HeadMotion]]:
    """By speaker, the motions in a folder of shards of whole motion (`scripts.motion_corpus --whole`): empty where
    there are none."""
    people: dict[str, list[HeadMotion]] = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            motion = HeadMotion(**{f.name: file[f.name] for f in dataclasses.fields(HeadMotion)})
            people.setdefault(str(file["speaker"]), []).append(motion)
    return people


def captured_people(folder: Path) -> list[HeadMotion]:
    """The free Live Link captures in a folder (not those that go through all shapes one by one)."""
    return [read_livelink(path) for path in sorted(folder.glob("*.csv*")) if "rom" not in path.name]


def felt_motions(
    clips: list[SpokenClip],
    eyes: EyeWeights,
    config: FeltConfig,
    filmed: Sequence[HeadMotion] = (),
    captured: Sequence[HeadMotion] = (),
) -> FeltMotions:
    """`config.count` motions of people who say `clips`; `filmed` are neutral people's, `captured` have no mood known.

    The same arguments give the same motions. Raises InputError without clips.
    """
    if not clips:
        raise InputError("Motions to learn moods from need spoken clips; found none.")
    moves = load_body()
    motions, moods, weights = [], [], []
    for index in range(config.count):
        random = np.random.default_rng([config.seed, index])
        person = _Person(random, config.strangeness)
        va = random_emotion(random, config.frames)
        weight = 1.0
        if filmed and random.random() < NEUTRAL:
            motion, va, weight = _filmed_neutral(filmed, config.frames, random), np.zeros_like(va), _NEUTRAL_WEIGHT
        else:
            lips = _lasting(_one_of(filmed, random), config.frames) if filmed and random.random() < LENT_FACE else None
            motion = person.play(_talk(clips, person.frames(config.frames), random), va, Body, eyes, moves, lips)
            if captured and random.random() < LENT_EYES:
                motion = _lend_eyes(motion, _one_of(captured, random), random)
        motions.append(motion_tensor(_as_tracked(motion, random, config.strangeness)))
        moods.append(torch.from_numpy(va)[None])
        weights.append(weight)
        if (index + 1) % 200 == 0:
            log.info("%d of %d motions", index + 1, config.count)
    return FeltMotions(torch.cat(motions), torch.cat(moods), torch.tensor(weights))


@dataclass(frozen=True)
class _Talk:
    """T frames of exactly known speech."""

    articulation: np.ndarray  # [T, 6]
    phones: np.ndarray  # [T, 40]
    rhythm: np.ndarray  # [T, 6]


def _talk(clips: list[SpokenClip], frames: int, random: np.random.Generator) -> _Talk:
    """Sentences in a row with pauses of up to a second between them."""
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    length = 0
    while length < frames:
        clip = clips[int(random.integers(len(clips)))]
        # The first sentence may have begun before.
        first = int(random.integers(max(1, len(clip) // 2))) if not parts else 0
        pause = int(random.integers(FPS))
        silence = np.zeros((pause, len(PHONES)))
        silence[:, 0] = 1
        rhythm = clip.rhythm[int(random.integers(len(clip.rhythm)))]
        parts.append((clip.articulation[first:], clip.phones[first:], rhythm[first:]))
        parts.append((np.zeros((pause, 6)), silence, np.zeros((pause, 6))))
        length += len(clip) - first + pause
    return _Talk(*(np.concatenate(column)[:frames].astype(np.float32) for column in zip(*parts, strict=True)))


class _Person:
    """Somebody with a way of feeling, showing and moving of their own."""

    def __init__(self, random: np.random.Generator, strangeness: float) -> None:
        self._seed = int(random.integers(2**31))
        self._style = MotionStyle.random(self._seed, 1 + 0.25 * strangeness)
        self._planes = [_Plane(random, strangeness), _Plane(random, strangeness)]
        size = 0.25 * strangeness * random.standard_normal(len(ARKIT_NAMES))
        for left, right in PAIRS:
            size[right] = size[left] + 0.06 * strangeness * random.standard_normal()
        self._gains = (self._style.gains * np.exp(size.clip(-0.7, 0.7))).astype(np.float32)
        drags = random.random((len(size), len(size))) < 0.1
        mix = np.eye(len(size)) + 0.08 * strangeness * drags * random.standard_normal(drags.shape)
        self._mix = torch.from_numpy(mix.astype(np.float32))
        self._tempo = float(np.exp(0.12 * strangeness * np.clip(random.standard_normal(), -1.5, 1.5)))
        self._random = random

    def frames(self, wanted: int) -> int:
        """Frames to speak, so that at this person's tempo `wanted` remain."""
        return max(2, round(wanted * self._tempo))

    def play(
        self, talk: _Talk, va: np.ndarray, body: type[Body], eyes: EyeWeights, moves, lips: HeadMotion | None
    ) -> HeadMotion:
        """The motion of a talk, brought to the length of `va` [T, 2]; `lips` are a filmed person's to talk with."""
        frames = len(talk.articulation)
        mood = _resampled(va, frames)
        in_face, in_body = (plane(mood) for plane in self._planes)
        with torch.no_grad():
            heard = (torch.from_numpy(array)[None] for array in (talk.articulation, talk.phones, talk.rhythm))
            style, gains = (torch.from_numpy(array)[None] for array in (self._style.vector, self._gains))
            taught = teach(*heard, torch.from_numpy(in_face)[None], style, gains)
            emotion = (taught.residual @ self._mix).clamp(min=0)
            speech, contacts = taught.speech, taught.contacts.unbind(-1)
            if lips is not None:
                said = np.zeros((frames, len(ARKIT_NAMES)), np.float32)
                said[:, _LOWER] = _resampled(lips.expression[:, _LOWER], frames)
                speech, contacts = torch.from_numpy(said)[None], [torch.zeros(1, frames)] * 2
            face = combine(speech, emotion, *contacts)[0].numpy()
        rhythm = [Rhythm.of(row) for row in talk.rhythm.tolist()]
        motion = body(eyes, moves, self._style, self._seed).play(face, rhythm, in_body)
        return HeadMotion(
            **{f.name: _resampled(getattr(motion, f.name), len(va)) for f in dataclasses.fields(HeadMotion)}
        )


class _Plane:
    """Valence and arousal as one person feels them: turned, stretched and bent a little."""

    def __init__(self, random: np.random.Generator, strangeness: float) -> None:
        turn = 0.15 * strangeness * random.standard_normal()
        size = np.exp(0.15 * strangeness * random.standard_normal(2))
        self._matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * size
        self._power = np.exp(0.15 * strangeness * random.standard_normal(2))

    def __call__(self, va: np.ndarray) -> np.ndarray:
        """[T, 2] in [-1, 1] of [T, 2]."""
        turned = va @ self._matrix.T
        return np.clip(np.sign(turned) * np.abs(turned) ** self._power, -1, 1).astype(np.float32)


def _resampled(array: np.ndarray, frames: int) -> np.ndarray:
    """[frames, C] of [T, C], linear."""
    if len(array) == frames:
        return np.asarray(array, np.float32)
    at = np.linspace(0, len(array) - 1, frames)
    first = np.minimum(at.astype(int), len(array) - 2)
    share = (at - first)[:, None]
    return ((1 - share) * array[first] + share * array[first + 1]).astype(np.float32)


def _one_of(motions: Sequence[HeadMotion], random: np.random.Generator) -> HeadMotion:
    return motions[int(random.integers(len(motions)))]


def _lasting(motion: HeadMotion, frames: int, start: int = 0) -> HeadMotion:
    """`frames` frames of a motion, played to and fro."""
    at = (np.arange(frames) + start) % (2 * len(motion) - 2)
    return motion[np.minimum(at, 2 * len(motion) - 2 - at)]


def _filmed_neutral(filmed: Sequence[HeadMotion], frames: int, random: np.random.Generator) -> HeadMotion:
    """Readers hardly turn their heads: they are shown livelier, as speakers are, around a level head."""
    motion = _lasting(_one_of(filmed, random), frames, int(random.integers(50)))
    head = (motion.head_pose - motion.head_pose.mean(0)) * random.uniform(1, 4)
    return dataclasses.replace(motion, head_pose=head, gaze=motion.gaze - motion.gaze.mean(0))


def _lend_eyes(motion: HeadMotion, other: HeadMotion, random: np.random.Generator) -> HeadMotion:
    """The motion with lids of somebody else, brows that move as theirs beside the mood's, and half the time gaze."""
    start = int(random.integers(max(1, len(other) - len(motion))))
    other = _lasting(other, len(motion), start)
    expression = motion.expression.copy()
    expression[:, _UPPER] += other.expression[:, _UPPER] - np.median(other.expression[:, _UPPER], 0)
    droop = np.median(motion.eyelids, 0)
    lids = np.clip(other.eyelids - np.median(other.eyelids, 0) + droop, 0, 1)
    gaze = other.gaze - other.gaze.mean(0) + motion.gaze.mean(0) if random.random() < 0.5 else motion.gaze
    return dataclasses.replace(motion, expression=expression.clip(0), eyelids=lids, gaze=gaze)


def _as_tracked(motion: HeadMotion, random: np.random.Generator, strangeness: float) -> HeadMotion:
    """The motion as a tracker would give it: shapes leak into each other and rest elsewhere, heads and eyes are not
    quite where they seem, or as large; smoothed, and trembling."""
    if not strangeness:
        return motion
    shapes = len(ARKIT_NAMES)
    leak = np.eye(shapes) + 0.02 * strangeness * random.standard_normal((shapes, shapes))
    rest = 0.04 * strangeness * random.standard_normal(shapes)
    rest[ARKIT_INDEX["jawOpen"]] = 0
    smooth, tremble = random.uniform(0, 1.2), strangeness * random.uniform(0, 1)

    def seen(course: np.ndarray, noise: float) -> np.ndarray:
        course = gaussian_filter1d(course, smooth, axis=0) if smooth > 0.3 else course
        return course + tremble * noise * random.standard_normal(course.shape)

    expression = np.clip(seen(motion.expression @ leak + rest, 0.02), 0, 2)
    expression[:, LID_SHAPES + LOOK_SHAPES] = 0
    places = strangeness * np.array([0.012, 0.03, 0.015, 0.01, 0.01, 0.01]) * random.standard_normal(6)
    size = np.exp(0.12 * strangeness * random.standard_normal(2))
    return HeadMotion(
        expression,
        motion.jaw,
        seen(motion.gaze, 0.01) * size[0] + 0.015 * strangeness * random.standard_normal(2),
        np.clip(seen(motion.eyelids, 0.02), 0, 1),
        seen(motion.head_pose, 0.0015) * size[1] + places,
    )
