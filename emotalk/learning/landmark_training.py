"""Training of the landmark graph network: what a face does beside the shapes that are copied to it.

First *faces* (`train_faces`): what the closed form leaves of how shapes differ on random faces, whose shapes are
transferred (`landmark_transfer`). Then, with that held fast, *motion* (`train_motion`), on windows of three kinds.
*Filmed*: sentences of real people, what their lips did beside what the motion network makes of the sound. *Retold*: the
same films, as a random face would have done it. *Spoken*: synthetic speech in any mood, said by a random face. What a
person's face does all the time (the mean of a speaker's films) is no motion and not learned.

The films' expressions must come from motion networks that never saw the speaker: of the shipped one, which learned from
them, the residual would be too small.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.errors import InputError
from emotalk.core.landmarks import MOUTH_PAIRS
from emotalk.learning.landmark_closed_forms import face_shapes, learn_common, learn_faces, learn_hearing
from emotalk.learning.landmark_examples import HeardClip, LandmarkData, copied_motion, node_weights
from emotalk.learning.landmark_transfer import PersonShapes
from emotalk.learning.pretrain import learning_rate
from emotalk.learning.training_state import load_state, save_state
from emotalk.motion.landmark_graph import ROW, LandmarkGraphNetwork

log = logging.getLogger(__name__)

PAIR_ROWS = np.array([(ROW[a], ROW[b]) for a, b in MOUTH_PAIRS])
"""[7, 2] nodes of the upper and the lower lip that meet."""
ON_FACES = ("place", "geometry", "sizes", "on_face", "whole", "shapes")
"""Parts of the network that `train_faces` teaches; `train_motion` teaches the others."""
_MILLIMETRES = 1000.0
_UNHEARD = 0.1  # share of windows without speech, so that shapes alone tell of the face

Losses = dict[str, Tensor]
Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class LandmarkConfig:
    """How the graph network is trained."""

    face_steps: int = 2500
    faces: int = 12  # random faces a step whose shapes are asked for
    steps: int = 400
    batch: int = 4  # windows a step
    frames: int = 24  # of a window
    filmed: float = 0.5  # shares of the windows that are filmed and retold; the others are spoken
    retold: float = 0.3
    learning_rate: float = 4e-3  # of faces, at its highest; falls to 1 % along a half cosine
    motion_rate: float = 1e-3  # of motion: eight speakers are soon learned by heart
    warmup: int = 50
    weight_decay: float = 0.02
    average: float = 0.99  # decay of the running mean of the weights, which is what is kept
    velocity: float = 0.5  # weight of the differences between frames
    gap: float = 0.5  # weight of the lips' gap
    save_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.face_steps, self.steps, self.batch) < 1 or self.frames < 8 or self.filmed + self.retold > 1:
            raise InputError(
                "Training landmarks needs steps and a batch >= 1, frames >= 8 and shares that sum to 1 at most; found "
                f"{self.face_steps} and {self.steps}, {self.batch}, {self.frames}, {self.filmed} + {self.retold}."
            )


@dataclass(frozen=True)
class LandmarkBatch:
    """B windows of T frames."""

    speech: Tensor  # [B, T, S]
    va: Tensor  # [B, T, 2]
    expression: Tensor  # [B, T, 52]
    neutral: Tensor  # [B, N, 3] metres
    residual: Tensor  # [B, T, N, 3] mm to be learned
    weight: Tensor  # [B, T, N, 3] how much each counts


def usage_of(spoken: list[HeardClip]) -> np.ndarray:
    """[52] float32 how much of each shape there is in the usual frame. Raises InputError without clips."""
    if not spoken:
        raise InputError("How much each shape counts is told from synthetic speech; found no clip of it.")
    return np.mean([np.abs(clip.expression[0]).mean(0) for clip in spoken], axis=0).astype(np.float32)


def shape_loss(told: Tensor, wanted: Tensor, usage: Tensor) -> Tensor:
    """A scalar: mm by which the nodes are off in the usual frame, all shapes' errors added up. `told` and `wanted`
    [B, 52, N, 3] in mm, `usage` [52] of `usage_of`; lips count three times."""
    weight = torch.from_numpy(node_weights(filmed=False).astype(np.float32))
    return ((told - wanted).abs() * usage[:, None, None] * (weight / weight.mean())).sum(1).mean()


class LandmarkSampler:
    """Random windows of the data, each said by a face, for a network whose closed forms are found."""

    def __init__(self, data: LandmarkData, config: LandmarkConfig, network: LandmarkGraphNetwork) -> None:
        fits = lambda clips: [clip for clip in clips if len(clip) >= config.frames]  # noqa: E731
        self._spoken, self._filmed = fits(data.spoken), fits(data.filmed)
        if not self._spoken or not data.people:
            raise InputError(
                f"Landmarks are learned from synthetic speech and random faces; found {len(self._spoken)} clips of at "
                f"least {config.frames} frames and {len(data.people)} faces."
            )
        self._data, self._config = data, config
        self._common = network.common.numpy() / _MILLIMETRES
        told = {name: person.copied + face_shapes(network, person) for name, person in data.speakers.items()}
        self._usual = usual_residuals(self._filmed, told)
        counts = {name: sum(clip.speaker == name for clip in self._filmed) for name in self._usual}
        # As in `filmed_lips.shares`: a speaker of few films counts more, not everything.
        shares = np.array([counts[clip.speaker] ** -0.5 for clip in self._filmed])
        self._shares = shares / shares.sum() if len(shares) else shares
        self._weights = {filmed: node_weights(filmed).astype(np.float32) for filmed in (False, True)}

    def batch(self, random: np.random.Generator) -> LandmarkBatch:
        """The batch that this generator draws."""
        rows = [self._window(random) for _ in range(self._config.batch)]
        return LandmarkBatch(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))

    def _window(self, random: np.random.Generator) -> tuple[np.ndarray, ...]:
        kind = random.random()
        filmed = bool(self._filmed) and kind < self._config.filmed + self._config.retold
        of, shares = (self._filmed, self._shares) if filmed else (self._spoken, None)
        clip = of[int(random.choice(len(of), p=shares))]
        first = int(random.integers(len(clip) - self._config.frames + 1))
        at = slice(first, first + self._config.frames)
        version = int(random.integers(len(clip.speech)))
        expression = clip.expression[version, at]
        speech = clip.speech[version, at].astype(np.float32)
        person = self._data.people[int(random.integers(len(self._data.people)))]
        weight = np.broadcast_to(self._weights[filmed], (len(expression), *self._weights[filmed].shape))
        if not filmed:
            # What films have in common is so of synthetic voices too; beside it nothing is known of them.
            residual = copied_motion(expression, person.own - person.copied + self._common)
            if random.random() < _UNHEARD:
                speech = np.zeros_like(speech)
        else:
            speaker = self._data.speakers[clip.speaker]
            there = np.isfinite(clip.moved[at])
            moved = np.where(there, clip.moved[at], 0)
            weight = weight * there
            if kind < self._config.filmed:
                person = speaker
            else:
                tracked = clip.tracked[at]
                moved = moved + copied_motion(tracked, person.own - speaker.copied)
            residual = moved - copied_motion(expression, person.copied) - self._usual[clip.speaker]
        residual = (_MILLIMETRES * residual).astype(np.float32)
        return speech, clip.va[at].astype(np.float32), expression, person.neutral, residual, weight.astype(np.float32)


def usual_residuals(filmed: list[HeardClip], told: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By speaker: [N, 3] metres by which shapes `told` [52, N, 3] miss the nodes all the time, over all films."""
    off: dict[str, list[np.ndarray]] = {}
    for clip in filmed:
        off.setdefault(clip.speaker, []).append(clip.moved - copied_motion(clip.expression[0], told[clip.speaker]))
    return {name: np.nanmean(np.concatenate(rows), axis=0).astype(np.float32) for name, rows in off.items()}


