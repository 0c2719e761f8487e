"""Training of the two judges of motion: the sync network, from the teacher's lips and filmed ones, and the emotion
recogniser, from whole motions (`felt_motions`).

Of either there are two, one that serves as a loss for the motion network and one that only measures (`judges`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.rates import FPS
from emotalk.emotion.expression import PAIRS
from emotalk.learning.felt_motions import FeltMotions
from emotalk.learning.filmed_lips import FilmedClip
from emotalk.learning.filmed_lips import shares as film_shares
from emotalk.learning.motion_data import ClipSampler, SpokenBatch, SpokenClip
from emotalk.learning.teacher import teach
from emotalk.motion.emotion_recogniser import EYELIDS, PRIOR, RecogniserNetwork, face_tensor, together
from emotalk.motion.network import BEFORE, NetworkOutput
from emotalk.speech.feature_rows import ROW_SIZE
from emotalk.sync.lip_measures import LipBasis
from emotalk.sync.network import SyncConfig, SyncNetwork

log = logging.getLogger(__name__)

FILMED_SHARE = 0.5
"""Share of a batch of the sync network that filmed people make."""
SHORTEST = 50
"""Frames of the shortest stretches of motion that the recogniser is trained on."""


def _mirrored() -> tuple[list[int], Tensor]:
    """Columns and signs of a motion's mirror image (`emotion_recogniser.CHANNELS`)."""
    columns, signs = list(range(65)), torch.ones(65)
    for left, right in (*PAIRS, (ARKIT_INDEX["jawLeft"], ARKIT_INDEX["jawRight"]),
                        (ARKIT_INDEX["mouthLeft"], ARKIT_INDEX["mouthRight"]), (57, 58)):  # fmt: skip
        columns[left], columns[right] = right, left
    # The jaw's and the head's yaw and roll, gaze's yaw, the head's shift sideways.
    signs[[53, 54, 55, 60, 61, 62]] = -1
    return columns, signs


_MIRRORED, _SIGNS = _mirrored()


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


def train_sync(
    clips: list[SpokenClip],
    basis: LipBasis,
    config: CriticConfig,
    sizes: SyncConfig | None = None,
    filmed: Sequence[FilmedClip] = (),
) -> SyncNetwork:
    """A sync network from spoken clips, the encoder's rows against the teacher's lips as a tracker sees them, and from
    the lips of people who were `filmed`, half of every batch where there are any."""
    torch.manual_seed(config.seed)
    network = SyncNetwork(basis, sizes)
    films = [clip for clip in filmed if len(clip) >= FPS]
    real = round(config.batch * FILMED_SHARE) if films else 0
    shares = film_shares(films) if films else None

    def loss_of(seed: int) -> Tensor:
        batch = ClipSampler(clips, config.frames, seed).spoken(config.batch - real)
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            articulation = undershot(batch.articulation, random)
            taught = teach(articulation, batch.phones, batch.rhythm, batch.va, batch.style, batch.gains)
            measures = as_tracked(basis.measures(taught.expression), random)
        rows = batch.rows[:, BEFORE : BEFORE + config.frames, : 2 * ROW_SIZE]
        loss = contrast(network.embed_sound(rows), network.embed_lips(measures), network.sharpness)
        if not real:
            return loss
        heard, seen = film_windows(films, shares, real, config.frames, seed)
        return 0.5 * loss + 0.5 * contrast(network.embed_sound(heard), network.embed_lips(seen), network.sharpness)

    return _optimise(network, config, loss_of, "sync")


def film_windows(
    films: Sequence[FilmedClip], shares: np.ndarray, count: int, frames: int, seed: int
) -> tuple[Tensor, Tensor]:
    """(rows [count, T, 96], lip measures [count, T, 4]) of windows of films drawn with the probabilities `shares` [N]:
    T is `frames`, or as many as the shortest of them has. Mouths are of other sizes, and tremble a little more."""
    random = np.random.default_rng([seed, 1])
    drawn = [films[i] for i in random.choice(len(films), count, p=shares)]
    length = min(frames, *map(len, drawn))
    heard, seen = [], []
    for film in drawn:
        first = int(random.integers(len(film) - length + 1))
        version = int(random.integers(len(film.rows)))
        heard.append(film.rows[version, first : first + length, : 2 * ROW_SIZE].astype(np.float32))
        lips = film.measures[first : first + length]
        centred = (lips - lips.mean(0)) * np.exp(0.2 * random.standard_normal(lips.shape[1]))
        tremble = random.uniform(0, 0.25) * random.standard_normal(lips.shape)
        seen.append(centred + centred.std(0) * tremble)
    return torch.from_numpy(np.stack(heard)), torch.from_numpy(np.float32(seen))


def train_recogniser(felt: FeltMotions, config: CriticConfig) -> RecogniserNetwork:
    """An emotion recogniser from whole motions. A share of them is seen without a body, another without a face: it
    learns to judge by either, and how far to trust it."""
    torch.manual_seed(config.seed)
    network = RecogniserNetwork()

    def loss_of(seed: int) -> Tensor:
        random = torch.Generator().manual_seed(seed)
        rows = torch.randint(len(felt.motion), (config.batch,), generator=random)
        frames = min(config.frames, felt.motion.shape[1])
        # Now a short stretch, now a long one, as it will be asked for.
        length = int(torch.randint(min(SHORTEST, frames), frames + 1, (1,), generator=random))
        first = int(torch.randint(felt.motion.shape[1] - length + 1, (1,), generator=random))
        motion = felt.motion[rows, first : first + length].clone()
        va, weight = felt.va[rows, first : first + length], felt.weight[rows]
        part = torch.rand(config.batch, generator=random)
        bodiless, faceless = part < 0.25, part > 0.7
        motion[bodiless, :, 52:57] = 0
        motion[bodiless, :, 59:] = 0
        motion[faceless, :, :52] = 0
        lidless = faceless & (torch.rand(config.batch, generator=random) < 0.6)
        motion[lidless, :, EYELIDS] = 0
        mirrored = torch.rand(config.batch, generator=random) < 0.5
        motion[mirrored] = mirror(motion[mirrored])
        impressions = network.impressions(motion)
        losses = [surprise(together(parts, PRIOR), va) for parts in (impressions, *((one,) for one in impressions))]
        return (weight[:, None] * (losses[0] + 0.5 * losses[1] + 0.5 * losses[2])).mean()

    return _optimise(network, config, loss_of, "recogniser")


def surprise(judged: tuple[Tensor, Tensor], va: Tensor) -> Tensor:
    """[B, T] how unlikely moods [B, T, 2] are for what was judged (mean and precision [B, T, 2], Gaussian)."""
    mean, precision = judged
    return 0.5 * (precision * (mean - va).square() - precision.log()).sum(-1)


def mirror(motion: Tensor) -> Tensor:
    """Motions [B, T, 65] as in a mirror."""
    return motion[..., _MIRRORED] * _SIGNS


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
