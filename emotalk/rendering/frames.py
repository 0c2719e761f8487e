"""`FrameRenderer`: the frames of a clip as 8-bit pictures, the next one prepared while this one is drawn."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from emotalk.core.camera import Camera
from emotalk.core.errors import InputError
from emotalk.core.gaussians import CloudBatch, GaussianCloud
from emotalk.rendering.batches import CopiedPictures, draw_batch, eight_bits
from emotalk.rendering.rasterize import background_tensor, choose_backend, rasterize


class FrameRenderer:
    """Draws clouds into 8-bit pictures [height, width, 3], without gradients.

    `frames` runs one step ahead: while frame k is drawn (or the caller encodes it), a thread asks for the cloud of
    frame k + 1 - posing an avatar takes as long as drawing it - and projects, sorts and bins it.

        renderer = FrameRenderer(512, 512, background=(0.9, 0.9, 0.9))
        for picture in renderer.frames(lambda t: avatar.pose(motion, t), portrait_camera(512), count=len(motion)):
            encoder.write(picture)

    A `CloudBatch` among the clouds gives a picture for each of its own; on a GPU they are drawn and copied together,
    which is several times faster, and the whole batch while the one before is used.

    A picture's memory is used again `buffers` frames later: copy what must last. One renderer serves one clip at a
    time; different renderers may run in different threads. background: 3 numbers or a picture [height, width, 3], in
    [0, 1]; the attribute can be set anew between frames (a batch on a GPU takes the one that it finds). None: pictures
    are [height, width, 4], with colours that are multiplied by their alpha.
    """

    def __init__(
        self,
        width: int,
        height: int,
        background: Tensor | np.ndarray | tuple[float, float, float] | None = (1.0, 1.0, 1.0),
        backend: str = "auto",
        buffers: int = 2,
    ) -> None:
        if not all(isinstance(s, int | np.integer) and 1 <= s <= 16_384 for s in (width, height)):
            raise InputError(f"A picture's size must be whole numbers from 1 to 16384, found {width!r} x {height!r}.")
        if buffers < 1:
            raise InputError(f"FrameRenderer needs at least 1 buffer, found {buffers}.")
        self.width, self.height, self.backend = int(width), int(height), backend
        self._transparent = background is None
        shape = self.height, self.width, 4 if self._transparent else 3
        self._ring = itertools.cycle([np.empty(shape, np.uint8) for _ in range(buffers)])
        self.background = (0.0, 0.0, 0.0) if background is None else background

    @property
    def background(self) -> Tensor:
        """What lies behind the Gaussians: [3] or [height, width, 3] in [0, 1]."""
        return self._background

    @background.setter
    def background(self, background: Tensor | np.ndarray | tuple[float, float, float]) -> None:
        """Takes another `background` [3] or [height, width, 3], checked."""
        self._background = background_tensor(background, self.width, self.height, torch.device("cpu"))
        self._behind = None  # its form for the CPU kernels, made at first use
        self._on_device: Tensor | None = None  # the same on the GPU that draws

    def draw(self, cloud: GaussianCloud, camera: Camera) -> np.ndarray:
        """One picture [height, width, 3] uint8, in one of the reused buffers."""
        return self._finish(self._prepare(cloud, camera))

    def frames(
        self,
        clouds: Iterable[GaussianCloud | CloudBatch] | Callable[[int], GaussianCloud],
        camera: Camera | Callable[[int], Camera],
        count: int | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield one picture [height, width, 3] uint8 per cloud.

        clouds: an iterable of `count` clouds and batches (None: of all that come), or a function of the frame number
        (then `count` is required). camera: one for all frames, or a function of the frame number. An error in either
        is raised at its own frame (its batch's first one). Closing the iterator stops the work.
        """
        if callable(clouds):
            if count is None:
                raise InputError("FrameRenderer.frames needs `count` when clouds come from a function.")
            source: Iterator[GaussianCloud | CloudBatch] = (clouds(t) for t in range(count))
        else:
            source = itertools.islice(clouds, count)

        def prepare_next(t: int) -> list | CopiedPictures | None:
            """The frames from `t` on of the next cloud or batch."""
            with torch.no_grad():
                for item in source:
                    cameras = [camera(t + k) if callable(camera) else camera for k in range(frames_of(item))]
                    if isinstance(item, GaussianCloud):
                        return [self._prepare(item, cameras[0])]
                    if self._backend_of(item.means, cameras) == "cuda" and item.means.device.type == "cuda":
                        return draw_batch(item, cameras, self._background_on(item.means.device), self._transparent)
                    return [self._prepare(item[k], view) for k, view in enumerate(cameras)]
            return None

        with ThreadPoolExecutor(1, thread_name_prefix="emotalk-prepare") as ahead:
            coming, t = ahead.submit(prepare_next, 0), 0
            while True:
                prepared = coming.result()
                if prepared is None:
                    return
                drawn = prepared.arrays() if isinstance(prepared, CopiedPictures) else None
                t += len(prepared) if drawn is None else len(drawn)
                coming = ahead.submit(prepare_next, t)
                if drawn is not None:
                    yield from drawn
                else:
                    yield from map(self._finish, prepared)

    def _backend_of(self, means: Tensor, cameras: list[Camera]) -> str:
        for camera in cameras:
            if (camera.width, camera.height) != (self.width, self.height):
                raise InputError(
                    f"The camera is {camera.width} x {camera.height} but the renderer {self.width} x {self.height}; "
                    "make both the same size."
                )
        return choose_backend(self.backend, means.device)

    def _background_on(self, device: torch.device) -> Tensor:
        if self._on_device is None or self._on_device.device != device:
            self._on_device = self._background.to(device)
        return self._on_device

    def _prepare(self, cloud: GaussianCloud, camera: Camera):
        """A frame ready to be drawn: binned on the CPU, or as it is where a GPU does all of it."""
        if self._backend_of(cloud.means, [camera]) == "cuda":
            return cloud, camera
        # Imported here: numba's compiler only where the CPU draws.
        from emotalk.rendering.cpu import prepare

        return prepare(cloud.means, cloud.scales, cloud.quats, cloud.opacities, cloud.colors, camera)

    def _finish(self, frame) -> np.ndarray:
        pixels = next(self._ring)
        if isinstance(frame, tuple):
            with torch.no_grad():
                drawn = rasterize(*frame, (0.0, 0.0, 0.0), "cuda")
                background = self._background_on(drawn.image.device)
                picture = eight_bits(drawn.image, drawn.alpha, background, self._transparent)
                pixels[...] = picture.cpu().numpy()
            return pixels
        # Imported here: numba's compiler only where the CPU draws.
        from emotalk.rendering.cpu import Background, draw_bytes, draw_floats

        if self._behind is None:
            self._behind = Background.of(self._background, self.width)
        if self._transparent:
            image, alpha = draw_floats(frame, self._behind)
            for channel, plane in enumerate((*image, alpha)):
                pixels[..., channel] = np.clip(plane, 0, 1) * 255 + 0.5
        else:
            draw_bytes(frame, self._behind, pixels)
        return pixels


def frames_of(item: GaussianCloud | CloudBatch) -> int:
    """How many frames a cloud, or a batch of them, stands for."""
    return len(item) if isinstance(item, CloudBatch) else 1
