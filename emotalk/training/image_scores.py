"""How alike two pictures are: PSNR and SSIM, differentiable; on the CPU compiled, as D-SSIM is otherwise the most
expensive part of a fitting step."""

from __future__ import annotations

import math

import numba
import numpy as np
import torch
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
_JIT = {"nogil": True, "cache": True, "fastmath": True}


def psnr(image: Tensor, reference: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of values in [0, 1], of any equal shapes; infinite for equal ones."""
    error = float((image - reference).square().mean())
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim_map(image: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity [H, W, 3] of pictures [H, W, 3] in [0, 1] (Wang et al. 2004: 11x11 Gaussian window of
    sigma 1.5; beyond the border the edge is mirrored). Plain torch."""
    x, y = image.permute(2, 0, 1), reference.permute(2, 0, 1)
    mx, my, xx, yy, xy = _blur(torch.cat([x, y, x * x, y * y, x * y])).split(3)
    vx, vy, cov = xx - mx * mx, yy - my * my, xy - mx * my
    similarity = (2 * mx * my + C1) * (2 * cov + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    return similarity.permute(1, 2, 0)


def ssim(image: Tensor, reference: Tensor) -> Tensor:
    """Mean of `ssim_map`; gradients flow to `image` only."""
    if image.device.type == "cpu" and min(image.shape[:2]) >= WINDOW:
        return _Ssim.apply(image, reference)
    return ssim_map(image, reference.detach()).mean()


def _taps() -> np.ndarray:
    taps = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    return (taps / taps.sum()).astype(np.float32)


def _blur(planes: Tensor) -> Tensor:
    """Gaussian means [P, H, W] of planes [P, H, W]."""
    kernel = torch.from_numpy(_taps()).to(planes).repeat(len(planes), 1)
    half = WINDOW // 2
    padded = torch.nn.functional.pad(planes[None], (half, half, half, half), mode="reflect")
    rows = torch.nn.functional.conv2d(padded, kernel[:, None, :, None], groups=len(planes))
    return torch.nn.functional.conv2d(rows, kernel[:, None, None, :], groups=len(planes))[0]


@numba.njit(**_JIT)
def _mirror(i, n):
    if i < 0:
        return -i
    if i >= n:
        return 2 * n - 2 - i
    return i


@numba.njit(**_JIT)
def _blur_plane(source, target, taps, line):
    """Gaussian means of one plane [H, W]; `line` [W + 10] is scratch."""
    height, width = source.shape
    half = taps.shape[0] // 2
    for r in range(height):
        for c in range(width):
            line[half + c] = 0
        for k in range(taps.shape[0]):
            row, w = _mirror(r + k - half, height), taps[k]
            for c in range(width):
                line[half + c] += w * source[row, c]
        for k in range(half):
            line[k] = line[2 * half - k]
            line[half + width + k] = line[half + width - 2 - k]
        for c in range(width):
            target[r, c] = 0
        for k in range(taps.shape[0]):
            w = taps[k]
            for c in range(width):
                target[r, c] += w * line[c + k]


@numba.njit(**_JIT)
def _blur_plane_adjoint(source, target, taps, line):
    """The transpose of `_blur_plane`: what is mirrored there is folded back here."""
    height, width = source.shape
    half = taps.shape[0] // 2
    target[:] = 0
    for r in range(height):
        line[:] = 0
        for k in range(taps.shape[0]):
            w = taps[k]
            for c in range(width):
                line[c + k] += w * source[r, c]
        for k in range(half):
            line[2 * half - k] += line[k]
            line[half + width - 2 - k] += line[half + width + k]
        for k in range(taps.shape[0]):
            row, w = _mirror(r + k - half, height), taps[k]
            for c in range(width):
                target[row, c] += w * line[half + c]


@numba.njit(**_JIT)
def _ssim_plane(x, y, taps, gradient):
    """Sum of the similarity of planes x, y [H, W] and its gradient by x."""
    height, width = x.shape
    line = np.empty(width + taps.shape[0] - 1, np.float32)
    scratch = np.empty((6, height, width), np.float32)
    mx, my, xx, yy, xy, product = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    _blur_plane(x, mx, taps, line)
    _blur_plane(y, my, taps, line)
    product[:] = x * x
    _blur_plane(product, xx, taps, line)
    product[:] = y * y
    _blur_plane(product, yy, taps, line)
    product[:] = x * y
    _blur_plane(product, xy, taps, line)
    c1, c2, two = np.float32(C1), np.float32(C2), np.float32(2)
    total = 0.0
    for r in range(height):
        row = np.float32(0)
        for c in range(width):
            a, b = mx[r, c], my[r, c]
            a1, a2 = two * a * b + c1, two * (xy[r, c] - a * b) + c2
            b1, b2 = a * a + b * b + c1, xx[r, c] - a * a + yy[r, c] - b * b + c2
            inverse = np.float32(1) / (b1 * b2)
            s = a1 * a2 * inverse
            row += s
            by_variance, by_covariance = -s / b2, two * a1 * inverse
            by_mean = two * b * a2 * inverse - two * a * s / b1
            # xx and xy hold the mean too: collect what comes through them.
            mx[r, c] = by_mean - two * a * by_variance - b * by_covariance
            xx[r, c] = by_variance
            xy[r, c] = by_covariance
        total += row
    _blur_plane_adjoint(mx, gradient, taps, line)
    _blur_plane_adjoint(xx, product, taps, line)
    _blur_plane_adjoint(xy, yy, taps, line)
    for r in range(height):
        for c in range(width):
            gradient[r, c] += two * x[r, c] * product[r, c] + y[r, c] * yy[r, c]
    return total


class _Ssim(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image, reference):
        x, y = (t.detach().permute(2, 0, 1).contiguous().float().numpy() for t in (image, reference))
        gradient = np.empty_like(x)
        total = sum(_ssim_plane(x[k], y[k], _taps(), gradient[k]) for k in range(len(x)))
        ctx.gradient = gradient
        return image.new_tensor(total / x.size)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, weight):
        gradient = torch.from_numpy(ctx.gradient).permute(1, 2, 0)
        return gradient * (weight / gradient.numel()), None
