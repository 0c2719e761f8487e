"""Neural voices of the `TTS` package (coqui-tts), an optional extra: `pip install -r requirements-tts.txt`.

The package is imported when one of its voices first speaks; that voice's model is then downloaded by the package
(its progress is shown) into its own cache. Only models whose licence allows any use are offered.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emotalk.core.errors import VoiceError
from emotalk.core.speech import Speech
from emotalk.speech.voice import PhraseEngine, Style, VoiceInfo, pitch_by_speed, resampled

log = logging.getLogger(__name__)

_INSTALL = "pip install -r requirements-tts.txt"
_PHONEMIZER = "espeak-ng"  # the program: these models were trained on its phones


class _Model(NamedTuple):
    model: str  # the name in the package's list of models
    speaker: str | None
    language: str
    licence: str
    description: str
    megabytes: int


_MODELS = {
    "vctk-p225": _Model("tts_models/en/vctk/vits", "p225", "en-gb", "Apache-2.0", "English woman", 150),
    "vctk-p226": _Model("tts_models/en/vctk/vits", "p226", "en-gb", "Apache-2.0", "English man", 150),
    "vctk-p230": _Model("tts_models/en/vctk/vits", "p230", "en-gb", "Apache-2.0", "another English woman", 150),
    "vctk-p347": _Model("tts_models/en/vctk/vits", "p347", "en-gb", "Apache-2.0", "South African man", 150),
    "ljspeech": _Model("tts_models/en/ljspeech/vits", None, "en-us", "Apache-2.0", "American woman", 145),
}


class CoquiEngine(PhraseEngine):
    """Voices of downloaded VITS models; they know no phone times and take the rate, not the range of the pitch."""

    name = "coqui"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[str, object] = {}

    def voices(self) -> list[VoiceInfo]:
        """All offered voices; one counts as installed when both package and model are there."""
        package = importlib.util.find_spec("TTS") is not None
        return [
            VoiceInfo(
                f"coqui:{name}", entry.language, 5, entry.licence, entry.description,
                not how_to_get(package, entry), how_to_get(package, entry),
            )
            for name, entry in _MODELS.items()
        ]  # fmt: skip

    def speak(self, text: str, voice: str, style: Style) -> Speech:
        """One phrase. The first call loads the model and, where it is missing, downloads it."""
        if voice not in _MODELS:
            raise VoiceError(f"coqui has no voice {voice[:40]!r} here. It has {', '.join(_MODELS)}.")
        entry = _MODELS[voice]
        with self._lock:
            tts = self._load(entry)
            network = tts.synthesizer.tts_model
            if hasattr(network, "length_scale"):
                network.length_scale = style.pitch / style.rate  # the pitch is raised by playing faster, below
            try:
                sound = tts.tts(text=text, speaker=entry.speaker) if entry.speaker else tts.tts(text=text)
            except (RuntimeError, ValueError, IndexError, KeyError) as error:
                raise VoiceError(f"coqui:{voice} could not say {text[:40]!r} ({error}). Rephrase it.") from error
            rate = tts.synthesizer.output_sample_rate
        samples = resampled(np.asarray(sound, np.float32), int(rate))
        if hasattr(network, "length_scale"):
            samples = pitch_by_speed(samples, style.pitch)
        return Speech(samples, source=f"coqui:{voice}", text=text)

    def _load(self, entry: _Model):
        if entry.model in self._loaded:
            return self._loaded[entry.model]
        try:
            from TTS.api import TTS
        except ImportError as error:
            raise VoiceError(f"Neural voices need the TTS package ({error}). Install it: {_INSTALL}.") from error
        except OSError as error:  # a torchaudio that was built for CUDA or for another torch
            raise VoiceError(
                f"The TTS package's torchaudio does not fit the installed torch ({error}). Take the build for your "
                "torch, as requirements-tts.txt describes, or choose another voice."
            ) from error
        if not shutil.which(_PHONEMIZER):
            raise VoiceError(f"This neural voice needs the {_PHONEMIZER} program. Get it: apt install {_PHONEMIZER}.")
        if not is_downloaded(entry.model):
            log.warning("downloading %s (about %d MB, licence %s)", entry.model, entry.megabytes, entry.licence)
        try:
            self._loaded[entry.model] = TTS(model_name=entry.model, progress_bar=True)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise VoiceError(
                f"The model {entry.model} ({entry.megabytes} MB) could not be downloaded or loaded ({error}). "
                "Check the network and try again, or choose an installed voice."
            ) from error
        return self._loaded[entry.model]


def how_to_get(package: bool, entry: _Model) -> str:
    """What is missing for a voice; empty where nothing is."""
    needed = [] if package else [_INSTALL]
    if not shutil.which(_PHONEMIZER):
        needed.append(f"apt install {_PHONEMIZER}")
    if needed:
        return f"{' and '.join(needed)} (then about {entry.megabytes} MB at first use)"
    return "" if is_downloaded(entry.model) else f"downloads about {entry.megabytes} MB at first use"


def is_downloaded(model: str) -> bool:
    """Whether the TTS package's cache holds a model's weights."""
    folder = _cache() / model.replace("/", "--")
    return folder.is_dir() and any(folder.glob("*.pth*"))


def _cache() -> Path:
    """Where the TTS package keeps its models (its `get_user_data_dir`)."""
    for variable in ("TTS_HOME", "XDG_DATA_HOME"):
        if value := os.environ.get(variable):
            return Path(value).expanduser() / "tts"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "tts"
    return Path.home() / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "tts"
