"""espeak-ng, the voice that is always there: over a hundred languages from one pip package (espeakng-loader).

The library runs in a process of its own (`espeak_worker`), used under a lock: some texts crash it, and starting it
twice in one process makes later calls hang. A worker that crashed or hung is replaced. Licence:
GPL-3.0-or-later (see NOTICE); it is loaded at run time and is not part of this package.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotalk.core.errors import VoiceError
from emotalk.core.speech import Speech
from emotalk.speech import espeak_worker
from emotalk.speech.ipa import arpabet
from emotalk.speech.voice import PhraseEngine, Style, VoiceInfo, resampled

log = logging.getLogger(__name__)

LICENCE = "GPL-3.0-or-later"
_HOW_TO_GET = "pip install espeakng-loader"
_WORDS_PER_MINUTE = 165
_PITCH_STEPS = 68  # of its pitch parameter for an octave, measured between 0.8 and 1.6 times the middle pitch
_TIMEOUT = espeak_worker.TIMEOUT + 10.0  # seconds: the worker should have given up before


_SHORTAGES = (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOSPC)
"""Errors of a machine that is short of something, not of a missing or broken library."""


_SWITCH = re.compile(r"\(\^?\w[\w^-]*\)")
"""What stands around a word of another language: "(^e^n)", and "(^f^r)" behind it."""


class _Crash(Exception):
    """The worker died or was ended because it hung."""


class EspeakEngine(PhraseEngine):
    """Voices "en-us", "de", "cmn"...; a variant can be added: "en-us+f3" (f1-f5, m1-m8...)."""

    name = "espeak"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._fault: str | None = None

    def voices(self) -> list[VoiceInfo]:
        """Every language; without the library only American English, with how to get it."""
        try:
            with self._lock:
                languages = self._ready().languages
        except (VoiceError, OSError):
            return [VoiceInfo("espeak:en-us", "en-us", 2, LICENCE, "American English", False, _HOW_TO_GET)]
        ordered = sorted(languages, key=lambda language: (language != "en-us", not language.startswith("en"), language))
        return [VoiceInfo(f"espeak:{lang}", lang, 2, LICENCE, languages[lang][1], True) for lang in ordered]

    def speak(self, text: str, voice: str, style: Style) -> Speech:
        """One phrase with the times of its phones and words. Takes about 1/100 of the time it lasts."""
        language, _, variant = voice.partition("+")
        with self._lock:
            languages = self._ready().languages
            if language.lower() not in languages or not re.fullmatch(r"\w{0,20}", variant):
                raise VoiceError(
                    f"espeak-ng has no voice {voice[:40]!r}. `python -m emotalk voices` lists them; English is en-us."
                )
            file = languages[language.lower()][0] + (f"+{variant}" if variant else "")
            status, sound, events = self._synthesise(text.replace("\0", " "), file, style)
            rate = self._ready().rate
        if status:
            raise VoiceError(f"espeak-ng could not say {text[:40]!r} as {voice} (status {status}). Try another voice.")
        samples = resampled(np.frombuffer(sound, np.int16).astype(np.float32) / 32768, rate)
        phones, words = _timings(events, len(sound) // 2, rate, text)
        return Speech(samples, source=f"espeak:{voice}", text=text, phones=phones, words=words)

    def transcribe(self, texts: Sequence[str], language: str) -> list[str]:
        """How each of these texts (a clause or a word) is pronounced in a language ("en-us", "fr-fr"...), in IPA with
        stress marks, spaces between words, and "^" between the letters of one sound ("t^ʃ").

        Raises VoiceError where the library or the language is missing, or a text makes it crash.
        """
        with self._lock:
            languages = self._ready().languages
            if language.lower() not in languages:
                raise VoiceError(f"espeak-ng has no rules for {language[:40]!r}.")
            file = languages[language.lower()][0]
            for attempt in (texts, [_plain(text) for text in texts]):
                try:
                    answer = self._ready().ask(
                        {"transcribe": [text.replace("\0", " ") for text in attempt], "voice": file}
                    )
                except _Crash as crash:
                    log.warning("espeak-ng crashed on %r (%s)", attempt[:1], crash)
                    self._worker.close()
                    self._worker = None
                    continue
                if answer["status"] == 0:
                    return [_SWITCH.sub("", ipa) for ipa in answer["ipa"]]
        raise VoiceError(f"espeak-ng cannot read {' '.join(texts)[:40]!r}. Rephrase it or choose another voice.")

    def _synthesise(self, text: str, file: str, style: Style) -> tuple[int, bytes, list]:
        request = {
            "voice": file,
            "rate": round(float(np.clip(_WORDS_PER_MINUTE * style.rate, 80, 450))),
            "pitch": round(float(np.clip(50 + _PITCH_STEPS * math.log2(style.pitch), 0, 99))),
            "range": round(float(np.clip(50 * style.pitch_range, 0, 99))),
        }
        for attempt in (text, _plain(text)):
            try:
                status, sound, events = self._ready().speak({"text": attempt, **request})
            except _Crash as crash:
                log.warning("espeak-ng crashed on %r (%s)", attempt[:60], crash)
                self._worker.close()
                self._worker = None
                continue
            if status >= 0:
                return status, sound, events
            log.warning("espeak-ng crashed on %r (signal %d)", attempt[:60], -status)
        raise VoiceError(f"espeak-ng cannot say {text[:40]!r}. Rephrase it or choose another voice.")

    def _ready(self) -> _Worker:
        """The running worker; called with the lock held."""
        if self._worker is None and self._fault is None:
            try:
                self._worker = _Worker()
            except (ImportError, OSError, RuntimeError, _Crash) as error:
                if isinstance(error, OSError) and error.errno in _SHORTAGES:
                    raise  # it may be over soon
                log.warning("espeak-ng cannot be used: %s", error)
                self._fault = str(error)
        if self._worker is None:
            raise VoiceError(f"espeak-ng is not usable ({self._fault}). Install it: {_HOW_TO_GET}.")
        return self._worker


class _Worker:
    """A running `espeak_worker`. Raises OSError, ImportError or _Crash where it does not start."""

    def __init__(self) -> None:
        import espeakng_loader

        data = Path(espeakng_loader.get_data_path())
        command = [sys.executable, "-I", "-S", espeak_worker.__file__, espeakng_loader.get_library_path(), str(data)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        hello, _ = self._exchange(None)
        self.rate: int = hello["rate"]
        if self.rate <= 0:
            self.close()
            raise OSError(f"espeak-ng would not start with the data in {data}")
        self.languages: dict[str, tuple[str, str]] = {}  # voice file and description by language
        for language, file, description in hello["voices"]:
            if _has_dictionary(data, language, file):
                self.languages.setdefault(language.lower(), (file, description.replace("_", " ")))

    def speak(self, request: dict) -> tuple[int, bytes, list]:
        """Status (0: fine), 16-bit sound and events."""
        header, sound = self._exchange(request)
        return header["status"], sound, header["events"]

    def ask(self, request: dict) -> dict:
        """The answer to a request that brings no sound."""
        return self._exchange(request)[0]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _exchange(self, request: dict | None) -> tuple[dict, bytes]:
        watchdog = threading.Timer(_TIMEOUT, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            if request is not None:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline()
            if not line.endswith(b"\n"):
                raise _Crash(f"exit status {self._process.wait(5)}")
            header = json.loads(line)
            sound = self._process.stdout.read(header.get("bytes", 0))
            if len(sound) < header.get("bytes", 0):
                raise _Crash("ended in the middle of a phrase")
            return header, sound
        except BrokenPipeError as error:
            raise _Crash("was gone") from error
        finally:
            watchdog.cancel()


def _plain(text: str) -> str:
    """The words of a text: crashes come from rare marks and letters between them, without which it can nearly always be
    said."""
    return " ".join(re.findall(r"[^\W_]+", text))


def _has_dictionary(data: Path, language: str, file: str) -> bool:
    """Some voices of the package lack their dictionary: they would say nothing."""
    described = (data / "lang" / file).read_text(encoding="utf-8", errors="replace")
    named = re.search(r"^\s*dictionary\s+(\S+)", described, re.M)
    return (data / f"{named[1] if named else language.lower().split('-')[0]}_dict").is_file()


def _timings(events: list, samples: int, rate: int, text: str):
    """(start, end, name) in seconds of the phones and the words."""
    phones: list[tuple[float, float, str]] = []
    sounds = [event for event in events if event[0] == espeak_worker.EVENT_PHONEME]
    for i, (_, start, _, _, ipa) in enumerate(sounds):
        end = sounds[i + 1][1] if i + 1 < len(sounds) else samples
        names = arpabet(ipa)
        # A vowel with a coloured end ("ɛɹ") is one event: the first sound takes the larger part.
        cuts = np.linspace(0, 1, len(names) + 1) ** (0.6 if len(names) > 1 else 1) * (end - start) + start
        for name, a, b in zip(names, cuts[:-1], cuts[1:], strict=True):
            if b > a:
                phones.append((float(a / rate), float(b / rate), name))
    starts = [event for event in events if event[0] == espeak_worker.EVENT_WORD and event[3] > 0]
    words = []
    for i, (_, start, position, length, _) in enumerate(starts):
        end = starts[i + 1][1] if i + 1 < len(starts) else samples
        if end > start and (word := text[position - 1 : position - 1 + length].strip()):
            words.append((start / rate, end / rate, word))
    return tuple(phones), tuple(words)
