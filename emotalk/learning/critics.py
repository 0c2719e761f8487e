"""Training of the two judges of motion: the sync network and the emotion recogniser.

Both learn from the teacher's motions alone, and then serve as losses for the motion network and as metrics.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.learning.motion_data import ClipSampler, SpokenBatch
from emotalk.learning.teacher import teach
from emotalk.motion.body import Body
from emotalk.motion.body_network import load_body
from emotalk.motion.emotion_recogniser import RecogniserNetwork, face_tensor, motion_tensor
from emotalk.motion.eye_network import EyeWeights
from emotalk.motion.network import BEFORE, NetworkOutput
from emotalk.motion.rhythm import Rhythm
from emotalk.motion.style import MotionStyle
from emotalk.speech.feature_rows import ROW_SIZE
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import SyncConfig, SyncNetwork

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CriticConfig:
    """How a judge is trained."""

    steps: int
    batch: int = 12
    frames: int = 75
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0


def _optimise(
    network: nn.Module, config: CriticConfig, loss_of: Callable[[int], Tensor], name: str, average: float = 0.995
) -> nn.Module:
    """AdamW with a half cosine; the running mean of the weights is copied back at the end."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.1
    )
    means = {key: value.detach().clone() for key, value in network.named_parameters()}
    shown = None
    network.train()
    for step in range(config.steps):
        loss = loss_of(int(np.random.SeedSequence([config.seed, step]).generate_state(1)[0]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for key, value in network.named_parameters():
                means[key].lerp_(value, 1 - min(average, (step + 1) / (step + 10)))
        value = loss.item()
        shown = value if shown is None else 0.97 * shown + 0.03 * value
        if (step + 1) % 100 == 0:
            log.info("%s step %d: %.4f", name, step + 1, shown)
    with torch.no_grad():
        for key, value in network.named_parameters():
            value.copy_(means[key])
    return network.eval()


def _noise(shape: tuple[int, ...], random: torch.Generator, hold: float) -> Tensor:
    """Smooth noise [B, T, C] of unit variance: a leaky integrator of `hold` frames along T."""
    white = torch.randn(shape, generator=random)
    keep = float(np.exp(-1.0 / hold))
    out, now = [], white[:, 0]
    for column in white.unbind(1):
        now = keep * now + (1 - keep * keep) ** 0.5 * column
        out.append(now)
    return torch.stack(out, 1)


def undershot(articulation: Tensor, random: torch.Generator) -> Tensor:
    """Articulation [B, T, 6] with the undershoot of real speakers: each articulator reaches its targets now more, now
    less, and contacts are sometimes hinted at only."""
    gain = torch.exp(0.35 * _noise(tuple(articulation.shape), random, 6.0) - 0.05)
    looser = torch.rand(len(articulation), 1, articulation.shape[-1], generator=random) * 0.5
    return articulation * (gain * (1 - looser)).clamp(0.1, 1.6)


def as_tracked(measures: Tensor, random: torch.Generator) -> Tensor:
    """Lip measures [B, T, 4] as a camera and a tracker would give them: other proportions, measures leaking into each
    other, shutter and smoothing, a shift of a fraction of a frame, head movements and trembling."""
    batch, frames, channels = measures.shape
    centred = measures - measures.mean(1, keepdim=True)
    gains = torch.exp(0.35 * torch.randn(batch, 1, channels, generator=random))
    leak = 0.15 * torch.randn(batch, channels, channels, generator=random)
    seen = centred * gains + torch.bmm(centred, leak)
    # One random kernel per clip does the shutter, the smoothing and the shift.
    at = torch.arange(-4.0, 5.0)
    width = 0.35 + 0.9 * torch.rand(batch, 1, generator=random)
    shift = 0.4 * torch.randn(batch, 1, generator=random)
    kernel = torch.softmax(-0.5 * ((at - shift) / width) ** 2, -1)
    columns = nn.functional.pad(seen.transpose(1, 2), (4, 4), mode="replicate")
    seen = torch.einsum("bctk,bk->btc", columns.unfold(2, 9, 1), kernel)
    spread = centred.std(1, keepdim=True) + 1e-3
    amount = torch.rand(batch, 1, channels, generator=random)
    head = 0.7 * amount * _noise((batch, frames, channels), random, 12.0)
    tremble = 0.35 * torch.rand(batch, 1, 1, generator=random) * torch.randn(batch, frames, channels, generator=random)
    return seen + spread * (head + tremble)


def contrast(heard: Tensor, seen: Tensor, sharpness: Tensor, near: int = 3) -> Tensor:
    """InfoNCE (van den Oord et al. 2018) both ways over all frames of a batch, a scalar tensor.

    `heard` [B, T, E] and `seen` [B, T, E] are unit vectors, `sharpness` [] is the logarithm of the factor on their
    cosines; frames 1..near apart count as neither the same nor different.
    """
    batch, frames, _ = heard.shape
    logits = heard.flatten(0, 1) @ seen.flatten(0, 1).T * sharpness.exp().clamp(max=50)
    at = torch.arange(frames)
    apart = (at[:, None] - at).abs()
    unsure = torch.block_diag(*[((apart > 0) & (apart <= near)).float()] * batch).bool()
    logits = logits.masked_fill(unsure, -1e4)
    labels = torch.arange(batch * frames)
    return 0.5 * (nn.functional.cross_entropy(logits, labels) + nn.functional.cross_entropy(logits.T, labels))


def train_sync(clips: list, basis: LipBasis, config: CriticConfig, sizes: SyncConfig | None = None) -> SyncNetwork:
    """A sync network from spoken clips: the encoder's rows against the teacher's lips as a tracker sees them."""
    torch.manual_seed(config.seed)
    network = SyncNetwork(basis, sizes)

    def loss_of(seed: int) -> Tensor:
        batch = ClipSampler(clips, config.frames, seed).spoken(config.batch)
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            articulation = undershot(batch.articulation, random)
            taught = teach(articulation, batch.phones, batch.rhythm, batch.va, batch.style, batch.gains)
            measures = as_tracked(basis.measures(taught.expression), random)
        rows = batch.rows[:, BEFORE : BEFORE + config.frames, : 2 * ROW_SIZE]
        return contrast(network.embed_sound(rows), network.embed_lips(measures), network.sharpness)

    return _optimise(network, config, loss_of, "sync")


@dataclass(frozen=True)
class LabelledMotion:
    """Whole motions and the emotion each of them shows."""

    motion: Tensor  # [N, T, 65] as `emotion_recogniser.motion_tensor`
    va: Tensor  # [N, T, 2]


def taught_motions(clips: list, eyes: EyeWeights, count: int, frames: int, seed: int) -> LabelledMotion:
    """`count` whole motions: the teacher's faces with gaze, lids and head around them."""
    sampler, moves = ClipSampler(clips, frames, seed), load_body()
    motions, emotions = [], []
    for first in range(0, count, 32):
        batch = sampler.spoken(min(32, count - first))
        with torch.no_grad():
            taught = teach(batch.articulation, batch.phones, batch.rhythm, batch.va, batch.style, batch.gains)
        for i in range(len(batch.va)):
            person = int(sampler.random.integers(2**31))
            body = Body(eyes, moves, MotionStyle.random(person), person)
            rhythm = [Rhythm.of(row) for row in batch.rhythm[i].tolist()]
            motions.append(motion_tensor(body.play(taught.expression[i].numpy(), rhythm, batch.va[i].numpy())))
        emotions.append(batch.va)
    return LabelledMotion(torch.cat(motions), torch.cat(emotions))


def train_recogniser(labelled: LabelledMotion, config: CriticConfig) -> RecogniserNetwork:
    """An emotion recogniser from whole motions; it learns to do with parts of them, too."""
    torch.manual_seed(config.seed)
    network = RecogniserNetwork()

    def loss_of(seed: int) -> Tensor:
        random = torch.Generator().manual_seed(seed)
        rows = torch.randint(len(labelled.motion), (config.batch,), generator=random)
        motion = labelled.motion[rows].clone()
        # One motion in four is seen without body, so that faces alone can be judged while training.
        faceless = torch.rand(config.batch, generator=random) < 0.25
        motion[faceless, :, 52:57] = 0
        motion[faceless, :, 59:] = 0
        motion = motion + 0.02 * torch.randn(motion.shape, generator=random)
        return (network(motion) - labelled.va[rows]).square().mean()

    return _optimise(network, config, loss_of, "recogniser")


def sync_critic(network: SyncNetwork, frames: int) -> Callable[[NetworkOutput, SpokenBatch], Tensor]:
    """The sync loss of EmoTalkingGaussian (arXiv 2502.00654): lips that the frozen sync network finds in step.

    The critic's loss is a scalar tensor.
    """
    network.eval().requires_grad_(False)

    def critic(output: NetworkOutput, batch: SpokenBatch) -> Tensor:
        return network.loss(batch.rows[:, BEFORE : BEFORE + frames, : 2 * ROW_SIZE], output.expression)

    return critic


def emotion_critic(network: RecogniserNetwork) -> Callable[[NetworkOutput, SpokenBatch], Tensor]:
    """Squared error, a scalar tensor, of the emotion that the frozen recogniser sees in the generated face."""
    network.eval().requires_grad_(False)

    def critic(output: NetworkOutput, batch: SpokenBatch) -> Tensor:
        return (network(face_tensor(output.expression)) - batch.va).square().mean()

    return critic
