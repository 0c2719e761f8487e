"""How far a drawn picture is from the one it should be: L1 and D-SSIM, differentiable and fast.

D-SSIM in plain torch convolutions takes longer than drawing the picture and its gradient. So on the CPU one autograd
function computes both parts and their gradient in fused kernels (`ssim_kernels.py`); elsewhere torch does it. Both give
the same numbers.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from emotalk.core.errors import InputError
from emotalk.core.kernels.simd import LANES
from emotalk.core.kernels.workers import pool
from emotalk.core.ssim_kernels import (
    C1,
    C2,
    HALF,
    PAD,
    WINDOW,
    blur_matrix,
    blur_table,
    compare,
    compare_backward,
    window,
)  # fmt: skip


def l1_and_ssim(
    image: Tensor,  # [H, W, 3]
    target: Tensor,  # [H, W, 3]
    weights: Tensor | None = None,  # [H, W]
) -> tuple[Tensor, Tensor]:
    """Mean absolute difference and mean structural similarity of two pictures [H, W, 3], two scalars differentiable by
    `image`.

    Pictures are RGB in [0, 1], at least 11 pixels wide and high. Means are over pixels and channels; with `weights`
    [H, W] >= 0, weighted means (a window's similarity has the weight of its centre pixel). No gradient flows to target
    and weights. Fastest where pictures are stored as planes, as `rasterize` returns them: see `planar`.
    Raises InputError on shapes that do not fit and on weights that are negative or all zero.
    """
    _check_pictures(image, target)
    weights, scale = _normalised(weights, image)
    if _fused(image):
        return _Compare.apply(image, target.detach(), weights, scale)
    apart = ((image - target.detach()).abs() * weights[..., None]).sum()
    alike = (ssim_map(image, target.detach()) * weights[..., None]).sum()
    return apart * scale, alike * scale


def ssim(
    image: Tensor,  # [H, W, 3]
    target: Tensor,  # [H, W, 3]
    weights: Tensor | None = None,  # [H, W]
) -> Tensor:
    """Mean structural similarity, a scalar <= 1, differentiable by `image`; arguments as in `l1_and_ssim`."""
    return l1_and_ssim(image, target, weights)[1]


def ssim_map(image: Tensor, target: Tensor) -> Tensor:
    """Structural similarity at every pixel [H, W, 3] in plain torch, any device and precision (Wang et al. 2004:
    11 x 11 Gaussian window of sigma 1.5, C1 = 0.01^2, C2 = 0.03^2; beyond the border the picture is mirrored)."""
    _check_pictures(image, target)
    x, y = image.permute(2, 0, 1), target.permute(2, 0, 1)
    mean_x, mean_y, squares, products = _blur(torch.cat([x, y, x * x + y * y, x * y])).split(3)
    both, norm = mean_x * mean_y, mean_x**2 + mean_y**2
    similarity = (2 * both + C1) * (2 * (products - both) + C2) / ((norm + C1) * (squares - norm + C2))
    return similarity.permute(1, 2, 0)


def planar(image: Tensor) -> Tensor:
    """The same picture [H, W, 3], its memory in three planes: do this once to a target that is used often."""
    return image.permute(2, 0, 1).contiguous().permute(1, 2, 0)


def _blur(planes: Tensor) -> Tensor:
    """Gaussian means [P, H, W] of planes [P, H, W]."""
    if planes.device.type != "cpu":
        return _blur_by_matrices(planes)
    kernel = torch.from_numpy(window()).to(planes).repeat(len(planes), 1)
    padded = torch.nn.functional.pad(planes[None], (HALF,) * 4, mode="reflect")
    rows = torch.nn.functional.conv2d(padded, kernel[:, None, :, None], groups=len(planes))
    return torch.nn.functional.conv2d(rows, kernel[:, None, None, :], groups=len(planes))[0]


def _blur_by_matrices(planes: Tensor) -> Tensor:
    """The same on a GPU, where a large product takes less time than a small convolution, and rounds less: convolutions
    there take numbers of 10 bits unless told otherwise."""
    down, along = (_blur_matrix(length, planes.device, planes.dtype) for length in planes.shape[1:])
    return down @ planes @ along.T


@functools.lru_cache(maxsize=16)
def _blur_matrix(length: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(blur_matrix(length)).to(dtype).to(device)


def _check_pictures(image: Tensor, target: Tensor) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.shape != target.shape:
        raise InputError(
            f"Two pictures must have the same shape [H, W, 3], found {list(image.shape)} and {list(target.shape)}."
        )
    if min(image.shape[:2]) < WINDOW:
        raise InputError(
            f"Structural similarity needs pictures of at least {WINDOW} x {WINDOW} pixels, "
            f"found {image.shape[1]} x {image.shape[0]}."
        )


def _normalised(weights: Tensor | None, image: Tensor) -> tuple[Tensor, float]:
    """Weights [H, W] and what a weighted sum over pixels and channels must be multiplied by to be a mean."""
    if weights is None:
        return torch.ones(image.shape[:2], device=image.device, dtype=image.dtype), 1 / image.numel()
    if weights.shape != image.shape[:2]:
        raise InputError(f"weights must have shape {list(image.shape[:2])}, found {list(weights.shape)}.")
    weights = weights.detach().to(image)
    sum_of_weights = float(weights.sum(dtype=torch.float64))
    if not sum_of_weights > 0 or not np.isfinite(sum_of_weights) or float(weights.amin()) < 0:
        raise InputError("weights must be finite, none negative and not all zero.")
    return weights, 1 / (3 * sum_of_weights)


def _fused(image: Tensor) -> bool:
    """Whether the kernels can do it: float32 on the CPU, wide enough for one vector."""
    return image.device.type == "cpu" and image.dtype == torch.float32 and image.shape[1] >= LANES


def _planes(picture: Tensor) -> np.ndarray:
    return picture.detach().float().permute(2, 0, 1).contiguous().numpy().ravel()


class _Compare(torch.autograd.Function):
    """L1 and SSIM of two pictures as two scalars; backward needs one kernel whatever is made of them."""

    @staticmethod
    def forward(ctx, image, target, weights, scale):
        height, width, _ = image.shape
        x, y, w = _planes(image), _planes(target), weights.contiguous().numpy().ravel()
        wanted = ctx.needs_input_grad[0]
        maps = np.empty(9 * height * width if wanted else 0, np.float32)
        sums = np.empty((3 * height, 2), np.float32)
        pool().run(
            compare,
            *(x, y, w, height, width, blur_table(height, False), _along(width, False)),
            *(np.zeros(1, np.int64), _lines(width), sums, maps),
        )
        if wanted:
            ctx.pictures, ctx.maps, ctx.size, ctx.scale = (x, y, w), maps, (height, width), scale
        l1, similarity = (sums.sum(0, dtype=np.float64) * scale).tolist()
        return image.new_tensor(l1), image.new_tensor(similarity)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_l1, grad_similarity):
        height, width = ctx.size
        gradient = np.empty(3 * height * width, np.float32)
        pool().run(
            compare_backward,
            *(*ctx.pictures, height, width, blur_table(height, True), _along(width, True)),
            *(np.zeros(1, np.int64), _lines(width), ctx.maps),
            *(np.float32(float(grad_l1) * ctx.scale), np.float32(float(grad_similarity) * ctx.scale), gradient),
        )
        return torch.from_numpy(gradient).view(3, height, width).permute(1, 2, 0), None, None, None


def _along(width: int, transposed: bool) -> np.ndarray:
    """The blur table of a line, one run of `width` weights for each of the 11 taps."""
    return np.ascontiguousarray(blur_table(width, transposed).T).ravel()


def _lines(width: int) -> np.ndarray:
    return np.zeros((pool().threads, 4 * (width + 2 * PAD)), np.float32)
