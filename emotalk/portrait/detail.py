"""The detail of the photo on the frames of a talk: as sharp as the photo, wherever the photo shows what is seen."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotalk.core.kernels.workers import pool
from emotalk.portrait.flow import DenseFlow, projected

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.avatar import GaussianAvatar
    from emotalk.core.camera import Camera
    from emotalk.core.gaussians import GaussianCloud
    from emotalk.core.motion import HeadMotion

COARSE = 2
"""The flow is smooth: drawn at half of the resolution it costs a third, and 50 dB lie between both frames."""
LEAST = 0.01


@dataclasses.dataclass(frozen=True)
class MovedDetail:
    """Where the detail of one frame comes from, not yet on its pixels."""

    flow: np.ndarray  # [2, h, w] float32, pixels of the photo
    shown: np.ndarray  # [h, w] float32
    gathered: float  # pixels of the photo in one of the frame's


class DetailPainter:
    """Responsibilities: paint the detail that an avatar keeps of its photo over frames drawn of it. For one thread at
    a time, except that `move` may run in another than `paint`."""

    def __init__(self, avatar: GaussianAvatar) -> None:
        """`avatar.detail` must be there."""
        self._flow = DenseFlow(avatar, avatar.detail.pose)
        self._size = avatar.camera.width, avatar.camera.height
        self._image = 255 * avatar.detail.image  # [H, W, 3] grey levels
        self._planes: dict[int, np.ndarray] = {}
        rest = avatar.pose(avatar.detail.pose, 0, avatar.camera)
        self._scale = _pixels_per_metre(rest.means, avatar.camera)

    def move(self, cloud: GaussianCloud, camera: Camera, motion: HeadMotion, row: int) -> MovedDetail:
        """Of the Gaussians of frame `row` of a motion, as `camera` sees them."""
        flow, shown = self._flow.draw(cloud, _coarser(camera), motion, row)
        gathered = self._scale / _pixels_per_metre(cloud.means, camera)
        return MovedDetail(_array(flow), _array(shown), gathered)

    def paint(self, pixels: np.ndarray, moved: MovedDetail) -> None:
        """Add the detail to the `pixels` of a frame [H, W, 3] uint8, in place, or of one with alpha [H, W, 4] that its
        colours are multiplied by."""
        rows, columns = np.flatnonzero((moved.shown > LEAST).any(1)), np.flatnonzero((moved.shown > LEAST).any(0))
        if not len(rows):
            return
        height, width = pixels.shape[:2]
        across, down = width / moved.shown.shape[1], height / moved.shown.shape[0]
        box = (
            max(math.floor((columns[0] - 1) * across), 0), max(math.floor((rows[0] - 1) * down), 0),
            min(math.ceil((columns[-1] + 2) * across), width), min(math.ceil((rows[-1] + 2) * down), height),
        )  # fmt: skip
        # Where the frame is coarser than the photo, its detail is first made as coarse: it would flicker.
        step = self._size[0] / width
        shrunk = self._shrunk(max(1, round(moved.gathered)))
        factor = shrunk.shape[1] / self._size[0]
        pool().run(
            _kernel(), moved.flow * np.float32(factor), moved.shown, shrunk, np.float32(step * factor),
            np.float32(self._size[1] / height * factor), *box, np.zeros(1, np.int64), pixels,
        )  # fmt: skip

    def _shrunk(self, times: int) -> np.ndarray:
        """The detail [H, W, 3] float32 grey levels, made `times` smaller."""
        times = min(times, 8)
        if times not in self._planes:
            small = self._image
            if times > 1:
                size = max(small.shape[1] // times, 2), max(small.shape[0] // times, 2)
                small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
            self._planes[times] = np.ascontiguousarray(small)
        return self._planes[times]


def _pixels_per_metre(cloud_means: Tensor, camera: Camera) -> float:
    """Of what is as far as the avatar's middle."""
    _, depth = projected(cloud_means[::97], camera)
    return camera.fx / float(depth.median())


def _coarser(camera: Camera) -> Camera:
    width, height = max(camera.width // COARSE, 1), max(camera.height // COARSE, 1)
    across, down = width / camera.width, height / camera.height
    return dataclasses.replace(
        camera, fx=camera.fx * across, fy=camera.fy * down, cx=camera.cx * across, cy=camera.cy * down,
        width=width, height=height,
    )  # fmt: skip


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy()


def _kernel():
    # Imported here: numba's compiler only where something is drawn.
    from emotalk.portrait.detail_kernel import add_detail

    return add_detail
