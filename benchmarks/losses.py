"""`python -m benchmarks.losses`: L1 + D-SSIM with its gradient, fused kernels beside plain torch convolutions.

Written to benchmarks/results/losses.md. Best of several runs, taken in turns; see benchmarks/rasterizer.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.rasterizer import best
from emotalk.core.atomic import write_text
from emotalk.core.kernels.workers import thread_count
from emotalk.core.ssim import planar, ssim_map
from emotalk.core.ssim_kernels import window
from emotalk.fitting.losses import photometric_loss

RESULTS = Path(__file__).with_name("results") / "losses.md"


def separable(image: Tensor, target: Tensor) -> Tensor:
    """The same loss by `ssim_map`: one convolution down, one along, all twelve planes at once."""
    return 0.8 * (image - target).abs().mean() + 0.2 * (1 - ssim_map(image, target).mean())


def customary(image: Tensor, target: Tensor) -> Tensor:
    """As published 3D Gaussian splatting code does it: five 11 x 11 convolutions, zeros beyond the border."""
    line = torch.from_numpy(window()).float()
    kernel = torch.outer(line, line).expand(3, 1, 11, 11).contiguous()

    def mean(picture: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(picture, kernel, padding=5, groups=3)

    x, y = image.permute(2, 0, 1)[None], target.permute(2, 0, 1)[None]
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    similarity = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    return 0.8 * (image - target).abs().mean() + 0.2 * (1 - similarity.mean())


def main() -> None:
    load = os.getloadavg()[0]
    lines = [
        "# L1 + D-SSIM and its gradient",
        "",
        "| size | fused ms (CPU) | torch, separable ms (CPU) | ratio (CPU) | torch, 11 x 11 ms (CPU) | ratio (CPU) |",
        "|---|---|---|---|---|---|",
    ]
    for size in (256, 512, 1024):
        g = torch.Generator().manual_seed(0)
        target = planar(torch.rand(size, size, 3, generator=g))
        image = planar((target + 0.1 * torch.randn(size, size, 3, generator=g)).clamp(0, 1)).requires_grad_()

        def step(loss, image=image, target=target) -> None:
            image.grad = None
            loss(image, target).backward()

        times = []
        for _ in range(2):  # in turns, so that a busy moment does not fall on one of them alone
            times.append(
                [
                    best(lambda loss=loss, step=step: step(loss), "cpu", 0.5)
                    for loss in (photometric_loss, separable, customary)
                ]
            )
        fused, *others = ([min(t[k][c] for t in times) for c in (0, 1)] for k in range(3))
        cells = "".join(
            f" {o[0]:.1f} ({o[1]:.1f}) | {o[0] / fused[0]:.1f} x ({o[1] / fused[1]:.1f} x) |" for o in others
        )
        lines.append(f"| {size}² | {fused[0]:.2f} ({fused[1]:.2f}) |{cells}")
        print(lines[-1], flush=True)
    lines += [
        "",
        f"{thread_count()} threads, {torch.get_num_threads()} torch threads, torch {torch.__version__}. CPU ms: "
        f"processor time over all threads. Load average {load:.1f} before, {os.getloadavg()[0]:.1f} after.",
    ]
    write_text(RESULTS, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
