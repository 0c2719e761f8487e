"""What one photo does not show: the inside of the mouth, shut lids, and how light changes in folds.

All avatars share one mesh, so Gaussians of a shipped avatar that are bound to it move over to another person as they
are: mouth, teeth, tongue, lips, lids and lashes, each with its changes by expression. What moves over is put into the
light of the photo by the ratio of the two faces' colours around it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar import Corrections, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.avatar.latents import GROUPS
from emotalk.fitting.lid_prior import LidPrior
from emotalk.fitting.mouth_prior import DARK
from emotalk.fitting.shipped_donor import (
    INNER,
    LIDS,
    SHUT,
    Donor,
    eye_ratio,
    in_regions,
    less_vivid,
    light_ratio,
    saturation_ratio,
    skin,
    template_places,
    white_ratio,
)
from emotalk.portrait.lips import lip_colors, lips_among
from emotalk.portrait.teeth import side_shadow

__all__ = [
    "INNER", "LIDS", "MOVED", "SHUT", "Donor", "eye_ratio", "light_ratio", "skin", "template_places",
    "white_ratio", "with_donor", "with_shut_lids",
]  # fmt: skip

MOVED = (*INNER, "lips", "lids", "lashes")
"""Regions that are taken from the donor."""
FOLDED = ("face", "beard", "neck")
"""Regions whose change of colour with the expression is taken over."""
FRONT = 0.8
"""Quantile of the lightness of a donor's teeth from which they are the front ones, in full light."""
OF_BROWS = [list(GROUPS).index(name) for name in ("brows down", "brows in", "brows out", "wide")]
"""Latents whose changes of colour are not: where they move the donor's brows, this face has skin or brows of another
shape, and they would be grey blots. Its frown has the lines of `avatar.folds`."""


def with_donor(
    avatar: GaussianAvatar, donor: Donor, open_mouth: bool = False, teeth: np.ndarray | None = None
) -> GaussianAvatar:
    """The avatar of a photo with mouth, lips, lids and lashes of the donor, in its own colours where the photo shows
    them, and with the donor's changes of colour by expression on its skin. `open_mouth`: the photo shows what is
    between the lips, which is no colour of theirs. `teeth`: the colour [3] of front teeth (`teeth.tooth_color`), by
    default the donor's in the light of the eyes."""
    own, given = avatar.gaussians, donor.avatar.gaussians
    places = template_places(avatar)
    taken = in_regions(given.region, MOVED)
    taken[given.mesh_count :] = False
    part, part_places = given.select(taken), donor.places[taken[: given.mesh_count].numpy()]
    color = part.color * light_ratio(avatar, places, donor, part_places)
    inside = in_regions(part.region, INNER)
    light = _mouth_light(part, avatar, donor, teeth)
    of_teeth = part.region == REGION_INDEX["teeth"]
    if teeth is not None:
        light[of_teeth] *= torch.from_numpy(side_shadow(part_places[of_teeth.numpy()]))[:, None]
    vividness = torch.full((len(part), 1), saturation_ratio(avatar, donor.avatar))
    if teeth is not None:
        vividness[of_teeth] = 1  # their tint is known
    color[inside] = (less_vivid(part.color, vividness) * light)[inside]
    lips = part.region == REGION_INDEX["lips"]
    shown = in_regions(own.region[: own.mesh_count], ("lips",)).numpy()
    if shown.any():
        own_lips = own.color[: own.mesh_count][shown]
        among = lips_among(own_lips, skin(avatar)) if open_mouth else torch.ones(len(own_lips), dtype=torch.bool)
        found = lip_colors(own_lips, places[shown], among, part_places[lips.numpy()])
        color[lips] = color[lips] if found is None else found
    part = dataclasses.replace(part, color=color.clamp(0, 1), view_color=torch.zeros_like(part.view_color))
    kept = ~in_regions(own.region, MOVED)
    kept_places = places[kept[: own.mesh_count].numpy()]
    both = BoundGaussians.concatenate([part, own.select(kept)])
    moved = _moved_corrections(donor.avatar.corrections, taken)
    changed = less_vivid(moved.color, vividness[moved.index]) * light[moved.index]
    changes = torch.where(inside[moved.index][:, None], changed, moved.color)
    corrections = _joined(
        dataclasses.replace(moved, color=changes),
        _fold_corrections(avatar, own.select(kept), kept_places, donor),
        len(part),
    )
    return avatar.replace(gaussians=both, corrections=corrections)


