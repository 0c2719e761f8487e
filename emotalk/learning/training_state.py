"""Stopping and going on: a training run's weights and Adam moments as one safetensors file, nothing pickled."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from emotalk.core import checkpoint


def save_state(path: Path, step: int, network: nn.Module, average: nn.Module, optimizer: torch.optim.AdamW) -> None:
    """Everything needed to go on after `step` steps, moved into place when complete."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for name, parameter in network.named_parameters():
        state = optimizer.state.get(parameter, {})
        for key in ("exp_avg", "exp_avg_sq", "step"):
            if key in state:
                tensors[f"{key}.{name}"] = torch.as_tensor(state[key])
    checkpoint.save(path, tensors, {"step": str(step)})


def load_state(path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.AdamW) -> int:
    """Puts back what `save_state` wrote and returns the number of steps done; 0 where there is no file.

    Raises CheckpointError where the file is damaged or of another network.
    """
    if not path.exists():
        return 0
    with checkpoint.explained(f"The state of the training in {path}", "delete it to start afresh"):
        stored = checkpoint.read(path)
        step, tensors = int(stored.notes["step"]), stored.tensors
        network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
        average.load_state_dict({k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")})
        for name, parameter in network.named_parameters():
            if f"exp_avg.{name}" in tensors:
                optimizer.state[parameter] = {
                    key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")
                }
    return step
