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
    taps = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    kernel = torch.exp(-(taps**2) / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()
    planes = torch.cat([x, y, x * x, y * y, x * y])[None]
    half = WINDOW // 2
    planes = torch.nn.functional.pad(planes, (half, half, half, half), mode="reflect")
    count = planes.shape[1]
    planes = torch.nn.functional.conv2d(planes, kernel.view(1, 1, -1, 1).repeat(count, 1, 1, 1), groups=count)
    planes = torch.nn.functional.conv2d(planes, kernel.view(1, 1, 1, -1).repeat(count, 1, 1, 1), groups=count)
    mx, my, xx, yy, xy = planes[0].split(3)
    vx, vy, cov = xx - mx * mx, yy - my * my, xy - mx * my
    similarity = (2 * mx * my + C1) * (2 * cov + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    return similarity.permute(1, 2, 0)
