"""How alike two pictures are: PSNR and SSIM, differentiable."""

from __future__ import annotations

import math

import torch
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def psnr(image: Tensor, reference: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of values in [0, 1], of any equal shapes; infinite for equal ones."""
    error = float((image - reference).square().mean())
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim_map(image: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity [H, W, 3] of pictures [H, W, 3] in [0, 1] (Wang et al. 2004: 11x11 Gaussian window of
    sigma 1.5; beyond the border the edge is mirrored)."""
    x, y = image.permute(2, 0, 1), reference.permute(2, 0, 1)
    # Apart, so that no gradient is computed for what only depends on a fixed reference.
    mx, xx, xy = _blur(torch.cat([x, x * x, x * y])).split(3)
    my, yy = _blur(torch.cat([y, y * y])).split(3)
    vx, vy, cov = xx - mx * mx, yy - my * my, xy - mx * my
    similarity = (2 * mx * my + C1) * (2 * cov + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    return similarity.permute(1, 2, 0)


def _blur(planes: Tensor) -> Tensor:
    """Gaussian means [P, H, W] of planes [P, H, W]."""
    taps = torch.arange(WINDOW, dtype=planes.dtype, device=planes.device) - WINDOW // 2
    kernel = torch.exp(-(taps**2) / (2 * SIGMA**2))
    kernel = (kernel / kernel.sum()).repeat(len(planes), 1)
    half = WINDOW // 2
    padded = torch.nn.functional.pad(planes[None], (half, half, half, half), mode="reflect")
    rows = torch.nn.functional.conv2d(padded, kernel[:, None, :, None], groups=len(planes))
    return torch.nn.functional.conv2d(rows, kernel[:, None, None, :], groups=len(planes))[0]
