"""Which device draws and fits: the one place where a device's name is turned into a device."""

from __future__ import annotations

import functools

import torch

from emotalk.core.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
"""Names that people may give; "cuda:1" names the second GPU."""


@functools.cache
def cuda_problem() -> str | None:
    """Why the CUDA renderer cannot be used here, or None if it can."""
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    from emotalk.rendering.cuda import drawing_problem, gsplat_problem  # brings gsplat along, which may compile itself

    return gsplat_problem() or drawing_problem()


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """The device of that name: "cpu", "cuda" (also "cuda:0" ...), or "auto": CUDA where gsplat can draw, else the CPU.

    A CUDA device comes with its number, so that it equals `tensor.device`. Raises InputError on an unknown name and on
    a CUDA device that is not there or cannot draw.
    """
    if isinstance(name, str) and name == "auto":
        name = "cpu" if cuda_problem() is not None else "cuda"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in DEVICES:
        raise InputError(f"device must be one of {', '.join(DEVICES)} (or cuda:1 and so on), found {str(name)!r}.")
    if device.type == "cpu":
        return device
    problem = cuda_problem()
    if problem is not None:
        raise InputError(f"The device {str(name)!r} cannot be used: {problem}. Use 'auto' or 'cpu'.")
    number = torch.cuda.current_device() if device.index is None else device.index
    if number >= torch.cuda.device_count():
        raise InputError(
            f"There is no device {str(name)!r}: this machine has {torch.cuda.device_count()} CUDA device(s), counted "
            "from 0."
        )
    return torch.device("cuda", number)
