"""Which device draws and fits: one name, from the command line to the kernels."""

from __future__ import annotations

import torch

from emotalk.core.errors import InputError
from emotalk.rendering.rasterize import cuda_problem

DEVICES = ("auto", "cpu", "cuda")
"""What a device may be called; `auto` is the GPU where it can draw, else the CPU."""


def resolve_device(name: str | torch.device) -> torch.device:
    """The device behind "auto", "cpu" or "cuda" (also "cuda:1", or a torch device).

    "auto" is "cuda" where gsplat can draw on it, else "cpu". Raises InputError for another word, and for a GPU that is
    not there or cannot draw.
    """
    text = str(name).strip().lower()
    if text == "auto":
        return torch.device("cpu" if cuda_problem() else "cuda")
    kind, _, index = text.partition(":")
    if kind not in DEVICES[1:] or (index and not index.isdecimal()):
        raise InputError(f"There is no device {str(name)!r:.40}; choose one of {', '.join(DEVICES)}.")
    if kind == "cuda":
        problem = cuda_problem()
        if problem is None and index and int(index) >= torch.cuda.device_count():
            problem = f"this machine has {torch.cuda.device_count()} CUDA device(s), counted from 0"
        if problem is not None:
            raise InputError(f"The device {text!r} cannot be used: {problem}. Choose cpu, or auto.")
    return torch.device(text)
