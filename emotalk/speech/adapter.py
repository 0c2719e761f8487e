"""A linear layer that lets a transformer take the embedded speech network's place.

    hidden states ─► LayerNorm ─► Linear ─► features ─► the embedded network's last layers ─► phones, articulation

The features are what the embedded network's would be, so all that reads them stays as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotalk.core.errors import InputError


class LinearAdapter(nn.Module):
    """Brings transformer features [.., hidden] to the embedded encoder's size: LayerNorm, then Linear."""

    def __init__(self, hidden: int, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.linear = nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., size] of transformer features [..., hidden]."""
        return self.linear(self.norm(x))

    def fit(self, hidden: Tensor, wanted: Tensor, damping: float = 1e-2) -> LinearAdapter:
        """Sets the linear layer by ridge regression from `hidden` [T, hidden] to `wanted` [T, size]; returns self.

        Rows of both encoders for the same sounds make a beginning for `learning.adapter_training`. Raises InputError
        where they are not as many.
        """
        if hidden.ndim != 2 or wanted.ndim != 2 or len(hidden) != len(wanted) or len(hidden) < 2:
            raise InputError(
                "The adapter is fitted to as many rows of hidden as of wanted features, two at least; found shapes "
                f"{list(hidden.shape)} and {list(wanted.shape)}."
            )
        with torch.no_grad():
            x = self.norm(hidden).double()
            mean_x, mean_y = x.mean(0), wanted.double().mean(0)
            x, y = x - mean_x, wanted.double() - mean_y
            gram = x.T @ x
            gram += damping * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            weight = torch.linalg.solve(gram, x.T @ y).T
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(mean_y - weight @ mean_x)
        return self