def landmark_losses(residual: Tensor, batch: LandmarkBatch) -> dict[str, Tensor]:
    """The losses by name (scalars, mm) of what the network adds, `residual` [B, T, N, 3] in metres: the nodes, their
    changes from frame to frame, and the gap between the lips."""
    off = _MILLIMETRES * residual - batch.residual
    total = batch.weight.sum().clamp(min=1e-6)
    upper, lower = torch.from_numpy(PAIR_ROWS).T
    gap = (off[:, :, upper, 1] - off[:, :, lower, 1]) * (batch.weight[:, :, upper, 1] > 0)
    return {
        "nodes": (off.abs() * batch.weight).sum() / total,
        "velocity": (off.diff(dim=1).abs() * batch.weight[:, 1:]).sum() / total,
        "gap": gap.abs().mean(),
    }


def train_faces(
    network: LandmarkGraphNetwork,
    people: list[PersonShapes],
    usage: np.ndarray,
    config: LandmarkConfig,
    state_path: Path | None = None,
    progress: Progress | None = None,
) -> LandmarkGraphNetwork:
    """A copy of `network` that knows how shapes differ on faces: the closed form, and by convolutions what it leaves.
    Shapes count by their `usage` [52]. The same arguments give the same weights, stopped and resumed (`state_path`) or
    not. `progress(step, losses)` is called every 50 steps. Raises InputError where there are too few faces,
    CheckpointError for a damaged state."""
    network = copy.deepcopy(network).train()
    learn_faces(network, people, usage)
    counts = torch.from_numpy(usage)

    def losses(random: np.random.Generator) -> Losses:
        chosen = [people[i] for i in random.integers(len(people), size=config.faces)]
        neutral = torch.from_numpy(np.stack([person.neutral for person in chosen]))
        wanted = torch.from_numpy(np.float32(_MILLIMETRES * np.stack([one.own - one.copied for one in chosen])))
        return {"shapes": shape_loss(network.face(neutral).shapes, wanted, counts)}

    return _train(network, True, losses, {"shapes": 1.0}, config, state_path, progress)


