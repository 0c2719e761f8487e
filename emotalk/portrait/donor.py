"""What one photo does not show: the inside of the mouth, shut lids, and how light changes in folds.

All avatars share one mesh, so Gaussians of a shipped avatar that are bound to it move over to another person as they
are: mouth, teeth, tongue, lips, lids and lashes, each with its changes by expression. What moves over is put into the
light of the photo by the ratio of the two faces' colours around it.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar import Corrections, GaussianAvatar, list_avatars, load_avatar
from emotalk.avatar.gallery import avatar_folders
from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians
from emotalk.avatar.latents import GROUPS
from emotalk.core.errors import AvatarError
from emotalk.head import HeadModel
from emotalk.portrait.lips import lip_colors, lips_among

INNER = ("mouth", "gums", "teeth", "tongue")
MOVED = (*INNER, "lips", "lids", "lashes")
"""Regions that are taken from the donor."""
FOLDED = ("face", "beard", "neck")
"""Regions whose change of colour with the expression is taken over."""
LIDS = (len(GROUPS), len(GROUPS) + 1)
"""Latents of the left and the right eyelid; each is `SHUT` when the eye is."""
SHUT = 2.0
REACH = 0.007
"""Metres: standard deviation of the neighbourhood in which the light on two faces is compared. Wider ones miss the
shadow of the brows, narrower ones take over single lashes and spots (eight photos of the portraits folder)."""
RATIO = (0.15, 2.5)
"""Within which light may differ between two faces: beyond it one of the two places shows no skin."""
NEIGHBOURS = 32
"""Gaussians in such a neighbourhood that are asked, one of `THINNED` there."""
THINNED = 3
"""All of them change shut lids by 1.5 grey levels of 255 in the mean (six photos) and cost half a second."""
BESIDE = 0.0025
"""Metres: standard deviation over which the skin beside a lid goes along with it."""
OF_BROW = 0.003
"""Metres from the donor's brows within which hair is expected."""
AROUND_EYE = (0.014, 0.030)
"""Metres from the middle of a lid between which skin tells the light on it: below the eye, beside the nose."""
LOCAL, LOCAL_SHARE = (0.5, 1.2), 0.4
"""How much the light right beside a lid counts: sockets are darker than cheeks. By eye, like all that follows, on eight
photos of the portraits folder with light and dark skin, smooth and old."""
LIGHT = (0.75, 1.4)
"""Within which the light on teeth may differ from the donor's: the white of eyes in a shadow would make them grey."""
WHITE = 0.9
"""Quantile of the lightness of the eyes that counts as their white."""


@dataclass(frozen=True)
class Donor:
    """A shipped avatar with what is asked of it again and again."""

    avatar: GaussianAvatar
    places: np.ndarray  # [M, 3] metres on the template, of its mesh-bound Gaussians

    @classmethod
    def of(cls, avatar: GaussianAvatar) -> Donor:
        """An avatar on the shipped head as a donor."""
        return cls(avatar, template_places(avatar))

    @classmethod
    def for_face(cls, avatar: GaussianAvatar) -> Donor:
        """The shipped avatar whose skin is most like this one's, whatever the exposure."""
        own = _tone(skin(avatar))
        return min(shipped_donors(), key=lambda donor: float((_tone(skin(donor.avatar)) - own).square().sum()))


@functools.cache
def shipped_donors() -> tuple[Donor, ...]:
    """All shipped avatars that can be used, read once in a process; AvatarError where there is none."""
    head = HeadModel.load()
    shipped = list_avatars([folder for folder in avatar_folders() if folder[1]])
    donors = tuple(Donor.of(load_avatar(info.folder, head)) for info in shipped if info.problem is None)
    if not donors:
        raise AvatarError("No shipped avatar can be read, and a photo's mouth comes from one; install emotalk again.")
    return donors


