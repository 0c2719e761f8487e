"""A small head with the interface of `HeadModel`: an egg of 128 triangles, so that avatar tests need no checkpoint."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from emotalk.avatar import AvatarCard, BoundGaussians, Corrections, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX, SIGNAL_WIDTH
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion


@dataclass(frozen=True)
class EggMesh:
    vertices: torch.Tensor
    transforms: torch.Tensor


def rotation_matrix(axis_angle: torch.Tensor) -> torch.Tensor:
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*axis_angle.shape[:-1], 3, 3)
    return torch.linalg.matrix_exp(skew)


class EggHead:
    """An egg, 12 x 16 x 12 cm, whose lower half drops with jawOpen and widens with mouthPucker."""

    components = 3

    def __init__(self) -> None:
        rings, around = 9, 8
        latitude = torch.linspace(0.05, torch.pi - 0.05, rings)
        longitude = torch.arange(around) * (2 * torch.pi / around)
        ring = torch.stack([latitude.sin()[:, None] * longitude.sin(), latitude.cos()[:, None].expand(rings, around),
                            latitude.sin()[:, None] * longitude.cos()], -1)  # fmt: skip
        self.template = ring.reshape(-1, 3) * torch.tensor([0.06, 0.08, 0.06])
        first = torch.arange((rings - 1) * around).reshape(rings - 1, around)
        right, below = first.roll(-1, 1), first + around
        corner = below.roll(-1, 1)
        self.triangles = torch.cat(
            [
                torch.stack([first, below, right], -1).reshape(-1, 3),
                torch.stack([right, below, corner], -1).reshape(-1, 3),
            ]
        )
        self.lower = (self.template[:, 1] < 0).float()
        self.identity_basis = torch.stack([self.template * axis for axis in torch.eye(3)])

    def with_identity(self, identity):
        person = copy.copy(self)
        person.template = self.template * (1 + 0.05 * identity)
        return person

    def __call__(self, expression, jaw, gaze, eyelids, head_pose):
        frames, shaped = len(expression), self.template
        drop = expression[:, ARKIT_INDEX["jawOpen"], None] * self.lower
        wide = 1 + 0.3 * expression[:, ARKIT_INDEX["mouthPucker"], None] * self.lower
        local = torch.stack([shaped[:, 0] * wide, shaped[:, 1] - 0.02 * drop, shaped[:, 2] * wide], -1)
        head = rotation_matrix(head_pose[:, :3])
        neck = rotation_matrix(head_pose[:, :3] / 2)
        root = torch.eye(3).expand(frames, 3, 3)
        transforms = torch.eye(4).repeat(frames, 6, 1, 1)
        transforms[:, :3, :3, :3] = torch.stack([root, neck, head], 1)
        transforms[:, :, :3, 3] = head_pose[:, None, 3:]
        return EggMesh(local @ head.transpose(1, 2) + head_pose[:, None, 3:], transforms)


def make_motion(frames: int = 5, seed: int = 0) -> HeadMotion:
    """A lively motion of the egg: talking, turning and moving."""
    generator = torch.Generator().manual_seed(seed)
    values = {
        name: torch.rand(frames, width, generator=generator).numpy()
        for name, width in (("expression", 52), ("jaw", 3), ("gaze", 2), ("eyelids", 2), ("head_pose", 6))
    }
    values["jaw"] *= 0.1
    values["head_pose"] = (values["head_pose"] - 0.5) * [1.2, 1.2, 1.2, 0.05, 0.05, 0.05]
    return HeadMotion(**values)


def make_gaussians(head: EggHead, mesh: int = 200, joint: int = 40, seed: int = 0) -> BoundGaussians:
    """Gaussians scattered over the egg and, as hair, on its joints."""
    g = torch.Generator().manual_seed(seed)
    count = mesh + joint

    def simplex(rows: int) -> torch.Tensor:
        weights = torch.rand(rows, 3, generator=g) + 0.05
        return weights / weights.sum(1, keepdim=True)

    position = (torch.rand(count, 3, generator=g) - 0.5) * 0.004
    position[mesh:] += head.template[torch.randint(len(head.template), (joint,), generator=g)] * 1.1
    region = torch.full((count,), REGION_INDEX["face"])
    region[mesh:] = REGION_INDEX["hair"]
    return BoundGaussians(
        triangle=torch.randint(len(head.triangles), (mesh,), generator=g),
        barycentric=simplex(mesh),
        joint_weights=simplex(joint),
        position=position,
        rotation=torch.randn(count, 4, generator=g),
        log_scale=torch.rand(count, 3, generator=g) - 6,
        opacity_logit=torch.randn(count, generator=g) * 2,
        color=torch.rand(count, 3, generator=g),
        view_color=0.05 * torch.randn(count, 2, 3, generator=g),
        region=region,
    )


def make_corrections(count: int, latents: int = 4, corrected: int = 60, seed: int = 0) -> Corrections:
    g = torch.Generator().manual_seed(seed)
    return Corrections(
        mean=torch.rand(SIGNAL_WIDTH, generator=g) * 0.5,
        matrix=torch.randn(latents, SIGNAL_WIDTH, generator=g) * 0.3,
        index=torch.randperm(count, generator=g)[:corrected].sort().values,
        position=torch.randn(latents, corrected, 3, generator=g) * 2e-4,
        color=torch.randn(latents, corrected, 3, generator=g) * 0.02,
    )


def make_avatar(mesh: int = 200, joint: int = 40, latents: int = 4, **card: object) -> GaussianAvatar:
    """An avatar on the egg with hair, corrections and a thumbnail."""
    head = EggHead()
    gaussians = make_gaussians(head, mesh, joint)
    values = {"name": "Egg", "licence": "CC0-1.0", "provenance": "made in a test", "synthetic": True} | card
    return GaussianAvatar(
        head,
        torch.tensor([0.3, -0.2, 0.5]),
        gaussians,
        AvatarCard(**values),
        make_corrections(mesh + joint, latents, corrected=(mesh + joint) // 4),
        torch.tensor([0.2, 0.4, 0.6]),
        thumbnail(),
    )


def thumbnail(side: int = 32) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 150)).save(buffer, "JPEG")
    return buffer.getvalue()
