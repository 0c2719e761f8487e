"""Commands about this machine and for research: voices, what is installed, the page, measuring, encoding."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import tyro

from emotalk.cli.progress import ProgressBar
from emotalk.core.errors import InputError


def app(port: int | None = None, host: str | None = None) -> None:
    """Open emotalk's page, as `python app.py` does; a browser then shows it at the address that is printed.

    Args:
        port: where it is served: 7860 or the next free one by default.
        host: 127.0.0.1 by default, for this machine alone; 0.0.0.0 lets others in, with the limits for strangers.
    """
    import os

    from emotalk.core.checks import check_whole

    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    if port is not None:
        os.environ["GRADIO_SERVER_PORT"] = str(check_whole("The port", port, 1, 65535))
    if host is not None:
        os.environ["GRADIO_SERVER_NAME"] = host
    from emotalk.ui.launch import launch

    launch()


def voices(language: str | None = None, everything: bool = False) -> None:
    """List the voices that read text aloud, best first.

    Args:
        language: only voices of this language: en, en-gb, de, ...
        everything: also all of espeak's hundred languages and what could be installed.
    """
    from emotalk.speech import voices as known_voices

    shown = [voice for voice in known_voices() if language is None or _speaks(voice.language, language)]
    if language is None and not everything:
        shown = [voice for voice in shown if _speaks(voice.language, "en")]
    if not shown:
        raise InputError(f"No voice speaks {language!r}; `python -m emotalk voices --everything` lists all.")
    for voice in shown:
        stars = "*" * voice.quality
        missing = "" if voice.installed else f"  [{voice.how_to_get}]"
        print(f"{voice.id:28} {voice.language:14} {stars:6} {voice.description}; {voice.licence}{missing}")
    if language is None and not everything:
        print("More languages: --language de, or --everything.")


def doctor() -> None:
    """Say what is installed, which backends work, and how to get what is missing."""
    from emotalk.doctor import examine

    signs = {"ok": "ok ", "optional": "-  ", "missing": "!! "}
    missing = 0
    for finding in examine():
        missing += finding.grade == "missing"
        remedy = f"  ->  {finding.remedy}" if finding.remedy else ""
        print(f"{signs[finding.grade]} {finding.part:22} {finding.found}{remedy}")
    if missing:
        raise InputError(f"{missing} needed part(s) are missing; the lines with !! say how to get them.")


def warmup() -> None:
    """Compile the CPU renderer and make the voice ready ahead of time, so that the first talk begins at once."""
    from emotalk.core.errors import VoiceError
    from emotalk.rendering import warmup as compile_kernels
    from emotalk.speech.tts import prepare_voice

    seconds = compile_kernels(progress=lambda line: print(line, file=sys.stderr))
    print(f"renderer ready after {seconds:.1f} s")
    started = time.perf_counter()
    try:
        voice = prepare_voice()
    except VoiceError as error:  # recordings can be played all the same
        print(f"no voice: {error}", file=sys.stderr)
    else:
        print(f"voice {voice.id} ready after {time.perf_counter() - started:.1f} s")


def evaluate(
    video: Path,
    avatar: str | None = None,
    protocol: Literal["self-reconstruction", "few-shot"] | None = None,
    audio: Path | None = None,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("evaluation"),
    share: float = 1.0,
    minutes: float = 2.0,
    seconds: float | None = None,
    device: str = "auto",
) -> None:
    """Measure an avatar against a video of the same person; writes report.json, report.md and pictures.

    Args:
        video: the recording to compare with (or a folder that it was tracked into).
        avatar: who is measured: a name that `avatars` lists, or an avatar's folder.
        protocol: instead of an avatar: fit one to the first four fifths ("self-reconstruction") or the first five
            seconds ("few-shot") of the video and measure it on the last fifth.
        audio: also let the avatar speak along with this other recording and judge its lips (cross-audio).
        output: the folder to write.
        share: compare only this last share of the video, for example 0.2.
        minutes: how long a protocol fits.
        seconds: how much of the video to use at most.
        device: where the avatar is fitted and drawn: auto (a GPU where one can draw), cpu or cuda.
    """
    from emotalk.evaluation.command import run

    with ProgressBar() as show:
        reports = run(video, avatar, protocol, audio, output, share, minutes, seconds, device, show)
    for report in reports:
        told = ("psnr_head", "psnr_full", "lmd_mouth", "lip_slope", "sync", "faces_found")
        numbers = ", ".join(f"{name} {report.scores[name]:.4g}" for name in told if name in report.scores)
        print(f"driven by {report.drive}: {numbers}")
    print(f"{output / 'report.md'}")


def encode(
    audio: tyro.conf.Positional[Path],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("features.npz"),
    encoder: str = "embedded",
    refresh: bool = False,
) -> None:
    """Write what a speech encoder hears in a recording, for research and training: features, phones, articulation,
    voicing, energy and pitch at 50 Hz.

    Args:
        audio: an audio file, in any format.
        output: the file to write (.npz).
        encoder: "embedded", or another one: a folder or a Hub address of a speech encoder of emotalk's, of an adapter
            (scripts.train_adapter), or of a wav2vec 2.0 or HuBERT model such as facebook/wav2vec2-base-960h, which
            without an adapter gives the features alone; the other columns are then the embedded encoder's.
        refresh: look on the Hub for something newer than what was downloaded earlier.
    """
    from emotalk.speech import load_audio
    from emotalk.speech.encoders import load_encoder
    from emotalk.speech.features_file import save_features

    features = load_encoder(encoder, refresh).encode(load_audio(audio))
    save_features(features, output)
    print(f"{output}: {len(features)} rows, {features.features.shape[1]} features a row")


def _speaks(spoken: str, wanted: str) -> bool:
    return spoken == wanted.lower() or spoken.startswith(f"{wanted.lower()}-")
