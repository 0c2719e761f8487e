"""One name for where things are drawn and fitted; `auto` takes a GPU only where it can draw."""

from __future__ import annotations

import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.rendering import device
from emotalk.rendering.device import resolve_device


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_problem", lambda: "gsplat has no CUDA code")


def test_auto_is_the_cpu_where_no_gpu_can_draw(no_gpu: None) -> None:
    assert resolve_device("auto") == resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", torch.device("cuda")])
def test_a_gpu_that_cannot_draw_is_refused_with_the_reason(no_gpu: None, name: str | torch.device) -> None:
    with pytest.raises(InputError, match="cannot be used: gsplat has no CUDA code"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["tpu", "", "mps", "cuda:x"])
def test_another_word_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="one of auto, cpu, cuda"):
        resolve_device(name)


@pytest.mark.gpu
@pytest.mark.skipif(device.cuda_problem() is not None, reason=f"no CUDA renderer: {device.cuda_problem()}")
def test_auto_is_the_gpu_where_it_can_draw() -> None:
    assert resolve_device("auto") == resolve_device("cuda")
    assert resolve_device("auto").type == "cuda"
