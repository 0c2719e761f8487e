"""Pairs for the texture branch: mouths as the motion branch draws them, and as they are.

Two kinds of people. Filmed ones: one frame of a film is the photo, all others are the truth. And synthetic ones: a
shipped avatar with another face, other teeth, another light is photographed at rest, and drawn in motion is the truth;
the mouth of the avatar that is made of its photo comes from one of the others.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.atomic import replacing
from emotalk.core.motion import HeadMotion
from emotalk.fitting.shipped_donor import Donor, shipped_donors, template_places
from emotalk.learning.driven_photo import MEASURING, DrivenPhoto
from emotalk.portrait.flow import PhotoFlow
from emotalk.portrait.make import make_portrait
from emotalk.portrait.rest import at_rest
from emotalk.portrait.texture import Crop, moved_away, network_input
from emotalk.portrait.tracked_photo import track_photo
from emotalk.rendering import portrait_camera, rasterize

STEP = np.float32(1 / 31)
"""Of `moved_away` as it is kept: [-4, 4] fits into int8."""
SIZE = 512


@dataclass(frozen=True)
class TexturePairs:
    """Mouths of one person."""

    person: str
    photo: np.ndarray  # [3, HEIGHT, WIDTH] uint8, the mouth of the photo
    drawn: np.ndarray  # [N, 3, HEIGHT, WIDTH] uint8, as the motion branch draws it
    shown: np.ndarray  # [N, 1, HEIGHT, WIDTH] uint8, how much of it the photo shows
    away: np.ndarray  # [N, 2, HEIGHT, WIDTH] int8, `moved_away` / STEP
    truth: np.ndarray  # [N, 3, HEIGHT, WIDTH] uint8

    def __len__(self) -> int:
        return len(self.drawn)

    def save(self, path: Path) -> None:
        """As a plain npz file, moved into place when complete."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> TexturePairs:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            names = [field.name for field in dataclasses.fields(cls)][1:]
            return cls(str(file["person"]), *(file[name] for name in names))


def filmed_pairs(person: str, driven: DrivenPhoto, frames, rows: np.ndarray) -> TexturePairs:
    """Of a film: `frames(t)` is the picture [H, W, 3] in [0, 1] of frame t, `rows` [N] the frames to take."""
    flow = PhotoFlow(driven.avatar, frames(driven.row), driven.avatar.detail.pose, 0, driven.torso[driven.row])
    found = [
        one_pair(flow, driven.motion, int(t), torch.from_numpy(frames(int(t))).permute(2, 0, 1), driven.torso[int(t)])
        for t in rows
    ]
    return _pairs(person, photo_mouth(flow), found)


def synthetic_pairs(person: str, motions: list[HeadMotion], count: int, seed: int, folder: Path) -> TexturePairs:
    """Of somebody who does not exist: frames of the motions, drawn at random. `folder` is used on the way."""
    random = np.random.default_rng([seed, zlib.crc32(person.encode())])
    donors = shipped_donors()
    own = int(random.integers(len(donors)))
    truth = varied(donors[own].avatar, donors[int(random.integers(len(donors)))].avatar, random)
    others = [donor for k, donor in enumerate(donors) if k != own]
    camera = portrait_camera(SIZE, zoom=float(random.uniform(1.0, 1.35)))
    behind = torch.from_numpy(random.uniform(0.2, 0.9, 3).astype(np.float32))
    light = Light.drawn(random)

    def picture(motion: HeadMotion, t: int) -> Tensor:
        cloud = truth.pose(motion, t, camera)
        return light(rasterize(cloud, camera, behind).image.permute(2, 0, 1).clamp(0, 1))

    rest = HeadMotion.neutral()
    photo = (255 * picture(rest, 0).permute(1, 2, 0)).round().byte().contiguous().numpy()
    tracked = track_photo(photo, folder / person)
    tracked = at_true(tracked, truth, rest, camera)
    donor: Donor = min(others, key=lambda donor: random.random())
    portrait = make_portrait(tracked, name=person, consent=MEASURING, donor=donor)
    flow = PhotoFlow(portrait, tracked.frame(0), at_rest(tracked).motion)
    found = []
    for _ in range(count):
        motion = motions[int(random.integers(len(motions)))]
        t = int(random.integers(len(motion)))
        found.append(one_pair(flow, motion, t, picture(motion, t)))
    return _pairs(person, photo_mouth(flow), found)


