"""A GPU for machines that have none: tensors that say "cuda:0" and refuse what tensors on a GPU refuse.

Within `pretend_gpu(monkeypatch)` a tensor that is moved to or made on "cuda" becomes a `GpuTensor`. It computes on the
CPU, but an operation that takes it together with a plain tensor of one or more dimensions, and `.numpy()` without
`.cpu()`, raise as CUDA does. Drawing on it goes to the CPU renderer. So a test sees every tensor that was made on the
wrong device. What it cannot see: kernels of CUDA and gsplat, and mixtures inside a backward pass.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from torch.overrides import TorchFunctionMode

GPU = torch.device("cuda", 0)
_INDEXING = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)  # a GPU's tensor may be indexed by one of the CPU
_MOVING = (torch.Tensor.copy_, torch.Tensor.cpu, torch.Tensor.new_tensor)


class GpuTensor(torch.Tensor):
    """A tensor that counts as lying on the GPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl


def plain(value: torch.Tensor) -> torch.Tensor:
    """The same tensor as one of the CPU."""
    return value.as_subclass(torch.Tensor) if isinstance(value, GpuTensor) else value


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _mapped(value: object, change: object) -> object:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields") and type(value) in (list, tuple):
        return type(value)(_mapped(part, change) for part in value)
    if isinstance(value, tuple):  # named results such as those of `max`
        return type(value)([_mapped(part, change) for part in value])
    return value


def on_gpu(value: torch.Tensor) -> torch.Tensor:
    """The same tensor as one of the GPU."""
    if isinstance(value, GpuTensor) or value.is_sparse:  # sparse ones cannot be told apart: they go with both
        return value
    if value.requires_grad and value.is_leaf:  # stays a leaf
        return value.detach().as_subclass(GpuTensor).requires_grad_()
    return value.as_subclass(GpuTensor)


class _Pretend(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name == "__get__" and args and isinstance(args[0], GpuTensor):
            owner = getattr(func, "__self__", None)
            if owner is torch.Tensor.device:
                return GPU
            result = func(*args, **kwargs)
            return _mapped(result, on_gpu)
        if func is torch.Tensor.to:
            return self._to(*args, **kwargs)
        if func is torch.Tensor.__deepcopy__ and isinstance(args[0], GpuTensor):
            return on_gpu(plain(args[0]).clone())
        if func is torch.Tensor.cpu:
            return plain(args[0])
        if func in (torch.Tensor.numpy, torch.from_numpy) and any(isinstance(a, GpuTensor) for a in args):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        device = kwargs.pop("device", None)
        if device is not None and torch.device(device).type == "cpu":
            return plain(func(*args, device="cpu", **kwargs))
        found = list(_tensors((args, kwargs)))
        ours = [t for t in found if isinstance(t, GpuTensor)]
        if name == "backward":
            with torch._C.DisableTorchFunction():
                return func(*args, **kwargs)
        if ours:
            strange = [t for t in found if t.ndim and not t.is_sparse and not isinstance(t, GpuTensor)]
            if func in _INDEXING and isinstance(args[0], GpuTensor):
                strange = [t for t in strange if t.dtype not in (torch.bool, torch.int64)]
            if strange and func not in _MOVING:
                raise RuntimeError(f"Expected all tensors to be on the same device ({name}), found cuda:0 and cpu.")
        result = func(*args, **kwargs)
        to_us = device is not None or (ours and not (func in _MOVING and not isinstance(args[0], GpuTensor)))
        return _mapped(result, on_gpu) if to_us else result

    def _to(self, tensor, *args, **kwargs):
        device, dtype = None, kwargs.get("dtype")
        for value in (*args, kwargs.get("device"), kwargs.get("other")):
            if isinstance(value, torch.Tensor):
                device, dtype = (GPU if isinstance(value, GpuTensor) else torch.device("cpu")), value.dtype
            elif isinstance(value, str | torch.device):
                device = torch.device(value)
            elif isinstance(value, torch.dtype):
                dtype = value
        result = plain(tensor) if dtype is None else torch.Tensor.to(plain(tensor), dtype)
        there = isinstance(tensor, GpuTensor) if device is None else device.type == "cuda"
        return on_gpu(result) if there else result


def _draw(means, scales, quats, opacities, colors, background, camera, early_stop, screen_gradients):
    from emotalk.rendering.cpu import rasterize_cpu

    given = (means, scales, quats, opacities, colors, background)
    assert all(isinstance(t, GpuTensor) for t in given), "the renderer got tensors of the CPU"
    assert screen_gradients is None or isinstance(screen_gradients, GpuTensor)
    statistics = None if screen_gradients is None else plain(screen_gradients)
    drawn = rasterize_cpu(*(plain(t) for t in given), camera, early_stop, statistics)
    return tuple(on_gpu(t) for t in drawn)


def _draw_batch(means, scales, quats, opacities, colors, cameras):
    black = on_gpu(torch.zeros(3))
    drawn = [
        _draw(*(part[k] for part in (means, scales, quats, opacities, colors)), black, camera, True, None)
        for k, camera in enumerate(cameras)
    ]
    return tuple(on_gpu(torch.stack([plain(picture[part]) for picture in drawn])) for part in (0, 1))


def pretend_gpu(monkeypatch: pytest.MonkeyPatch) -> TorchFunctionMode:
    """A context in which there is a GPU, "cuda:0", with a renderer that works."""
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("emotalk.rendering.device.cuda_problem", lambda: None)
    # By module: its package holds a function of that name.
    monkeypatch.setattr(sys.modules["emotalk.rendering.rasterize"], "cuda_problem", lambda: None)
    monkeypatch.setattr("emotalk.rendering.cuda.rasterize_cuda", _draw)
    monkeypatch.setattr("emotalk.rendering.cuda.rasterize_cuda_batch", _draw_batch)
    return _Pretend()
