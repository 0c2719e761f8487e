"""The CPU backend: project, sort, bin, draw; and the same backwards as a torch autograd function.

    GaussianCloud --project--> footprints --sort_by_depth, fill_bands--> Prepared --draw--> picture

`prepare` and `draw_floats` / `draw_bytes` are separate so that a clip can prepare frame k + 1 while frame k is drawn.
Everything a frame needs is allocated per frame, so any number of threads may render at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emotalk.core.camera import Camera
from emotalk.core.kernels.workers import pool
from emotalk.rendering.backward import SUMS, draw_backward
from emotalk.rendering.binning import fill_bands, sort_by_depth
from emotalk.rendering.footprint import BAND_ROWS, PLANES, RECORD, TRANSMITTANCE_STOP, row_stride
from emotalk.rendering.forward import draw
from emotalk.rendering.projection import camera_parameters, project
from emotalk.rendering.projection_backward import project_backward

_NEVER = np.float32(-1)
_NO_FLOATS = np.zeros(0, np.float32)
_NO_BYTES = np.zeros(0, np.uint8)


@dataclass(frozen=True)
class Prepared:
    """One frame, projected, sorted and binned."""

    camera: np.ndarray  # projection.camera_parameters
    width: int
    height: int
    records: np.ndarray  # [N, RECORD] float32
    boxes: np.ndarray  # [N, 4] int32
    band_start: np.ndarray  # [bands + 1] int64
    entries: np.ndarray  # [E] int32, Gaussians of each band, nearest first
    first_sum: np.ndarray  # [N + 1] int32, rows of sums in the backward pass


@dataclass(frozen=True)
class Background:
    """What lies behind: flat float32, pixel (y, x) of a channel at channel * channel_step + y * row_step + x."""

    values: np.ndarray
    row_step: int
    channel_step: int

    @staticmethod
    def of(background: Tensor, width: int) -> Background:
        """From a `background` [3] or [H, W, 3], for pictures of that `width`."""
        values = background.detach().cpu().float()
        if values.ndim == 1:
            return Background(values[:, None].expand(3, width).contiguous().numpy().ravel(), 0, width)
        planes = values.permute(2, 0, 1).contiguous().numpy()
        return Background(planes.ravel(), width, planes.shape[1] * width)


def _counter() -> np.ndarray:
    return np.zeros(1, np.int64)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float32).contiguous().numpy()


def prepare(
    means: Tensor,  # [N, 3] metres
    scales: Tensor,  # [N, 3] metres
    quats: Tensor,  # [N, 4] wxyz
    opacities: Tensor,  # [N]
    colors: Tensor,  # [N, 3]
    camera: Camera,
) -> Prepared:
    """Project, sort and bin float tensors (copied to the CPU where they are elsewhere)."""
    count = means.shape[0]
    parameters = camera_parameters(camera)
    records, boxes = np.empty((count, RECORD), np.float32), np.empty((count, 4), np.int32)
    depths, order = np.empty(count, np.float32), np.empty(count, np.int32)
    inputs = [_array(t) for t in (means, scales, quats, opacities, colors)]
    pool().run(project, *inputs, parameters, _counter(), records, boxes, depths)
    band_start = np.zeros(-(-camera.height // BAND_ROWS) + 1, np.int64)
    first_sum = np.empty(count + 1, np.int32)
    visible = sort_by_depth(depths.view(np.uint32), boxes, order, band_start, first_sum)
    entries = np.empty(band_start[-1], np.int32)
    fill_bands(boxes, order[:visible], band_start, entries)
    return Prepared(parameters, camera.width, camera.height, records, boxes, band_start, entries, first_sum)


def _scratch(width: int) -> np.ndarray:
    return np.empty((pool().threads, PLANES * BAND_ROWS * row_stride(width)), np.float32)


def _draw(frame: Prepared, background: Background, early_stop: bool, image, alpha, pixels) -> None:
    pool().run(
        draw,
        *(frame.records, frame.boxes, frame.entries, frame.band_start, frame.width, frame.height),
        TRANSMITTANCE_STOP if early_stop else _NEVER,
        *(background.values, background.row_step, background.channel_step),
        *(_counter(), _scratch(frame.width), image, alpha, pixels),
    )


def draw_floats(frame: Prepared, background: Background, early_stop: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Planes image [3, H, W] and alpha [H, W], float32."""
    image = np.empty((3, frame.height, frame.width), np.float32)
    alpha = np.empty((frame.height, frame.width), np.float32)
    _draw(frame, background, early_stop, image.ravel(), alpha.ravel(), _NO_BYTES)
    return image, alpha