def at_true(tracked, truth: GaussianAvatar, motion: HeadMotion, camera):
    """A tracked photo of a synthetic person with what is known of it in place of what was found."""
    return dataclasses.replace(tracked, identity=truth.identity.numpy(), motion=motion, camera=camera)


def one_pair(
    flow: PhotoFlow, motion: HeadMotion, t: int, truth: Tensor, torso: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The mouth as drawn [3], how much the photo shows [1], how far it moved [2] and as it is [3] (`truth`: the picture
    [3, H, W]) at frame `t` of a motion, each [*, HEIGHT, WIDTH]; `torso` [3, 4] as for `GaussianAvatar.pose`."""
    avatar = flow.avatar
    frame = flow.draw(motion, t, torso)
    crop = Crop.around(avatar.vertices(motion, t), avatar.head, avatar.camera)
    shown = crop.of(frame.shown[None])
    return crop.of(frame.blended), shown, moved_away(crop.of(frame.flow), shown, crop), crop.of(truth)


def photo_mouth(flow: PhotoFlow) -> Tensor:
    """The mouth of the photo [3, HEIGHT, WIDTH]."""
    avatar = flow.avatar
    return Crop.around(avatar.vertices(avatar.detail.pose, 0), avatar.head, avatar.camera).of(flow.picture)


@dataclass(frozen=True)
class Light:
    """What a camera makes of a scene: exposure, tint and contrast."""

    gain: Tensor  # [3]
    power: float

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Light:
        """One at random."""
        gain = random.uniform(0.75, 1.12) * (1 + random.normal(0, 0.04, 3))
        return cls(torch.from_numpy(gain.astype(np.float32)), float(random.uniform(0.85, 1.2)))

    def __call__(self, picture: Tensor) -> Tensor:
        """A picture [3, H, W] in [0, 1] in this light."""
        return (picture.clamp_min(0) ** self.power * self.gain[:, None, None]).clamp(0, 1)


def varied(avatar: GaussianAvatar, other: GaussianAvatar, random: np.random.Generator) -> GaussianAvatar:
    """The avatar with a face between two people's and beside both, and a mouth of its own: teeth of another colour,
    worn or with gaps, a darker or lighter cavity, other lips, perhaps stubble."""
    share = float(random.uniform(0, 0.6))
    spread = 0.35 * np.abs(np.stack([avatar.identity.numpy(), other.identity.numpy()])).mean(0)
    identity = torch.lerp(avatar.identity, other.identity, share)
    identity = identity + torch.from_numpy((random.normal(size=len(spread)) * spread).astype(np.float32))
    gaussians = avatar.gaussians
    color, opacity = gaussians.color.clone(), gaussians.opacity_logit.clone()
    region = gaussians.region
    places = torch.zeros(len(gaussians), 3)
    places[: gaussians.mesh_count] = torch.from_numpy(template_places(avatar).astype(np.float32))

    def rows(*names: str) -> Tensor:
        return torch.isin(region, torch.tensor([REGION_INDEX[name] for name in names]))

    teeth = rows("teeth")
    yellow = 1 - float(random.uniform(0, 0.22)) * torch.tensor([0.1, 0.35, 1.0])
    across = places[teeth, 0] + gaussians.position[teeth, 0]
    wear = (
        1
        - float(random.uniform(0, 0.3)) * torch.sin(across / 0.0075 * torch.pi + float(random.uniform(0, 6))).abs() ** 8
    )
    color[teeth] = color[teeth] * float(random.uniform(0.55, 1.1)) * yellow * wear[:, None]
    if random.random() < 0.3:
        gap = (across - float(random.uniform(-0.012, 0.012))).abs() < float(random.uniform(0.0003, 0.0012))
        color[teeth] = torch.where(gap[:, None], 0.15 * color[teeth], color[teeth])
    color[rows("mouth")] *= float(random.uniform(0.1, 1.0))
    color[rows("gums")] *= float(random.uniform(0.5, 1.1))
    color[rows("tongue")] *= float(random.uniform(0.45, 1.1))
    lips = rows("lips")
    color[lips] = color[lips] * torch.from_numpy(random.uniform(0.75, 1.15, 3).astype(np.float32))
    if random.random() < 0.35:
        near = rows("face")
        # Around the mouth of the template, below the nose and on the chin.
        middle = places[lips].mean(0)
        away = ((places - middle) / torch.tensor([0.04, 0.03, 0.04])).norm(dim=1)
        strands = torch.from_numpy(random.random(len(gaussians)).astype(np.float32)) < 0.5
        dark = float(random.uniform(0.1, 0.5)) * (1.4 - away).clamp(0, 1)
        color = torch.where((near & strands)[:, None], color * (1 - dark[:, None]), color)
    changed = dataclasses.replace(gaussians, color=color.clamp(0, 1), opacity_logit=opacity)
    return avatar.replace(identity=identity, gaussians=changed)


def batches(
    people: list[TexturePairs], size: int, seed: int, start: int = 0
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless batches of inputs [B, CHANNELS, HEIGHT, WIDTH], drawn and true mouths [B, 3, HEIGHT, WIDTH]: filmed and
    made-up people (the first word of their names) as often as each other, however many there are of either; half of
    them mirrored. Those after `start` steps are the same however often training stopped."""
    kinds: dict[str, list[TexturePairs]] = {}
    for one in people:
        kinds.setdefault(one.person.split("-")[0], []).append(one)
    groups = [kinds[kind] for kind in sorted(kinds)]
    for step in range(start, 10**9):
        random = np.random.default_rng([seed, step])
        chosen = []
        for _ in range(size):
            group = groups[int(random.integers(len(groups)))]
            pairs = group[int(random.integers(len(group)))]
            chosen.append((pairs, int(random.integers(len(pairs))), random.random() < 0.5))
        rows = [prepared(pairs, k, mirrored) for pairs, k, mirrored in chosen]
        yield tuple(torch.stack(part) for part in zip(*rows, strict=True))


def prepared(pairs: TexturePairs, k: int, mirrored: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Number `k` of the pairs: what the network sees [CHANNELS, HEIGHT, WIDTH], the mouth as drawn and as it is
    [3, HEIGHT, WIDTH]."""
    colors = (torch.from_numpy(part.astype(np.float32) / 255) for part in (
        pairs.photo, pairs.drawn[k], pairs.shown[k], pairs.truth[k]
    ))  # fmt: skip
    away = torch.from_numpy(pairs.away[k].astype(np.float32) * STEP)
    photo, drawn, shown, truth = (part.flip(-1) if mirrored else part for part in colors)
    if mirrored:
        away = away.flip(-1) * torch.tensor([-1.0, 1.0])[:, None, None]
    return network_input(drawn, photo, shown, away), drawn, truth


def _pairs(person: str, photo: Tensor, found: list[tuple[Tensor, Tensor, Tensor, Tensor]]) -> TexturePairs:
    def bytes_of(part: Tensor) -> np.ndarray:
        return (255 * part.clamp(0, 1)).round().byte().numpy()

    drawn, shown, truth = (np.stack([bytes_of(part[k]) for part in found]) for k in (0, 1, 3))
    away = np.stack([np.rint(part[2].numpy() / STEP) for part in found]).clip(-127, 127).astype(np.int8)
    return TexturePairs(person, bytes_of(photo), drawn, shown, away, truth)
