"""The lip branch of the motion network learns from filmed people, beside the teacher's synthetic speech.

Neither does alone: films of a few people saying a few hundred words lead to lips of those people and words, and the
teacher's rules to lips that nobody has. Mixed, they carry over to people who were never seen. Everything else of the
network is left as it is: contacts (closed lips, teeth on lip) above all, which a squared error on films would blur.

A film's lips are compared by `lip_measures`, without their mean (faces and moods differ) and in units of the speaker's
own spread (mouths differ).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError
from emotalk.core.speech import SpeechFeatures
from emotalk.learning.motion_data import HIDDEN, SpokenClip, rhythm_of
from emotalk.learning.pretrain import SHAPE_WEIGHTS, learning_rate
from emotalk.learning.teacher import teach
from emotalk.motion.lip_rules import combine
from emotalk.motion.network import AHEAD, BEFORE, RHYTHM_SIZE, MotionNetwork
from emotalk.motion.style import STYLE_SIZE, MotionStyle
from emotalk.speech.feature_rows import ROW_SIZE, frame_rows, quiet
from emotalk.sync.lip_measures import MEASURES, LipBasis, quick

log = logging.getLogger(__name__)

FRAMES = 75
"""Frames of a training window; a film of GRID has as many."""
_MOST = 4.0  # times that a film of a speaker of few films counts more than one of a speaker of many
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

    steps: int = 400
    batch: int = 8  # films a step, and as many windows of synthetic speech
    learning_rate: float = 2e-3  # at its highest; falls to 1 % along a half cosine
    warmup: int = 20
    weight_decay: float = 0.01
    synthetic: float = 0.5  # weight of the teacher's lip measures beside the filmed ones
    shapes: float = 2.0  # of the teacher's shapes themselves: films say nothing of which shapes make a measure
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
class _Window:
    """FRAMES frames as the lip branch needs them; what the frozen network makes of them is here already."""

    inputs: Tensor  # [T, I] half precision, `MotionNetwork.lip_inputs`
    style: Tensor  # [S] its code
    base: Tensor  # [T, 52] of the base branch
    held: Tensor  # [T, 3]
    wanted: Tensor  # [T, 4] lip measures, without their mean, in units of a spread
    shapes: Tensor  # [T, 52] of the teacher's speech, zeros for films
    counts: Tensor  # [T] 1 where there is something to learn, 0 in padding


@torch.no_grad()
def _frozen(network: MotionNetwork, rows: np.ndarray, rhythm: np.ndarray, style: MotionStyle) -> tuple[Tensor, ...]:
    """(inputs, style code, base, held) of rows [BEFORE + T + AHEAD, W] and rhythm [T, 3]."""
    heard, beat = torch.from_numpy(rows.astype(np.float32))[None], torch.from_numpy(rhythm.astype(np.float32))[None]
    code, _ = network.encode_speech(heard, beat, torch.from_numpy(style.vector)[None], None)
    calm = network.apply_emotion(code, torch.zeros(1, len(rhythm), 2), torch.ones(1, len(ARKIT_NAMES)), None)
    everyone = code.style.expand(-1, len(rhythm), -1)
    base = network.base(torch.cat([code.channels, everyone], -1))
    return network.lip_inputs(heard, beat)[0].half(), code.style[0, 0], base[0], calm.held[0]


def _cut(array: np.ndarray, start: int, frames: int, fill: np.ndarray) -> np.ndarray:
    """`frames` rows from `start` on (which may lie outside), `fill` where there are none."""
    out = np.repeat(fill[None].astype(np.float32), frames, 0)
    first, last = max(start, 0), min(start + frames, len(array))
    if last > first:
        out[first - start : last - start] = array[first:last]
    return out


def _heard(rows: np.ndarray, rhythm: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    silence = quiet(1, (rows.shape[-1] - 2 * ROW_SIZE) // 2)[0]
    return (
        _cut(rows, start - BEFORE, FRAMES + BEFORE + AHEAD, silence),
        _cut(rhythm[:, :RHYTHM_SIZE], start, FRAMES, np.zeros(RHYTHM_SIZE, np.float32)),
    )


def _filmed_windows(network: MotionNetwork, clips: list[FilmedClip]) -> tuple[list[_Window], np.ndarray]:
    """Windows of all films and versions, and how often each is to be drawn."""
    spread, share = spreads(clips), shares(clips)
    windows, weights = [], []
    average = MotionStyle(face=0)
    for clip, weight in zip(clips, share, strict=True):
        wanted = (clip.measures - clip.measures.mean(0)) / spread[clip.speaker]
        for version in range(len(clip.rows)):
            for start in range(0, max(1, len(clip) - FRAMES // 3), FRAMES):
                known = _frozen(network, *_heard(clip.rows[version], clip.rhythm[version], start), average)
                counts = _cut(np.ones((len(clip), 1)), start, FRAMES, np.zeros(1))[:, 0]
                windows.append(
                    _Window(
                        *known,
                        torch.from_numpy(_cut(wanted, start, FRAMES, np.zeros(4))),
                        torch.zeros(FRAMES, len(ARKIT_NAMES)),
                        torch.from_numpy(counts),
                    )
                )
                weights.append(weight)
    return windows, np.array(weights) / np.sum(weights)


@torch.no_grad()
def _spoken_windows(
    network: MotionNetwork, clips: list[SpokenClip], basis: LipBasis, most: int, seed: int
) -> list[_Window]:
    """Up to `most` windows of synthetic speech and the teacher's lips, each in one version and one person's style."""
    random = np.random.default_rng(seed)
    starts = [(i, start) for i, clip in enumerate(clips) for start in range(0, len(clip) - FRAMES // 2, FRAMES)]
    silence = np.eye(clips[0].phones.shape[1], dtype=np.float32)[0]
    windows: list[_Window] = []
    measures: list[Tensor] = []
    for k in random.permutation(len(starts))[:most]:
        clip, start = clips[starts[k][0]], starts[k][1]
        version = int(random.integers(len(clip.rows)))
        style = MotionStyle.random(int(random.integers(2**31)), float(random.random()))
        rows, beat = _heard(clip.rows[version], clip.rhythm[version], start)
        taught = teach(
            torch.from_numpy(_cut(clip.articulation, start, FRAMES, np.zeros(6)))[None],
            torch.from_numpy(_cut(clip.phones, start, FRAMES, silence))[None],
            torch.from_numpy(_cut(clip.rhythm[version], start, FRAMES, np.zeros(6)))[None],
            torch.zeros(1, FRAMES, 2),
            torch.from_numpy(style.vector)[None],
            torch.ones(1, len(ARKIT_NAMES)),
        )
        made = basis.measures(taught.expression)[0]
        measures.append(made)
        counts = torch.from_numpy(_cut(np.ones((len(clip), 1)), start, FRAMES, np.zeros(1))[:, 0])
        windows.append(_Window(*_frozen(network, rows, beat, style), made, taught.speech[0], counts))
    return windows


def _together(windows: list[_Window]) -> _Window:
    columns = zip(*(vars(window).values() for window in windows), strict=True)
    return _Window(*(torch.stack(column) for column in columns))


def made_measures(network: MotionNetwork, window: _Window, basis: LipBasis) -> tuple[Tensor, Tensor]:
    """(lip measures [B, T, 4] of the neutral face, shapes of speech [B, T, 52]) of windows put together."""
    speech = network.speech_shapes(window.base, network.lips(window.inputs.float(), window.style[:, None]))
    return basis.measures(combine(speech, torch.zeros_like(speech), *window.held.unbind(-1))), speech


def _centred(course: Tensor, counts: Tensor) -> Tensor:
    weights = (counts / counts.sum(1, keepdim=True).clamp(min=1))[..., None]
    return course - (course * weights).sum(1, keepdim=True)


def lip_parameters(network: MotionNetwork) -> Iterable[nn.Parameter]:
    """What `learn_lips` trains."""
    yield from (*network.lips.parameters(), *network.mouth.parameters(), network.kept)


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
    """Trains the lip branch of `network` in place and returns it, ready to play; the same arguments give the same
    weights. `progress(step, losses)` is called every 50 steps. Raises InputError without films or without synthetic
    speech."""
    config = config or FilmedConfig()
    if not filmed or not spoken:
        raise InputError(
            f"Lips are learned from films and synthetic speech; found {len(filmed)} and {len(spoken)} clips."
        )
    random = np.random.default_rng(config.seed)
    network.eval().requires_grad_(False)
    films, weights = _filmed_windows(network, filmed)
    speech = _spoken_windows(network, spoken, basis, config.steps * config.batch, config.seed)
    # One unit for what the network makes: how far people move their lips, the average of those filmed.
    unit = torch.from_numpy(np.mean(list(spreads(filmed).values()), 0).astype(np.float32))
    parameters = list(lip_parameters(network))
    for parameter in parameters:
        parameter.requires_grad_(True)
    network.lips.train()
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    shown: dict[str, float] = {}
    for step in range(config.steps):
        torch.manual_seed(int(np.random.SeedSequence([config.seed, step]).generate_state(1)[0]))  # of the dropout
        drawn = [films[i] for i in random.choice(len(films), config.batch, p=weights)]
        drawn += [speech[i] for i in random.choice(len(speech), config.batch)]
        losses = _losses(network, _together(drawn), config.batch, basis, unit)
        total = losses["filmed"] + config.synthetic * losses["synthetic"] + config.shapes * losses["shapes"]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config.steps, config.warmup, config.learning_rate)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        for name, value in losses.items():
            shown[name] = value.item() if step == 0 else 0.95 * shown[name] + 0.05 * value.item()
        if (step + 1) % 50 == 0:
            log.info("lips step %d: %s", step + 1, " ".join(f"{name} {value:.3f}" for name, value in shown.items()))
            if progress:
                progress(step + 1, dict(shown))
    return network.eval().requires_grad_(False)


def _losses(network: MotionNetwork, batch: _Window, films: int, basis: LipBasis, unit: Tensor) -> dict[str, Tensor]:
    """Losses by name of a batch whose first `films` windows are of films, the rest synthetic."""
    made, speech = made_measures(network, batch, basis)
    made = _centred(made, batch.counts) / unit
    wanted = batch.wanted.clone()
    wanted[films:] = wanted[films:] / unit
    off = ((made - _centred(wanted, batch.counts)).square().mean(-1) * batch.counts).sum(1)
    off = off / batch.counts.sum(1).clamp(min=1)
    apart = ((speech - batch.shapes).abs() * SHAPE_WEIGHTS * network.of_lips).sum(-1)
    return {"filmed": off[:films].mean(), "synthetic": off[films:].mean(), "shapes": apart[films:].mean()}


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


def lively_size(made: list[np.ndarray], filmed: list[np.ndarray]) -> float:
    """The factor on lips that makes their opening spread as far as the filmed one: the median over clips the network
    has not learned from, of lip measures `made` and `filmed` [T, 4]; within [0.8, 2]."""
    ratios = [
        quick(theirs)[:, _OPENING].std() / max(quick(mine)[:, _OPENING].std(), 1e-6)
        for mine, theirs in zip(made, filmed, strict=True)
    ]
    return float(np.clip(np.median(ratios), 0.8, 2.0))
