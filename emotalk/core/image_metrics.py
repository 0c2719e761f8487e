"""How alike two pictures are: PSNR and SSIM, of tensors or arrays, whole or within a mask."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from emotalk.core.errors import InputError
from emotalk.core.ssim import ssim as fused_ssim

Picture = Tensor | np.ndarray
"""[H, W, 3] RGB: floats in [0, 1] or 8-bit."""


def psnr(image: Picture, target: Picture, mask: Picture | None = None) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 1: -10 log10(mean squared error); infinite for equal pictures.

    mask: [H, W], bool or weights >= 0; the mean is taken over it. Raises InputError on shapes that do not fit, values
    that are not finite, and a mask that is empty.
    """
    image, target = _float(image, "image"), _float(target, "target")
    if image.shape != target.shape:
        raise InputError(f"Two pictures must have the same shape, found {list(image.shape)} and {list(target.shape)}.")
    squares = (image.double() - target.double()).square().mean(-1)
    weights = _weights(mask, squares)
    return peak_ratio(float((squares * weights).sum() / weights.sum()))


def ssim(image: Picture, target: Picture, mask: Picture | None = None) -> float:
    """Mean structural similarity in [-1, 1], 1 for equal pictures (Wang et al. 2004, 11 x 11 Gaussian window, mirrored
    border). Arguments and errors as for `psnr`; pictures of at least 11 x 11 pixels. With a mask, windows count whose
    centre lies in it."""
    image, target = _float(image, "image"), _float(target, "target")
    weights = None if mask is None else _weights(mask, image[..., 0]).float()
    with torch.no_grad():
        return float(fused_ssim(image, target, weights))


def _float(picture: Picture, name: str) -> Tensor:
    """A picture as a float tensor in [0, 1]."""
    tensor = torch.as_tensor(picture).detach()
    if tensor.ndim != 3 or tensor.shape[-1] != 3:
        raise InputError(f"{name} must have shape [H, W, 3], found {list(tensor.shape)}.")
    if tensor.dtype == torch.uint8:
        return tensor.float() / 255
    if not tensor.dtype.is_floating_point:
        raise InputError(f"{name} must hold floats in [0, 1] or 8-bit numbers, found {tensor.dtype}.")
    if not bool(torch.isfinite(tensor).all()):
        raise InputError(f"{name} holds NaN or infinite values; pass finite numbers only.")
    return tensor


def _weights(mask: Picture | None, like: Tensor) -> Tensor:
    """The mask as weights [H, W] on the pictures' device."""
    if mask is None:
        return torch.ones_like(like, dtype=torch.float64)
    weights = torch.as_tensor(mask).to(like.device, torch.float64)
    if weights.shape != like.shape:
        raise InputError(f"mask must have shape {list(like.shape)}, found {list(weights.shape)}.")
    if not bool((weights >= 0).all()) or not float(weights.sum()) > 0:
        raise InputError("mask must mark at least one pixel and hold no negative weights.")
    return weights


def peak_ratio(squared_error: float) -> float:
    """PSNR in dB of a mean squared error, for a peak of 1; infinite for 0."""
    return -10 * math.log10(squared_error) if squared_error > 0 else math.inf
