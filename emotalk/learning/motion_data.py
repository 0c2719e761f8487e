"""What the motion network is trained on: spoken clips with known phones, and clips of tracked videos.

A clip is an npz file of plain arrays (never pickled). Frames are 25 fps, T frames.

W = 96 + 2 * 192 numbers are what the network hears of a frame (`feature_rows.frame_rows`).

*Spoken clip*: `rows` [V, T, W] float16 (V versions: as an encoder hears it, and from the true phone times), `rhythm`
[V, T, 6], `articulation` [T, 6] and `phones` [T, 40] from the true phone times.

*Tracked video* (`--tracked FOLDER`, one file a video): the arrays of HeadMotion `expression` [T, 52], `jaw` [T, 3],
`gaze` [T, 2], `eyelids` [T, 2], `head_pose` [T, 6], and `audio` [N] float32 mono at 16 kHz, already in step with the
picture; optionally `emotion` [T, 2] valence and arousal (0 where unknown) and `seen` [T], false where the motion is not
to be learned from. Many of them are a corpus (`learning.corpus`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FEATURE_RATE
from emotalk.core.speech import PHONES, Speech, SpeechFeatures, video_pairs
from emotalk.motion.network import AHEAD, BEFORE, NetworkConfig
from emotalk.motion.rhythm import LOOKAHEAD, RhythmTracker
from emotalk.motion.style import MotionStyle
from emotalk.motion.visemes import articulation_at_video_rate
from emotalk.speech.coarticulation import articulation_targets
from emotalk.speech.feature_rows import ROW_SIZE, frame_rows, quiet
from emotalk.speech.known_phones import known_phones

HIDDEN = NetworkConfig().features
"""Size of the encoder's hidden layer that clips keep."""
UNHEARD = 0.1
"""Share of windows whose hidden layer is taken away, so that the network works without one, too."""


@dataclass(frozen=True)
class SpokenClip:
    """One utterance with what is known of it."""

    rows: np.ndarray  # [V, T, W]
    rhythm: np.ndarray  # [V, T, 6] `Rhythm.row()` of every frame
    articulation: np.ndarray  # [T, 6]
    phones: np.ndarray  # [T, 40]

    def __len__(self) -> int:
        return len(self.articulation)


@dataclass(frozen=True)
class TrackedClip:
    """A tracked video: what was heard and what the head did."""

    rows: np.ndarray  # [V, T, W]
    rhythm: np.ndarray  # [V, T, 6]
    motion: HeadMotion
    emotion: np.ndarray  # [T, 2]
    seen: np.ndarray | None = None  # [T] bool where the motion is known; None: everywhere

    def __len__(self) -> int:
        return len(self.motion)

    @property
    def expression(self) -> np.ndarray:
        """[T, 52] that of `motion`."""
        return self.motion.expression


def rhythm_of(features: SpeechFeatures) -> np.ndarray:
    """[T, 6] `Rhythm.row()` of every video frame, as a stream has them."""
    video = features.at_video_rate()
    tracker = RhythmTracker()
    beats = [
        tracker.push(*map(float, x))
        for x in zip(video.phones[:, 0], video.energy, video.voicing, video.f0, strict=True)
    ]
    beats += [tracker.push(1.0, -100.0, 0.0, 0.0) for _ in range(LOOKAHEAD)]
    return np.array([beat.row() for beat in beats if beat is not None], np.float32).reshape(-1, 6)[: len(video)]


def spoken_clip(speech: Speech, heard: list[SpeechFeatures]) -> SpokenClip:
    """A clip of speech with phone times; `heard` holds what encoders made of it (the true phones are added).

    Raises InputError where the phone times are missing.
    """
    if not speech.phones:
        raise InputError("A spoken training clip needs phone times; this speech has none.")
    rows_50 = min(len(features) for features in heard) // 2 * 2
    cut = [features[:rows_50] for features in heard]
    versions = [*cut, known_phones(cut[0], speech)]
    true_phones = video_pairs(versions[-1].phones).mean(1)
    return SpokenClip(
        rows=np.stack([frame_rows(version, HIDDEN) for version in versions]).astype(np.float16),
        rhythm=np.stack([rhythm_of(version) for version in versions]),
        articulation=articulation_at_video_rate(articulation_targets(speech.phones, rows_50, FEATURE_RATE)),
        phones=true_phones.astype(np.float16),
    )


