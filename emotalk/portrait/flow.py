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
from emotalk.core.camera import Camera
from emotalk.core.gaussians import GaussianCloud
from emotalk.core.motion import HeadMotion
from emotalk.fitting.shipped_donor import INNER
from emotalk.rendering import rasterize

BEHIND = 0.006
"""Metres behind what the picture shows at its place, from which a Gaussian is hidden in it."""
SHUT_FROM, SHUT_BY = 0.1, 0.4
"""By how much further shut than in the picture its lids begin to be other than it shows them, and are so wholly."""
STRETCHED = (1.6, 3.0)
"""Growth of a triangle's area on the screen from which, and at which, the picture tells nothing of its detail."""


@dataclass(frozen=True)
class FlowFrame:
    """One frame in another pose than the picture's. Float32 tensors, their memory as of planes."""

    image: Tensor  # [3, H, W] Gaussians before their background, in [0, 1]
    alpha: Tensor  # [H, W] how much they cover
    flow: Tensor  # [2, H, W] x and y, pixels from here to the place in the picture; 0 where nothing is shown
    shown: Tensor  # [H, W] in [0, 1]: how much of this pixel the picture shows
    warped: Tensor  # [3, H, W] the picture, moved
    blended: Tensor  # [3, H, W] the Gaussians with the picture's detail


class PhotoFlow:
    """Responsibilities: one picture of a person whose pose in it is known, moved to other poses of theirs."""

    def __init__(
        self,
        avatar: GaussianAvatar,
        picture: np.ndarray,  # [H, W, 3] float32 in [0, 1], as `avatar.camera` sees it
        motion: HeadMotion,
        row: int = 0,  # of the motion: the pose in the picture
        torso: Tensor | None = None,  # as for `GaussianAvatar.pose`
    ) -> None:
        self.avatar, self.camera = avatar, avatar.camera
        self.picture = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).contiguous()
        cloud = avatar.pose(motion, row, self.camera, torso)
        self._lids = np.asarray(motion.eyelids[row], np.float64)
        drawn = rasterize(cloud, self.camera, fitting_background(avatar, self.camera))
        self.detail = (self.picture - drawn.image.permute(2, 0, 1)) * (drawn.alpha > 0.02)
        self.places, self._seen = self._visible(cloud)
        self._areas = self._triangle_areas(motion, row, torso)

    @torch.no_grad()
    def draw(
        self, motion: HeadMotion, row: int, torso: Tensor | None = None, camera: Camera | None = None
    ) -> FlowFrame:
        """The frame `row` of a motion, through the avatar's own camera or another one."""
        camera = camera if camera is not None else self.camera
        cloud = self.avatar.pose(motion, row, camera, torso)
        drawn = rasterize(cloud, camera, fitting_background(self.avatar, camera))
        flow, shown = self._flow(cloud, camera, self._weights(motion, row, torso))
        at = sampling_grid(flow, self.picture.shape[1:])
        both = torch.cat([self.picture, self.detail])[None]
        moved = torch.nn.functional.grid_sample(both, at, align_corners=False, padding_mode="border")[0]
        image = drawn.image.permute(2, 0, 1)
        blended = (image + shown * moved[3:]).clamp(0, 1)
        return FlowFrame(image.clamp(0, 1), drawn.alpha, flow, shown, moved[:3], blended)

    def _visible(self, cloud: GaussianCloud) -> tuple[Tensor, Tensor]:
        """Where in the picture Gaussians are [N, 2] pixels, and how much of each it shows [N] in [0, 1]."""
        places, depth = projected(cloud.means, self.camera)
        one = torch.stack([depth, torch.ones_like(depth), torch.zeros_like(depth)], 1)
        drawn = rasterize(dataclasses.replace(cloud, colors=one), self.camera, (0.0, 0.0, 0.0)).image.permute(2, 0, 1)
        grid = normalised(places, drawn.shape[1:])[None, None]
        found = torch.nn.functional.grid_sample(drawn[None], grid, align_corners=False)[0, :, 0]
        before = depth - found[0] / found[1].clamp_min(1e-3)
        seen = (1.5 - before / BEHIND).clamp(0, 1) * (cloud.opacities > 0)
        inner = torch.isin(self.avatar.gaussians.region, torch.tensor([REGION_INDEX[name] for name in INNER]))
        return places, torch.where(inner, 0.0, seen)

    def _weights(self, motion: HeadMotion, row: int, torso: Tensor | None) -> Tensor:
        """How much of each Gaussian [N] in this pose is as the picture shows it."""
        gaussians, seen = self.avatar.gaussians, self._seen.clone()
        shut = ((torch.from_numpy(motion.eyelids[row] - self._lids) - SHUT_FROM) / (SHUT_BY - SHUT_FROM)).clamp(0, 1)
        lids = torch.isin(gaussians.region, torch.tensor([REGION_INDEX["lids"], REGION_INDEX["lashes"]]))
        seen[lids] *= 1 - float(shut.max())
        growth = self._triangle_areas(motion, row, torso) / self._areas.clamp_min(1e-12)
        least, most = STRETCHED
        fine = ((most - growth) / (most - least)).clamp(0, 1)[gaussians.triangle]
        seen[: len(fine)] *= fine
        return seen

    def _flow(self, cloud: GaussianCloud, camera: Camera, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Flow [2, H, W] and how much is shown [H, W]."""
        here, _ = projected(cloud.means, camera)
        channels = torch.cat([(self.places - here) * seen[:, None], seen[:, None]], 1).contiguous()
        drawn = rasterize(dataclasses.replace(cloud, colors=channels), camera, (0.0, 0.0, 0.0)).image.permute(2, 0, 1)
        return drawn[:2] / drawn[2:].clamp_min(1e-3), drawn[2].clamp(0, 1)

    def _triangle_areas(self, motion: HeadMotion, row: int, torso: Tensor | None) -> Tensor:
        """Twice the areas [F] of the head's triangles, square metres, seen along their own normals."""
        vertices = self.avatar._mesh_at(motion, row)[0]
        a, b, c = (vertices[self.avatar.head.triangles[:, k]] for k in range(3))
        return torch.linalg.cross(b - a, c - a).norm(dim=1)


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


def fitting_background(avatar: GaussianAvatar, camera: Camera) -> Tensor:
    """The avatar's background as a camera of any size takes it, [3] or [H, W, 3]."""
    background = avatar.background
    if background.ndim == 3 and background.shape[:2] != (camera.height, camera.width):
        planes = background.permute(2, 0, 1)[None]
        background = torch.nn.functional.interpolate(planes, (camera.height, camera.width), mode="area")[0]
        background = background.permute(1, 2, 0)
    return background
