"""Drawing 3D Gaussians: `rasterize` one picture, `FrameRenderer` a clip. See docs/rendering.md."""

from emotalk.rendering.batches import batch_frames
from emotalk.rendering.camera import portrait_camera
from emotalk.rendering.device import resolve_device
from emotalk.rendering.frames import FrameRenderer, frames_of
from emotalk.rendering.rasterize import rasterize
from emotalk.rendering.warmup import warmup

__all__ = ["FrameRenderer", "batch_frames", "frames_of", "portrait_camera", "rasterize", "resolve_device", "warmup"]