def template_places(avatar: GaussianAvatar) -> np.ndarray:
    """Where mesh-bound Gaussians lie on the head that all avatars share, [M, 3] metres: the same for the same feature
    of every face."""
    gaussians, head = avatar.gaussians, avatar.head
    corners = head.template[head.triangles[gaussians.triangle]]
    return (corners * gaussians.barycentric[..., None]).sum(1).double().cpu().numpy()


def skin(avatar: GaussianAvatar) -> Tensor:
    """The median colour [3] of the facial skin."""
    gaussians = avatar.gaussians
    return gaussians.color[gaussians.region == REGION_INDEX["face"]].median(0).values


def _tone(color: Tensor) -> Tensor:
    # Dark and light skin differ more in tint than in what a camera calls bright: a share of lightness is enough.
    return torch.cat([color / color.sum().clamp_min(1e-6), 0.5 * color.mean()[None]])


def with_donor(avatar: GaussianAvatar, donor: Donor, open_mouth: bool = False) -> GaussianAvatar:
    """The avatar of a photo with mouth, lips, lids and lashes of the donor, in its own colours where the photo shows
    them, and with the donor's changes of colour by expression on its skin. `open_mouth`: the photo shows what is
    between the lips, which is no colour of theirs."""
    own, given = avatar.gaussians, donor.avatar.gaussians
    places = template_places(avatar)
    taken = _within(given.region, MOVED)
    taken[given.mesh_count :] = False
    part, part_places = given.select(taken), donor.places[taken[: given.mesh_count].numpy()]
    color = part.color * light_ratio(avatar, places, donor, part_places)
    inside = _within(part.region, INNER)
    vividness = saturation_ratio(avatar, donor.avatar)
    color[inside] = _less_vivid(part.color[inside] * white_ratio(avatar, donor.avatar), vividness)
    lips = part.region == REGION_INDEX["lips"]
    shown = _within(own.region[: own.mesh_count], ("lips",)).numpy()
    if shown.any():
        own_lips = own.color[: own.mesh_count][shown]
        among = lips_among(own_lips, skin(avatar)) if open_mouth else torch.ones(len(own_lips), dtype=torch.bool)
        found = lip_colors(own_lips, places[shown], among, part_places[lips.numpy()])
        color[lips] = color[lips] if found is None else found
    part = dataclasses.replace(part, color=color.clamp(0, 1), view_color=torch.zeros_like(part.view_color))
    kept = ~_within(own.region, MOVED)
    kept_places = places[kept[: own.mesh_count].numpy()]
    both = BoundGaussians.concatenate([part, own.select(kept)])
    moved = _moved_corrections(donor.avatar.corrections, taken)
    changes = torch.where(inside[moved.index][:, None], _less_vivid(moved.color, vividness), moved.color)
    corrections = _joined(
        dataclasses.replace(moved, color=changes),
        _fold_corrections(avatar, own.select(kept), kept_places, donor),
        len(part),
    )
    return avatar.replace(gaussians=both, corrections=corrections)


def with_shut_lids(avatar: GaussianAvatar, donor: Donor) -> GaussianAvatar:
    """The finished avatar whose shut lids look like the donor's in this face's light: what a fit to open eyes made of
    the lids' colours (creases and lashes) must not be seen on shut ones. The skin next to them goes along."""
    corrections, gaussians = avatar.corrections, avatar.gaussians
    given = donor.avatar.gaussians
    lids = (given.region[: given.mesh_count] == REGION_INDEX["lids"]).numpy()
    brows = (given.region[: given.mesh_count] == REGION_INDEX["brows"]).numpy()
    on_mesh = corrections.index < gaussians.mesh_count
    rows = corrections.index[on_mesh]
    places = template_places(avatar)
    at = places[rows.numpy()]
    region = gaussians.region[rows]
    away = cKDTree(donor.places[lids]).query(at)[0]
    share = np.where((region == REGION_INDEX["lids"]).numpy(), 1.0, np.exp(-0.5 * np.square(away / BESIDE)))
    share[~_within(region, ("lids", "face")).numpy()] = 0
    if brows.any():
        share[cKDTree(donor.places[brows]).query(at)[0] < OF_BROW] = 0
    near = np.flatnonzero(share > 0.02)
    shut_colors = _shut_colors(donor, at[near])  # [2, N, 3]
    ratio = eye_ratio(avatar, places, donor, at[near])
    color = corrections.color.clone()
    columns = on_mesh.nonzero()[:, 0][near]
    weight = torch.from_numpy(share[near].astype(np.float32))[:, None]
    own = gaussians.color[rows[near]]
    for side, latent in enumerate(LIDS):
        # The left eye is at +x; each lid colours its own side.
        mine = torch.from_numpy(at[near][:, 0] > 0) == (side == 0)
        wanted = (shut_colors[side] * ratio - own) / SHUT
        mixed = torch.lerp(color[latent, columns], wanted, weight)
        color[latent, columns] = torch.where(mine[:, None], mixed, color[latent, columns])
    return avatar.replace(corrections=dataclasses.replace(corrections, color=color))


