"""Fewer Gaussians for the same pictures: those least missed are dropped, the others learn what was there before.

    avatar ─► its own pictures ─┬─► who would be missed ─► the least are dropped ─┐
                                └─────────────────────────────────────────────────┴─► fit ─► lighter avatar

A fit that splits where the picture pulls leaves many Gaussians that hardly show, in hair and under cloth above all. As
was found for scenes (LightGaussian, Fan et al. 2024; PUP 3D-GS, Hanson et al. 2025) many of them can go at once if the
rest is fitted again. Who goes is decided by the error of the pictures without them, not by how much they add: single
hairs before a light wall add little.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.model import GaussianAvatar
from emotalk.avatar.vertex_colors import skin_of
from emotalk.core.camera import Camera
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.progress import FitCallback
from emotalk.fitting.gaussian_fit import FitConfig, GaussianFit
from emotalk.fitting.samples import FitSample
from emotalk.rendering import rasterize
from emotalk.rendering.weights import missed

HELD = ("lips", "mouth", "teeth", "tongue", "gums", "eyes", "lids", "lashes", "brows", "glasses")
"""Regions that stay as they are: few Gaussians, on which speech and mood are read, and which show in more ways than
pictures can try."""
LEAST_CONTRAST = 0.1
"""Of a Gaussian with what is behind it, as `missed` counts: each of ten strands alike, one behind the other, would be
missed by nobody, but all ten would."""
SSIM_SHARE = 0.3
"""Of D-SSIM in the loss, between the fits' 0.2 and their 0.5 at the end, where hair is sharpened."""


def thinned(
    avatar: GaussianAvatar,
    views: Sequence[tuple[HeadMotion, Camera]],
    share: float = 0.5,
    steps: int = 600,
    seed: int = 0,
    report: FitCallback | None = None,
) -> GaussianAvatar:
    """The avatar with that share of its Gaussians in (0, 1] and otherwise as it was, on the CPU.

    `views` are frames of motion and cameras that show what it is for: what none of them shows may go, and of the skin
    among it the colours are kept. The regions `HELD` stay whole; where they alone are more than the share, nothing else
    is left of it. `report` as for `GaussianFit.run`. Raises an InputError for a share outside (0, 1] or without views.
    """
    if not 0 < share <= 1:
        raise InputError(f"The share of the Gaussians to keep lies in (0, 1], found {share}.")
    if not views:
        raise InputError("Thinning needs views to look from, found none.")
    bare = avatar.to("cpu").replace(card=dataclasses.replace(avatar.card, folds={}))  # fits know no folds
    fit = _Again(
        bare.select(_most_missed(bare, views, share, seed)), [picture(bare, *v) for v in views], _config(steps, seed)
    )
    return fit.run(report).replace(card=avatar.card, skin=skin_of(avatar))


@torch.no_grad()
def picture(avatar: GaussianAvatar, motion: HeadMotion, camera: Camera) -> FitSample:
    """How an avatar looks in a frame of motion, as a fit takes it: RGBA."""
    drawn = rasterize(avatar.pose(motion, 0, camera), camera, torch.zeros(3))
    alpha = drawn.alpha.clamp(0, 1)[..., None]
    image = torch.cat([(drawn.image / alpha.clamp_min(1e-3)).clamp(0, 1), alpha], -1)
    return FitSample((255 * image + 0.5).to(torch.uint8).numpy(), camera, motion)


def held(avatar: GaussianAvatar) -> Tensor:
    """Which Gaussians [N] (bool) are of the regions that stay."""
    return torch.from_numpy(np.isin(avatar.gaussians.region.cpu().numpy(), [REGION_INDEX[name] for name in HELD]))


def _most_missed(avatar: GaussianAvatar, views: Sequence[tuple[HeadMotion, Camera]], share: float, seed: int) -> Tensor:
    """Which Gaussians [N] (bool) stay."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(len(avatar))
    for motion, camera in views:
        total += missed(avatar.pose(motion, 0, camera), camera, generator, LEAST_CONTRAST)
    stays = held(avatar)
    total[stays] = torch.inf
    keep = torch.zeros(len(avatar), dtype=torch.bool)
    keep[total.topk(min(len(avatar), max(1, round(share * len(avatar)), int(stays.sum())))).indices] = True
    return keep


def _config(steps: int, seed: int) -> FitConfig:
    # From the first step at full size and with corrections: it is no new avatar.
    return FitConfig(steps=steps, coarse=0.0, ssim=SSIM_SHARE, densify_every=0, corrections_from=0.0, seed=seed)


class _Again(GaussianFit):
    """A fit in which the regions `HELD` stay as they are."""

    def __init__(self, avatar: GaussianAvatar, samples: Sequence[FitSample], config: FitConfig) -> None:
        super().__init__(avatar, samples, config)
        self._stays = held(avatar)

    def step(self) -> float:
        """See `GaussianFit.step`."""
        loss = super().step()
        corrected = self._stays[self.parameters.index]
        for name, value in self.parameters.values.items():
            rows = (slice(None), corrected) if name.startswith("correction_") else self._stays
            value.data[rows] = self.parameters.start[name][rows]
        return loss
