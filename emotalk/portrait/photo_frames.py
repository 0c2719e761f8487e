"""The one picture that there is of a person as what a fit learns from: the person cut out of it by their matte."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from emotalk.core.ssim import planar
from emotalk.fitting.matte import Matte
from emotalk.fitting.samples import Target, shrink_camera
from emotalk.fitting.video_frames import VideoFrames
from emotalk.tracking.masks import BACKGROUND

if TYPE_CHECKING:
    from emotalk.tracking import TrackedVideo

PERSON = 0.5
"""Alpha from which a pixel is the person's."""
MIXED = 0.8
"""Alpha below which a pixel is too much of the background to tell a colour."""


class PhotoFrames(VideoFrames):
    """Responsibilities: as `VideoFrames`, for the frame of a tracked photo (one row) and its matte. Its picture has the
    person's own colours, its classes end where the matte does, and its target may be put over any background."""

    def __init__(self, tracked: TrackedVideo, matte: Matte) -> None:
        super().__init__(tracked, [0])
        self.matte = matte
        self._picture = (255 * matte.foreground + 0.5).astype(np.uint8)
        self._classes = matted(tracked.labels(0), matte.alpha)
        self._cut_out: dict[int, Target] = {}
        self._whole: dict[int, Target] = {}

    def picture(self, k: int) -> np.ndarray:
        """The person's colours without the background's, [H, W, 3] uint8; continued beyond the person."""
        return self._picture

    def classes(self, k: int) -> np.ndarray:
        """Its classes [H, W] uint8, of what the matte takes for the person."""
        return self._classes

    def unsure(self, k: int) -> np.ndarray:
        """Where [H, W] (bool) the background shines through."""
        return self.matte.alpha < MIXED

    def target(self, k: int, shrink: int = 1) -> Target:
        """The person cut out, at 1/shrink of the resolution."""
        if shrink not in self._cut_out:
            self._cut_out[shrink] = self._shrunk(shrink)
        return self._cut_out[shrink]

    def whole(self, shrink: int = 1) -> Target:
        """The photo with its background, at 1/shrink of the resolution, and the coverage by the person."""
        if shrink not in self._whole:
            color = torch.from_numpy(self.tracked.frame_bytes(0)).permute(2, 0, 1).float() / 255
            if shrink > 1:
                color = torch.nn.functional.avg_pool2d(color, shrink)
            self._whole[shrink] = dataclasses.replace(
                self.target(0, shrink), color=planar(color.permute(1, 2, 0)), cut_out=False
            )
        return self._whole[shrink]

    def _shrunk(self, shrink: int) -> Target:
        color = torch.from_numpy(self.matte.foreground).permute(2, 0, 1)[None]
        maps = torch.stack([self.weights(0), torch.from_numpy(self.matte.alpha)])[None]
        if shrink > 1:
            alpha = maps[:, 1:]
            share = torch.nn.functional.avg_pool2d(alpha, shrink)
            # Colours count by how much of them shows; where nothing does, all alike.
            color = torch.nn.functional.avg_pool2d(color * (alpha + 1e-3), shrink) / (share + 1e-3)
            maps = torch.nn.functional.avg_pool2d(maps, shrink)
        weights, alpha = maps[0]
        return Target(
            planar(color[0].permute(1, 2, 0)), alpha.contiguous(), shrink_camera(self.camera, shrink), True,
            weights.contiguous(),
        )  # fmt: skip


def matted(classes: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The classes [H, W] of the pixels that alpha [H, W] gives to the person; those that had none take the nearest."""
    person = alpha >= PERSON
    known = classes != BACKGROUND
    if not known.any():
        return classes.copy()
    rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.where(person, classes[rows, columns], BACKGROUND).astype(np.uint8)