def _shut_colors(donor: Donor, at: np.ndarray) -> Tensor:
    """Colours [2, N, 3] that the donor's lids and the skin beside them have at places [N, 3], with the left and with
    the right eye shut."""
    given, corrections = donor.avatar.gaussians, donor.avatar.corrections
    column = _within(given.region[corrections.index], ("lids", "face")).nonzero()[:, 0]
    index = corrections.index[column]
    near = cKDTree(donor.places[index.numpy()]).query(at, k=3)
    weight = torch.from_numpy(np.exp(-0.5 * np.square(near[0] / 0.0005)) + 1e-9).float()
    weight = (weight / weight.sum(1, keepdim=True))[..., None]
    chosen = torch.from_numpy(near[1])
    return torch.stack([
        ((given.color[index] + SHUT * corrections.color[latent, column])[chosen] * weight).sum(1) for latent in LIDS
    ])  # fmt: skip


def light_ratio(
    avatar: GaussianAvatar,
    places: np.ndarray,  # [M, 3] of its mesh-bound Gaussians, `template_places`
    donor: Donor,
    at: np.ndarray,  # [N, 3] places on the template
) -> Tensor:
    """How much brighter each of red, green and blue is on this face than on the donor's around places, [N, 3]."""
    own, given = avatar.gaussians, donor.avatar.gaussians
    mine = (own.region[: own.mesh_count] == REGION_INDEX["face"]).numpy()
    theirs = (given.region[: given.mesh_count] == REGION_INDEX["face"]).numpy()
    # A photo's brows are part of its face; where the donor has brows neither face shows skin.
    brows = (given.region[: given.mesh_count] == REGION_INDEX["brows"]).numpy()
    if brows.any():
        mine = mine & (_distance(donor.places[brows], places) > OF_BROW)
    above = _smooth(own.color[: own.mesh_count][torch.from_numpy(mine)].numpy(), places[mine], at)
    below = _smooth(given.color[: given.mesh_count][torch.from_numpy(theirs)].numpy(), donor.places[theirs], at)
    return torch.from_numpy((above / np.maximum(below, 0.02)).clip(*RATIO).astype(np.float32))


def eye_ratio(
    avatar: GaussianAvatar,
    places: np.ndarray,  # [M, 3] of its mesh-bound Gaussians, `template_places`
    donor: Donor,
    at: np.ndarray,  # [N, 3] places of lids on the template
) -> Tensor:
    """As `light_ratio`, for lids: that of the bare skin around each eye, [N, 3]. What lies next to an open lid is brow,
    lashes and the shadow of the socket, which would be spots on a shut one."""
    own = avatar.gaussians
    skin_rows = (own.region[: own.mesh_count] == REGION_INDEX["face"]).numpy()
    near = light_ratio(avatar, places, donor, at).numpy()
    result = np.empty_like(near)
    for side in (-1, 1):
        lid = at[:, 0] * side > 0
        if not lid.any():
            continue
        centre = at[lid].mean(0)
        away = np.linalg.norm(places - centre, axis=1)
        around = skin_rows & (away > AROUND_EYE[0]) & (away < AROUND_EYE[1]) & (places[:, 1] < centre[1])
        usual = light_ratio(avatar, places, donor, places[around]).numpy() if around.any() else near[lid]
        usual = np.median(usual, axis=0)
        result[lid] = usual * (near[lid] / usual).clip(*LOCAL) ** LOCAL_SHARE
    return torch.from_numpy(result.astype(np.float32))


