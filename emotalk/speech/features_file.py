"""What an encoder hears in a recording, as a file for research and training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotalk.core.atomic import replacing
from emotalk.core.errors import InputError
from emotalk.core.speech import SpeechFeatures


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
