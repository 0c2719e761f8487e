"""What a fit minimises."""

from __future__ import annotations

from torch import Tensor

from emotalk.core.errors import InputError
from emotalk.core.ssim import l1_and_ssim


def photometric_loss(
    image: Tensor,  # [H, W, 3], gradients flow here
    target: Tensor,  # [H, W, 3]
    weights: Tensor | None = None,  # [H, W] >= 0
    ssim_share: float = 0.2,
) -> Tensor:
    """(1 - ssim_share) L1 + ssim_share (1 - SSIM), a scalar; 0 for equal pictures (Kerbl et al. 2023, equation 7).

    Arguments and errors as for `core.ssim.l1_and_ssim`.
    """
    if not 0 <= ssim_share <= 1:
        raise InputError(f"ssim_share must lie in [0, 1], found {ssim_share}.")
    l1, similarity = l1_and_ssim(image, target, weights)
    return (1 - ssim_share) * l1 + ssim_share * (1 - similarity)
