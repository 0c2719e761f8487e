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
from emotalk.core.gaussians import GaussianCloud
from emotalk.rendering.rasterize import background_tensor, choose_backend, rasterize


class FrameRenderer:
    """Draws clouds into 8-bit pictures [height, width, 3], without gradients.

    `frames` runs one step ahead: while frame k is drawn (or the caller encodes it), a thread asks for the cloud of
    frame k + 1 - posing an avatar takes as long as drawing it - and projects, sorts and bins it.

        renderer = FrameRenderer(512, 512, background=(0.9, 0.9, 0.9))
        for picture in renderer.frames(lambda t: avatar.pose(motion, t), portrait_camera(512), count=len(motion)):
            encoder.write(picture)

    A picture's memory is used again `buffers` frames later: copy what must last. One renderer serves one clip at a
    time; different renderers may run in different threads. background: 3 numbers or a picture [height, width, 3], in
    [0, 1]; the attribute can be set anew between frames. None: pictures are [height, width, 4], with colours that are
    multiplied by their alpha.
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
        clouds: Iterable[GaussianCloud] | Callable[[int], GaussianCloud],
        camera: Camera | Callable[[int], Camera],
        count: int | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield one picture [height, width, 3] uint8 per cloud.

        clouds: an iterable, or a function of the frame number (then `count` is required). camera: one for all
        frames, or a function of the frame number. An error in either is raised at its own frame. Closing the
        iterator stops the work.
        """
        if callable(clouds):
            if count is None:
                raise InputError("FrameRenderer.frames needs `count` when clouds come from a function.")
            source: Iterator[GaussianCloud] = (clouds(t) for t in range(count))
        else:
            source = itertools.islice(clouds, count)

        def prepare_next(t: int):
            with torch.no_grad():
                for cloud in source:
                    return self._prepare(cloud, camera(t) if callable(camera) else camera)
            return None

        with ThreadPoolExecutor(1, thread_name_prefix="emotalk-prepare") as ahead:
            coming = ahead.submit(prepare_next, 0)
            for t in itertools.count(1):
                frame = coming.result()
                if frame is None:
                    return
                coming = ahead.submit(prepare_next, t)
                yield self._finish(frame)

    def _prepare(self, cloud: GaussianCloud, camera: Camera):
        """A frame ready to be drawn: binned on the CPU, or as it is where a GPU does all of it."""
        if (camera.width, camera.height) != (self.width, self.height):
            raise InputError(
                f"The camera is {camera.width} x {camera.height} but the renderer {self.width} x {self.height}; "
                "make both the same size."
            )
        if choose_backend(self.backend, cloud.means.device) == "cuda":
            return cloud, camera
        # Imported here: numba's compiler only where the CPU draws.
        from emotalk.rendering.cpu import prepare

        return prepare(cloud.means, cloud.scales, cloud.quats, cloud.opacities, cloud.colors, camera)

    def _finish(self, frame) -> np.ndarray:
        pixels = next(self._ring)
        if isinstance(frame, tuple):
            with torch.no_grad():
                device = frame[0].means.device
                if self._on_device is None or self._on_device.device != device:
                    self._on_device = self._background.to(device)
                drawn = rasterize(*frame, self._on_device, "cuda")
                image = torch.cat([drawn.image, drawn.alpha[..., None]], -1) if self._transparent else drawn.image
                pixels[...] = (image.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()
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
