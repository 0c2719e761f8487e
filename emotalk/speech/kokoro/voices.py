"""Kokoro's voices: who they are, and the style vectors that make each of them.

A voice is a table of 510 styles, one for every length of an utterance in symbols. Some are shipped (checkpoints/voices,
half precision); all others are brought from the Hub by name.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emotalk.core import checkpoint
from emotalk.core.errors import HubError, VoiceError
from emotalk.core.paths import CHECKPOINTS
from emotalk.hub import HubAddress, downloaded, fetch
from emotalk.speech.kokoro.timing import LEAD
from emotalk.speech.loudness import TARGET_DB

FOLDER = CHECKPOINTS / "voices"
HUB = HubAddress("onnx-community/Kokoro-82M-v1.0-ONNX", "voices")
ROWS, SIZE = 510, 256
LICENCE = "Apache-2.0"
_USUAL_GAIN_DB = TARGET_DB + 25.0
"""For voices whose loudness was not measured when they were shipped: about the mean of those that were."""


class Person(NamedTuple):
    """What is told of a voice. `grade` is its makers' own (A to F, by the amount and quality of its training data),
    `lead` the frames by which its sounds are heard before those of their tokens."""

    language: str  # as espeak calls it
    description: str
    grade: str
    lead: float = LEAD


PEOPLE: dict[str, Person] = {
    "af_heart": Person("en-us", "American woman, warm", "A"),
    "af_bella": Person("en-us", "American woman, lively", "A-"),
    "af_nicole": Person("en-us", "American woman, whispering", "B-"),
    "af_aoede": Person("en-us", "American woman, bright", "C+"),
    "af_kore": Person("en-us", "American woman, clear", "C+"),
    "af_sarah": Person("en-us", "American woman, calm", "C+"),
    "af_alloy": Person("en-us", "American woman, even", "C"),
    "af_nova": Person("en-us", "American woman, firm", "C"),
    "af_sky": Person("en-us", "American woman, light", "C-"),
    "af_jessica": Person("en-us", "American woman, young", "D"),
    "af_river": Person("en-us", "American woman, low", "D"),
    "am_michael": Person("en-us", "American man, calm", "C+", LEAD + 0.5),
    "am_fenrir": Person("en-us", "American man, strong", "C+"),
    "am_puck": Person("en-us", "American man, lively", "C+"),
    "am_echo": Person("en-us", "American man, clear", "D"),
    "am_eric": Person("en-us", "American man, even", "D"),
    "am_liam": Person("en-us", "American man, young", "D"),
    "am_onyx": Person("en-us", "American man, deep", "D"),
    "am_santa": Person("en-us", "American man, old", "D-"),
    "am_adam": Person("en-us", "American man", "F+"),
    "bf_emma": Person("en-gb", "English woman, warm", "B-"),
    "bf_isabella": Person("en-gb", "English woman, clear", "C"),
    "bf_alice": Person("en-gb", "English woman", "D"),
    "bf_lily": Person("en-gb", "English woman, young", "D"),
    "bm_george": Person("en-gb", "English man, calm", "C", LEAD + 0.5),
    "bm_fable": Person("en-gb", "English man, a narrator", "C"),
    "bm_lewis": Person("en-gb", "English man, deep", "D+"),
    "bm_daniel": Person("en-gb", "English man", "D"),
    "ef_dora": Person("es", "Spanish woman", "D"),
    "em_alex": Person("es", "Spanish man", "D"),
    "em_santa": Person("es", "Spanish man, old", "D"),
    "ff_siwis": Person("fr-fr", "French woman", "B-"),
    "hf_alpha": Person("hi", "Hindi woman", "C"),
    "hf_beta": Person("hi", "Hindi woman, another", "C"),
    "hm_omega": Person("hi", "Hindi man", "C"),
    "hm_psi": Person("hi", "Hindi man, another", "C"),
    "if_sara": Person("it", "Italian woman", "C"),
    "im_nicola": Person("it", "Italian man", "C"),
    "pf_dora": Person("pt-br", "Brazilian woman", "D"),
    "pm_alex": Person("pt-br", "Brazilian man", "D"),
    "pm_santa": Person("pt-br", "Brazilian man, old", "D"),
}
"""Those whose language espeak's phones can spell; Kokoro's Japanese and Chinese voices need another reader.

Two of the six whose times were measured lay half a frame later than the others: 14 and 10 ms on ten sentences
(`benchmarks.voice`, "times"), 14 and 12 on sixteen of its captions; their `lead` takes it off."""


class Voice(NamedTuple):
    """A voice that can speak."""

    styles: np.ndarray  # [510, 256] float32; row n - 1 is for n symbols
    gain_db: float  # brings it to the loudness of all speech here


def is_here(name: str) -> bool:
    """Whether the styles of a voice are on this machine."""
    return _shipped(name).is_file() or ((folder := downloaded(HUB)) is not None and (folder / f"{name}.bin").is_file())


@functools.lru_cache(maxsize=16)
def load(name: str) -> Voice:
    """A voice of PEOPLE, shipped or brought from the Hub. Raises VoiceError where it is not to be had."""
    if _shipped(name).is_file():
        try:
            stored = checkpoint.read(_shipped(name), "np")
            return Voice(_checked(stored.tensors["styles"].astype(np.float32)), float(stored.notes["gain_db"]))
        except (OSError, KeyError, ValueError) as error:
            raise VoiceError(
                f"The voice kokoro:{name} cannot be used ({error}). Restore the file "
                f"checkpoints/voices/{name}.safetensors or choose another voice."
            ) from error
    try:
        # All of them in one go (28 MB): a list of files is what the Hub answers quickly.
        folder = fetch(
            HUB, {f"{known}.bin": ROWS * SIZE * 4 for known in PEOPLE}, frozenset(f"{known}.bin" for known in PEOPLE)
        )
    except HubError as error:
        raise VoiceError(f"The voice kokoro:{name} is not on this machine: {error}") from error
    try:
        styles = np.fromfile(folder / f"{name}.bin", "<f4").reshape(ROWS, SIZE)
        return Voice(_checked(styles), _USUAL_GAIN_DB)
    except (OSError, ValueError) as error:
        raise VoiceError(f"The voice kokoro:{name} cannot be used ({error}). Choose another one.") from error


def _shipped(name: str) -> Path:
    return FOLDER / f"{name}.safetensors"


def _checked(styles: np.ndarray) -> np.ndarray:
    if styles.shape != (ROWS, SIZE) or not np.isfinite(styles).all():
        raise ValueError(f"it is no table of {ROWS} x {SIZE} finite numbers")
    return styles
