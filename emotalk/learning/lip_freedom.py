"""How free lips are while a sound is said, measured on filmed people, and what an emotion may therefore do to them.

Some sounds hold lips to one place (the lips of p, the rounding of w), others let them go where they like (those of t):
what Papcun et al. (1992, "Inferring articulation and recognizing gestures from acoustics") call critical and
redundant articulators. Filmed speakers show it as the spread of their lip measures around a phone's mean. An emotion
that moves lips by less than that spread does to speech what people do anyway; one that moves them further is paid for.
This loss, not a hand-written target, tells the motion network's gate when to close.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core import checkpoint
from emotalk.core.atomic import write_json
from emotalk.core.errors import InputError
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import PHONES
from emotalk.learning.filmed_lips import FilmedClip, spreads
from emotalk.learning.motion_data import SpokenBatch
from emotalk.motion.lip_rules import combine
from emotalk.motion.network import NetworkOutput
from emotalk.speech.feature_rows import ROW_SIZE
from emotalk.sync.lip_measures import MEASURES, LipBasis, quick

_WIDTH = MEASURES.index("width")
_SLOW = 15  # frames (standard deviation), as in `lip_measures.quick`
_SEEN = 20.0
"""Frames of a phone (sums of its probability) from which its own spread counts half, that of all phones the rest."""


def lip_freedom(filmed: list[FilmedClip]) -> np.ndarray:
    """[40, 4] standard deviations of the lip measures (`MEASURES`, in eye distances of an average speaker) while each
    of PHONES is heard, without what is slower than speech. Raises InputError without films."""
    if not filmed:
        raise InputError("The freedom of lips is measured on films; found none.")
    spread = spreads(filmed)
    heard = np.concatenate([_phones(clip) for clip in filmed])
    lips = np.concatenate([quick(clip.measures) / spread[clip.speaker] for clip in filmed])
    share = heard.sum(0)[:, None]
    mean = heard.T @ lips / np.maximum(share, 1e-6)
    own = np.maximum(heard.T @ lips**2 / np.maximum(share, 1e-6) - mean**2, 0)
    every = (share * own).sum(0) / share.sum()
    variance = (share * own + _SEEN * every) / (share + _SEEN)
    return (np.sqrt(variance) * np.mean(list(spread.values()), 0)).astype(np.float32)


def save_freedom(path: Path, freedom: np.ndarray, source: str) -> None:
    """Writes `freedom` [40, 4] with its `source`, moved into place when complete."""
    rows = {phone: [round(float(x), 5) for x in row] for phone, row in zip(PHONES, freedom, strict=True)}
    write_json(path, {
        "what": "Standard deviations of lip measures (inner and outer opening, width, jaw; in eye distances) by phone",
        "source": source, "build": "python -m scripts.train_motion", "freedom": rows,
    })  # fmt: skip


def load_freedom(path: Path = CHECKPOINTS / "lip_freedom.json") -> np.ndarray:
    """[40, 4] what `save_freedom` wrote; CheckpointError where the file is missing or damaged."""
    with checkpoint.explained(f"The freedom of lips {path}", checkpoint.remake("train_motion")):
        rows = json.loads(path.read_text())["freedom"]
        freedom = np.array([rows[phone] for phone in PHONES], np.float32)
        if freedom.shape != (len(PHONES), len(MEASURES)) or not (np.isfinite(freedom) & (freedom > 0)).all():
            raise ValueError("it must hold four numbers > 0 for every phone")
        return freedom


def _phones(clip: FilmedClip) -> np.ndarray:
    """[T, 40] probabilities of the phones of a clip's frames."""
    rows = clip.rows[0][:, : 2 * ROW_SIZE].astype(np.float32)
    return rows.reshape(len(rows), 2, ROW_SIZE).mean(1)[:, : len(PHONES)]


def without_emotion(output: NetworkOutput) -> Tensor:
    """[B, T, 52] the same faces as if nothing was felt."""
    return combine(output.speech, torch.zeros_like(output.emotion), *output.held.unbind(-1))


def strain(felt: Tensor, calm: Tensor, phones: Tensor, basis: LipBasis, freedom: Tensor) -> Tensor:
    """[B, T, 4] how far an emotion moves each lip measure, in units of the freedom that lips have there.

    `felt` and `calm` [B, T, 52] are the faces with and without it, `phones` [B, T, 40] the probabilities of what is
    said, `freedom` [40, 4] that of `lip_freedom`. A smile widens the mouth as long as it lasts, and rounding still
    shows: of the width only what is quicker than speech counts.
    """
    moved = basis.measures(felt) - basis.measures(calm)
    moved = torch.cat([_quick(moved[..., i : i + 1]) if i == _WIDTH else moved[..., i : i + 1] for i in range(4)], -1)
    certain = phones / phones.sum(-1, keepdim=True).clamp(min=1e-6)
    return moved * (certain @ freedom.pow(-2)).sqrt()


def _quick(course: Tensor) -> Tensor:
    """`lip_measures.quick` of courses [B, T, C], differentiable."""
    at = torch.arange(-4 * _SLOW, 4 * _SLOW + 1, device=course.device, dtype=course.dtype)
    kernel = torch.exp(-0.5 * (at / _SLOW) ** 2)
    flat = course.transpose(1, 2).flatten(0, 1)[:, None]
    wide = nn.functional.pad(flat, (4 * _SLOW, 4 * _SLOW), mode="replicate")
    slow = nn.functional.conv1d(wide, (kernel / kernel.sum())[None, None])
    return course - slow.reshape(len(course), course.shape[2], -1).transpose(1, 2)


def lip_critic(basis: LipBasis, freedom: np.ndarray) -> Callable[[NetworkOutput, SpokenBatch], Tensor]:
    """A loss for `pretrain`, a scalar tensor: the mean square of `strain` on what is truly said, with the `freedom`
    [40, 4] that `lip_freedom` measured."""
    table = torch.from_numpy(freedom)

    def critic(output: NetworkOutput, batch: SpokenBatch) -> Tensor:
        calm, freedom = without_emotion(output), table.to(output.expression)
        return strain(output.expression, calm, batch.phones, basis, freedom).square().mean()

    return critic
