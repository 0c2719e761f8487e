"""Pretraining of the motion network: from what can be heard to the motion that the teacher knows.

Runs alone or, started by `torchrun`, in several processes that share every batch (`shared_batch`; gradients are
averaged by DistributedDataParallel; gloo on CPUs, nccl on GPUs): they come to the weights that one alone would come to,
but for the order of sums. Interrupted runs go on where they stopped, also in another number of processes.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.learning.motion_data import ClipSampler, SpokenBatch, TrackedBatch
from emotalk.learning.shared_batch import SharedDropout, distributed, own_part, part_of
from emotalk.learning.teacher import Taught, teach
from emotalk.learning.tracked_windows import TrackedWindows, tracked_before
from emotalk.learning.training_state import load_state, save_state
from emotalk.motion.network import RHYTHM_SIZE, MotionNetwork, NetworkOutput

log = logging.getLogger(__name__)

_HAS_BFLOAT16 = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
"""Half precision is twice as fast where the processor has it, and many times slower where it has to be imitated."""

Critic = Callable[[NetworkOutput, SpokenBatch], Tensor]
"""A further loss on the network's motion, e.g. the sync score or the emotion that a recogniser sees in it."""


@dataclass(frozen=True)
class PretrainConfig:
    """How the motion network is trained."""

    steps: int = 3000
    batch: int = 16  # windows a step, of all processes together
    frames: int = 100  # frames a window
    learning_rate: float = 2e-3  # at its highest, after the warm-up; falls to 1 % along a half cosine
    warmup: int = 100
    weight_decay: float = 0.01
    average: float = 0.998  # decay of the running mean of the weights, which is what is kept
    tracked_share: float = 0.5  # share of steps on tracked videos, where there are any
    seed: int = 0
    save_every: int = 100
    bfloat16: bool = _HAS_BFLOAT16  # matrix products of the network in bfloat16
    # Weights of the losses; the face itself has weight 1.
    speech: float = 1.0  # base branch alone against the teacher's speech, and its differences between frames
    residual: float = 1.0  # the same of the residual, before the gate
    contact: float = 0.05  # cross entropy of closure and teeth on lip
    velocity: float = 1.5  # differences between frames

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.frames < 8:
            raise InputError(
                f"Pretraining needs steps >= 1, batch >= 1 and frames >= 8; found "
                f"{self.steps}, {self.batch}, {self.frames}."
            )


# A shape's error counts by how far the shape moves the face (mean of vertices, relative to jawOpen): brows and nose a
# third, cheeks and squints half, lips and jaw fully.
SHAPE_WEIGHTS = torch.tensor(
    [
        1.0 if name.startswith(("mouth", "jaw")) else 0.5 if name.startswith(("cheek", "eye")) else 0.35
        for name in ARKIT_NAMES
    ]
)


def taught_loss(output: NetworkOutput, taught: Taught, config: PretrainConfig) -> dict[str, Tensor]:
    """The losses by name, unweighted scalar tensors, of a batch of spoken clips."""
    weights = SHAPE_WEIGHTS.to(output.expression.device)
    contacts = nn.functional.binary_cross_entropy_with_logits(output.contacts, taught.contacts, reduction="none")

    def apart(mine: Tensor, theirs: Tensor) -> Tensor:
        off = mine - theirs
        still, moving = off.abs() * weights, off.diff(dim=1).abs() * weights
        return still.sum(-1).mean() + config.velocity * moving.sum(-1).mean()

    return {
        # The gate alone decides what is missing from the whole face: speech and residual have losses of their own.
        "face": apart(output.expression, taught.expression),
        "speech": apart(output.speech, taught.speech),
        "residual": apart(output.residual, taught.residual),
        # A missed closure shows more than a late one; both contacts are rare.
        "contact": 4 * contacts.sum(-1).mean(),
    }


def tracked_loss(output: NetworkOutput, batch: TrackedBatch) -> dict[str, Tensor]:
    """The losses by name, scalar tensors, of a batch of tracked videos, which know no decomposition: only what the face
    did, in frames in which it was seen."""
    weights = SHAPE_WEIGHTS.to(output.expression.device)
    off, known = output.expression - batch.expression, batch.known
    return {
        "face": ((off.abs() * weights).sum(-1) * known).mean(),
        "velocity": ((off.diff(dim=1).abs() * weights).sum(-1) * known[:, 1:] * known[:, :-1]).mean(),
    }


