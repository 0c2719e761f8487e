"""How much every Gaussian adds to a picture, and how much a picture would miss it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emotalk.core.gaussians import GaussianCloud
from emotalk.rendering.rasterize import rasterize

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.core.camera import Camera


def shown_weights(cloud: GaussianCloud, camera: Camera) -> Tensor:
    """Pixels [N] that the Gaussians of a cloud make up in its picture: the sum of transmittance times alpha, which the
    backward pass gives as the derivative by a Gaussian's colour (Kerbl et al. 2023, equation 3)."""
    colors = cloud.colors.detach().clone().requires_grad_()
    seen = GaussianCloud(cloud.means, cloud.scales, cloud.quats, cloud.opacities, colors)
    rasterize(seen, camera).image[..., 0].sum().backward()
    return colors.grad[:, 0]


def missed(cloud: GaussianCloud, camera: Camera, generator: torch.Generator, contrast: float = 0.0) -> Tensor:
    """The squared error [N], summed over pixels and channels, of the picture without each of the Gaussians alone: an
    estimate, right in the mean over the generator's draws. Every Gaussian counts as if it differed from what is behind
    it by at least about so much `contrast` [0, 1].

    A pixel is linear in the opacity o of each Gaussian (equation 3 as above), so that without one it changes by
    o d(pixel)/do. With random signs on the pixels one backward pass gives sums whose squares are, in the mean, the sums
    of squares (Hutchinson 1989). The background has a random colour, so that what stands out from it counts.
    """

    def drawn(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(cloud.means.device)

    opacities, colors = (t.detach().clone().requires_grad_() for t in (cloud.opacities, cloud.colors))
    seen = GaussianCloud(cloud.means, cloud.scales, cloud.quats, opacities, colors)
    signs = 2 * (drawn(camera.height, camera.width, 3) < 0.5).float() - 1
    (rasterize(seen, camera, drawn(3)).image * signs).sum().backward()
    without = (opacities.detach() * opacities.grad).square()
    return without + contrast**2 * colors.grad.square().sum(1)
