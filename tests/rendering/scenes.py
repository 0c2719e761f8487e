"""Random clouds and cameras for the rendering tests."""

from __future__ import annotations

import math

import torch

from emotalk.core.camera import Camera
from emotalk.core.gaussians import GaussianCloud
from emotalk.rendering import portrait_camera


def random_cloud(count: int, seed: int = 0, size: float = 0.004, spread: float = 0.08) -> GaussianCloud:
    """A blob of `count` Gaussians around the origin: `size` metres the typical standard deviation (thin and thick
    ones), all opacities from invisible to solid, quaternions of any length."""
    g = torch.Generator().manual_seed(seed)
    means = spread * torch.randn(count, 3, generator=g)
    scales = size * torch.exp(0.6 * torch.randn(count, 3, generator=g))
    quats = torch.randn(count, 4, generator=g) * torch.exp(torch.randn(count, 1, generator=g))
    return GaussianCloud(
        means, scales, quats, torch.rand(count, generator=g), torch.rand(count, 3, generator=g) * 1.2 - 0.1
    )


def double(cloud: GaussianCloud) -> GaussianCloud:
    return GaussianCloud(*(t.double() for t in (cloud.means, cloud.scales, cloud.quats, cloud.opacities, cloud.colors)))


def camera(width: int, height: int, yaw: float = 0.3, pitch: float = -0.2, zoom: float = 1.0) -> Camera:
    return portrait_camera((width, height), yaw, pitch, zoom)


def near_camera(width: int, height: int, distance: float = 0.12) -> Camera:
    """So near that Gaussians lie beside, behind and just in front of it."""
    pose = torch.eye(4)
    pose[:3, :3] = torch.tensor([[math.cos(0.4), 0, -math.sin(0.4)], [0, -1, 0], [-math.sin(0.4), 0, -math.cos(0.4)]])
    pose[2, 3] = distance
    return Camera(pose, 0.8 * width, 0.9 * width, 0.45 * width, 0.6 * height, width, height, near=0.02)