def white_ratio(avatar: GaussianAvatar, donor: GaussianAvatar) -> float:
    """How much brighter the white of the eyes is than the donor's: the light on teeth, whatever the skin."""

    def white(of: GaussianAvatar) -> float:
        eyes = of.gaussians.color[of.gaussians.region == REGION_INDEX["eyes"]].mean(1)
        return float(eyes.quantile(WHITE)) if len(eyes) else float(skin(of).mean())

    return float(np.clip(white(avatar) / max(white(donor), 0.05), *LIGHT))


def saturation_ratio(avatar: GaussianAvatar, donor: GaussianAvatar) -> float:
    """How colourful the photo is beside the donor, in [0, 1]: 0 where it has no colour at all, as its mouth then."""

    def saturation(of: GaussianAvatar) -> float:
        color = skin(of)
        return float((color.max() - color.min()) / color.mean().clamp_min(0.02))

    return float(np.clip(saturation(avatar) / max(saturation(donor), 0.02), 0, 1))


def _less_vivid(color: Tensor, share: float) -> Tensor:
    grey = color.mean(-1, keepdim=True)
    return grey + share * (color - grey)


def _smooth(colors: np.ndarray, places: np.ndarray, at: np.ndarray) -> np.ndarray:
    if len(places) > 4 * NEIGHBOURS * THINNED:
        colors, places = colors[::THINNED], places[::THINNED]
    count = min(NEIGHBOURS, len(places))
    distance, near = cKDTree(places).query(at, k=count)
    distance, near = distance.reshape(len(at), count), near.reshape(len(at), count)
    weight = np.exp(-0.5 * np.square((distance - distance[:, :1]) / REACH))
    return (weight[..., None] * colors[near]).sum(1) / weight.sum(1)[:, None]


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
    mine = _within(gaussians.region[: gaussians.mesh_count], FOLDED).nonzero()[:, 0]
    skin_rows = (_within(given.region[corrections.index], FOLDED)).nonzero()[:, 0]
    source = donor.places[corrections.index[skin_rows].numpy()]
    at = places[mine.numpy()]
    count = min(8, len(source))
    distance, near = cKDTree(source).query(at, k=count)
    weight = np.exp(-0.5 * np.square(distance / 0.0015)) + 1e-6
    weight = torch.from_numpy((weight / weight.sum(1, keepdims=True)).astype(np.float32))
    found = corrections.color[:, skin_rows][:, torch.from_numpy(near)]  # [K, C, n, 3]
    color = (found * weight[None, :, :, None]).sum(2)
    color = color * light_ratio(avatar, template_places(avatar), donor, at)
    return dataclasses.replace(corrections, index=mine, position=torch.zeros_like(color), color=color)


def _joined(first: Corrections, second: Corrections, before: int) -> Corrections:
    """Corrections of `before` Gaussians and of those that follow them."""
    return dataclasses.replace(
        first,
        index=torch.cat([first.index, second.index + before]),
        position=torch.cat([first.position, second.position], 1),
        color=torch.cat([first.color, second.color], 1),
    )


def _within(region: Tensor, names: tuple[str, ...]) -> Tensor:
    return torch.isin(region, torch.tensor([REGION_INDEX[name] for name in names]))


def _distance(places: np.ndarray, at: np.ndarray) -> np.ndarray:
    return cKDTree(places).query(at)[0]
