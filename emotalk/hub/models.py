"""Models as folders of two files, config.json and model.safetensors, on this machine or on the Hub.

The speech encoder, the motion model and the lip-sync network are brought (`from_pretrained`) under the rules of
`client.fetch`: two files, each within its size limit, checksums, no stall. What they hold `core.checkpoint` reads.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from emotalk.core.checkpoint import CONFIG, SIZE_LIMITS, WEIGHTS
from emotalk.core.errors import CheckpointError
from emotalk.core.progress import ProgressCallback
from emotalk.hub.client import HubAddress, fetch

PREPARATION = "preprocessor_config.json"
TRANSFORMER_LIMIT = 2 * 2**30
"""Bytes; the large wav2vec 2.0 and HuBERT models have 1.3 GB."""


def model_folder(
    name_or_path: str | Path, refresh: bool = False, progress: ProgressCallback | None = None
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
