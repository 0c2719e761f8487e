"""Drawing 3D Gaussians: `rasterize` one picture, `FrameRenderer` a clip. See docs/rendering.md."""

from emotalk.rendering.camera import portrait_camera
from emotalk.rendering.device import resolve_device
from emotalk.rendering.frames import FrameRenderer
from emotalk.rendering.rasterize import rasterize
from emotalk.rendering.warmup import warmup

__all__ = ["FrameRenderer", "portrait_camera", "rasterize", "resolve_device", "warmup"]
