"""Models as folders of two files, config.json and model.safetensors, on this machine or on the Hub.

The speech encoder, the motion model and the lip-sync network read and write them (`from_pretrained`,
`save_pretrained`) under the rules of `client.fetch`: two files, each within its size limit, checksums, no stall.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from emotalk.core.errors import CheckpointError
from emotalk.hub.client import DownloadProgress, HubAddress, fetch

CONFIG, WEIGHTS = "config.json", "model.safetensors"
SIZE_LIMITS = {CONFIG: 64 * 2**10, WEIGHTS: 256 * 2**20}
"""Bytes; the largest of the three models has 3 MB."""
PREPARATION = "preprocessor_config.json"
TRANSFORMER_LIMIT = 2 * 2**30
"""Bytes; the large wav2vec 2.0 and HuBERT models have 1.3 GB."""
LARGEST = 4096
"""Largest number and length in a config.json: a layer of a million channels would fill the memory before its weights
are found missing."""


def model_folder(
    name_or_path: str | Path, refresh: bool = False, progress: DownloadProgress | None = None
) -> tuple[Path, Path]:
    """The config.json and the model.safetensors of a model named by a folder or by a Hub address
    (`org/repo[/subfolder][@revision]`, downloaded at its first use; `refresh` looks for something newer).

    A folder on this machine comes first. Raises a CheckpointError for what is neither or lacks a file, and a HubError
    for an address that cannot be downloaded.
    """
    folder = Path(name_or_path)
    if not folder.is_dir():
        address = HubAddress.parse(str(name_or_path))
        if address is None:
            raise CheckpointError(
                f"{str(name_or_path)!r:.200} is neither a folder nor an address on the Hub (org/name); check it."
            )
        folder = fetch(address, SIZE_LIMITS, refresh=refresh, progress=progress)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing; a model is a folder with {CONFIG} and {WEIGHTS}.")
    return folder / CONFIG, folder / WEIGHTS


def transformer_folder(name_or_path: str | Path, revision: str | None = None, refresh: bool = False) -> Path:
    """The folder of a model of the `transformers` library, here or on the Hub: its config, its weights as safetensors
    and how its input is prepared; no code and no pickles. Raises a CheckpointError or a HubError."""
    if Path(name_or_path).is_dir():
        return Path(name_or_path)
    address = HubAddress.parse(str(name_or_path))
    if address is None:
        raise CheckpointError(
            f"{str(name_or_path)!r:.200} could not be loaded: it is neither a folder nor an address on the Hub "
            "(org/name); check it."
        )
    if revision is not None:
        address = dataclasses.replace(address, revision=revision)
    wanted = {CONFIG: SIZE_LIMITS[CONFIG], WEIGHTS: TRANSFORMER_LIMIT, PREPARATION: SIZE_LIMITS[CONFIG]}
    return fetch(address, wanted, frozenset({PREPARATION}), refresh=refresh)


def read_config(path: Path) -> dict[str, Any]:
    """The table in a config.json, all its numbers and lengths small; a CheckpointError for anything else."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMITS[CONFIG] + 1)
        table = json.loads(data.decode("utf-8")) if len(data) <= SIZE_LIMITS[CONFIG] else None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); download or save the model again.") from error
    if not isinstance(table, dict) or not _small(table):
        raise CheckpointError(
            f"{path} holds something else than a table of numbers up to {LARGEST}; it is of no model of emotalk's."
        )
    return table


def _small(value: Any, depth: int = 0) -> bool:
    if isinstance(value, dict):
        return depth < 4 and len(value) <= 64 and all(_small(v, depth + 1) for v in value.values())
    if isinstance(value, list):
        return depth < 4 and len(value) <= 64 and all(_small(v, depth + 1) for v in value)
    if isinstance(value, str):
        return len(value) <= LARGEST
    return value is None or abs(value) <= LARGEST  # false for NaN


def write_config(folder: str | Path, config: dict[str, Any]) -> Path:
    """Write a config.json into `folder`, made if needed, and return the path where the weights belong."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{CONFIG}.", delete=False, encoding="utf-8") as file:
        json.dump(config, file, indent=2)
    os.chmod(file.name, 0o644)
    os.replace(file.name, folder / CONFIG)
    return folder / WEIGHTS