def train_motion(
    network: LandmarkGraphNetwork,
    data: LandmarkData,
    config: LandmarkConfig,
    state_path: Path | None = None,
    progress: Progress | None = None,
) -> LandmarkGraphNetwork:
    """A copy of a network by `train_faces` that knows how faces move: the closed forms, and by convolutions what they
    leave. Everything else as there. Raises InputError without speech or faces."""
    network = copy.deepcopy(network).train()
    learn_common(network, data)
    learn_hearing(network, [*data.spoken, *data.filmed])
    sampler = LandmarkSampler(data, config, network)

    def losses(random: np.random.Generator) -> Losses:
        batch = sampler.batch(random)
        residual, _ = network(batch.speech, batch.va, batch.expression, network.face(batch.neutral))
        return landmark_losses(residual, batch)

    weights = {"nodes": 1.0, "velocity": config.velocity, "gap": config.gap}
    return _train(network, False, losses, weights, config, state_path, progress)


def _train(
    network: LandmarkGraphNetwork,
    on_faces: bool,  # whether the parts in `ON_FACES` learn, or all others
    losses_of: Callable[[np.random.Generator], Losses],
    weights: dict[str, float],
    config: LandmarkConfig,
    state_path: Path | None,
    progress: Progress | None,
) -> LandmarkGraphNetwork:
    """The running mean of the weights, ready to play."""
    steps, rate = (config.face_steps, config.learning_rate) if on_faces else (config.steps, config.motion_rate)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_((name.split(".")[0] in ON_FACES) == on_faces)
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(learned, lr=rate, weight_decay=config.weight_decay)
    first = load_state(state_path, network, average, optimizer) if state_path else 0
    means: dict[str, float] = {}
    for step in range(first, steps):
        # Batches hang on the step alone, so that a resumed run sees what an uninterrupted one would have seen.
        seed = int(np.random.SeedSequence([config.seed, step]).generate_state(1)[0])
        torch.manual_seed(seed)  # of the dropout
        losses = losses_of(np.random.default_rng(seed))
        total = sum(weight * losses[name] for name, weight in weights.items())
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, config.warmup, rate)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        keep = min(config.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, value in zip(average.parameters(), network.parameters(), strict=True):
                if value.requires_grad:
                    mean.lerp_(value, 1 - keep)
        for name, value in losses.items():
            means[name] = means.get(name, value.item()) * 0.95 + 0.05 * value.item()
        if state_path and ((step + 1) % config.save_every == 0 or step + 1 == steps):
            save_state(state_path, step + 1, network, average, optimizer)
        if (step + 1) % 50 == 0 or step + 1 == steps:
            log.info("step %d: %s", step + 1, " ".join(f"{name} {value:.4f}" for name, value in means.items()))
            if progress:
                progress(step + 1, dict(means))
    return average.eval().requires_grad_(False)
