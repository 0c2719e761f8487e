"""The lip branch of the motion network learns from filmed people, beside the teacher's synthetic speech.

Neither does alone: films of a few people saying a few hundred words lead to lips of those people and words, and the
teacher's rules to lips that nobody has. Mixed, they carry over to people who were never seen. Everything else of the
network is left as it is: contacts (closed lips, teeth on lip) above all, which a squared error on films would blur.

A film's lips are compared by `lip_measures`, without their mean (faces and moods differ) and in units of the speaker's
own spread (mouths differ).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError
from emotalk.core.speech import SpeechFeatures
from emotalk.learning.motion_data import HIDDEN, SpokenClip, rhythm_of
from emotalk.learning.pretrain import learning_rate
from emotalk.learning.teacher import teach
from emotalk.motion.lip_branch import LIP_COURSES, LipBranch
from emotalk.motion.network import AHEAD, BEFORE, LIP_SHAPES, RHYTHM_SIZE, MotionNetwork
from emotalk.motion.style import STYLE_SIZE
from emotalk.motion.visemes import PUCKER
from emotalk.speech.feature_rows import ROW_SIZE, frame_rows, quiet
from emotalk.sync.lip_measures import MEASURES, LipBasis, quick

log = logging.getLogger(__name__)

_MOST = 4.0  # times that a film of a speaker of few films counts more than one of a speaker of many
_USUAL = 4000  # frames of either kind from which the usual level and spread of the inputs are taken
_OPENING = MEASURES.index("inner")


@dataclass(frozen=True)
class FilmedClip:
    """What was heard beside filmed lips, picture in step with the sound; T frames at 25 fps."""

    speaker: str
    rows: np.ndarray  # [V, T, W] versions of what is heard: the film's sound, clean and distorted
    rhythm: np.ndarray  # [V, T, 6]
    measures: np.ndarray  # [T, 4] `lip_measures.MEASURES` in eye distances

    def __len__(self) -> int:
        return len(self.measures)


@dataclass(frozen=True)
class FilmedConfig:
    """How the lip branch is trained."""

    steps: int = 120  # few: what is learned later are the filmed people's own ways
    batch: int = 256  # frames of films a step, and as many of synthetic speech
    learning_rate: float = 2e-3  # at its highest; falls to 1 % along a half cosine
    warmup: int = 20
    weight_decay: float = 0.01
    synthetic: float = 0.5  # weight of the teacher's lips beside the filmed ones
    ridge: float = 0.01  # of the way from lip measures to shapes, which hardly differ from each other: .001 overshoots
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InputError(f"Learning from films needs steps >= 1 and batch >= 1, found {self.steps}, {self.batch}.")


def filmed_clip(speaker: str, heard: list[SpeechFeatures], measures: np.ndarray, lag: int = 0) -> FilmedClip:
    """A clip of what was heard and filmed; the picture is `lag` frames behind the sound.

    `heard` are versions of the features of one sound, `measures` [T, 4] those of its film. Raises InputError where less
    than a second is left.
    """
    first = max(0, -lag)
    frames = min(min(len(features) // 2 for features in heard) - first, len(measures) - max(0, lag))
    if frames < 25:
        raise InputError(f"A film of {speaker} has {max(frames, 0)} frames with sound; at least 25 are needed.")
    cut = [features[: len(features) // 2 * 2] for features in heard]
    sound, picture = slice(first, first + frames), slice(first + lag, first + lag + frames)
    return FilmedClip(
        speaker,
        np.stack([frame_rows(version, HIDDEN)[sound] for version in cut]).astype(np.float16),
        np.stack([rhythm_of(version)[sound] for version in cut]),
        np.asarray(measures, np.float32)[picture],
    )


def save_filmed(path: Path, clips: list[FilmedClip]) -> None:
    """Many filmed clips in one npz, moved into place when complete."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            speakers=np.array([clip.speaker for clip in clips]),
            lengths=np.array([len(clip) for clip in clips]),
            rows=np.concatenate([clip.rows for clip in clips], 1),
            rhythm=np.concatenate([clip.rhythm for clip in clips], 1),
            measures=np.concatenate([clip.measures for clip in clips]),
        )


def load_filmed(path: Path) -> list[FilmedClip]:
    """What `save_filmed` wrote."""
    with np.load(path) as file:
        ends = np.cumsum(file["lengths"])[:-1]
        parts = (np.split(file["rows"], ends, 1), np.split(file["rhythm"], ends, 1), np.split(file["measures"], ends))
        speakers = [str(name) for name in file["speakers"]]
    return [FilmedClip(*row) for row in zip(speakers, *parts, strict=True)]


