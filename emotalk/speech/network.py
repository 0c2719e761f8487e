"""The speech network in torch, for training; `forward.NetworkStream` runs it in numpy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.speech import ARTICULATION_NAMES, PHONES
from emotalk.speech.inference import NetworkConfig
from emotalk.speech.mel import BANDS


def _gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _seen_through(x: Tensor, taps: tuple[int, ...]) -> Tensor:
    """Rows x [B, T, C] beside the rows `taps` away: [B, T - reach, taps * C]; rows at the borders fall away."""
    rows = x.shape[1] - (taps[-1] - taps[0])
    return torch.cat([x[:, tap - taps[0] :][:, :rows] for tap in taps], -1)


class _Block(nn.Module):
    def __init__(self, taps: tuple[int, ...], width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.taps = taps
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(len(taps) * width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        first, last = self.taps[0], self.taps[-1]
        inner = _gelu(self.inner(_seen_through(self.norm(x), self.taps)))
        return x[:, -first : x.shape[1] - last] + self.outer(self.dropout(inner))


class SpeechNetwork(nn.Module):
    """Levelled mel rows [B, T, 128] -> features [B, T - past - future, width], phone logits [.., 40] and
    articulation [.., 6]: every output row has seen real rows on both sides, nothing is padded."""

    def __init__(self, config: NetworkConfig, dropout: float = 0.1) -> None:
        super().__init__()
        self.config = config
        self.input = nn.Linear(6 * BANDS, config.width)
        self.blocks = nn.ModuleList(_Block(taps, config.width, config.hidden, dropout) for taps in config.taps)
        self.norm = nn.LayerNorm(config.width)
        self.phones = nn.Linear(config.width, len(PHONES))
        self.articulation = nn.Linear(config.width, len(ARTICULATION_NAMES))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features, phone logits and articulation as the class says, of `rows` [B, T, 128]: shapes [B, T', ...]."""
        x = _gelu(self.input(_seen_through(rows, (-1, 0, 1))))
        for block in self.blocks:
            x = block(x)
        features = self.norm(x)
        return features, self.phones(features), self.articulation(features)


def to_numpy(network: SpeechNetwork) -> dict[str, np.ndarray]:
    """The weights as `forward.NetworkStream` takes them: float32, matrices as [in, out]."""
    arrays = {name: value.detach().float().cpu().numpy() for name, value in network.state_dict().items()}
    return {name: np.ascontiguousarray(value.T) for name, value in arrays.items()}
