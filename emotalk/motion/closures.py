"""Lips shut where p, b or m may have been heard: a closure that is missed shows more than one too many.

The speech encoder is trained to be right about phones, so an unsure p comes out as a little of p beside a lot of
something else, and its closure as a mouth half shut, which looks like none. Here closures are decided instead of
averaged: what is likelier than a few in ten shuts the lips, and so does a small chance of p, b or m where no surer
closure is near.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotalk.motion.articulation import CLOSURE
from emotalk.types import PHONES

_BILABIALS = [PHONES.index(phone) for phone in ("p", "b", "m")]
_CLOSED = (0.1, 0.3)
"""Probability of a closure at which lips begin to shut, and at which they are shut."""
_HEARD = (0.06, 0.12)
"""The same for the probability that p, b or m is being said."""
_SURE = (0.3, 0.6)
"""The same for the encoder's own closure, beside which a probability of p, b or m says nothing more."""
_NEAR = 3  # rows (60 ms) to either side


def ramp(x: Tensor, edges: tuple[float, float]) -> Tensor:
    """0 below the first edge, 1 above the second."""
    return ((x - edges[0]) / (edges[1] - edges[0])).clamp(0, 1)


def decided(probability: Tensor) -> Tensor:
    """Closures [...] in [0, 1] for the probabilities that the motion network gives them."""
    return ramp(probability, _CLOSED)


def suspected(rows: Tensor, before: int, frames: int) -> Tensor:
    """Closures [B, frames] in [0, 1] that only the phones tell of, from paired speech rows [B, before + frames + n, 96]
    whose first `before` frames, and last n >= 2, are context."""
    single = rows.unflatten(-1, (2, -1)).flatten(1, 2)  # [B, 2 rows a frame, 48]
    said = single[..., _BILABIALS].sum(-1)
    said = nn.functional.avg_pool1d(nn.functional.pad(said[:, None], (1, 1)), 2, 1)
    said = nn.functional.avg_pool1d(said, 2, 1)[:, 0]  # weights 1 2 1: one row alone may be a slip
    sure = nn.functional.max_pool1d(single[:, None, :, len(PHONES) + CLOSURE], 2 * _NEAR + 1, 1, _NEAR)[:, 0]
    closures = ramp(said, _HEARD) * (1 - ramp(sure, _SURE))
    return torch.maximum(closures[:, 0::2], closures[:, 1::2])[:, before : before + frames]
