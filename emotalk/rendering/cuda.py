"""The CUDA backend: gsplat's rasterization (Ye et al. 2024) behind the same function."""

from __future__ import annotations

import torch
from torch import Tensor

from emotalk.core.camera import Camera


def gsplat_problem() -> str | None:
    """None if gsplat can draw, else the reason in words. Draws one Gaussian: gsplat's import succeeds even where its
    CUDA code is missing and cannot be compiled."""
    try:
        import gsplat
        from gsplat.cuda import _backend
    except (ImportError, OSError, RuntimeError) as error:
        return f"gsplat cannot be imported ({error})"
    if getattr(_backend, "_C", None) is None:
        return f"gsplat {gsplat.__version__} has no CUDA code (install a prebuilt wheel, or nvcc and ninja)"
    return None


def rasterize_cuda(
    means: Tensor,
    scales: Tensor,
    quats: Tensor,
    opacities: Tensor,
    colors: Tensor,
    background: Tensor,
    camera: Camera,
    early_stop: bool,
    screen_gradients: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """image [H, W, 3] and alpha [H, W] of float32 CUDA tensors, differentiable. `early_stop` has no effect: gsplat
    always stops, and leaves out the Gaussian that would bring a pixel's transmittance below 1e-4."""
    from gsplat import rasterization

    device = means.device
    if len(means) == 0:
        image = background.expand(camera.height, camera.width, 3).clone()
        return image, torch.zeros(camera.height, camera.width, device=device)
    intrinsics = torch.tensor(
        [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]], device=device
    )
    image, alpha, info = rasterization(
        means,
        quats,
        scales,
        opacities,
        colors,
        camera.world_to_camera.to(device, torch.float32)[None],
        intrinsics[None],
        camera.width,
        camera.height,
        near_plane=camera.near,
        eps2d=0.3,
        packed=False,
        rasterize_mode="classic",
    )
    if screen_gradients is not None and info["means2d"].requires_grad:
        visible = (info["radii"][0] > 0).reshape(len(means), -1).all(-1)

        def collect(gradient: Tensor) -> None:
            screen_gradients[:, 0] += gradient[0].norm(dim=-1) * visible
            screen_gradients[:, 1] += visible

        info["means2d"].register_hook(collect)
    alpha = alpha[0, ..., 0]
    return image[0] + (1 - alpha)[..., None] * background, alpha
