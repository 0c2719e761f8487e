"""From what is heard around a frame to the channels that lips and jaw follow.

Small on purpose: filmed speech is little (minutes of a few people), and what moves lips lies within 200 ms. Each of the
window's numbers is seen through nine bumps, narrow at the frame itself and wide towards the ends, so that the network
learns smooth courses instead of single rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_CENTRES = (-0.2, -0.14, -0.09, -0.045, 0.0, 0.045, 0.09, 0.14, 0.2)
_WIDTHS = (0.05, 0.04, 0.035, 0.03, 0.025, 0.03, 0.035, 0.04, 0.05)
"""Seconds from the frame's middle, and standard deviations, of the bumps."""
LIP_COURSES = 5
_DROP = (0.1, 0.3, 0.2)
"""Shares dropped of the input and of either layer while training: chosen on filmed speech, as all sizes here."""
_FURTHEST = 5.0  # standard deviations: rare phones are rare, not important


def bumps(before: int, ahead: int) -> Tensor:
    """[2 (before + 1 + ahead), 9] weights of the 50-Hz rows of a window around a frame; each column sums to 1."""
    at = (np.arange(-2 * before, 2 * ahead + 2) - 0.5) / 50
    weights = np.exp(-0.5 * ((at[:, None] - np.array(_CENTRES)) / np.array(_WIDTHS)) ** 2)
    return torch.from_numpy((weights / weights.sum(0)).astype(np.float32))


class WindowBumps(nn.Module):
    """The window around every frame as `bumps` see it, each number in units of its usual spread."""

    def __init__(self, channels: int, before: int, ahead: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("weights", bumps(before, ahead), persistent=False)
        self.frames = before + 1 + ahead

    @property
    def size(self) -> int:
        """Numbers that come out for a frame."""
        return len(self.mean) * self.weights.shape[1]

    def forward(self, rows: Tensor) -> Tensor:
        """[B, T, size] of 50-Hz rows [B, 2 (before + T + ahead), C]."""
        level = ((rows - self.mean) / self.scale).clamp(-_FURTHEST, _FURTHEST)
        seen = level.unfold(1, 2 * self.frames, 2)  # [B, T, C, window]
        return (seen @ self.weights.to(seen.dtype)).flatten(2)


class LipBranch(nn.Module):
    """Two layers over what is seen, in units of its usual spread, and what they say of the lips: the four of
    `lip_measures.MEASURES` and how far they stand out (pucker), each as deviation from its usual level in units of the
    teacher's usual spread."""

    def __init__(self, inputs: int, sizes: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.first = nn.Linear(inputs, sizes[0])
        self.second = nn.Linear(sizes[0], sizes[1])
        self.last = nn.Linear(sizes[1], LIP_COURSES)

    def forward(self, seen: Tensor) -> Tensor:
        """[..., LIP_COURSES] of what is seen of the window [..., inputs]."""
        return self.last(self.channels(seen))

    def channels(self, seen: Tensor) -> Tensor:
        """[..., sizes[1]] of what is seen [..., inputs]: what the last layer reads."""
        level = ((seen - self.mean) / self.scale).clamp(-_FURTHEST, _FURTHEST)
        x = nn.functional.dropout(level, _DROP[0], self.training)
        for layer, drop in zip((self.first, self.second), _DROP[1:], strict=True):
            x = nn.functional.dropout(nn.functional.relu(layer(x)), drop, self.training)
        return x
