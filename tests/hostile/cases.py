"""One odd input, and what every corpus of them is made with: chance with a seed, a secret, a sound, ffmpeg."""

from __future__ import annotations

import functools
import random
import subprocess
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from emotalk.video import ffmpeg_path

SECRET_WORDS = "the-owner's-diary-of-1987"
"""Stands in files that no visitor may read; an answer that holds it has given one away."""
SECRET_COLOUR = (230, 20, 120)
"""Of a picture that no visitor may see; neither a face nor a test card has much of it."""
RATE = 16_000


@dataclass(frozen=True)
class Case:
    """One odd input. `make(folder)` writes it into a folder of its own and returns its path."""

    name: str
    make: Callable[[Path], Path | str]
    # Whether it may be used after all: a truncated recording still holds sound. A case that may not must be refused.
    usable: bool = False

    def __str__(self) -> str:
        return self.name


def as_file(name: str, data: bytes | Callable[[], bytes], file: str, usable: bool = False) -> Case:
    """The case of a file with those bytes."""

    def make(folder: Path) -> Path:
        path = folder / file
        path.write_bytes(data() if callable(data) else data)
        return path

    return Case(name, make, usable)


def noise(count: int, seed: int) -> bytes:
    """Bytes by chance, the same in every run."""
    return random.Random(seed).randbytes(count)


def secret_files(folder: Path) -> dict[str, Path]:
    """What lies on the server's disk and is nobody's business: a text, a picture, a sound."""
    folder.mkdir(parents=True, exist_ok=True)
    text, picture, sound = (folder / name for name in ("diary.txt", "owner.png", "owner.wav"))
    text.write_text(SECRET_WORDS)
    Image.new("RGB", (256, 256), SECRET_COLOUR).save(picture)
    sound.write_bytes(wav_bytes())
    return {"text": text, "picture": picture, "sound": sound}


def shows_secret(picture: np.ndarray) -> bool:
    """Whether a picture [H, W, 3] uint8 shows the owner's."""
    return float((np.abs(picture.astype(np.int16) - SECRET_COLOUR).max(-1) < 25).mean()) > 0.02


@functools.cache
def wav_bytes(seconds: float = 1.0) -> bytes:
    """A buzz that is switched on and off, as 16-bit mono WAV."""
    t = np.arange(round(seconds * RATE)) / RATE
    buzz = np.sign(np.sin(2 * np.pi * 130 * t)) * 0.3 * (np.sin(2 * np.pi * 2 * t) > 0)
    with tempfile.SpooledTemporaryFile() as file:
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(RATE)
            sound.writeframes((buzz * 32767).astype("<i2").tobytes())
        file.seek(0)
        return file.read()


@functools.cache
def encoded(*arguments: str, suffix: str, sound: bool = False) -> bytes:
    """What ffmpeg writes with these arguments into a file with that suffix; `sound` puts the buzz in as its first
    input."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "buzz.wav"), Path(folder, f"made{suffix}")
        source.write_bytes(wav_bytes())
        first = ["-i", str(source)] if sound else []
        command = [ffmpeg_path(), "-v", "error", "-nostdin", *first, *arguments, "-y", str(target)]
        subprocess.run(command, check=True, capture_output=True)
        return target.read_bytes()
