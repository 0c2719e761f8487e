"""espeak-ng, the voice that is always there: over a hundred languages from one pip package (espeakng-loader).

The library is started once in a process and used under a lock: starting it again made later calls hang. Licence:
GPL-3.0-or-later (see NOTICE); it is loaded at run time and is not part of this package.
"""

from __future__ import annotations

import ctypes
import logging
import math
import re
import threading
from pathlib import Path

import numpy as np

from emotalk.errors import VoiceError
from emotalk.speech.ipa import arpabet
from emotalk.speech.voice import Style, VoiceInfo, resampled
from emotalk.types import Speech

log = logging.getLogger(__name__)

LICENCE = "GPL-3.0-or-later"
_HOW_TO_GET = "pip install espeakng-loader"
_WORDS_PER_MINUTE = 165
_MAX_SECONDS = 120.0  # a phrase has 300 letters; more sound than this is a fault of a language's rules

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS, _PHONEME_EVENTS, _IPA, _DONT_EXIT = 2, 0x0001, 0x0002, 0x8000
_UTF8 = 1
_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_OK = 0


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class _VoiceRecord(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.POINTER(ctypes.c_ubyte)),  # a priority byte, then the name, ended by 0
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Library:
    """The loaded library and what the synthesis that runs has produced."""

    def __init__(self) -> None:
        import espeakng_loader

        self.lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self.lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        self.lib.espeak_ListVoices.argtypes = [ctypes.c_void_p]
        self.lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceRecord))
        self.lib.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self.lib.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
        self.lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.POINTER(ctypes.c_uint), ctypes.c_void_p,
        ]  # fmt: skip
        self.data = Path(espeakng_loader.get_data_path())
        options = _PHONEME_EVENTS | _IPA | _DONT_EXIT
        self.rate = self.lib.espeak_Initialize(_SYNCHRONOUS, 0, str(self.data).encode(), options)
        if self.rate <= 0:
            raise OSError(f"espeak-ng would not start with the data in {self.data}")
        self.sound: list[np.ndarray] = []
        self.events: list[tuple[int, int, int, int, str]] = []  # type, sample, text position, length, phoneme
        self._callback = _Callback(self._receive)  # must outlive the library's use of it
        self.lib.espeak_SetSynthCallback(self._callback)
        self.languages = self._list()

    def _list(self) -> dict[str, tuple[str, str]]:
        """The voice file and the description of every language that can speak."""
        found: dict[str, tuple[str, str]] = {}
        records, i = self.lib.espeak_ListVoices(None), 0
        while records[i]:
            record = records[i].contents
            i += 1
            if record.identifier.startswith(b"!v"):
                continue
            raw = ctypes.cast(ctypes.addressof(record.languages.contents) + 1, ctypes.c_char_p).value
            language, file = raw.decode().lower(), record.identifier.decode()
            if self._has_dictionary(language, file):
                found.setdefault(language, (file, record.name.decode(errors="replace").replace("_", " ")))
        return found

    def _has_dictionary(self, language: str, file: str) -> bool:
        """Some voices of the package lack their dictionary: they would say nothing."""
        described = (self.data / "lang" / file).read_text(encoding="utf-8", errors="replace")
        named = re.search(r"^\s*dictionary\s+(\S+)", described, re.M)
        return (self.data / f"{named[1] if named else language.split('-')[0]}_dict").is_file()

    def _receive(self, samples, count: int, events) -> int:
        if samples and count > 0:
            self.sound.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != _EVENT_END:
            event = events[i]
            phoneme = event.id.string.decode(errors="ignore") if event.type == _EVENT_PHONEME else ""
            self.events.append((event.type, event.sample, event.text_position, event.length, phoneme))
            i += 1
        return int(sum(map(len, self.sound)) > _MAX_SECONDS * self.rate)  # 1 stops the synthesis


