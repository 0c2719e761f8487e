"""Training of the landmark graph network: what a face does beside the shapes that are copied to it.

Three kinds of examples. *Spoken*: synthetic speech in any mood, said by a random face whose shapes are transferred
(`landmark_transfer`); what differs from the copied shapes hangs on the face alone, and many faces are asked for it
directly in every step. *Filmed*: sentences of real people,
what their lips did beside what the motion network makes of the sound. *Retold*: the same films, as a random face would
have done it. What a person's face does all the time (the mean of a speaker's films) is no motion and not learned.

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
from emotalk.learning.landmark_transfer import PersonShapes
from emotalk.learning.pretrain import learning_rate
from emotalk.learning.training_state import load_state, save_state
from emotalk.motion.landmark_graph import CHEEKS, KEYS, MOUTH, ROW, Face, LandmarkGraphNetwork

log = logging.getLogger(__name__)

JAW = (58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288)
"""The outline's landmarks that the jaw moves."""
PAIR_ROWS = np.array([(ROW[a], ROW[b]) for a, b in MOUTH_PAIRS])
"""[7, 2] nodes of the upper and the lower lip that meet."""
_MILLIMETRES = 1000.0
_DEPTH = 0.1  # how much a filmed node's depth counts, which the camera does not show
_WAYS, _RIDGE = 60, 50.0
"""Principal components of faces at rest that shapes are told from, and the ridge (mm²)."""
_LEAST = 0.01
"""ARKit weight that a shape counts as if it was used by, at least."""
_UNHEARD = 0.1  # share of windows without speech, so that shapes alone tell of the face


@dataclass(frozen=True)
class HeardClip:
    """T frames of speech, heard in V versions, and what the motion network does with them."""

    speech: np.ndarray  # [V, T, S] float16 `MotionNetwork.lip_inputs`
    va: np.ndarray  # [T, 2]
    expression: np.ndarray  # [V, T, 52] float32
    speaker: str = ""  # who is filmed; "" for synthetic speech
    moved: np.ndarray | None = None  # [T, N, 3] metres, `landmark_films.SeenFace`
    tracked: np.ndarray | None = None  # [T, 52]

    def __len__(self) -> int:
        return len(self.va)


@dataclass(frozen=True)
class LandmarkData:
    """What is trained on, or measured with."""

    spoken: list[HeardClip]
    filmed: list[HeardClip]
    people: list[PersonShapes]  # random faces with transferred shapes
    speakers: dict[str, PersonShapes]  # the filmed ones, whose shapes are copied

    def without(self, speakers: tuple[str, ...]) -> LandmarkData:
        """The same without the films of these speakers."""
        filmed = [clip for clip in self.filmed if clip.speaker not in speakers]
        return LandmarkData(self.spoken, filmed, self.people, self.speakers)