def save_clips(path: Path, clips: list[SpokenClip]) -> None:
    """Many spoken clips in one npz, moved into place when complete."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            lengths=np.array([len(clip) for clip in clips]),
            rows=np.concatenate([clip.rows for clip in clips], 1),
            rhythm=np.concatenate([clip.rhythm for clip in clips], 1).astype(np.float16),
            articulation=np.concatenate([clip.articulation for clip in clips]).astype(np.float16),
            phones=np.concatenate([clip.phones for clip in clips]),
        )


def load_clips(path: Path) -> list[SpokenClip]:
    """What `save_clips` wrote."""
    with np.load(path) as file:
        ends = np.cumsum(file["lengths"])[:-1]
        parts = (
            np.split(file["rows"], ends, 1),
            np.split(file["rhythm"], ends, 1),
            np.split(file["articulation"], ends),
            np.split(file["phones"], ends),
        )
    return [SpokenClip(*arrays) for arrays in zip(*parts, strict=True)]


def load_tracked(path: Path, encode: Callable[[Speech], SpeechFeatures]) -> TrackedClip:
    """A tracked video from its npz, its sound heard by `encode`; InputError where the file is not one."""
    try:
        with np.load(path) as file:
            motion = HeadMotion(**{f.name: file[f.name] for f in dataclasses.fields(HeadMotion)})
            audio = np.asarray(file["audio"], np.float32)
            emotion = (
                np.asarray(file["emotion"], np.float32) if "emotion" in file else np.zeros((len(motion), 2), np.float32)
            )
            seen = np.asarray(file["seen"], bool) if "seen" in file else np.ones(len(motion), bool)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path.name} is not a tracked video ({error}); it must hold HeadMotion's arrays and `audio` at 16 kHz."
        ) from error
    if emotion.shape != (len(motion), 2):
        raise InputError(f"`emotion` in {path.name} must have shape [{len(motion)}, 2], found {list(emotion.shape)}.")
    if seen.shape != (len(motion),):
        raise InputError(f"`seen` in {path.name} must have shape [{len(motion)}], found {list(seen.shape)}.")
    features = encode(Speech(audio, source=path.name))
    frames = min(len(features) // 2, len(motion))
    cut = features[: 2 * frames]
    rows = frame_rows(cut, HIDDEN)[None].astype(np.float16)
    return TrackedClip(rows, rhythm_of(cut)[None], motion[:frames], emotion[:frames], seen[:frames])


@dataclass(frozen=True)
class SpokenBatch:
    """B windows of T frames."""

    rows: Tensor  # [B, BEFORE + T + AHEAD, W]
    rhythm: Tensor  # [B, T, 6]
    articulation: Tensor  # [B, T, 6]
    phones: Tensor  # [B, T, 40]
    va: Tensor  # [B, T, 2]
    style: Tensor  # [B, 16]
    gains: Tensor  # [B, 52]


@dataclass(frozen=True)
class TrackedBatch:
    """B windows of T frames of tracked videos."""

    rows: Tensor
    rhythm: Tensor
    expression: Tensor  # [B, T, 52]
    known: Tensor  # [B, T] 1 where the expression is, else 0
    va: Tensor
    style: Tensor
    gains: Tensor


def random_emotion(random: np.random.Generator, frames: int) -> np.ndarray:
    """[frames, 2] valence and arousal: one in seven neutral, half constant, the others gliding between two points,
    one point in six on the border of the square."""

    def point() -> np.ndarray:
        where = random.uniform(-1, 1, 2)
        if random.random() < 1 / 6:
            where[random.integers(2)] = random.choice([-1.0, 1.0])
        return where

    if random.random() < 1 / 7:
        return np.zeros((frames, 2), np.float32)
    first = point()
    last = point() if random.random() < 0.5 else first
    t = np.clip((np.arange(frames) / frames - random.uniform(0, 0.6)) / random.uniform(0.15, 0.6), 0, 1)
    glide = (t * t * (3 - 2 * t))[:, None]
    return (first + glide * (last - first)).astype(np.float32)


def window(array: np.ndarray, start: int, frames: int, fill: np.ndarray) -> np.ndarray:
    """`frames` rows of an `array` [T, ...] from row `start` on, as float32; `fill` [...] where it has none."""
    out = np.repeat(np.asarray(fill, np.float32)[None], frames, 0)
    first, last = max(start, 0), min(start + frames, len(array))
    if last > first:
        out[first - start : last - start] = array[first:last]
    return out


class ClipSampler:
    """Random windows of spoken clips, each with a random emotion and a random speaker's style."""

    def __init__(self, clips: list, frames: int, seed: int) -> None:
        self._clips = [clip for clip in clips if len(clip) >= 8]
        if not self._clips:
            raise InputError("There is no training clip of at least 8 frames.")
        lengths = np.array([len(clip) for clip in self._clips], float)
        self._weights = lengths / lengths.sum()
        self.frames = frames
        self.random = np.random.default_rng(seed)

    def _window(self, clip) -> tuple[np.ndarray, np.ndarray, slice, int]:
        """(rows with context, rhythm, frames of the clip, which version), padded with silence to the wanted length."""
        start = int(self.random.integers(-12, max(1, len(clip) - self.frames + 12)))
        version = int(self.random.integers(clip.rows.shape[0]))
        return clip, start, version

    def _heard(self, clip, start: int, version: int) -> tuple[np.ndarray, np.ndarray]:
        silent = quiet(1, (clip.rows.shape[-1] - 2 * ROW_SIZE) // 2)[0]
        rows = window(clip.rows[version], start - BEFORE, self.frames + BEFORE + AHEAD, silent)
        if self.random.random() < UNHEARD:
            rows[:, 2 * ROW_SIZE :] = 0
        return rows, window(clip.rhythm[version], start, self.frames, np.zeros(6, np.float32))

    def _draw(self, batch: int):
        for index in self.random.choice(len(self._clips), batch, p=self._weights):
            yield self._window(self._clips[index])

    def _speaker(self) -> MotionStyle:
        return MotionStyle.random(int(self.random.integers(2**31)))

    def spoken(self, batch: int) -> SpokenBatch:
        """A batch of spoken clips."""
        silence = np.zeros(len(PHONES), np.float32)
        silence[0] = 1
        columns: list[tuple] = []
        for clip, start, version in self._draw(batch):
            rows, rhythm = self._heard(clip, start, version)
            if version == clip.rows.shape[0] - 1:
                rows = _less_certain(rows, self.random)
            columns.append(
                (
                    rows,
                    rhythm,
                    window(clip.articulation, start, self.frames, np.zeros(6, np.float32)),
                    window(clip.phones, start, self.frames, silence),
                    random_emotion(self.random, self.frames),
                    (style := self._speaker()).vector,
                    style.gains,
                )
            )
        return SpokenBatch(*(torch.from_numpy(np.stack(column)) for column in zip(*columns, strict=True)))


def _less_certain(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """True phones as certain as an encoder might be: now and then exact, else washed out a little."""
    if random.random() < 0.5:
        return rows
    half = ROW_SIZE
    out = rows.copy()
    share = random.uniform(0, 0.25)
    for first in (0, half):
        phones = slice(first, first + len(PHONES))
        neighbours = (np.roll(rows[:, phones], 1, 0) + np.roll(rows[:, phones], -1, 0)) / 2
        out[:, phones] = (1 - share) * rows[:, phones] + share * neighbours
    out[:, len(PHONES) : len(PHONES) + 6] *= random.uniform(0.85, 1.0)
    out[:, half + len(PHONES) : half + len(PHONES) + 6] *= random.uniform(0.85, 1.0)
    return out
