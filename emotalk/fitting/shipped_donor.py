"""A shipped avatar as a donor: what no picture of a person shows comes from it, in that person's light.

All avatars share one mesh, so that a place on it is the same feature of every face: two avatars can be compared there,
and Gaussians of one move over to another as they are. Used for photos (`portrait.donor`) and for videos (`mouth_prior`,
`lid_prior`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from emotalk.avatar import GaussianAvatar, list_avatars, load_avatar
from emotalk.avatar.gallery import avatar_folders, read_arrays
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.latents import GROUPS
from emotalk.core.errors import AvatarError
from emotalk.head import HeadModel

if TYPE_CHECKING:
    from pathlib import Path

INNER = ("mouth", "gums", "teeth", "tongue")
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


@dataclass(frozen=True, eq=False)  # one is itself alone: what was found of it can be remembered
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
        """The shipped avatar whose skin is most like this one's, whatever the exposure; AvatarError where there is
        none. Only that one is loaded: all six are 300 MB."""
        own, tones = _tone(skin(avatar)), shipped_tones()
        return _loaded(min(tones, key=lambda folder: float((tones[folder] - own).square().sum())))


@functools.cache
def shipped_donors() -> tuple[Donor, ...]:
    """All shipped avatars that can be used, loaded; AvatarError where there is none."""
    head = HeadModel.load()
    return tuple(Donor.of(load_avatar(folder, head)) for folder in shipped_tones())


@functools.cache
def shipped_tones() -> dict[Path, Tensor]:
    """What the skin of each shipped avatar that can be used looks like, by its folder: its tint [3] and half its
    lightness; AvatarError where there is none. Read once in a process, from the files alone."""
    tones = {}
    for info in list_avatars([folder for folder in avatar_folders() if folder[1]]):
        if info.problem is None:
            arrays = read_arrays(info.folder)
            color, region = (torch.from_numpy(arrays[name].copy()) for name in ("color", "region"))
            tones[info.folder] = _tone(_face_color(color, region))
    if not tones:
        raise AvatarError("No shipped avatar can be read, and a photo's mouth comes from one; install emotalk again.")
    return tones


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path) -> Donor:
    return Donor.of(load_avatar(folder, HeadModel.load()))


def template_places(avatar: GaussianAvatar) -> np.ndarray:
    """Where mesh-bound Gaussians lie on the head that all avatars share, [M, 3] metres: the same for the same feature
    of every face."""
    gaussians, head = avatar.gaussians, avatar.head
    corners = head.template[head.triangles[gaussians.triangle]]
    return (corners * gaussians.barycentric[..., None]).sum(1).double().cpu().numpy()


def skin(avatar: GaussianAvatar) -> Tensor:
    """The median colour [3] of the facial skin."""
    return _face_color(avatar.gaussians.color, avatar.gaussians.region)


def _face_color(color: Tensor, region: Tensor) -> Tensor:
    return color[region == REGION_INDEX["face"]].float().median(0).values


def _tone(color: Tensor) -> Tensor:
    # Dark and light skin differ more in tint than in what a camera calls bright: a share of lightness is enough.
    return torch.cat([color / color.sum().clamp_min(1e-6), 0.5 * color.mean()[None]])


def lid_share(donor: Donor, at: np.ndarray, region: Tensor, beside: float = BESIDE) -> np.ndarray:
    """How much Gaussians at places [N, 3] and of the `region` [N] (indices) belong to the lids, [N] in [0, 1]: lids 1,
    the skin next to them (`beside` metres, a standard deviation) less, brows not at all."""
    given = donor.avatar.gaussians
    lids, brows = ((given.region[: given.mesh_count] == REGION_INDEX[name]).numpy() for name in ("lids", "brows"))
    away = nearest_distance(donor.places[lids], at)
    share = np.where((region == REGION_INDEX["lids"]).numpy(), 1.0, np.exp(-0.5 * np.square(away / beside)))
    share[~in_regions(region, ("lids", "face")).numpy()] = 0
    if brows.any():
        share[nearest_distance(donor.places[brows], at) < OF_BROW] = 0
    return share


def shut_colors(donor: Donor, at: np.ndarray) -> Tensor:
    """Colours [2, N, 3] that the donor's lids and the skin beside them have at places [N, 3], with the left and with
    the right eye shut."""
    given, corrections = donor.avatar.gaussians, donor.avatar.corrections
    column = in_regions(given.region[corrections.index], ("lids", "face")).nonzero()[:, 0]
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
        mine = mine & (nearest_distance(donor.places[brows], places) > OF_BROW)
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


def less_vivid(color: Tensor, share: float) -> Tensor:
    """Colours [..., 3] with `share` of their colourfulness."""
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


def in_regions(region: Tensor, names: tuple[str, ...]) -> Tensor:
    """Which of the regions [N] (indices) are among `names`, [N] bool."""
    return torch.isin(region, torch.tensor([REGION_INDEX[name] for name in names]))


def nearest_distance(places: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Metres [N] from places `at` [N, 3] to the nearest of `places` [M, 3]."""
    return cKDTree(places).query(at)[0]