@dataclass(frozen=True)
class LandmarkConfig:
    """How the graph network is trained."""

    steps: int = 600
    batch: int = 4  # windows a step
    frames: int = 20  # of a window
    faces: int = 8  # random faces a step whose shapes are asked for
    filmed: float = 0.4  # shares of the windows that are filmed and retold; the others are spoken
    retold: float = 0.3
    learning_rate: float = 3e-3  # at its highest; falls to 1 % along a half cosine
    warmup: int = 50
    weight_decay: float = 0.02
    average: float = 0.99  # decay of the running mean of the weights, which is what is kept
    velocity: float = 0.5  # weight of the differences between frames
    gap: float = 0.5  # weight of the lips' gap
    shapes: float = 1.0  # weight of the random faces' shapes
    save_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.frames < 8 or self.filmed + self.retold > 1:
            raise InputError(
                "Training landmarks needs steps >= 1, batch >= 1, frames >= 8 and shares that sum to 1 at most; found "
                f"{self.steps}, {self.batch}, {self.frames}, {self.filmed} + {self.retold}."
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


@dataclass(frozen=True)
class FaceBatch:
    """B faces."""

    neutral: Tensor  # [B, N, 3] metres
    shapes: Tensor  # [B, 52, N, 3] mm by which each shape differs from the copied one
    weight: Tensor  # [52, N, 3] how much each counts


def shape_loss(face: Face, batch: FaceBatch) -> Tensor:
    """A scalar: mm by which the nodes are off in the usual frame, all shapes' errors added up."""
    return ((face.shapes - batch.shapes).abs() * batch.weight).sum(1).mean()


def node_weights(filmed: bool) -> np.ndarray:
    """[N, 3] how much each node's error counts: lips most; in films only what speech moves, and depth hardly."""
    weights = np.full(len(KEYS), 0.0 if filmed else 1.0)
    weights[[ROW[i] for i in (*CHEEKS, *JAW)]] = 0.5 if filmed else 1.0
    weights[list(MOUTH)] = 3.0
    return weights[:, None] * np.array((1.0, 1.0, _DEPTH if filmed else 1.0))


def copied_motion(expression: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """[..., N, 3] metres that shapes [52, N, 3] move the nodes at `expression` [..., 52]."""
    return np.tensordot(expression, shapes, 1).astype(np.float32)


class LandmarkSampler:
    """Random windows of the data, each said by a face."""

    def __init__(self, data: LandmarkData, config: LandmarkConfig) -> None:
        fits = lambda clips: [clip for clip in clips if len(clip) >= config.frames]  # noqa: E731
        self._spoken, self._filmed = fits(data.spoken), fits(data.filmed)
        if not self._spoken or not data.people:
            raise InputError(
                f"Landmarks are learned from synthetic speech and random faces; found {len(self._spoken)} clips of at "
                f"least {config.frames} frames and {len(data.people)} faces."
            )
        self._data, self._config = data, config
        self._usual = usual_residuals(self._filmed, data.speakers)
        counts = {name: sum(clip.speaker == name for clip in self._filmed) for name in self._usual}
        # As in `filmed_lips.shares`: a speaker of few films counts more, not everything.
        shares = np.array([counts[clip.speaker] ** -0.5 for clip in self._filmed])
        self._shares = shares / shares.sum() if len(shares) else shares
        # [52] how much of each shape there is in the usual frame.
        self.usage = np.mean([np.abs(clip.expression[0]).mean(0) for clip in self._spoken], axis=0).astype(np.float32)
        self._weights = {filmed: node_weights(filmed).astype(np.float32) for filmed in (False, True)}

    def batch(self, random: np.random.Generator) -> LandmarkBatch:
        """The batch that this generator draws."""
        rows = [self._window(random) for _ in range(self._config.batch)]
        return LandmarkBatch(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))

    def faces(self, random: np.random.Generator) -> FaceBatch:
        """Random faces and what their shapes do, for the same generator the same."""
        people = [self._data.people[i] for i in random.integers(len(self._data.people), size=self._config.faces)]
        wanted = _MILLIMETRES * np.stack([person.own - person.copied for person in people])
        usage = self.usage[:, None, None] * self._weights[False] / self._weights[False].mean()
        neutral = np.stack([person.neutral for person in people])
        return FaceBatch(*(torch.from_numpy(np.float32(x)) for x in (neutral, wanted, usage)))

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
            residual = copied_motion(expression, person.own - person.copied)
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


@torch.no_grad()
def learn_faces(network: LandmarkGraphNetwork, people: list[PersonShapes], usage: np.ndarray) -> None:
    """What the trained network does not yet say of the shapes on `people`, as far as it is linear in the whole face:
    reduced-rank regression with a ridge, in closed form, written into `network.directions` and `network.bends`. Shapes
    count by their `usage` [52], lips three times. Raises InputError where there are fewer faces than directions."""
    rank = network.config.directions
    if len(people) < rank:
        raise InputError(f"{rank} directions of faces need as many faces or more, found {len(people)}.")
    network.directions.zero_()
    mean = network.mean.double().numpy()
    faces = _MILLIMETRES * np.stack([person.neutral - mean for person in people]).reshape(len(people), -1)
    told = np.concatenate(
        [network.face(torch.from_numpy(person.neutral)[None]).shapes.numpy() for person in people]
    ).reshape(len(people), -1)
    missing = _MILLIMETRES * np.stack([person.own - person.copied for person in people]).reshape(len(people), -1) - told
    ways = np.linalg.svd(faces, full_matrices=False)[2][:_WAYS]
    sizes = faces @ ways.T
    slopes = np.linalg.solve(sizes.T @ sizes + _RIDGE * np.eye(len(ways)), sizes.T @ missing)
    weight = np.maximum(usage, _LEAST)[:, None, None] * node_weights(filmed=False)
    weight = weight.ravel() / weight.mean()
    bends = np.linalg.svd(sizes @ slopes * weight, full_matrices=False)[2][:rank]
    directions = (ways.T @ ((slopes * weight) @ bends.T)).T
    bends = bends / weight
    network.directions.copy_(torch.from_numpy(directions.astype(np.float32)).view_as(network.directions))
    network.bends.copy_(torch.from_numpy(bends.astype(np.float32)).view_as(network.bends))


def usual_residuals(filmed: list[HeardClip], speakers: dict[str, PersonShapes]) -> dict[str, np.ndarray]:
    """By speaker: [N, 3] metres that the nodes lie beside what the motion network makes of them, over all films."""
    off: dict[str, list[np.ndarray]] = {}
    for clip in filmed:
        copied = copied_motion(clip.expression[0], speakers[clip.speaker].copied)
        off.setdefault(clip.speaker, []).append(clip.moved - copied)
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


def train_landmarks(
    network: LandmarkGraphNetwork,
    data: LandmarkData,
    config: LandmarkConfig | None = None,
    state_path: Path | None = None,
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> LandmarkGraphNetwork:
    """Trains `network` and returns the running mean of its weights, ready to play; the same arguments give the same
    weights, stopped and resumed (`state_path`) or not. `progress(step, losses)` is called every 50 steps. Raises
    InputError without speech or faces, CheckpointError for a damaged state."""
    config = config or LandmarkConfig()
    sampler = LandmarkSampler(data, config)
    network = network.train().requires_grad_(True)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    first = load_state(state_path, network, average, optimizer) if state_path else 0
    means: dict[str, float] = {}
    for step in range(first, config.steps):
        # Batches hang on the step alone, so that a resumed run sees what an uninterrupted one would have seen.
        seed = int(np.random.SeedSequence([config.seed, step]).generate_state(1)[0])
        torch.manual_seed(seed)  # of the dropout
        random = np.random.default_rng(seed)
        batch, faces = sampler.batch(random), sampler.faces(random)
        residual, _ = network(batch.speech, batch.va, batch.expression, network.face(batch.neutral))
        losses = landmark_losses(residual, batch) | {"shapes": shape_loss(network.face(faces.neutral), faces)}
        total = losses["nodes"] + sum(getattr(config, name) * losses[name] for name in ("velocity", "gap", "shapes"))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config.steps, config.warmup, config.learning_rate)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        keep = min(config.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, value in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        for name, value in losses.items():
            means[name] = means.get(name, value.item()) * 0.95 + 0.05 * value.item()
        if state_path and ((step + 1) % config.save_every == 0 or step + 1 == config.steps):
            save_state(state_path, step + 1, network, average, optimizer)
        if (step + 1) % 50 == 0 or step + 1 == config.steps:
            log.info("step %d: %s", step + 1, " ".join(f"{name} {value:.4f}" for name, value in means.items()))
            if progress:
                progress(step + 1, dict(means))
    average = average.eval().requires_grad_(False)
    learn_faces(average, data.people, sampler.usage)
    return average
