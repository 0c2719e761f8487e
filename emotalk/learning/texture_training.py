"""Training of the texture branch (`portrait.texture`) on pairs of mouths.

What the network adds is compared with what is missing, by colours and by their differences between neighbours on three
scales: colours alone are best matched by a blur. Where the mended mouth is softer than the true one, that costs as
well.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.image_metrics import peak_ratio
from emotalk.learning.texture_pairs import TexturePairs, batches, prepared
from emotalk.learning.training_state import load_state, save_state
from emotalk.portrait.texture import TextureConfig, TextureNetwork

PATCH = 8
"""Pixels over which the sharpness of a mouth is compared."""


@dataclass(frozen=True)
class TextureTraining:
    """How long and how."""

    steps: int = 6000
    batch: int = 8
    rate: float = 1e-3
    gradients: float = 1.0
    """Weight of the differences between neighbours beside colours."""
    sharpness: float = 1.5
    """Weight of what the mended mouth is softer: none leaves held-out speakers .87 of their gradients and gains them
    1.14 dB, 1 leaves .90 and costs nothing, 4 leaves .97 and costs a seventh of the gain."""
    seed: int = 0
    average: float = 0.995
    report_every: int = 250


def train_texture(
    learned: Sequence[TexturePairs],
    judged: Sequence[TexturePairs],
    settings: TextureTraining,
    state: Path,
    tell: Callable[[str], None] = lambda line: None,
    config: TextureConfig | None = None,
) -> tuple[TextureNetwork, dict[str, float]]:
    """The network, and how it does on people who were not learned from (`scores`). Stopped and started again, training
    goes on from `state` and comes to the same weights."""
    torch.manual_seed(settings.seed)
    network = TextureNetwork(config)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=1e-4)
    done = load_state(state, network, average, optimizer)
    source = batches(list(learned), settings.batch, settings.seed, done)
    for step, (crops, drawn, truth) in enumerate(islice(source, settings.steps - done), done + 1):
        warm = min(1.0, step / 100) * max(0.02, 0.5 * (1 + np.cos(np.pi * step / settings.steps)))
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * warm
        loss = texture_loss(drawn + network(crops), truth, settings.gradients, settings.sharpness)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            share = min(settings.average, step / (step + 10))
            for kept, now in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(now, 1 - share)
        if step % settings.report_every == 0 or step == settings.steps:
            save_state(state, step, network, average, optimizer)
            tell(f"step {step}: loss {float(loss.detach()):.4f} {scores(average, judged)}")
    return average, scores(average, judged)


def texture_loss(mended: Tensor, truth: Tensor, gradients: float, sharpness: float) -> Tensor:
    """Mean absolute difference between `mended` and `truth` [B, 3, H, W] and, times `gradients`, between how both
    differ from pixel to pixel, at full, half and quarter resolution; and, times `sharpness`, by how much less `mended`
    differs from pixel to pixel, on the mean of PATCH x PATCH pixels."""
    total = torch.zeros(())
    for axis in (-1, -2):
        steps = (nn.functional.avg_pool2d(part.diff(dim=axis).abs(), PATCH) for part in (truth, mended))
        total = total + sharpness * torch.sub(*steps).clamp_min(0).mean()
    for _ in range(3):
        total = total + (mended - truth).abs().mean()
        for axis in (-1, -2):
            total = total + gradients * (mended.diff(dim=axis) - truth.diff(dim=axis)).abs().mean()
        mended, truth = nn.functional.avg_pool2d(mended, 2), nn.functional.avg_pool2d(truth, 2)
    return total


@torch.no_grad()
def scores(network: TextureNetwork, people: Sequence[TexturePairs], most: int = 20) -> dict[str, float]:
    """Of at most `most` mouths of each person, by kind of people (the first word of their names): PSNR before and after
    (dB), and the mean gradient after, in that of the truth."""
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for pairs in people:
        for k in np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(int):
            crops, drawn, truth = prepared(pairs, int(k))
            mended = (drawn + network(crops[None])[0]).clamp(0, 1)
            found.setdefault(pairs.person.split("-")[0], []).append((
                peak_ratio(float((drawn - truth).square().mean())), peak_ratio(float((mended - truth).square().mean())),
                gradient(drawn) / gradient(truth), gradient(mended) / gradient(truth),
            ))  # fmt: skip
    result = {}
    for kind, rows in sorted(found.items()):
        before, after, blunt, sharp = np.mean(rows, 0)
        result |= {f"{kind}_before": before, f"{kind}_after": after, f"{kind}_sharpness_before": blunt,
                   f"{kind}_sharpness": sharp}  # fmt: skip
    return {name: round(float(value), 3) for name, value in result.items()}


def gradient(picture: Tensor) -> float:
    """Mean absolute difference between neighbouring pixels of a picture [3, H, W]: how sharp it is."""
    grey = picture.mean(0)
    return float(grey.diff(dim=0).abs().mean() + grey.diff(dim=1).abs().mean())
