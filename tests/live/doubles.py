"""A person of few Gaussians on the shipped head: everything a live pack may hold, in a file of some kilobytes."""

from __future__ import annotations

import functools

import numpy as np
import torch

from emotalk.avatar import AvatarCard, BoundGaussians, Consent, Corrections, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX, SHOULDER_WIDTH, SIGNAL_WIDTH
from emotalk.core.camera import Camera
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.rendering import portrait_camera

LATENTS = 5


@functools.cache
def head() -> HeadModel:
    return HeadModel.load()


def sparse_avatar(mesh: int = 1500, joint: int = 400, seed: int = 0, **changes: object) -> GaussianAvatar:
    """Random Gaussians on all triangles of a random person, and behind the neck; half of them with corrections. Sizes,
    colours and corrections are about as large as a preset's."""
    random = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    count = mesh + joint
    shares = torch.rand(mesh, 3, generator=random) + 0.05
    weights = torch.rand(joint, 3, generator=random) + 0.05
    place = numbers(joint, 3) * torch.tensor([0.06, 0.04, 0.04]) + torch.tensor([0.0, -0.16, -0.03])
    gaussians = BoundGaussians(
        triangle=torch.randint(len(head().triangles), (mesh,), generator=random),
        barycentric=shares / shares.sum(1, keepdim=True),
        joint_weights=weights / weights.sum(1, keepdim=True),
        position=torch.cat([0.001 * numbers(mesh, 3), place]),
        rotation=numbers(count, 4),
        log_scale=torch.cat([numbers(mesh, 3) * 0.4 - 5.6, numbers(joint, 3) * 0.4 - 4.6]),
        opacity_logit=numbers(count) + 1.5,
        color=0.15 + 0.7 * torch.rand(count, 3, generator=random),
        view_color=0.05 * numbers(count, 2, 3),
        region=torch.tensor([REGION_INDEX["face"], REGION_INDEX["lips"], REGION_INDEX["hair"]]).repeat(count)[:count],
    )
    index = torch.arange(0, count, 2)
    corrections = Corrections(
        mean=0.02 * numbers(SIGNAL_WIDTH),
        matrix=0.2 * numbers(LATENTS, SIGNAL_WIDTH),
        index=index,
        position=0.0001 * numbers(LATENTS, len(index), 3),
        color=0.012 * numbers(LATENTS, len(index), 3),
    )
    card = AvatarCard("Sparse", "CC0-1.0", "random numbers", True)
    made = GaussianAvatar(
        head(), 0.7 * numbers(head().components), gaussians, card, corrections, torch.tensor([0.8, 0.83, 0.87])
    )
    return made.replace(**changes) if changes else made


def filmed_avatar() -> GaussianAvatar:
    """One as a video gives it: a camera of its own, a picture behind, shoulders that bend in the video, consent."""
    avatar = sparse_avatar()
    c = avatar.corrections
    bending = torch.nn.functional.pad
    camera = portrait_camera((640, 480), 0.07, -0.05, 1.15)
    camera = Camera(camera.world_to_camera, camera.fx, camera.fy * 1.02, 331.5, 228.0, 640, 480)
    y, x = np.mgrid[0:480, 0:640]
    plate = np.stack([0.5 + 0.4 * np.sin(x / 23) * np.cos(y / 31), 0.4 + 0.3 * np.cos(x / 57), 0.6 - 0.4 * y / 480], -1)
    return avatar.replace(
        camera=camera,
        background=torch.from_numpy(plate.clip(0, 1)).float(),
        corrections=Corrections(
            bending(c.mean, (0, SHOULDER_WIDTH)), bending(c.matrix, (0, SHOULDER_WIDTH), value=0.3), c.index,
            c.position, c.color,
        ),
        card=AvatarCard("Filmed", "mine", "a video", False, consent=Consent("yes", "2026-01-01")),
    )  # fmt: skip


def lively_motion(frames: int = 4, seed: int = 1) -> HeadMotion:
    """Every channel moves: all shapes, the jaw joint, gaze, lids beyond shut, a turned and shifted head."""
    random = np.random.default_rng(seed)
    head_pose = random.normal(size=(frames, 6)) * [0.2, 0.3, 0.15, 0.004, 0.004, 0.004]
    return HeadMotion(
        random.uniform(0, 0.6, (frames, 52)),
        random.normal(size=(frames, 3)) * 0.06,
        random.normal(size=(frames, 2)) * 0.3,
        random.uniform(0, 1.1, (frames, 2)),
        head_pose,
    )
