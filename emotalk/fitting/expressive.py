"""The last touch on a new avatar: moods that are read, by skin that folds and movements that go far enough."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar.fold_detail import with_finer_folds
from emotalk.avatar.fold_shading import SKIN
from emotalk.avatar.folds import DRIVERS, FOLDS, SIDED, driver_row
from emotalk.avatar.gaussians import SIGNAL_WIDTH, signals
from emotalk.tracking.mood_reach import reach_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotalk.avatar import GaussianAvatar
    from emotalk.core.motion import HeadMotion

AVERAGE_DEPTH = 0.6
"""Depth of the folds of somebody whose age is not known: a face in its thirties."""
SHOWN = (0.25, 0.7)
"""Latents (1: a fold at its full depth) that a video reaches, of which it shows nothing of a fold and all of it."""
LEARNED = 0.75
"""Share of a fold that need not be added where a video shows all of it: its frames taught the corrections."""
LIGHT_SKIN = 0.62
"""Grey of the skin on which the depths were chosen. A shadow takes a share of the light: on darker skin it is
fainter."""


def expressive(
    avatar: GaussianAvatar, depth: float = AVERAGE_DEPTH, shown: Mapping[str, float] | None = None
) -> GaussianAvatar:
    """The avatar with folds and the reach of its moods in its card, and fine skin where it folds.

    `depth` is how deep a person of that age folds (`folds.FOLDS`), `shown` the share of each group that its video
    showed (`shown_folds`), of which less is added.
    """
    shown = shown or {}
    device = avatar.device
    finer = avatar.to("cpu") if avatar.card.folds else with_finer_folds(avatar.to("cpu"))
    deep = depth * _darker(finer)
    folds = {group: round(deep * (1 - LEARNED * shown.get(group, 0.0)), 3) for group in FOLDS}
    metrics = finer.card.metrics | ({"gaussians": len(finer)} if "gaussians" in finer.card.metrics else {})
    card = dataclasses.replace(finer.card, folds=folds | {"flush": 1.0}, metrics=metrics)
    finer = finer.replace(card=card)
    return finer.replace(card=dataclasses.replace(card, reach=reach_for(finer))).to(device)


def shown_folds(motion: HeadMotion) -> dict[str, float]:
    """Group of folds -> how much of it a video shows, 0 to 1, from how far its muscles went in 5 % of the frames."""
    signal = signals(motion)
    shown = {}
    for group in DRIVERS:
        sides = ("Left", "Right") if group in SIDED else ("",)
        latent = np.mean([signal @ driver_row(group, side, SIGNAL_WIDTH) for side in sides], 0)
        reached = np.quantile(latent, 0.95) - np.quantile(latent, 0.3)  # against the face that was fitted as at rest
        share = np.clip((reached - SHOWN[0]) / (SHOWN[1] - SHOWN[0]), 0, 1)
        shown[group] = round(float(share * share * (3 - 2 * share)), 3)
    return shown


def _darker(avatar: GaussianAvatar) -> float:
    """Factor on the depth of folds for the skin that they are on."""
    skin = torch.isin(avatar.gaussians.region, torch.tensor(SKIN))
    grey = float((avatar.gaussians.color[skin].clamp(0, 1) @ torch.tensor([0.2126, 0.7152, 0.0722])).median())
    return float(np.clip((LIGHT_SKIN / max(grey, 0.05)) ** 0.5, 0.9, 1.6))
