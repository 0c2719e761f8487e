"""Frames of a clip on a GPU, many at a time: a GPU draws one picture in less time than it takes to ask for it.

CloudBatch ─► drawn over the background ─► 8 bits ─► one copy to the CPU, while the next batch is drawn
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emotalk.core.camera import Camera
from emotalk.core.errors import InputError
from emotalk.core.gaussians import CloudBatch

MOST_FRAMES = 16
"""Frames of a batch at most: what asking costs is small beside the drawing from here on."""
MOST_PIXELS = 4 * 1024 * 1024
"""Pixels of a batch at most, for the GPU's memory and for the first frame, which waits for its batch."""


def batch_frames(width: int, height: int) -> int:
    """How many frames of that size (pixels) are best drawn together on a GPU, at least 1."""
    return max(1, min(MOST_FRAMES, MOST_PIXELS // (width * height)))


class CopiedPictures:
    """8-bit pictures on their way from a GPU; `arrays` waits for them."""

    def __init__(self, pictures: Tensor) -> None:
        """pictures: [B, H, W, C] uint8; it may still be computed."""
        self._event = None
        if pictures.device.type == "cuda" and torch.cuda.is_available():
            # Page-locked, else the copy holds up whoever asks for it. Torch keeps such memory for the next batch.
            self._host = torch.empty(pictures.shape, dtype=torch.uint8, pin_memory=True)
            self._host.copy_(pictures, non_blocking=True)
            self._event = torch.cuda.Event(blocking=True)
            self._event.record(torch.cuda.current_stream(pictures.device))
        else:
            self._host = pictures.cpu()

    def arrays(self) -> np.ndarray:
        """The pictures [B, H, W, C] uint8, to be written to as one likes."""
        if self._event is not None:
            self._event.synchronize()
        return self._host.numpy()


@torch.no_grad()
def draw_batch(
    batch: CloudBatch,
    cameras: Sequence[Camera],
    background: Tensor,  # [3] or [H, W, 3] in [0, 1], on the batch's device
    transparent: bool,
) -> CopiedPictures:
    """The pictures of a batch on a CUDA device, [B, H, W, 3] or, `transparent`, [B, H, W, 4] with colours multiplied by
    alpha. Every frame has a camera of its own; all are as wide, as high and as near. InputError where they are not."""
    if len(cameras) != len(batch):
        raise InputError(f"A batch of {len(batch)} clouds takes as many cameras, found {len(cameras)}.")
    kinds = {(camera.width, camera.height, camera.near) for camera in cameras}
    if len(kinds) > 1:
        raise InputError(
            f"Clouds that are drawn together take cameras of one width, height and near plane, found {sorted(kinds)}."
        )
    # Imported here: gsplat's compiler only where a GPU draws.
    from emotalk.rendering.cuda import rasterize_cuda_batch

    parts = (batch.means, batch.scales, batch.quats, batch.opacities, batch.colors)
    image, alpha = rasterize_cuda_batch(*(part.float() for part in parts), cameras)
    return CopiedPictures(eight_bits(image, alpha, background, transparent))


def eight_bits(
    image: Tensor,  # [..., H, W, 3] drawn over black
    alpha: Tensor,  # [..., H, W]
    background: Tensor,  # [3] or [H, W, 3]
    transparent: bool,
) -> Tensor:
    """Pictures [..., H, W, 3] uint8 over a background, or as they are with their alpha, [..., H, W, 4]; on the device
    of the tensors."""
    if transparent:
        picture = torch.cat([image, alpha[..., None]], -1)
    else:
        picture = torch.addcmul(image, (1 - alpha)[..., None], background)
    return picture.clamp_(0, 1).mul_(255).add_(0.5).to(torch.uint8)
