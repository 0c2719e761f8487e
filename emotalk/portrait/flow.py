"""The motion branch: where in a picture of somebody each pixel of another pose of theirs is to be found.

The rasterizer draws, in place of its colour, how far each Gaussian has come from where the picture shows it: a dense
flow that knows what hides what. Along it goes what the picture has and the Gaussians have not: its finest detail.

    pose, displacement ─► rasterize ─► flow, shown ─┐
    picture - Gaussians at its own pose ────────────┴─► detail, moved ─┐
    pose, colours ─► rasterize ─► Gaussians ───────────────────────────┴─► frame

After the motion branch of one-shot geometry-aware emotional faces (arXiv 2205.01155, section 3.3), whose flow a network
guesses from landmarks; this one is that of the head model.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.camera import Camera
from emotalk.core.gaussians import GaussianCloud
from emotalk.core.motion import HeadMotion
from emotalk.rendering import rasterize

NEVER = ("mouth", "gums", "teeth", "tongue")
"""Regions that a picture tells nothing about: what is between the lips comes and goes."""
BEHIND = 0.006
"""Metres behind what the picture shows at its place, from which a Gaussian is hidden in it."""
SHUT_FROM, SHUT_BY = 0.1, 0.4
"""By how much further shut than in the picture, or wider open, lids begin to be other than it shows them, and are so
wholly."""
WIDE = [ARKIT_INDEX["eyeWideLeft"], ARKIT_INDEX["eyeWideRight"]]
STRETCHED = (1.6, 3.0)
"""Growth of a triangle from which, and at which, the picture tells nothing of its detail."""


class DenseFlow:
    """Responsibilities: say where Gaussians are in a picture whose pose is known, and draw how far they are from there
    in other poses. On the avatar's device."""

    def __init__(self, avatar: GaussianAvatar, motion: HeadMotion, row: int = 0, torso: Tensor | None = None) -> None:
        """`avatar.camera` sees the picture; frame `row` of the motion is the pose in it, `torso` as for
        `GaussianAvatar.pose`."""
        self.avatar, self.camera = avatar, avatar.camera
        cloud = avatar.pose(motion, row, self.camera, torso)
        self._shut, self._wide = _lids(motion, row)
        self._areas = self._triangle_areas(motion, row)
        self.places, self._seen = self._visible(cloud)
        self._lids = torch.isin(
            avatar.gaussians.region,
            torch.tensor([REGION_INDEX["lids"], REGION_INDEX["lashes"]], device=avatar.device),
        )

    @torch.no_grad()
    def draw(self, cloud: GaussianCloud, camera: Camera, motion: HeadMotion, row: int) -> tuple[Tensor, Tensor]:
        """For the Gaussians of frame `row` of a motion, as `camera` sees them: the way [2, H, W] in pixels from each
        pixel to its place in the picture, 0 where that shows nothing, and how much of the pixel it shows [H, W]."""
        seen = self._weights(motion, row)
        here, _ = projected(cloud.means, camera)
        # Pixels of a camera are counted in those of the picture, whatever the size of both.
        scale = self.places.new_tensor([self.camera.width / camera.width, self.camera.height / camera.height])
        channels = torch.cat([(self.places - here * scale) * seen[:, None], seen[:, None]], 1).contiguous()
        drawn = rasterize(dataclasses.replace(cloud, colors=channels), camera, (0.0, 0.0, 0.0)).image.permute(2, 0, 1)
        return drawn[:2] / drawn[2:].clamp_min(1e-3), drawn[2].clamp(0, 1)

    def _visible(self, cloud: GaussianCloud) -> tuple[Tensor, Tensor]:
        """Where in the picture Gaussians are [N, 2] pixels, and how much of each it shows [N] in [0, 1]."""
        places, depth = projected(cloud.means, self.camera)
        one = torch.stack([depth, torch.ones_like(depth), torch.zeros_like(depth)], 1)
        drawn = rasterize(dataclasses.replace(cloud, colors=one), self.camera, (0.0, 0.0, 0.0)).image.permute(2, 0, 1)
        grid = normalised(places, drawn.shape[1:])[None, None]
        found = torch.nn.functional.grid_sample(drawn[None], grid, align_corners=False)[0, :, 0]
        before = depth - found[0] / found[1].clamp_min(1e-3)
        seen = (1.5 - before / BEHIND).clamp(0, 1) * (cloud.opacities > 0)
        never = torch.tensor([REGION_INDEX[name] for name in NEVER], device=seen.device)
        return places, torch.where(torch.isin(self.avatar.gaussians.region, never), 0.0, seen)

    def _weights(self, motion: HeadMotion, row: int) -> Tensor:
        """How much of each Gaussian [N] in this pose is as the picture shows it."""
        seen = self._seen.clone()
        shut, wide = _lids(motion, row)
        further = max(shut - self._shut, wide - self._wide)
        seen[self._lids] *= 1 - min(max((further - SHUT_FROM) / (SHUT_BY - SHUT_FROM), 0.0), 1.0)
        growth = self._triangle_areas(motion, row) / self._areas.clamp_min(1e-12)
        least, most = STRETCHED
        triangle = self.avatar.gaussians.triangle
        seen[: len(triangle)] *= ((most - growth) / (most - least)).clamp(0, 1)[triangle]
        return seen

    def _triangle_areas(self, motion: HeadMotion, row: int) -> Tensor:
        """Twice the areas [F] of the head's triangles, square metres."""
        corners = self.avatar.vertices(motion, row)[self.avatar.head.triangles]
        return torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=1)