def spreads(clips: list[FilmedClip]) -> dict[str, np.ndarray]:
    """By speaker: [4] standard deviation of the lip measures, without what is slower than speech."""
    of: dict[str, list[np.ndarray]] = {}
    for clip in clips:
        of.setdefault(clip.speaker, []).append(quick(clip.measures))
    return {speaker: np.concatenate(rows).std(0) + 1e-4 for speaker, rows in of.items()}


def shares(clips: list[FilmedClip]) -> np.ndarray:
    """[N] probability that a film is drawn: those of speakers with few films more often, up to four times."""
    counts = {clip.speaker: sum(other.speaker == clip.speaker for other in clips) for clip in clips}
    most = max(counts.values())
    weights = np.array([min(_MOST, (most / counts[clip.speaker]) ** 0.5) for clip in clips])
    return weights / weights.sum()


@dataclass(frozen=True)
class _Frames:
    """N frames of what the lip branch reads, and the lips that it is to say of them."""

    inputs: Tensor  # [N, I] half precision, `MotionNetwork.lip_inputs`
    wanted: Tensor  # [N, 5] in units of a spread, NaN where nothing is known
    weights: Tensor  # [N] how often a frame is drawn

    @staticmethod
    def of(parts: list[tuple[Tensor, Tensor, float]]) -> _Frames:
        """Of (inputs, wanted, weight) of clips."""
        inputs, wanted, weights = zip(*parts, strict=True)
        each = [torch.full((len(x),), weight) for x, weight in zip(inputs, weights, strict=True)]
        return _Frames(torch.cat(inputs), torch.cat(wanted), torch.cat(each))

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """`count` random frames: inputs in full precision, and what is wanted."""
        at = torch.multinomial(self.weights, count, replacement=True)
        return self.inputs[at].float(), self.wanted[at]


@torch.no_grad()
def _inputs(network: MotionNetwork, rows: np.ndarray, rhythm: np.ndarray) -> Tensor:
    """[T, I] of a clip's rows [T, W] and rhythm [T, 6], silence around it."""
    hidden = (rows.shape[-1] - 2 * ROW_SIZE) // 2
    whole = np.concatenate([quiet(BEFORE, hidden), rows.astype(np.float32), quiet(AHEAD, hidden)])
    beat = torch.from_numpy(rhythm[:, :RHYTHM_SIZE].astype(np.float32))
    return network.lip_inputs(torch.from_numpy(whole)[None], beat[None])[0].half()


def _filmed_frames(network: MotionNetwork, clips: list[FilmedClip], average: np.ndarray) -> _Frames:
    """Frames of all films, as if all speakers moved their lips as far as `average` [4] says."""
    spread = spreads(clips)
    parts = []
    for clip, weight in zip(clips, shares(clips), strict=True):
        lips = (clip.measures - clip.measures.mean(0)) / spread[clip.speaker] * average
        unknown = np.full(
            (len(clip), LIP_COURSES - len(MEASURES)), np.nan
        )  # a camera does not see how far lips stand out
        wanted = torch.from_numpy(np.concatenate([lips, unknown], 1).astype(np.float32))
        for rows, rhythm in zip(clip.rows, clip.rhythm, strict=True):
            parts.append((_inputs(network, rows, rhythm), wanted, float(weight)))
    return _Frames.of(parts)


@dataclass(frozen=True)
class _Taught:
    """The teacher's neutral lips of all frames of synthetic speech."""

    courses: np.ndarray  # [N, 5] lip measures and pucker of the finished face
    free: np.ndarray  # [N, 5] the same without contacts (closed lips, teeth on lip), which the lip rules put on top
    shapes: np.ndarray  # [N, 8] LIP_SHAPES that make `free`


