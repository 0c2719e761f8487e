"""What is installed, what is missing, and how to get it: the facts behind `python -m emotalk doctor`.

Each part is imported where it is looked at, so that one that cannot be imported hides no other.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from emotalk import __version__
from emotalk.core.errors import EmotalkError
from emotalk.core.paths import CHECKPOINTS, cache_dir

PACKAGES = ("torch", "numpy", "numba", "gradio", "safetensors", "soundfile", "imageio-ffmpeg", "huggingface-hub")
MODELS = {
    "head.npz": "the head",
    "speech.safetensors": "hearing: sound to articulation",
    "motion.safetensors": "motion: articulation and mood to face",
}
EXTRA_MODELS = {
    "sync.safetensors": "lip-sync score, for tracking and fitting",
    "sync_judge.safetensors": "lip-sync score of evaluation",
    "consistency_judge.safetensors": "recognised mood of evaluation",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report. `grade` is "ok", "optional" (something more could be had) or "missing"."""

    part: str
    grade: str
    found: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """All findings, one after the other; a check that fails becomes a finding and never stops the others."""
    for check in (_machine, _packages, _rendering, _video, _voices, _neural_voice, _models, _avatars, _chat, _folders):
        try:
            yield from check()
        except (EmotalkError, ImportError, OSError) as error:
            yield Finding(check.__name__.strip("_"), "missing", str(error), "pip install -r requirements.txt")


def _machine() -> Iterator[Finding]:
    from emotalk.core.kernels.workers import available_cores

    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    yield Finding("emotalk", "ok", f"{__version__} on {system}")
    cores, there = available_cores(), os.cpu_count() or 1
    few = "" if cores >= 2 else "with two cores a clip is made faster than it plays"
    yield Finding("cores", "ok" if cores >= 2 else "optional", f"{cores} of {there} usable", few)


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "missing", "not installed", "pip install -r requirements.txt")


def _rendering() -> Iterator[Finding]:
    import torch

    from emotalk.core.kernels.cache import cache_folder
    from emotalk.rendering.device import cuda_problem, resolve_device

    compiled = any(cache_folder().glob("draw-*.kernel"))
    yield Finding(
        "drawing on the CPU", "ok", "compiled" if compiled else "not compiled yet",
        "" if compiled else "python -m emotalk warmup (or wait some 15 s at the first picture)",
    )  # fmt: skip
    problem = cuda_problem()
    yield Finding("drawing on a GPU", "optional" if problem else "ok", problem or "CUDA and gsplat work")
    device = resolve_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    why = "the fastest that works here" if problem is None else f"no GPU: {problem}"
    yield Finding("device", "ok", f"--device auto draws and fits on {name} ({why})")


def _video() -> Iterator[Finding]:
    from emotalk.video import ffmpeg_path

    path = ffmpeg_path()
    said = subprocess.run([path, "-hide_banner", "-encoders"], capture_output=True, text=True, timeout=20).stdout
    lacks = [codec for codec in ("libx264", "aac") if f" {codec} " not in said]
    if lacks:
        yield Finding("video", "missing", f"{path} lacks {', '.join(lacks)}", "pip install imageio-ffmpeg")
    else:
        yield Finding("video", "ok", "ffmpeg with H.264 and AAC")


def _voices() -> Iterator[Finding]:
    from emotalk.speech import voices

    known = voices()
    engines: dict[str, list] = {}
    for voice in known:
        engines.setdefault(voice.engine, []).append(voice)
    for engine, of_engine in engines.items():
        installed = [voice for voice in of_engine if voice.installed]
        if installed:
            yield Finding(f"voices: {engine}", "ok", f"{len(installed)} installed")
        else:
            yield Finding(f"voices: {engine}", "optional", "not installed", of_engine[0].how_to_get)
    if not any(voice.installed for voice in known):
        yield Finding("voices", "missing", "none", "pip install espeakng-loader")


def _neural_voice() -> Iterator[Finding]:
    from emotalk.speech.kokoro import weights

    part, wish = "neural voice", os.environ.get(weights.SETTING, "").strip()
    lacks = [name for name in ("onnxruntime", "onnx") if importlib.util.find_spec(name) is None]
    if lacks:
        yield Finding(part, "optional", f"Kokoro lacks {' and '.join(lacks)}", weights.HOW_TO_GET)
    elif weights.is_prepared():
        yield Finding(part, "ok", "Kokoro is ready")
    elif weights.is_at_hand():
        yield Finding(part, "ok", "Kokoro is here; its first sentence makes it ready (some seconds, 280 MB of disk)")
    elif wish == "hub":
        yield Finding(
            part, "optional", "Kokoro's full weights are not downloaded yet",
            f"say something with a voice of Kokoro ({weights.HUB_MEGABYTES} MB), or unset {weights.SETTING}",
        )  # fmt: skip
    elif wish:
        yield Finding(
            part, "optional", f"{weights.SETTING} names {wish}, which is no file",
            f"name a file of Kokoro's weights, or unset it and {weights.HOW_TO_GET}",
        )  # fmt: skip
    else:
        yield Finding(part, "optional", "Kokoro's weights are not here", weights.HOW_TO_GET)


def _models() -> Iterator[Finding]:
    for name, what in (MODELS | EXTRA_MODELS).items():
        there = (CHECKPOINTS / name).is_file()
        grade = "ok" if there else "missing" if name in MODELS else "optional"
        yield Finding(name, grade, what if there else "not there", "" if there else "restore it from the repository")


def _avatars() -> Iterator[Finding]:
    from emotalk.talk.studio import Studio

    usable = []
    for info in Studio().avatars():
        if info.problem:
            yield Finding(f"avatar {info.name}", "optional", info.problem)
        else:
            usable.append(info.name)
    if usable:
        yield Finding("avatars", "ok", ", ".join(usable))
    else:
        yield Finding("avatars", "missing", "none can be used", "restore checkpoints/avatars from the repository")


def _chat() -> Iterator[Finding]:
    from emotalk.chat.endpoint import URL, endpoint_of_environment

    part = "language model"
    try:
        endpoint = endpoint_of_environment()
    except EmotalkError as error:
        yield Finding(part, "optional", f"{URL} is set, but: {error}", f"correct {URL}, or unset it")
        return
    if endpoint is None:
        yield Finding(part, "optional", "none to talk with", f"{URL}=http://localhost:8080/v1 (docs/conversation.md)")
    else:
        yield Finding(part, "ok", f"{endpoint.host} is asked where somebody talks with a live face")


def _folders() -> Iterator[Finding]:
    folder = cache_dir("rendering")
    free = shutil.disk_usage(folder).free / 2**30
    yield Finding("cache", "ok" if free > 1 else "optional", f"{folder.parent}, {free:.0f} GB free")
