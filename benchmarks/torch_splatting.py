"""The baseline of the renderer's benchmark: the same pictures from vectorised torch with autograd.

What one writes without a custom kernel: project all Gaussians at once, then tile by tile gather those that touch the
tile, evaluate them at all its pixels in one go, and blend with a cumulative product. float32, tiles of 32 x 32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from emotalk.core.camera import Camera
from emotalk.core.gaussians import GaussianCloud

TILE = 32


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


def render(cloud: GaussianCloud, camera: Camera, background: Tensor) -> Tensor:
    """image [H, W, 3], differentiable."""
    pose, device = camera.world_to_camera.to(cloud.means), cloud.means.device
    p = cloud.means @ pose[:3, :3].T + pose[:3, 3]
    order = torch.argsort(p[:, 2].detach())
    order = order[p[order, 2].detach() > camera.near]
    x, y, z = p[order].unbind(1)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [camera.fx / z, zero, -camera.fx * x / z**2, zero, camera.fy / z, -camera.fy * y / z**2], 1
    ).reshape(-1, 2, 3)
    axes = jacobian @ pose[:3, :3] @ _rotation(cloud.quats[order]) * cloud.scales[order][:, None]
    xx, xy, yy = (axes[:, 0] ** 2).sum(1) + 0.3, (axes[:, 0] * axes[:, 1]).sum(1), (axes[:, 1] ** 2).sum(1) + 0.3
    det = xx * yy - xy * xy
    u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    opacities, colors = cloud.opacities[order], cloud.colors[order]
    reach = 2 * torch.log((255 * opacities.detach()).clamp_min(1))
    half_x, half_y = (reach * xx.detach()).sqrt(), (reach * yy.detach()).sqrt()

    rows = []
    for top in range(0, camera.height, TILE):
        bottom = min(top + TILE, camera.height)
        near_rows = (v.detach() + half_y > top) & (v.detach() - half_y < bottom) & (reach > 0)
        tiles = []
        for left in range(0, camera.width, TILE):
            right = min(left + TILE, camera.width)
            near = near_rows & (u.detach() + half_x > left) & (u.detach() - half_x < right)
            k = near.nonzero()[:, 0]
            py, px = torch.meshgrid(
                torch.arange(top, bottom, device=device) + 0.5,
                torch.arange(left, right, device=device) + 0.5,
                indexing="ij",
            )
            dx, dy = px.reshape(-1, 1) - u[k], py.reshape(-1, 1) - v[k]
            s = 0.5 * (yy[k] * dx * dx - 2 * xy[k] * dx * dy + xx[k] * dy * dy) / det[k]
            alpha = (opacities[k] * torch.exp(-s)).clamp(max=0.999)
            alpha = alpha * (alpha >= 1 / 255)
            through = torch.cumprod(1 - alpha, 1)
            before = torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], 1)
            left_over = through[:, -1:] if len(k) else torch.ones(len(dx), 1, device=device)
            tiles.append(((alpha * before) @ colors[k] + left_over * background).reshape(bottom - top, right - left, 3))
        rows.append(torch.cat(tiles, 1))
    return torch.cat(rows)


def head_like_cloud(count: int, seed: int = 0) -> GaussianCloud:
    """A bumpy ellipsoid shell of the size of a head around the origin: median projected sigma at 512 x 512 and zoom 1
    2.5 px for 20,000 Gaussians (3.0 for 10,000, 1.8 for 50,000), opacities 0.3 to 0.99, in random order."""
    g = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=g), dim=1)
    means = directions * torch.tensor([0.092, 0.12, 0.10]) + 0.001 * torch.randn(count, 3, generator=g)
    pixels = {10_000: 3.0, 20_000: 2.5, 50_000: 1.8}[count]
    scales = pixels / 1113 * math.exp(-0.08) * torch.exp(0.4 * torch.randn(count, 1, generator=g))
    scales = scales * torch.exp(0.25 * torch.randn(count, 3, generator=g))
    quats = torch.randn(count, 4, generator=g)
    opacities = 0.3 + 0.69 * torch.rand(count, generator=g)
    wave = torch.stack(
        [
            torch.sin(60 * means[:, 0] + 25 * means[:, 1]),
            torch.cos(40 * means[:, 1]),
            torch.sin(4000 * means[:, 0] * means[:, 1]),
        ],
        1,
    )
    colors = (0.5 + 0.3 * wave + 0.08 * torch.randn(count, 3, generator=g)).clamp(0, 1)
    return GaussianCloud(means, scales, quats, opacities, colors)