class EspeakEngine:
    """Voices "en-us", "de", "cmn"...; a variant can be added: "en-us+f3" (f1-f5, m1-m8...)."""

    name = "espeak"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library: _Library | None = None
        self._fault: str | None = None

    def voices(self) -> list[VoiceInfo]:
        """Every language; without the library only American English, with how to get it."""
        try:
            languages = self._ready().languages
        except VoiceError:
            return [VoiceInfo("espeak:en-us", "en-us", 2, LICENCE, "American English", False, _HOW_TO_GET)]
        ordered = sorted(languages, key=lambda language: (language != "en-us", not language.startswith("en"), language))
        return [VoiceInfo(f"espeak:{lang}", lang, 2, LICENCE, languages[lang][1], True) for lang in ordered]

    def speak(self, text: str, voice: str, style: Style) -> Speech:
        """One phrase with the times of its phones and words. Takes about 1/100 of the time it lasts."""
        library = self._ready()
        language, _, variant = voice.partition("+")
        if language.lower() not in library.languages or not re.fullmatch(r"\w{0,20}", variant):
            raise VoiceError(
                f"espeak-ng has no voice {voice[:40]!r}. `python -m emotalk voices` lists them; English is en-us."
            )
        with self._lock:
            library.sound, library.events = [], []
            file = library.languages[language.lower()][0] + (f"+{variant}" if variant else "")
            if library.lib.espeak_SetVoiceByName(file.encode()) != _OK:
                raise VoiceError(f"espeak-ng cannot load its voice {voice!r}. Take espeak:en-us or another voice.")
            for parameter, value in (
                (_RATE, np.clip(_WORDS_PER_MINUTE * style.rate, 80, 450)),
                (_PITCH, np.clip(50 + 50 * math.log2(style.pitch), 0, 99)),  # its table doubles the pitch in 50 steps
                (_RANGE, np.clip(50 * style.pitch_range, 0, 99)),
                (_VOLUME, 100),
            ):
                library.lib.espeak_SetParameter(parameter, round(float(value)), 0)
            data = text.replace("\0", " ").encode("utf-8", "ignore") + b"\0"
            status = library.lib.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
            library.lib.espeak_Synchronize()
            sound = np.concatenate(library.sound) if library.sound else np.zeros(0, np.int16)
            events = library.events
        if status != _OK:
            raise VoiceError(f"espeak-ng could not say {text[:40]!r} (status {status}). Rephrase it.")
        samples = resampled(sound.astype(np.float32) / 32768, library.rate)
        phones, words = _timings(events, len(sound), library.rate, text)
        return Speech(samples, source=f"espeak:{voice}", text=text, phones=phones, words=words)

    def _ready(self) -> _Library:
        with self._lock:
            if self._library is None and self._fault is None:
                try:
                    self._library = _Library()
                except (ImportError, OSError, AttributeError, RuntimeError) as error:
                    log.warning("espeak-ng cannot be used: %s", error)
                    self._fault = str(error)
        if self._library is None:
            raise VoiceError(f"espeak-ng is not usable ({self._fault}). Install it: {_HOW_TO_GET}.")
        return self._library


def _timings(events, samples: int, rate: int, text: str):
    """(start, end, name) in seconds of the phones and the words."""
    phones: list[tuple[float, float, str]] = []
    sounds = [event for event in events if event[0] == _EVENT_PHONEME]
    for i, (_, start, _, _, ipa) in enumerate(sounds):
        end = sounds[i + 1][1] if i + 1 < len(sounds) else samples
        names = arpabet(ipa)
        # A vowel with a coloured end ("ɛɹ") is one event: the first sound takes the larger part.
        cuts = np.linspace(0, 1, len(names) + 1) ** (0.6 if len(names) > 1 else 1) * (end - start) + start
        for name, a, b in zip(names, cuts[:-1], cuts[1:], strict=True):
            if b > a:
                phones.append((float(a / rate), float(b / rate), name))
    starts = [event for event in events if event[0] == _EVENT_WORD and event[3] > 0]
    words = []
    for i, (_, start, position, length, _) in enumerate(starts):
        end = starts[i + 1][1] if i + 1 < len(starts) else samples
        if end > start and (word := text[position - 1 : position - 1 + length].strip()):
            words.append((start / rate, end / rate, word))
    return tuple(phones), tuple(words)
