"""Numbers and their description on disk: safetensors files with a JSON table, in the header or in a file beside.

A network's sizes lie in the header (`format`, `config`, `facts`), so that one file is enough; a folder for the Hub has
`config.json` beside `model.safetensors`, and where both describe the network they have to agree. Nothing is unpickled.

`PyTorchModelHubMixin` would bring its own download, without this program's limits on sizes and waiting: not used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from emotalk.core.atomic import replacing, write_json
from emotalk.core.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

    Network = TypeVar("Network", bound=nn.Module)

CONFIG, WEIGHTS = "config.json", "model.safetensors"
"""The two files of a model as a folder."""
SIZE_LIMITS = {CONFIG: 64 * 2**10, WEIGHTS: 256 * 2**20}
"""Bytes of a download; the largest of the shipped models has 3 MB."""
LARGEST = 4096
"""Largest number and length in a table of sizes: a layer of a million channels would fill the memory before its weights
are found missing."""

SAVE_AGAIN = "download or save the model again"
"""The remedy for a model in a folder of the user's."""


@dataclass(frozen=True)
class Stored:
    """What a safetensors file holds."""

    tensors: dict[str, Any]  # by name, as arrays or as torch tensors on the CPU
    notes: dict[str, str]  # the texts in its header


@contextmanager
def explained(what: str, remedy: str) -> Iterator[None]:
    """Whatever goes wrong with a file's content inside becomes one CheckpointError: `what` cannot be used, why, and the
    remedy. A CheckpointError from inside passes as it is."""
    try:
        yield
    except FileNotFoundError as error:
        raise CheckpointError(f"{what} is missing; {remedy}.") from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{what} cannot be used ({error}); {remedy}.") from error


def remake(script: str) -> str:
    """The remedy for a shipped file: restore it, or rebuild it with that one of the scripts."""
    return f"restore the file or rebuild it with `python -m scripts.{script}`"


def save(path: str | Path, tensors: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> None:
    """Write tensors (all of torch or all of numpy, any shapes) and texts as a safetensors file, moved into place."""
    notes = dict(notes) if notes else None
    with replacing(path) as temporary:
        if all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
            import safetensors.numpy

            safetensors.numpy.save_file(_in_rows(tensors), temporary, notes)
        else:
            import safetensors.torch
            import torch

            # The library refuses tensors that share memory: each gets its own.
            apart = {
                name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
                for name, tensor in tensors.items()
            }
            safetensors.torch.save_file(apart, temporary, notes)


def read(path: str | Path, framework: Literal["np", "pt"] = "pt") -> Stored:
    """What a safetensors file holds, as numpy arrays or torch tensors.

    Raises OSError where it cannot be read and ValueError where it is damaged: see `explained`.
    """
    import safetensors

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safetensors.safe_open(path, framework) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return Stored(tensors, file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def to_bytes(arrays: Mapping[str, np.ndarray], notes: Mapping[str, str]) -> bytes:
    """The content of the file that `save` writes of arrays of any shapes."""
    import safetensors.numpy

    return safetensors.numpy.save(_in_rows(arrays), dict(notes))


def from_bytes(data: bytes, limit: int) -> Stored:
    """What such a content of at most `limit` bytes holds, as numpy arrays; ValueError where it is damaged."""
    import safetensors.numpy

    if len(data) > limit:
        raise ValueError(f"it is larger than {limit} bytes")
    try:
        arrays = safetensors.numpy.load(data)  # checks sizes and places before anything else is read
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return Stored(arrays, header.get("__metadata__", {}))


def _in_rows(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    # The library writes the memory of an array as it lies there: a transposed one would come back in the wrong order.
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def save_network(
    path: Path,
    network: nn.Module,
    kind: str,
    config: dict[str, Any],
    facts: dict[str, Any] | None = None,
    full: tuple[str, ...] = (),
) -> None:
    """A network's weights in half precision (those named in `full` as they are) with its kind, its sizes and any
    `facts` about its making in the header, moved into place when complete."""
    weights = {name: tensor if name in full else tensor.half() for name, tensor in network.state_dict().items()}
    save(path, weights, {"format": kind, "config": json.dumps(config), "facts": json.dumps(facts or {})})


def load_network(
    path: Path,
    build: Callable[[dict[str, Any], dict[str, Tensor]], Network],
    kind: str,
    what: str,
    remedy: str,
    table: dict[str, Any] | None = None,
) -> Network:
    """The network of a file that `save_network` wrote, in float32; CheckpointError where it is none.

    `build` makes it from its sizes and its weights (some networks keep tables among them); `what` and `remedy` are the
    words of the error. `table` is the content of a config.json that speaks for the file: it has to agree with the
    file's own header.
    """
    with explained(f"The {what} {path}", remedy):
        stored = read(path)
        if stored.notes.get("format") != kind:
            raise ValueError(f"format {stored.notes.get('format')!r:.60}, expected {kind!r}")
        config = json.loads(stored.notes["config"])
        if not isinstance(config, dict) or not _small(config):
            raise ValueError(f"its sizes are no table of numbers up to {LARGEST}")
        if table is not None and (table["format"], table["config"]) != (kind, config):
            raise ValueError(f"{CONFIG} describes another network")
        weights = {name: tensor.float() for name, tensor in stored.tensors.items()}
        network = build(config, weights)
        network.load_state_dict(weights)
    return network


def read_config(path: Path, remedy: str = SAVE_AGAIN) -> dict[str, Any]:
    """The table in a config.json, all its numbers and lengths small; a CheckpointError for anything else."""
    with explained(str(path), remedy):
        with path.open("rb") as file:
            data = file.read(SIZE_LIMITS[CONFIG] + 1)
        table = json.loads(data.decode("utf-8")) if len(data) <= SIZE_LIMITS[CONFIG] else None
    if not isinstance(table, dict) or not _small(table):
        raise CheckpointError(
            f"{path} holds something else than a table of numbers up to {LARGEST}; it is of no model of emotalk's."
        )
    return table


def write_config(folder: str | Path, config: dict[str, Any]) -> Path:
    """Write a config.json into `folder`, made if needed, and return the path where the weights belong."""
    write_json(Path(folder) / CONFIG, config, indent=2)
    return Path(folder) / WEIGHTS


def _small(value: Any, depth: int = 0) -> bool:
    if isinstance(value, dict):
        return depth < 4 and len(value) <= 64 and all(_small(v, depth + 1) for v in value.values())
    if isinstance(value, list):
        return depth < 4 and len(value) <= 64 and all(_small(v, depth + 1) for v in value)
    if isinstance(value, str):
        return len(value) <= LARGEST
    return value is None or abs(value) <= LARGEST  # false for NaN
