"""Compile the CPU kernels ahead of time."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from emotalk.core.gaussians import GaussianCloud
from emotalk.rendering.camera import portrait_camera
from emotalk.rendering.frames import FrameRenderer
from emotalk.rendering.rasterize import rasterize


def warmup(progress: Callable[[str], None] | None = None) -> float:
    """Compile (or load) every kernel of the CPU renderer by drawing one Gaussian, forwards and backwards.

    Returns the seconds it took: about 15 the first time on a machine, below 1 later. `progress` gets a line of text
    before each step.
    """
    start = time.perf_counter()
    tell = progress or (lambda line: None)
    cloud = GaussianCloud(
        torch.zeros(1, 3),
        torch.full((1, 3), 0.01),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        torch.full((1,), 0.5),
        torch.full((1, 3), 0.5, requires_grad=True),
    )
    camera = portrait_camera(32)
    tell("drawing (1 of 2): compiled once per machine")
    FrameRenderer(32, 32, backend="cpu").draw(cloud, camera)
    tell("gradients (2 of 2)")
    rasterize(cloud, camera, backend="cpu").image.sum().backward()
    return time.perf_counter() - start
