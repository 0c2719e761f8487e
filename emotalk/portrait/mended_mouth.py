"""The texture branch on the frames of a talk: what the network finds missing is added to the mouth of each frame."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from emotalk.core.paths import CHECKPOINTS
from emotalk.portrait.texture import HEIGHT, WIDTH, Crop, TextureNetwork, load_texture, moved_away, network_input
from emotalk.rendering import rasterize

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.core.camera import Camera
    from emotalk.core.motion import HeadMotion

FEWEST = 0.3
"""Pixels of a frame for one of a mouth's crop, below which nothing can be seen of what would be added."""
UP, LINEAR = cv2.INTER_LINEAR, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


class MouthMender:
    """Responsibilities: mend the mouths of frames drawn of an avatar that keeps the detail of its photo."""

    def __init__(self, avatar: GaussianAvatar, network: TextureNetwork | None = None) -> None:
        """`avatar.detail` must be there; `network` is the shipped one if none is given."""
        self._avatar = avatar
        self._network = network if network is not None else shipped_texture()
        pose, camera = avatar.detail.pose, avatar.camera
        with torch.no_grad():
            drawn = rasterize(avatar.pose(pose, 0, camera), camera, avatar.background).image.cpu()
        photo = (drawn + torch.from_numpy(avatar.detail.image)).clamp(0, 1).permute(2, 0, 1).contiguous()
        self._photo = Crop.around(avatar.vertices(pose, 0), avatar.head, camera).of(photo)

    def mouth(self, camera: Camera, motion: HeadMotion, row: int) -> Crop | None:
        """Where the mouth of frame `row` of a motion is, as a camera sees it; None where it is too small to mend."""
        crop = Crop.around(self._avatar.vertices(motion, row), self._avatar.head, camera)
        return crop if np.linalg.norm(crop.across) >= FEWEST else None

    @torch.inference_mode()
    def mend(self, pixels: np.ndarray, crop: Crop, flow: np.ndarray, shown: np.ndarray) -> None:
        """Add to the `pixels` of a frame [H, W, 3] uint8, in place, or of one with alpha [H, W, 4] that its colours are
        multiplied by. `flow` [2, h, w] (pixels of the photo) and `shown` [h, w] are those of `portrait.flow`, at any
        resolution."""
        height, width = pixels.shape[:2]
        matrix = _between_middles(crop.matrix)
        coarse = np.diag([shown.shape[1] / width, shown.shape[0] / height]) @ crop.matrix
        planes = _cut(np.dstack([*flow, shown]), _between_middles(coarse)).permute(2, 0, 1)
        drawn = _cut(pixels[..., :3], matrix).permute(2, 0, 1) / 255
        seen = planes[2:]
        added = self._network(network_input(drawn, self._photo, seen, moved_away(planes[:2], seen, crop))[None])[0]
        self._add(pixels, 255 * added.permute(1, 2, 0).numpy(), crop.matrix)

    def _add(self, pixels: np.ndarray, added: np.ndarray, matrix: np.ndarray) -> None:
        """What was `added` [HEIGHT, WIDTH, 3] to a crop, to the part of the frame that it was cut out of."""
        corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [0, HEIGHT, 1], [WIDTH, HEIGHT, 1]]) @ matrix.T
        low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(corners.max(0)).astype(int), [pixels.shape[1], pixels.shape[0]])
        if (high <= low).any():
            return
        moved = matrix.copy()
        moved[:, 2] -= low
        there = cv2.warpAffine(added, _between_middles(moved), tuple(int(side) for side in high - low), flags=UP)
        part = pixels[low[1] : high[1], low[0] : high[0]]
        if part.shape[2] == 4:
            there *= part[..., 3:] * np.float32(1 / 255)
        part[..., :3] = np.clip(part[..., :3] + there + 0.5, 0, 255.99)


@cache
def shipped_texture() -> TextureNetwork:
    """The network of the checkpoints; CheckpointError where it is damaged."""
    network = load_texture(CHECKPOINTS / "texture.safetensors").eval()
    return network.to(memory_format=torch.channels_last)  # a fifth faster


def _cut(picture: np.ndarray, matrix: np.ndarray) -> torch.Tensor:
    """The crop [HEIGHT, WIDTH, C] float32 of a picture [H, W, C]."""
    cut = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return torch.from_numpy(cut.astype(np.float32))


def _between_middles(matrix: np.ndarray) -> np.ndarray:
    """A map [2, 3] of places whose first pixel's middle is .5, as OpenCV counts: that middle is 0."""
    return np.concatenate([matrix[:, :2], (matrix @ [0.5, 0.5, 1] - 0.5)[:, None]], 1)
