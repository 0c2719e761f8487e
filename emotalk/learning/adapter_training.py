"""Training of the adapter between a transformer and what the embedded speech encoder's readers know.

    hidden states ─► adapter ─► features ─┬─ near the embedded encoder's of the same, undisturbed sound
                                          └─► its last layers, frozen ─► the phones that were said, their articulation

A ridge regression is the beginning; from there on what was truly said counts too, so that the transformer may hear
what the embedded network misses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from emotalk.core.errors import InputError
from emotalk.speech.adapter import LinearAdapter
from emotalk.speech.encoder import SpeechEncoder

LEARNING_RATE = 1e-3
BATCH = 2048  # rows
# Weights of the losses: features in units of their own variance, phones, articulation. As in scripts.train_speech an
# error of 1 in an articulator counts a few times as much as a nat; nothing here was tuned.
FEATURES, PHONES, ARTICULATION = 1.0, 1.0, 4.0


@dataclass(frozen=True)
class HeardRows:
    """Rows of sounds whose phones are known, 20 ms each."""

    hidden: np.ndarray  # [T, H] states of the transformer, any float type
    features: np.ndarray  # [T, C] of the embedded encoder for the same sound, undisturbed
    phones: np.ndarray  # [T] index into core.speech.PHONES
    articulation: np.ndarray  # [T, 6]

    def __post_init__(self) -> None:
        lengths = {len(self.hidden), len(self.features), len(self.phones), len(self.articulation)}
        if len(lengths) != 1 or lengths == {0}:
            raise InputError(f"Rows to train on have all columns of one length, at least 1; found {sorted(lengths)}.")

    @staticmethod
    def concatenate(parts: list[HeardRows]) -> HeardRows:
        """Rows of several sounds as one table; at least one part."""
        return HeardRows(*(np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])))


@dataclass(frozen=True)
class AdapterScores:
    """How well rows are heard: share of rows with the right phone, and r of the articulators [6]."""

    phones: float
    articulation: np.ndarray


def train_adapter(rows: HeardRows, embedded: SpeechEncoder, steps: int = 2000, seed: int = 0) -> LinearAdapter:
    """The adapter from `rows.hidden` to features that `embedded` reads. The same seed gives the same adapter."""
    torch.manual_seed(seed)
    adapter = LinearAdapter(rows.hidden.shape[1], rows.features.shape[1])
    hidden, wanted = torch.from_numpy(np.float32(rows.hidden)), torch.from_numpy(np.float32(rows.features))
    adapter.fit(hidden, wanted)
    phones, articulation = torch.from_numpy(np.int64(rows.phones)), torch.from_numpy(np.float32(rows.articulation))
    variance = wanted.var(0).clamp(min=1e-4)
    last = {name: torch.from_numpy(array) for name, array in embedded.last_layers().items()}
    optimiser = torch.optim.AdamW(adapter.parameters(), LEARNING_RATE, weight_decay=1e-3)
    course = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    for _ in range(steps):
        chosen = torch.randint(len(hidden), (min(BATCH, len(hidden)),))
        features = adapter(hidden[chosen])
        loss = FEATURES * ((features - wanted[chosen]).square() / variance).mean()
        loss = loss + PHONES * F.cross_entropy(features @ last["phones.weight"] + last["phones.bias"], phones[chosen])
        read = features @ last["articulation.weight"] + last["articulation.bias"]
        loss = loss + ARTICULATION * F.mse_loss(read, articulation[chosen])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(adapter.parameters(), 1.0)
        optimiser.step()
        course.step()
    return adapter.eval()


def adapter_scores(features: np.ndarray, rows: HeardRows, embedded: SpeechEncoder) -> AdapterScores:
    """What `embedded` reads in `features` [T, C], measured by what was said in those rows."""
    heard, articulation = embedded.read_out(features)
    right = float((heard.argmax(1) == rows.phones).mean())
    return AdapterScores(right, np.array([_r(articulation[:, i], rows.articulation[:, i]) for i in range(6)]))


def _r(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-12))
