"""flite, the better small English voices, where its program is installed (Debian, Ubuntu and Spaces: `flite`).

The program runs once for each phrase. Its text goes through a file and its options are fixed here, so that nothing
a person types can become an option or a command.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
import subprocess
import tempfile
import unicodedata
from pathlib import Path
from typing import NamedTuple

from emotalk.core.errors import VoiceError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import PHONES, Speech
from emotalk.speech.voice import PhraseEngine, Style, VoiceInfo, pitch_by_speed, resampled

LICENCE = "flite licence (BSD-like, Carnegie Mellon University)"
_HOW_TO_GET = "apt install flite"
_TIMEOUT = 30.0  # seconds; a phrase of 300 letters takes half a second
_ROOM = 2 * 2**20  # bytes that the sound of one phrase takes at most


class _Kind(NamedTuple):
    description: str
    quality: int
    mean_pitch: float | None  # Hz, of the voice's own manner; None where it ignores a target


# Measured on flite 2.2: `int_f0_target_mean` moves slt, awb and kal16 exactly and leaves rms alone.
_VOICES = {
    "slt": _Kind("American woman", 3, 172.0),
    "rms": _Kind("American man", 3, None),
    "awb": _Kind("Scottish man", 3, 126.0),
    "kal16": _Kind("American man, older diphone voice", 1, 87.0),
}
# flite's phones that are not of the 39: reductions and flaps go to what the mouth does.
_REDUCED = {"pau": "sil", "h#": "sil", "ax": "ah", "axr": "er", "ix": "ih", "dx": "d", "nx": "n", "el": "l", "em": "m",
            "en": "n", "hv": "hh", "ux": "uw", "brth": "sil", "ssil": "sil"}  # fmt: skip
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "đ": "d", "ł": "l",
                          "Ł": "L", "þ": "th", "Þ": "Th", "ð": "th", "ı": "i"})  # fmt: skip


class FliteEngine(PhraseEngine):
    """Voices slt, rms, awb and kal16; `program` is the path of the flite program (found on the PATH by itself)."""

    name = "flite"

    def __init__(self, program: str | None = None) -> None:
        self._program = program

    def voices(self) -> list[VoiceInfo]:
        """The four voices, installed where the program is there and holds them."""
        program = self._find()
        held = _held_voices(program) if program else frozenset()
        return [
            VoiceInfo(
                f"flite:{name}", "en-us" if name != "awb" else "en-gb", kind.quality, LICENCE, kind.description,
                name in held, "" if name in held else _HOW_TO_GET,
            )
            for name, kind in _VOICES.items()
        ]  # fmt: skip

    def speak(self, text: str, voice: str, style: Style) -> Speech:
        """One English phrase with the times of its phones. Takes about 0.25 s for 10 s of speech."""
        program = self._find()
        if voice not in _VOICES:
            raise VoiceError(f"flite has no voice {voice[:40]!r}. It has {', '.join(_VOICES)}.")
        if not program or voice not in _held_voices(program):
            raise VoiceError(f"The voice flite:{voice} is not installed. Get it with `{_HOW_TO_GET}`.")
        kind = _VOICES[voice]
        speed_for_pitch = style.pitch if kind.mean_pitch is None else 1.0
        settings = {"duration_stretch": speed_for_pitch / style.rate}
        if kind.mean_pitch is not None:
            settings["int_f0_target_mean"] = kind.mean_pitch * style.pitch
        samples, phones = _run(program, voice, plain_letters(text), settings)
        played = len(samples) / SAMPLE_RATE
        samples = pitch_by_speed(samples, speed_for_pitch)
        scale = len(samples) / SAMPLE_RATE / played if played else 1.0
        fitted = tuple((start * scale, end * scale, name) for start, end, name in phones)
        return Speech(samples, source=f"flite:{voice}", text=text, phones=fitted)

    def _find(self) -> str | None:
        return self._program or shutil.which("flite")


def plain_letters(text: str) -> str:
    """`text` in ASCII, all that flite knows: accents are dropped ("café" -> "cafe")."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    kept = "".join(character if " " <= character <= "~" else " " for character in decomposed
                   if not unicodedata.combining(character))  # fmt: skip
    return " ".join(kept.split())


@functools.lru_cache(maxsize=4)
def _held_voices(program: str) -> frozenset[str]:
    try:
        listed = subprocess.run([program, "-lv"], capture_output=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(listed.stdout.decode(errors="replace").rpartition(":")[2].split()) & frozenset(_VOICES)


def _run(program: str, voice: str, text: str, settings: dict[str, float]):
    """The samples and the (start, end, phone) of a text."""
    import soundfile

    with tempfile.TemporaryDirectory(prefix="emotalk-flite-") as folder:
        source, target = Path(folder) / "text.txt", Path(folder) / "speech.wav"
        source.write_text(text + "\n", encoding="ascii")
        command = [program, "-voice", voice, "-psdur"]
        for name, value in settings.items():
            command += ["--setf", f"{name}={value:.4f}"]
        command += ["-f", str(source), "-o", str(target)]
        shown = text[:40]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as error:
            raise VoiceError(
                f"flite took more than {_TIMEOUT:.0f} s over {shown!r}. Choose an espeak voice."
            ) from error
        except (FileNotFoundError, PermissionError) as error:
            raise VoiceError(f"flite cannot be started ({error}). Get it with `{_HOW_TO_GET}`.") from error
        try:
            sound, rate = soundfile.read(target, dtype="float32")
        except (soundfile.LibsndfileError, OSError) as error:
            if shutil.disk_usage(folder).free < _ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder) from error
            raise VoiceError(
                f"flite said nothing for {shown!r} (status {done.returncode}). Rephrase it or choose an espeak voice."
            ) from error
    seconds = len(sound) / rate
    return resampled(sound, rate), _parse_phones(done.stdout.decode("ascii", "replace"), seconds)


def _parse_phones(printed: str, seconds: float) -> list[tuple[float, float, str]]:
    """ "pau:0.177 ay:0.340 ..." with end times; one line for each utterance, each starting at 0.

    kal16 leaves out 0.1 s of the pause that ends each utterance: whatever the times have more than the sound's
    `seconds` is taken from those pauses. (Shrinking all times instead puts its phones up to 0.1 s too early.)
    """
    utterances = [items for line in printed.splitlines() if (items := line.split())]
    over = sum(float(items[-1].rpartition(":")[2]) for items in utterances) - seconds
    over = over / len(utterances) if utterances else 0.0
    phones, offset = [], 0.0
    for items in utterances:
        start = 0.0
        for i, item in enumerate(items):
            name, _, printed_end = item.rpartition(":")
            phone = _REDUCED.get(name, name)
            end = float(printed_end) if i + 1 < len(items) else max(float(printed_end) - over, start)
            if end > start:
                phones.append((offset + start, offset + end, phone if phone in PHONES else "sil"))
            start = end
        offset += start
    return phones
