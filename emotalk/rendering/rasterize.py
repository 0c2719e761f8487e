"""`rasterize`: one differentiable function for both backends."""

from __future__ import annotations

import functools
import logging

import torch
from torch import Tensor

from emotalk.core.camera import Camera
from emotalk.core.errors import InputError
from emotalk.core.gaussians import GaussianCloud, Render
from emotalk.rendering.device import cuda_problem

log = logging.getLogger(__name__)

BACKENDS = ("auto", "cpu", "cuda")


def choose_backend(backend: str, device: torch.device) -> str:
    """'cpu' or 'cuda'. 'auto' takes CUDA where the cloud lies on a CUDA device and gsplat works."""
    if backend not in BACKENDS:
        raise InputError(f"backend must be one of {', '.join(BACKENDS)}, found {backend!r}.")
    if backend == "cpu" or (backend == "auto" and device.type != "cuda"):
        return "cpu"
    problem = cuda_problem()
    if problem is None:
        return "cuda"
    if backend == "cuda":
        raise InputError(f"The CUDA renderer cannot be used: {problem}. Use backend='auto' or 'cpu'.")
    _say_once(problem)
    return "cpu"


@functools.cache
def _say_once(problem: str) -> None:
    log.warning("Rendering on the CPU although the Gaussians are on a GPU: %s.", problem)


def background_tensor(
    background: Tensor | tuple[float, float, float], width: int, height: int, device: torch.device
) -> Tensor:
    """The background as a float32 tensor [3] or [H, W, 3] on `device`; raises InputError on another shape or NaN."""
    try:
        tensor = torch.as_tensor(background)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"background must be 3 numbers or a picture [H, W, 3] in [0, 1]: {error}") from None
    if tensor.shape not in ((3,), (height, width, 3)):
        raise InputError(
            f"background must be 3 numbers or a picture [{height}, {width}, 3] like the camera's, "
            f"found shape {list(tensor.shape)}."
        )
    if tensor.dtype == torch.uint8:
        raise InputError("background holds 8-bit numbers; pass floats in [0, 1] (divide by 255).")
    tensor = tensor.to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):  # before it is moved: an answer from a GPU is waited for
        raise InputError("background holds NaN or infinite values; pass finite numbers only.")
    return tensor.to(device)


def rasterize(
    cloud: GaussianCloud,
    camera: Camera,
    background: Tensor | tuple[float, float, float] = (1.0, 1.0, 1.0),  # [3] or [H, W, 3] in [0, 1]
    backend: str = "auto",
    *,
    early_stop: bool = True,
    screen_gradients: Tensor | None = None,  # [N, 2] float32
) -> Render:
    """Draw 3D Gaussians (Kerbl et al. 2023, "3D Gaussian Splatting") through a pinhole camera.

    Returns Render(image [H, W, 3], alpha [H, W]), float32 on the cloud's device, differentiable with respect to
    means, scales, quats, opacities, colors and background. Screen covariances get the usual +0.3 px low-pass;
    alpha = min(0.999, opacity exp(-s)), nothing below 1/255; a pixel is finished when less than 1e-4 shines through
    (early_stop=False goes on to the last Gaussian). Gaussians nearer than camera.near are not drawn.

    backend: "cpu" (numba), "cuda" (gsplat) or "auto" (CUDA for clouds on a CUDA device). gsplat always stops early.
    screen_gradients: where given, the backward pass adds to column 0 the length of dL/d(mean on the screen, pixels)
    of each visible Gaussian, and 1 to column 1: the statistics that densification needs.

    The image is a transposed view of colour planes: call .contiguous() where memory order matters.
    Raises InputError on an unknown or unusable backend, or a background or statistics tensor of the wrong shape.
    """
    device = cloud.means.device
    chosen = choose_backend(backend, device)
    if screen_gradients is not None and (
        screen_gradients.shape != (len(cloud.means), 2)
        or screen_gradients.dtype != torch.float32
        or screen_gradients.requires_grad
    ):
        raise InputError(
            f"screen_gradients must be a plain float32 tensor [{len(cloud.means)}, 2], found {screen_gradients.dtype} "
            f"{list(screen_gradients.shape)}{' that requires gradients' * screen_gradients.requires_grad}."
        )
    if chosen == "cpu":
        target = torch.device("cpu")
    else:
        target = device if device.type == "cuda" else torch.device("cuda", torch.cuda.current_device())
    if screen_gradients is not None and (screen_gradients.device != target or not screen_gradients.is_contiguous()):
        raise InputError(f"screen_gradients must be contiguous and on {target}, where the picture is drawn.")
    tensors = [
        t.to(target, torch.float32) for t in (cloud.means, cloud.scales, cloud.quats, cloud.opacities, cloud.colors)
    ]
    behind = background_tensor(background, camera.width, camera.height, target)
    if chosen == "cuda":
        # Imported here: each backend's compiler only where it draws.
        from emotalk.rendering.cuda import rasterize_cuda as run
    else:
        from emotalk.rendering.cpu import rasterize_cpu as run
    image, alpha = run(*tensors, behind, camera, early_stop, screen_gradients)
    return Render(image.to(device), alpha.to(device))
