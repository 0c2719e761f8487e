"""The fit of a starting avatar to the one picture that there is of a person."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from emotalk.avatar import Corrections, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.fitting.gaussian_fit import FitConfig
from emotalk.fitting.gaussian_parameters import GAUSSIAN_GROUPS
from emotalk.fitting.locality import neighbourhood
from emotalk.fitting.samples import Target
from emotalk.fitting.video_fit import VideoFit
from emotalk.portrait.donor import INNER, skin
from emotalk.portrait.hidden_sides import SKIN, how_well_seen
from emotalk.portrait.lips import between_lips, mouth_is_open
from emotalk.portrait.photo_frames import PhotoFrames

STEPS = 120
"""More make the photo sharper by less than .1 dB in its own pose and nothing in others (German, W009)."""
LEAST_SHOWN = 0.02
"""Share that must show of a Gaussian that learns (of 0.01, 0.02 and 0.05 the one with the fewest specks at 12 degrees
beside the photo, by eye). Adam moves what hardly shows as far as all else: it would become a
speck that the next turn of the head brings to light."""
DENSE, DENSE_SHOWN = ("lips", "eyes", "lids", "lashes"), 0.002
"""Regions whose Gaussians lie on top of each other, so that little shows of each."""
EDGE = 0.35
"""Cosine of normal and view below which skin keeps the colour that it begins with: there a photo shows a pixel or two
of a mixture, and the bright rim that cameras draw around what they sharpen. Turning the head spreads it (by eye)."""
LIP_LIGHT = (0.6, 1.8)
LIP_TINT = 0.04
"""Within which the lips of an open mouth may become darker or lighter, and by how much their tint may leave what lies
between that of lips and of skin: it would be that of teeth and gaps."""


class PhotoFit(VideoFit):
    """Responsibilities: as `VideoFit`, for one frame. Changes by expression come with the avatar and stay as they are:
    they take part, so that what is learned is the face without the photo's expression."""

    def __init__(
        self, avatar: GaussianAvatar, frames: PhotoFrames, torso: Tensor, steps: int = STEPS, seed: int = 0
    ) -> None:
        config = FitConfig(
            steps=steps, budget=len(avatar), seed=seed, densify_every=0, corrections_from=0.0,
            frozen=("view_color", "correction_position", "correction_color"),
        )  # fmt: skip
        super().__init__(avatar, frames, torso, config, refine=())
        for name in ("correction_position", "correction_color"):
            self.parameters.values[name].requires_grad_(False)
        region = avatar.gaussians.region
        self._given, self._in_place, self._lips, dense = (
            torch.isin(region, torch.tensor([REGION_INDEX[name] for name in names], device=region.device))
            for names in (INNER, ("lids", "lashes"), ("lips",), DENSE)
        )
        self._hidden = torch.zeros_like(dense)
        self._least_shown = torch.where(dense, DENSE_SHOWN, LEAST_SHOWN)
        rows = avatar.gaussians.mesh_count
        self._edge = torch.zeros_like(dense)
        seen = how_well_seen(avatar.to("cpu"), frames.motion, frames.camera)
        self._edge[:rows] = torch.from_numpy(seen < EDGE).to(region.device)
        self._edge &= torch.isin(region, torch.tensor([REGION_INDEX[name] for name in SKIN], device=region.device))
        self._looks = {0, steps // 3, 2 * steps // 3}
        self._between: dict[int, Tensor] = {}
        self._open = mouth_is_open(frames.tracked.landmarks[0])
        lips, face = avatar.gaussians.color[self._lips], skin(avatar)[None]
        self._lip_light = lips.mean(1, keepdim=True).clamp_min(0.01)
        tints = lips / self._lip_light, (face / face.mean()).expand_as(lips)
        self._least_tint = torch.minimum(*tints) - LIP_TINT
        self._most_tint = torch.maximum(*tints) + LIP_TINT

    def _corrections(self, avatar: GaussianAvatar, torso: Tensor) -> Corrections:
        return avatar.corrections

    def _mouth_rows(self) -> None:
        """None: the inside of the mouth stays as it was given."""

    def _lid_prior(self, start: GaussianAvatar) -> None:
        """None: the donor's lids are on the avatar already."""

    def _set_lip_box(self) -> None:
        """They have bounds of their own here."""

    def _find_held(self) -> None:
        """One picture moves nothing far."""

    def _keep_held(self) -> None:
        """See `_find_held`."""

    def _even_colors(self) -> None:
        """They come from a fit of many pictures."""

    def _active(self, index: int) -> Tensor:
        return torch.zeros(0, dtype=torch.int64, device=self.device)

    def _target(self, index: int, shrink: int) -> Target:
        """The photo, and in turn with it the person cut out, who goes over plain backgrounds: what looks right over all
        of them has the person's own colours and covers what they do. What shows between the lips does not count: it is
        the donor's, and lips must not learn it."""
        size = shrink * self.shrink
        target = self.frames.target(0, size) if self.step_count % 2 else self.frames.whole(size)
        target = target.to(self.device)
        if not self._open:
            return target
        if shrink not in self._between:
            gap = between_lips(self.frames.tracked.landmarks[0] / (shrink * self.shrink), target.weights.shape)
            self._between[shrink] = torch.from_numpy(~gap).to(self.device)
        return dataclasses.replace(target, weights=target.weights * self._between[shrink])

    def step(self) -> float:
        """One step; now and then, what the photo shows is looked at anew."""
        if self.step_count in self._looks:
            self._hidden = self.shown_share() < self._least_shown
        return super().step()

    def shown_share(self) -> Tensor:
        """How much of each Gaussian [N] the photo shows: what it adds to the picture, by what it would cover alone."""
        target = self.frames.whole(self.shrink).to(self.device)
        values = self.parameters.values
        image, _ = self.draw(0, target, self._background(target), cull=False)
        (added,) = torch.autograd.grad(image.sum(), values["color"])
        with torch.no_grad():
            cloud = self.result().pose(self.frames.motion, 0, target.camera, self.poses.torso[0])
            matrix = target.camera.world_to_camera.to(cloud.means)
            depth = cloud.means @ matrix[2, :3] + matrix[2, 3]
            largest = cloud.scales.sort(1, descending=True).values[:, :2] * target.camera.fx / depth[:, None]
            alone = 2 * torch.pi * values["opacity_logit"].sigmoid() * largest.prod(1)
        return added[:, 0].detach() / alone.clamp_min(1e-6)

    @torch.no_grad()
    def _share_corrections(self, active: Tensor) -> None:
        """The inside of the mouth stays as it was given, lids and lashes where they were: an open mouth or eye shows
        too little of them to tell what they are like when something else of them shows."""
        for name in GAUSSIAN_GROUPS:
            gradient = self.parameters.values[name].grad
            if gradient is not None:
                gradient[self._hidden] = 0
                gradient[self._given] = 0
                if name == "color":
                    gradient[self._edge] = 0
                if name != "color":
                    gradient[self._in_place] = 0
                if self._open and name != "color":
                    gradient[self._lips] = 0

    def _set_locality(self) -> None:
        self._neighbourhood = neighbourhood(self.avatar, self.parameters.index)

    def _smooth_corrections(self) -> None:
        """They are not learned here."""

    def _keep_whole(self) -> None:
        super()._keep_whole()
        if not self._open:
            return
        color = self.parameters.values["color"].data
        learned = color[self._lips]
        light = learned.mean(1, keepdim=True)
        tint = torch.minimum(torch.maximum(learned / light.clamp_min(0.01), self._least_tint), self._most_tint)
        share = (light / self._lip_light).clamp(*LIP_LIGHT)
        color[self._lips] = tint / tint.mean(1, keepdim=True) * self._lip_light * share
