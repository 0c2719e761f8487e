"""The CUDA backend: gsplat's rasterization (Ye et al. 2024) behind the same function."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from emotalk.core.camera import Camera


def gsplat_problem() -> str | None:
    """None if gsplat is here with its CUDA code, else the reason in words: its import succeeds even where that code is
    missing and cannot be compiled. Needs no GPU."""
    try:
        import gsplat
        from gsplat.cuda import _backend
    except (ImportError, OSError, RuntimeError) as error:
        return f"gsplat cannot be imported ({error})"
    if getattr(_backend, "_C", None) is None:
        return f"gsplat {gsplat.__version__} has no CUDA code (install a prebuilt wheel, or nvcc and ninja)"
    return None


def drawing_problem() -> str | None:
    """None if gsplat draws one Gaussian on this machine's GPU, forwards and backwards, else the reason in words: its
    code may have been built for another one."""
    import gsplat

    device = torch.device("cuda", torch.cuda.current_device())
    means = torch.zeros(1, 3, device=device, requires_grad=True)
    rest = [torch.tensor(x, device=device) for x in ([[0.01] * 3], [[1.0, 0.0, 0.0, 0.0]], [0.5], [[0.5] * 3])]
    view = torch.eye(4)
    view[2, 3] = 1.0
    try:
        with torch.enable_grad():
            camera = Camera(view, 16.0, 16.0, 8.0, 8.0, 16, 16)
            image, _ = rasterize_cuda(means, *rest, torch.zeros(3, device=device), camera, True, None)
            image.sum().backward()
        torch.cuda.synchronize(device)
    except (RuntimeError, AttributeError, TypeError) as error:
        return f"gsplat {gsplat.__version__} cannot draw on this GPU ({str(error).splitlines()[0]})"
    return None


def rasterize_cuda(
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
    """image [H, W, 3] and alpha [H, W] of float32 CUDA tensors, differentiable. `early_stop` has no effect: gsplat
    always stops, and leaves out the Gaussian that would bring a pixel's transmittance below 1e-4.

    Checked against gsplat 1.5.3: pixel centres at +0.5, covariances + 0.3 px without compensation ("classic"),
    alpha in [1/255, 0.999], nothing nearer than `near_plane`, limits of the Jacobian 0.3 half fields of view outside of
    the picture, no clipping by radius, quaternions normalised with their gradient; `means2d` in pixels."""
    from gsplat import rasterization

    device = means.device
    if len(means) == 0:
        image = background.expand(camera.height, camera.width, 3).clone()
        return image, torch.zeros(camera.height, camera.width, device=device)
    image, alpha, info = rasterization(
        means, quats, scales, opacities, colors, *_views([camera], device), camera.width, camera.height,
        near_plane=camera.near, **_DEFINITION,
    )  # fmt: skip
    if screen_gradients is not None and info["means2d"].requires_grad:
        visible = (info["radii"][0] > 0).reshape(len(means), -1).all(-1)

        def collect(gradient: Tensor) -> None:
            screen_gradients[:, 0] += gradient[0].norm(dim=-1) * visible
            screen_gradients[:, 1] += visible

        info["means2d"].register_hook(collect)
    alpha = alpha[0, ..., 0]
    return image[0] + (1 - alpha)[..., None] * background, alpha


@torch.no_grad()
def rasterize_cuda_batch(
    means: Tensor,  # [B, N, 3] metres
    scales: Tensor,  # [B, N, 3] metres
    quats: Tensor,  # [B, N, 4] wxyz
    opacities: Tensor,  # [B, N]
    colors: Tensor,  # [B, N, 3]
    cameras: Sequence[Camera],  # B, as wide, high and near as each other
) -> tuple[Tensor, Tensor]:
    """image [B, H, W, 3] over black and alpha [B, H, W] of B clouds, drawn together as `rasterize_cuda` draws each; no
    gradients."""
    from gsplat import rasterization

    first, device = cameras[0], means.device
    if means.shape[1] == 0:
        image = torch.zeros(len(cameras), first.height, first.width, 3, device=device)
        return image, image[..., 0]
    views, intrinsics = _views(cameras, device)
    image, alpha, _ = rasterization(
        means, quats, scales, opacities, colors, views[:, None], intrinsics[:, None], first.width, first.height,
        near_plane=first.near, **_DEFINITION,
    )  # fmt: skip
    return image[:, 0], alpha[:, 0, ..., 0]


_DEFINITION = {"eps2d": 0.3, "packed": False, "rasterize_mode": "classic"}


def _views(cameras: Sequence[Camera], device: torch.device) -> tuple[Tensor, Tensor]:
    """World to camera [C, 4, 4] and intrinsics [C, 3, 3], brought to the device in one copy."""
    poses = torch.stack([camera.world_to_camera.detach().to("cpu", torch.float32) for camera in cameras])
    lenses = torch.tensor([[c.fx, 0.0, c.cx, 0.0, c.fy, c.cy, 0.0, 0.0, 1.0] for c in cameras])
    both = torch.cat([poses.flatten(1), lenses], 1).to(device)
    return both[:, :16].reshape(-1, 4, 4), both[:, 16:].reshape(-1, 3, 3)
