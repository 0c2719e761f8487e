"""One batch shared by several processes, so that any number of them learns what one alone would.

Every process draws the whole batch, from a seed of the step, and works on its own part; gradients are averaged. What is
dropped by chance is drawn for the whole batch too. Sums are then the same but for their order.
"""

from __future__ import annotations

import datetime
import os
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.overrides import TorchFunctionMode

from emotalk.core.errors import InputError

PATIENCE = datetime.timedelta(hours=24)
"""How long a process waits for another one: the first alone makes clips and judges, for hours on a large corpus."""

_Batch = TypeVar("_Batch")


def distributed() -> tuple[int, int]:
    """(rank, number of processes); joins the group that torchrun's environment describes, if there is one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    return dist.get_rank(), dist.get_world_size()


def own_part(size: int, rank: int, processes: int) -> range:
    """The rows of a batch of `size` that a process works on; InputError where they cannot be shared evenly."""
    if size % processes:
        raise InputError(
            f"A batch of {size} windows cannot be shared by {processes} processes; choose a number of windows that "
            "can be divided by it."
        )
    own = size // processes
    return range(rank * own, (rank + 1) * own)


def part_of(batch: _Batch, rows: range) -> _Batch:
    """Those rows of a batch, a dataclass of tensors [B, ...]."""
    return type(batch)(**{name: getattr(batch, name)[rows.start : rows.stop] for name in batch.__dataclass_fields__})


class SharedDropout(TorchFunctionMode):
    """`with SharedDropout(rank, processes):` what `nn.functional.dropout` drops of a part [B, ...] of a batch is what
    it would have dropped of it as a part of the whole."""

    def __init__(self, rank: int, processes: int) -> None:
        super().__init__()
        self._rank, self._processes = rank, processes

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """See `TorchFunctionMode`."""
        kwargs = kwargs or {}
        if func is not nn.functional.dropout or self._processes == 1:
            return func(*args, **kwargs)
        return self._dropout(*args, **kwargs)

    def _dropout(self, part: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        if not training or p == 0:
            return part
        # Drawn as the whole batch's would be: it takes as much from the generator, on the same way through torch.
        whole = part.new_ones(self._processes * part.shape[0], *part.shape[1:], requires_grad=part.requires_grad)
        kept = nn.functional.dropout(whole, p, True).detach()
        rows = own_part(len(whole), self._rank, self._processes)
        return part * kept[rows.start : rows.stop]