def draw_bytes(frame: Prepared, background: Background, pixels: np.ndarray) -> None:
    """Write 8-bit RGB into `pixels` [H, W, 3] (C-contiguous uint8)."""
    _draw(frame, background, True, _NO_FLOATS, _NO_FLOATS, pixels.reshape(-1))


class _Rasterize(torch.autograd.Function):
    """image [3, H, W], alpha [H, W] of five float32 CPU tensors and a background."""

    @staticmethod
    def forward(ctx, means, scales, quats, opacities, colors, background, camera, early_stop, screen_gradients):
        frame = prepare(means, scales, quats, opacities, colors, camera)
        planes = draw_floats(frame, Background.of(background, camera.width), early_stop)
        image, alpha = (torch.from_numpy(plane) for plane in planes)
        ctx.save_for_backward(means, scales, quats, opacities, colors, image, alpha)
        ctx.frame, ctx.early_stop, ctx.screen_gradients = frame, early_stop, screen_gradients
        ctx.background_shape = background.shape
        ctx.set_materialize_grads(False)
        return image, alpha

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_image, grad_alpha):
        means, scales, quats, opacities, colors, image, alpha = ctx.saved_tensors
        frame: Prepared = ctx.frame
        # Zeros of numpy are fresh pages that nobody writes; torch would fill them in parallel threads, whose barrier
        # costs more than the filling where the machine is busy.
        grad_image = _array(grad_image) if grad_image is not None else np.zeros(image.shape, np.float32)
        grad_alpha = _array(grad_alpha) if grad_alpha is not None else np.zeros(alpha.shape, np.float32)
        sums = np.empty((len(frame.entries), SUMS), np.float32)
        pool().run(
            draw_backward,
            *(frame.records, frame.boxes, frame.entries, frame.band_start, frame.first_sum, frame.width, frame.height),
            TRANSMITTANCE_STOP if ctx.early_stop else _NEVER,
            *(image.numpy().ravel(), alpha.numpy().ravel(), grad_image.ravel(), grad_alpha.ravel()),
            *(_counter(), _scratch(frame.width), sums.ravel()),
        )
        gradients = [np.zeros(t.shape, np.float32) for t in (means, scales, quats, opacities, colors)]
        screen = ctx.screen_gradients
        pool().run(
            project_backward,
            *(_array(t) for t in (means, scales, quats, opacities)),
            *(frame.records, frame.camera.astype(np.float32), sums, frame.first_sum, _counter()),
            *gradients,
            np.zeros((0, 2), np.float32) if screen is None else screen.numpy(),
        )
        grad_background = None
        if ctx.needs_input_grad[5]:
            behind = ((1 - alpha) * torch.from_numpy(grad_image)).permute(1, 2, 0)
            grad_background = behind if len(ctx.background_shape) == 3 else behind.sum((0, 1))
        return *(torch.from_numpy(gradient) for gradient in gradients), grad_background, None, None, None


def rasterize_cpu(
    means: Tensor,  # [N, 3] metres
    scales: Tensor,  # [N, 3] metres
    quats: Tensor,  # [N, 4] wxyz
    opacities: Tensor,  # [N]
    colors: Tensor,  # [N, 3]
    background: Tensor,  # [3] or [H, W, 3]
    camera: Camera,
    early_stop: bool,
    screen_gradients: Tensor | None,  # [N, 2], see `rasterize`
) -> tuple[Tensor, Tensor]:
    """image [H, W, 3] (a view of planes) and alpha [H, W] of float32 CPU tensors, differentiable."""
    tensors = (means, scales, quats, opacities, colors)
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*tensors, background)):
        image, alpha = _Rasterize.apply(*tensors, background, camera, early_stop, screen_gradients)
    else:
        frame = prepare(*tensors, camera)
        planes = draw_floats(frame, Background.of(background, camera.width), early_stop)
        image, alpha = (torch.from_numpy(plane) for plane in planes)
    return image.permute(1, 2, 0), alpha