@dataclass(frozen=True)
class FlowFrame:
    """One frame in another pose than the picture's. Float32 tensors in the order of planes."""

    image: Tensor  # [3, H, W] Gaussians before their background, in [0, 1]
    alpha: Tensor  # [H, W] how much they cover
    flow: Tensor  # [2, H, W] x and y, pixels from here to the place in the picture; 0 where nothing is shown
    shown: Tensor  # [H, W] in [0, 1]: how much of this pixel the picture shows
    warped: Tensor  # [3, H, W] the picture, moved
    blended: Tensor  # [3, H, W] the Gaussians with the picture's detail


class PhotoFlow:
    """Responsibilities: one picture of a person whose pose in it is known, moved to other poses of theirs, every part
    of it to be looked at. (Talks draw it faster: `portrait.detail`.)"""

    def __init__(
        self,
        avatar: GaussianAvatar,
        picture: np.ndarray,  # [H, W, 3] float32 in [0, 1], as `avatar.camera` sees it
        motion: HeadMotion,
        row: int = 0,  # of the motion: the pose in the picture
        torso: Tensor | None = None,  # as for `GaussianAvatar.pose`
    ) -> None:
        self.avatar = avatar
        self.flow = DenseFlow(avatar, motion, row, torso)
        self.picture = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).contiguous()
        self.detail = torch.from_numpy(detail_of(avatar, picture, motion, row, torso)).permute(2, 0, 1)

    @torch.no_grad()
    def draw(self, motion: HeadMotion, row: int, torso: Tensor | None = None) -> FlowFrame:
        """The frame `row` of a motion, through the avatar's own camera; `torso` [3] or [3, 4] as for `pose`."""
        camera = self.avatar.camera
        cloud = self.avatar.pose(motion, row, camera, torso)
        drawn = rasterize(cloud, camera, self.avatar.background)
        flow, shown = self.flow.draw(cloud, camera, motion, row)
        at = sampling_grid(flow, self.picture.shape[1:])
        both = torch.cat([self.picture, self.detail])[None]
        moved = torch.nn.functional.grid_sample(both, at, align_corners=False, padding_mode="border")[0]
        image = drawn.image.permute(2, 0, 1)
        blended = (image + shown * moved[3:]).clamp(0, 1)
        return FlowFrame(image.clamp(0, 1), drawn.alpha, flow, shown, moved[:3], blended)


@torch.no_grad()
def detail_of(
    avatar: GaussianAvatar, picture: np.ndarray, motion: HeadMotion, row: int = 0, torso: Tensor | None = None
) -> np.ndarray:
    """What a `picture` [H, W, 3] in [0, 1] of an avatar's person has more than the avatar in that pose: [H, W, 3]
    float32, 0 where no avatar is. `torso` [3] or [3, 4] as for `GaussianAvatar.pose`."""
    drawn = rasterize(avatar.pose(motion, row, avatar.camera, torso), avatar.camera, avatar.background)
    more = torch.from_numpy(np.ascontiguousarray(picture)).to(drawn.image) - drawn.image
    return (more * drawn.alpha[..., None]).cpu().contiguous().numpy()


def _lids(motion: HeadMotion, row: int) -> tuple[float, float]:
    """How far the lids of a frame are shut, and opened wide."""
    return float(motion.eyelids[row].max()), float(motion.expression[row, WIDE].max())


def projected(means: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Pixels [N, 2] and depths [N] (metres) of points [N, 3] in metres."""
    matrix = camera.world_to_camera.to(means)
    local = means @ matrix[:3, :3].T + matrix[:3, 3]
    depth = local[:, 2].clamp_min(1e-6)
    x, y = camera.fx * local[:, 0] / depth + camera.cx, camera.fy * local[:, 1] / depth + camera.cy
    return torch.stack([x, y], 1), depth


def normalised(places: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels [..., 2] as `grid_sample` counts them, of a picture [H, W]."""
    height, width = size
    return 2 * places / places.new_tensor([width, height]) - 1


def sampling_grid(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """For `grid_sample` [1, H, W, 2]: where in a picture [H, W] the pixels of a flow [2, H, W] are."""
    y, x = torch.meshgrid(
        torch.arange(flow.shape[1], dtype=torch.float32) + 0.5, torch.arange(flow.shape[2], dtype=torch.float32) + 0.5,
        indexing="ij",
    )  # fmt: skip
    return normalised(torch.stack([x, y], -1) + flow.permute(1, 2, 0), size)[None]
