"""The oracle: 3D Gaussian splatting written down plainly in torch, in any precision, differentiable by autograd.

Every Gaussian is evaluated at every pixel; nothing is culled by extent. Slow (N x pixels), which is its virtue.
It also says at which pixels the answer hangs on a hair: where some alpha lies within `HAIR` (relative) of the
1/255 threshold, or a transmittance of the 1e-4 stop, rounding decides whether a Gaussian counts, and both are right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from emotalk.core.camera import Camera
from emotalk.core.gaussians import GaussianCloud

HAIR = 2e-5
CHUNK = 4096  # pixels at a time


def _rotation(quats: Tensor) -> Tensor:
    w, x, y, z = torch.nn.functional.normalize(quats, dim=1).unbind(1)
    return torch.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ],
        1,
    ).reshape(-1, 3, 3)  # fmt: skip


@dataclass
class Splats:
    """What is left of the Gaussians on the screen, nearest first."""

    means: Tensor  # [M, 2] pixels
    inverse: Tensor  # [M, 2, 2] inverse screen covariance
    opacities: Tensor  # [M]
    colors: Tensor  # [M, 3]


def project(cloud: GaussianCloud, camera: Camera) -> Splats:
    pose = camera.world_to_camera.to(cloud.means)
    p = cloud.means @ pose[:3, :3].T + pose[:3, 3]
    order = torch.argsort(p[:, 2].detach(), stable=True)
    order = order[p[order, 2].detach() > camera.near]
    p = p[order]
    x, y, z = p.unbind(1)
    margin_x, margin_y = 0.15 * camera.width / camera.fx, 0.15 * camera.height / camera.fy
    limited_x = z * (x / z).clamp(-camera.cx / camera.fx - margin_x, (camera.width - camera.cx) / camera.fx + margin_x)
    limited_y = z * (y / z).clamp(-camera.cy / camera.fy - margin_y, (camera.height - camera.cy) / camera.fy + margin_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [
            torch.stack([camera.fx / z, zero, -camera.fx * limited_x / z**2], 1),
            torch.stack([zero, camera.fy / z, -camera.fy * limited_y / z**2], 1),
        ],
        1,
    )
    axes = jacobian @ pose[:3, :3] @ _rotation(cloud.quats[order]) * cloud.scales[order][:, None]  # [M, 2, 3]
    covariance = axes @ axes.transpose(1, 2) + 0.3 * torch.eye(2).to(p)
    means = torch.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], 1)
    return Splats(means, torch.linalg.inv(covariance), cloud.opacities[order], cloud.colors[order])


def pixel_centres(camera: Camera, like: Tensor) -> Tensor:
    y, x = torch.meshgrid(torch.arange(camera.height), torch.arange(camera.width), indexing="ij")
    return torch.stack([x, y], 2).reshape(-1, 2).to(like) + 0.5


def blend(splats: Splats, pixels: Tensor, background: Tensor, early_stop: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Colour [P, 3], coverage [P] and whether the answer hangs on a hair [P] of pixel centres [P, 2]."""
    dx, dy = pixels[:, 0, None] - splats.means[:, 0], pixels[:, 1, None] - splats.means[:, 1]  # [P, M]
    (a, b), (_, c) = splats.inverse.permute(1, 2, 0)
    s = 0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy)
    alpha = (splats.opacities * torch.exp(-s)).clamp(max=0.999)
    hair = (alpha * 255 - 1).abs() < HAIR
    alpha = torch.where(alpha >= 1 / 255, alpha, torch.zeros_like(alpha))
    through = torch.cumprod(1 - alpha, 1)
    before = torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], 1)
    if early_stop:
        alive = before.detach() >= 1e-4
        alpha = alpha * alive
        through = torch.cumprod(1 - alpha, 1)
        hair &= before > 5e-5
    weights = alpha * before
    left = through[:, -1] if len(splats.means) else torch.ones_like(pixels[:, 0])
    return weights @ splats.colors + left[:, None] * background, 1 - left, hair.any(1)


def render(cloud: GaussianCloud, camera: Camera, background: Tensor, early_stop: bool) -> tuple[Tensor, Tensor, Tensor]:
    """image [H, W, 3], alpha [H, W], hair [H, W]; no gradients."""
    with torch.no_grad():
        splats = project(cloud, camera)
        pixels = pixel_centres(camera, cloud.means)
        behind = background.to(cloud.means).expand(camera.height, camera.width, 3).reshape(-1, 3)
        parts = [blend(splats, p, b, early_stop) for p, b in zip(pixels.split(CHUNK), behind.split(CHUNK), strict=True)]
    image, alpha, hair = (torch.cat(column) for column in zip(*parts, strict=True))
    size = (camera.height, camera.width)
    return image.reshape(*size, 3), alpha.reshape(size), hair.reshape(size)


def gradients(
    cloud: GaussianCloud, camera: Camera, background: Tensor, grad_image: Tensor, grad_alpha: Tensor, early_stop: bool
) -> list[Tensor]:
    """Gradients of sum(grad_image image) + sum(grad_alpha alpha) by means, scales, quats, opacities, colors, and the
    screen means in the order of the cloud's visible Gaussians, nearest first."""
    leaves = [getattr(cloud, n).clone().requires_grad_() for n in ("means", "scales", "quats", "opacities", "colors")]
    splats = project(GaussianCloud(*leaves), camera)
    on_screen = [splats.means, splats.inverse, splats.opacities, splats.colors]
    cut = [t.detach().requires_grad_() for t in on_screen]
    pixels = pixel_centres(camera, cloud.means)
    behind = background.to(cloud.means).expand(camera.height, camera.width, 3).reshape(-1, 3)
    columns = (pixels, behind, grad_image.to(cloud.means).reshape(-1, 3), grad_alpha.to(cloud.means).reshape(-1))
    for p, b, gi, ga in zip(*(c.split(CHUNK) for c in columns), strict=True):
        image, alpha, _ = blend(Splats(*cut), p, b, early_stop)
        ((image * gi).sum() + (alpha * ga).sum()).backward()
    torch.autograd.backward(on_screen, [t.grad for t in cut])
    return [leaf.grad for leaf in leaves] + [cut[0].grad]
