"""What an encoder hears in a recording, as a file for research and training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError
from emotalk.core.speech import SpeechFeatures

if TYPE_CHECKING:
    from emotalk.speech.encoder import SpeechEncoder
    from emotalk.speech.hub_encoder import HubSpeechEncoder

EMBEDDED = "embedded"


def load_encoder(
    name: str = EMBEDDED, adapter: Path | None = None, refresh: bool = False
) -> SpeechEncoder | HubSpeechEncoder:
    """The embedded encoder, or with `name` the wav2vec 2.0 or HuBERT model of a folder or the Hub in its place.

    Raises CheckpointError, HubError, or InputError for an adapter without such a model.
    """
    if name != EMBEDDED:
        # Imported here: transformers only for its own models.
        from emotalk.speech.hub_encoder import HubSpeechEncoder

        return HubSpeechEncoder.load(name, adapter=adapter, refresh=refresh)
    if adapter is not None:
        raise InputError("An adapter was given for the embedded encoder, which needs none; name a model as well.")
    from emotalk.speech.encoder import SpeechEncoder

    return SpeechEncoder.load()


def save_features(features: SpeechFeatures, target: Path) -> None:
    """Write all columns at 50 Hz into an .npz (`SpeechFeatures` by name), moved into place when complete."""
    if target.suffix != ".npz":
        raise InputError(f"Features are written as .npz, found {target.name!r}; name the file so.")
    with replacing(target) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **vars(features))


def load_features(path: Path) -> SpeechFeatures:
    """The features in a file that `save_features` wrote; InputError where it holds something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return SpeechFeatures(**{name: file[name] for name in file.files})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} holds no speech features ({error}); write them with `emotalk encode`.") from error