def _mouth_light(part: BoundGaussians, avatar: GaussianAvatar, donor: Donor, teeth: np.ndarray | None) -> Tensor:
    """Factors [N, 3] on the colours of a donor's mouth, in whose light it is brighter or darker."""
    theirs = part.color[part.region == REGION_INDEX["teeth"]]
    if teeth is None or not len(theirs):
        ratio = torch.full((3,), white_ratio(avatar, donor.avatar))
    else:
        bright = theirs[theirs.mean(1) >= theirs.mean(1).quantile(FRONT)].mean(0)
        ratio = torch.from_numpy(np.asarray(teeth, np.float32)) / bright.clamp_min(0.05)
    factor = ratio.expand(len(part), 3).clone()
    factor[part.region != REGION_INDEX["teeth"]] = ratio.mean()
    for name, share in DARK.items():
        factor[part.region == REGION_INDEX[name]] = share * ratio.mean().clamp_max(1)
    return factor


def with_shut_lids(avatar: GaussianAvatar, donor: Donor, begun: GaussianAvatar | None = None) -> GaussianAvatar:
    """The finished avatar whose shut lids look like the donor's in this face's light: what a fit to open eyes made of
    the lids' colours (creases and lashes) must not be seen on shut ones. The skin next to them goes along. `begun`: the
    avatar before its fit, by default this one, with the same Gaussians at the same places of the head."""
    corrections, gaussians = avatar.corrections, avatar.gaussians
    prior = LidPrior(avatar if begun is None else begun, 1.0, donor, light_lids=True)
    slot = torch.full((len(gaussians),), -1)
    slot[corrections.index] = torch.arange(len(corrections.index))
    chosen = (slot[prior.rows] >= 0).nonzero()[:, 0]
    rows, columns = prior.rows[chosen], slot[prior.rows[chosen]]
    color = corrections.color.clone()
    at = (prior.latent[chosen], columns)
    wanted = (prior.colors[chosen] - gaussians.color[rows]) / SHUT
    color[at] = torch.lerp(color[at], wanted, prior.share[chosen][:, None])
    return avatar.replace(corrections=dataclasses.replace(corrections, color=color))


def _moved_corrections(corrections: Corrections, taken: Tensor) -> Corrections:
    slot = torch.cumsum(taken.long(), 0) - 1
    keep = taken[corrections.index]
    return dataclasses.replace(
        corrections, index=slot[corrections.index[keep]], position=corrections.position[:, keep],
        color=corrections.color[:, keep],
    )  # fmt: skip


def _fold_corrections(
    avatar: GaussianAvatar, gaussians: BoundGaussians, places: np.ndarray, donor: Donor
) -> Corrections:
    """The donor's changes of colour on the skin that `gaussians` hold, in this face's light."""
    given, corrections = donor.avatar.gaussians, donor.avatar.corrections
    mine = in_regions(gaussians.region[: gaussians.mesh_count], FOLDED).nonzero()[:, 0]
    skin_rows = (in_regions(given.region[corrections.index], FOLDED)).nonzero()[:, 0]
    source = donor.places[corrections.index[skin_rows].numpy()]
    at = places[mine.numpy()]
    count = min(8, len(source))
    distance, near = cKDTree(source).query(at, k=count)
    weight = np.exp(-0.5 * np.square(distance / 0.0015)) + 1e-6
    weight = torch.from_numpy((weight / weight.sum(1, keepdims=True)).astype(np.float32))
    found = corrections.color[:, skin_rows][:, torch.from_numpy(near)]  # [K, C, n, 3]
    color = (found * weight[None, :, :, None]).sum(2)
    color = color * light_ratio(avatar, template_places(avatar), donor, at)
    color[OF_BROWS] = 0
    return dataclasses.replace(corrections, index=mine, position=torch.zeros_like(color), color=color)


def _joined(first: Corrections, second: Corrections, before: int) -> Corrections:
    """Corrections of `before` Gaussians and of those that follow them."""
    return dataclasses.replace(
        first,
        index=torch.cat([first.index, second.index + before]),
        position=torch.cat([first.position, second.position], 1),
        color=torch.cat([first.color, second.color], 1),
    )