@torch.no_grad()
def _taught(clips: list[SpokenClip], basis: LipBasis) -> _Taught:
    style, gains = torch.zeros(1, STYLE_SIZE), torch.ones(1, len(ARKIT_NAMES))
    columns = [ARKIT_INDEX[name.replace("*", "Left")] for name in LIP_SHAPES]
    rows: list[tuple[np.ndarray, ...]] = []
    for clip in clips:
        known = (clip.articulation, clip.phones, clip.rhythm[-1])
        articulation, phones, rhythm = (torch.from_numpy(array.astype(np.float32))[None] for array in known)
        taught = teach(articulation, phones, rhythm, torch.zeros(1, len(clip), 2), style, gains)
        pucker = articulation[0, :, PUCKER, None]
        finished, free = (torch.cat([basis.measures(x[0]), pucker], 1) for x in (taught.expression, taught.speech))
        rows.append((finished.numpy(), free.numpy(), taught.speech[0, :, columns].numpy()))
    return _Taught(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _spoken_frames(network: MotionNetwork, clips: list[SpokenClip], courses: np.ndarray) -> _Frames:
    """Frames of all versions of synthetic speech; `courses` [N, 5] are those wanted, in units of their spread."""
    parts = []
    for clip, wanted in zip(clips, np.split(courses, np.cumsum([len(c) for c in clips])[:-1]), strict=True):
        wanted = torch.from_numpy(wanted.astype(np.float32))
        for rows, rhythm in zip(clip.rows, clip.rhythm, strict=True):
            parts.append((_inputs(network, rows, rhythm), wanted, 1.0))
    return _Frames.of(parts)


def lip_parameters(network: MotionNetwork) -> list[nn.Parameter]:
    """What `learn_lips` trains."""
    return list(network.lips.parameters())


def set_usual(network: MotionNetwork, spoken: list[SpokenClip], filmed: list[FilmedClip]) -> None:
    """Writes the usual level and spread of speech rows into `network.seen`: those of both kinds of speech, each
    counting half."""

    def moments(clips: list) -> tuple[np.ndarray, np.ndarray]:
        rows = np.concatenate([clip.rows[0].astype(np.float32) for clip in clips])
        known = rows[:, : 2 * ROW_SIZE].reshape(-1, ROW_SIZE)
        every = np.concatenate([known, rows[:, 2 * ROW_SIZE :].reshape(len(known), -1)], 1)
        return every.mean(0), (every**2).mean(0)

    both = [moments(clips) for clips in (spoken, filmed) if clips]
    mean, square = np.mean([m for m, _ in both], 0), np.mean([s for _, s in both], 0)
    network.seen.mean.copy_(torch.from_numpy(mean))
    network.seen.scale.copy_(torch.from_numpy(np.sqrt(np.maximum(square - mean**2, 0)) + 0.01))


def learn_lips(
    network: MotionNetwork,
    filmed: list[FilmedClip],
    spoken: list[SpokenClip],
    basis: LipBasis,
    config: FilmedConfig | None = None,
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> MotionNetwork:
    """Trains the lip branch of `network` in place, from new weights, and returns it, ready to play; the same arguments
    give the same weights. `progress(step, losses)` is called every 50 steps. Raises InputError without films or without
    synthetic speech."""
    config = config or FilmedConfig()
    if not filmed or not spoken:
        raise InputError(
            f"Lips are learned from films and synthetic speech; found {len(filmed)} and {len(spoken)} clips of them."
        )
    network.eval().requires_grad_(False)
    taught = _taught(spoken, basis)
    unit = quick(taught.courses).std(0) + 1e-4
    said = (taught.courses - taught.courses.mean(0)) / unit
    # How far the average filmed person moves lips, in units of the teacher's spread: films count in their own units.
    average = np.mean(list(spreads(filmed).values()), 0) / unit[: len(MEASURES)]
    size = torch.from_numpy(np.append(average, np.ones(LIP_COURSES - len(MEASURES))).astype(np.float32))
    films, speech = _filmed_frames(network, filmed, average), _spoken_frames(network, spoken, said)
    torch.manual_seed(config.seed)
    network.lips = LipBranch(network.lips.first.in_features, network.config.lips).train()
    usual = torch.cat([frames.draw(_USUAL)[0] for frames in (films, speech)])
    network.lips.mean.copy_(usual.mean(0))
    network.lips.scale.copy_(usual.std(0) + 0.01)
    optimizer = torch.optim.AdamW(network.lips.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    shown: dict[str, float] = {}
    for step in range(config.steps):
        drawn = [frames.draw(config.batch) for frames in (films, speech)]
        made = network.lips(torch.cat([inputs for inputs, _ in drawn]))
        off = torch.nan_to_num(made - torch.cat([wanted for _, wanted in drawn])).square()
        losses = {"filmed": (off[: config.batch] / size**2).mean(), "synthetic": off[config.batch :].mean()}
        total = losses["filmed"] + config.synthetic * losses["synthetic"]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config.steps, config.warmup, config.learning_rate)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        for name, value in losses.items():
            shown[name] = value.item() if step == 0 else 0.95 * shown[name] + 0.05 * value.item()
        if (step + 1) % 50 == 0:
            log.info("lips step %d: %s", step + 1, " ".join(f"{name} {value:.3f}" for name, value in shown.items()))
            if progress:
                progress(step + 1, dict(shown))
    _set_shapes(network, (taught.free - taught.courses.mean(0)) / unit, taught.shapes, config.ridge)
    return network.eval().requires_grad_(False)


def _set_shapes(network: MotionNetwork, free: np.ndarray, shapes: np.ndarray, ridge: float) -> None:
    """The teacher's way from what lips do [N, 5] to the shapes that do it [N, 8], linear: films say nothing of it."""
    middle, level = free.mean(0), shapes.mean(0)
    off = free - middle
    gram = off.T @ off / len(off) + ridge * np.eye(off.shape[1])
    way = np.linalg.solve(gram, off.T @ (shapes - level) / len(off))
    network.lip_shapes.copy_(torch.from_numpy(way.astype(np.float32)))
    network.lip_level.copy_(torch.from_numpy((level - middle @ way).astype(np.float32)))
    network.learned.fill_(1.0)


@dataclass(frozen=True)
class LipAgreement:
    """How well lips that a network makes of a sound agree with the filmed ones, means over clips."""

    r: np.ndarray  # [4] correlation by measure, without what is slower than speech
    slope: float  # of the opening: covariance with the filmed one over its variance
    spread: float  # of the opening: standard deviation over the filmed one's
    clips: int


@torch.no_grad()
def lip_agreement(network: MotionNetwork, clips: list[FilmedClip], basis: LipBasis, size: float = 1.0) -> LipAgreement:
    """The agreement of neutral lips, made from the first version of each clip, at its own size times `size`."""
    rows = []
    for clip in clips:
        made, filmed = quick(lips_of(network, clip, basis, size)), quick(clip.measures)
        a, b = made - made.mean(0), filmed - filmed.mean(0)
        both, own, theirs = (a * b).mean(0), (a * a).mean(0), (b * b).mean(0)
        slope, spread = both[_OPENING] / theirs[_OPENING], (own[_OPENING] / theirs[_OPENING]) ** 0.5
        rows.append([*(both / np.sqrt(own * theirs + 1e-18)), slope, spread])
    mean = np.mean(rows, 0)
    return LipAgreement(mean[:4], float(mean[4]), float(mean[5]), len(clips))


@torch.no_grad()
def lips_of(network: MotionNetwork, clip: FilmedClip, basis: LipBasis, size: float = 1.0) -> np.ndarray:
    """[T, 4] lip measures of the neutral face for a clip's sound (its first version)."""
    hidden = (clip.rows.shape[-1] - 2 * ROW_SIZE) // 2
    rows = np.concatenate([quiet(BEFORE, hidden), clip.rows[0].astype(np.float32), quiet(AHEAD, hidden)])
    frames = len(clip)
    output, _ = network.eval()(
        torch.from_numpy(rows)[None],
        torch.from_numpy(clip.rhythm[0][None, :, :RHYTHM_SIZE].astype(np.float32)),
        torch.zeros(1, frames, 2),
        torch.zeros(1, STYLE_SIZE),
        torch.ones(1, len(ARKIT_NAMES)),
        size=size,
    )
    return basis.measures(output.expression)[0].numpy()


def lively_size(made: list[np.ndarray], filmed: list[np.ndarray], speakers: list[str]) -> float:
    """The factor on lips that makes their opening spread as far as the filmed one: the geometric mean over `speakers`
    of the medians over their clips, which the network has not learned from, of lip measures `made` and `filmed`
    [T, 4]; within [0.8, 1.2].

    Speech whose phones are known would be shouted with more than 1.2: its lips move further than those that are
    foreseen from what is heard.
    """
    ratios: dict[str, list[float]] = {}
    for mine, theirs, speaker in zip(made, filmed, speakers, strict=True):
        spread = quick(theirs)[:, _OPENING].std() / max(quick(mine)[:, _OPENING].std(), 1e-6)
        ratios.setdefault(speaker, []).append(float(np.log(max(spread, 1e-6))))
    middle = np.mean([np.median(own) for own in ratios.values()])
    return float(np.clip(np.exp(middle), 0.8, 1.2))
