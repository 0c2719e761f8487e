"""One name for where things are drawn and fitted; `auto` takes a GPU only where it can draw."""

from __future__ import annotations

import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.rendering import device
from emotalk.rendering.device import resolve_device


def with_gpu(monkeypatch: pytest.MonkeyPatch, problem: str | None) -> None:
    monkeypatch.setattr(device, "cuda_problem", lambda: problem)


def test_auto_is_the_gpu_where_it_can_draw_and_else_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, None)
    assert resolve_device("auto") == torch.device("cuda")
    with_gpu(monkeypatch, "gsplat has no CUDA code")
    assert resolve_device("auto") == torch.device("cpu")


def test_a_device_is_taken_by_its_name_or_as_torch_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, None)
    for name in ("cpu", "cuda"):
        assert resolve_device(name) == resolve_device(torch.device(name)) == torch.device(name)


def test_a_gpu_that_cannot_draw_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, "gsplat has no CUDA code")
    for name in ("cuda", torch.device("cuda")):
        with pytest.raises(InputError, match="'cuda' cannot be used: gsplat has no CUDA code"):
            resolve_device(name)


@pytest.mark.parametrize("name", ["tpu", "", "mps", "cuda:x", None])
def test_another_word_is_refused_with_the_known_ones(name: object) -> None:
    with pytest.raises(InputError, match="choose one of auto, cpu, cuda"):
        resolve_device(name)