def run_network(network: nn.Module, batch: SpokenBatch | TrackedBatch, bfloat16: bool = False) -> NetworkOutput:
    """The network on a batch from its start state; the output is float32 either way."""
    with torch.autocast(batch.rows.device.type, torch.bfloat16, enabled=bfloat16):
        output = network(batch.rows, batch.rhythm[..., :RHYTHM_SIZE], batch.va, batch.style, batch.gains)[0]
    return NetworkOutput(**{f.name: getattr(output, f.name).float() for f in dataclasses.fields(output)})


def learning_rate_at(step: int, config: PretrainConfig) -> float:
    """Linear warm-up, then a half cosine down to 1 %."""
    return learning_rate(step, config.steps, config.warmup, config.learning_rate)


def learning_rate(step: int, steps: int, warmup: int, highest: float) -> float:
    """Linear warm-up to `highest`, then a half cosine down to 1 % of it."""
    if step < warmup:
        return highest * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def pretrain(
    network: MotionNetwork,
    spoken: list,
    config: PretrainConfig,
    state_path: Path | None = None,
    tracked: list | None = None,
    critics: dict[str, tuple[float, Critic]] | None = None,
    device: str | torch.device = "cpu",
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> MotionNetwork:
    """Trains on spoken clips, and tracked ones if given; returns the network with averaged weights.

    `critics` are further losses by name with their weights. With `state_path` the run is saved every
    `config.save_every` steps and goes on from there. `progress(step, losses)` is called every 50 steps. Raises
    InputError where a batch cannot be shared evenly by the processes.
    """
    rank, processes = distributed()
    rows = own_part(config.batch, rank, processes)
    windows = TrackedWindows(tracked, config.frames, config.seed) if tracked else None
    network = network.to(device).train().requires_grad_(True)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    first = load_state(state_path, network, average, optimizer) if state_path else 0
    # Tracked batches use no contact teacher and no gate: not every parameter sees a gradient every step.
    model = nn.parallel.DistributedDataParallel(network, find_unused_parameters=True) if processes > 1 else network
    means: dict[str, float] = {}
    for step in range(first, config.steps):
        # Batches depend on the step alone, so a resumed run sees what an uninterrupted one would have seen.
        seed = int(np.random.SeedSequence([config.seed, step, 0]).generate_state(1)[0])
        torch.manual_seed(seed)  # of the lip branch's dropout
        with SharedDropout(rank, processes):
            losses, total = _step_losses(model, spoken, windows, config, critics or {}, step, seed, rows, device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config)
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
        if rank == 0 and state_path and ((step + 1) % config.save_every == 0 or step + 1 == config.steps):
            save_state(state_path, step + 1, network, average, optimizer)
        if rank == 0 and ((step + 1) % 50 == 0 or step + 1 == config.steps):
            log.info("step %d: %s", step + 1, " ".join(f"{name} {value:.4f}" for name, value in means.items()))
            if progress:
                progress(step + 1, dict(means))
    return average.eval()


def _step_losses(
    model: nn.Module,
    spoken: list,
    windows: TrackedWindows | None,
    config: PretrainConfig,
    critics: dict[str, tuple[float, Critic]],
    step: int,
    seed: int,
    rows: range,  # of the batch, for this process
    device: str | torch.device,
) -> tuple[dict[str, Tensor], Tensor]:
    before, share = tracked_before(step, config.tracked_share), config.tracked_share
    if windows is not None and tracked_before(step + 1, share) > before:
        first = before * config.batch
        batch = _on(windows.batch(range(first + rows.start, first + rows.stop)), device)
        losses = tracked_loss(run_network(model, batch, config.bfloat16), batch)
        total = losses["face"] + config.velocity * losses["velocity"]
        return {f"tracked {name}": value for name, value in losses.items()}, total
    batch = _on(part_of(ClipSampler(spoken, config.frames, seed).spoken(config.batch), rows), device)
    with torch.no_grad():
        taught = teach(batch.articulation, batch.phones, batch.rhythm, batch.va, batch.style, batch.gains)
    output = run_network(model, batch, config.bfloat16)
    losses = taught_loss(output, taught, config)
    total = losses["face"] + sum(getattr(config, name) * losses[name] for name in ("speech", "residual", "contact"))
    for name, (weight, critic) in critics.items():
        losses[name] = critic(output, batch)
        total = total + weight * losses[name]
    return losses, total


def _on(batch, device):
    return type(batch)(**{name: getattr(batch, name).to(device) for name in batch.__dataclass_fields__})
