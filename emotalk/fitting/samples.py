"""What a photometric fit learns from: pictures with camera and motion."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emotalk.core.camera import Camera
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion


@dataclass(frozen=True)
class FitSample:
    """One picture of a person, where it was taken from and what the head was doing.

    Either RGBA with straight alpha (the person alone: fitted over random backgrounds), or RGB as filmed, with the
    `mask` of the person where known (fitted over the avatar's background).
    """

    image: np.ndarray  # [H, W, 3] or [H, W, 4] uint8
    camera: Camera
    motion: HeadMotion  # one frame
    mask: np.ndarray | None = None  # [H, W] uint8 coverage by the person, for RGB
    weight: float = 1.0  # of this sample in the loss

    def __post_init__(self) -> None:
        image = self.image
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4):
            raise InputError(f"A sample's image must be uint8 [H, W, 3 or 4], found {image.dtype} {list(image.shape)}.")
        if image.shape[:2] != (self.camera.height, self.camera.width):
            raise InputError(
                f"A sample's image is {image.shape[1]}x{image.shape[0]} pixels, its camera "
                f"{self.camera.width}x{self.camera.height}; give both the same size."
            )
        if self.mask is not None and (self.mask.dtype != np.uint8 or self.mask.shape != image.shape[:2]):
            raise InputError("A sample's mask must be uint8 and as large as its image.")
        if len(self.motion) != 1:
            raise InputError(f"A sample needs the motion of one frame, found {len(self.motion)}.")


@dataclass(frozen=True)
class Target:
    """A sample as tensors at one resolution."""

    color: Tensor  # [H, W, 3] in [0, 1], straight (not premultiplied)
    alpha: Tensor | None  # [H, W] in [0, 1]
    camera: Camera
    cut_out: bool  # RGBA: may be put over any background
    weights: Tensor | None = None  # [H, W] of the pixels in the picture's loss; None: all alike
    sure: Tensor | None = None  # [H, W] weights of the pixels in the coverage's loss; None: all alike

    def over(self, background: Tensor) -> Tensor:
        """The picture [H, W, 3] over a background [3] or [H, W, 3]."""
        if not self.cut_out:
            return self.color
        return background + self.alpha[..., None] * (self.color - background)

    def to(self, device: torch.device) -> Target:
        """The same on a device; itself where it is there already."""
        if self.color.device == device:
            return self
        names = ("color", "alpha", "weights", "sure")
        moved = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return dataclasses.replace(self, **{name: value.to(device) for name, value in moved.items()})


def target_of(sample: FitSample, shrink: int = 1) -> Target:
    """A sample at 1/shrink of its resolution (area average, colours weighted by alpha)."""
    image = torch.from_numpy(sample.image).float() / 255
    cut_out = image.shape[2] == 4
    alpha = image[..., 3] if cut_out else None
    if sample.mask is not None and not cut_out:
        alpha = torch.from_numpy(sample.mask).float() / 255
    color = image[..., :3]
    camera = shrink_camera(sample.camera, shrink)
    if shrink > 1:
        if cut_out:
            color = _shrink(color * alpha[..., None], shrink)
            alpha = _shrink(alpha[..., None], shrink)[..., 0]
            color = color / alpha[..., None].clamp_min(1e-3)
        else:
            color = _shrink(color, shrink)
            alpha = _shrink(alpha[..., None], shrink)[..., 0] if alpha is not None else None
        color = color[: camera.height, : camera.width]
        alpha = alpha[: camera.height, : camera.width] if alpha is not None else None
    return Target(color.contiguous(), alpha, camera, cut_out)


def shrink_camera(camera: Camera, shrink: int) -> Camera:
    """The camera of a picture that is `shrink` times smaller (rows and columns that do not fill a block are lost)."""
    return dataclasses.replace(
        camera,
        fx=camera.fx / shrink,
        fy=camera.fy / shrink,
        cx=camera.cx / shrink,
        cy=camera.cy / shrink,
        width=camera.width // shrink,
        height=camera.height // shrink,
    )


def _shrink(image: Tensor, shrink: int) -> Tensor:
    return torch.nn.functional.avg_pool2d(image.permute(2, 0, 1), shrink).permute(1, 2, 0)
