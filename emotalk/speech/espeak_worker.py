"""The process in which espeak-ng lives: `python -I -S espeak_worker.py LIBRARY DATA`. Standard library only.

espeak-ng 1.52 can be crashed by text (its Hindi rules by "'-你", for one), so it must not share a process with
anything else. On start one JSON line tells its sampling rate and voices. Then each line on stdin is a request
    {"text": ..., "voice": "gmw/en-US+f3", "rate": 165, "pitch": 50, "range": 50}
and is answered by a JSON line {"status": 0, "bytes": n, "events": [[type, sample, position, length, ipa], ...]}
followed by n bytes of 16-bit mono sound; or a request
    {"transcribe": [...], "voice": "gmw/en-US"}
answered by {"status": 0, "bytes": 0, "ipa": [...]}: how each of these texts is pronounced. It ends when stdin does.

Where there is fork, each phrase is said by a fork of the freshly started library: a crash costs nothing but that
phrase ({"status": -signal}), and the same text always gives the same sound (the library keeps state between phrases).
"""

import ctypes
import json
import os
import signal
import sys

# From espeak-ng's speak_lib.h.
SYNCHRONOUS, PHONEME_EVENTS, IPA, DONT_EXIT = 2, 0x0001, 0x0002, 0x8000
UTF8 = 1
EVENT_END, EVENT_WORD, EVENT_PHONEME = 0, 1, 7
RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4
TIMEOUT = 20  # seconds for a phrase; a long one takes 0.1 s
TIED, TIE = 0x80, "^"  # espeak_TextToPhonemes: the letters of one sound have this between them
MAX_CLAUSES = 400  # a phrase has 300 letters
MAX_SECONDS = 120  # a phrase has 300 letters; more sound than this is a fault of a language's rules


class EventId(ctypes.Union):
    """The `id` of `espeak_EVENT`: which of the three is set depends on the event's type."""

    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class Event(ctypes.Structure):
    """`espeak_EVENT`: something that begins at a sample of the sound."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", EventId),
    )


class VoiceRecord(ctypes.Structure):
    """`espeak_VOICE`: one installed voice."""

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


Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


class Espeak:
    """The library, started once, and what the synthesis that runs has produced."""

    def __init__(self, library: str, data: str) -> None:
        self.lib = ctypes.CDLL(library)
        self.lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        self.lib.espeak_ListVoices.argtypes = [ctypes.c_void_p]
        self.lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(VoiceRecord))
        self.lib.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self.lib.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
        self.lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.POINTER(ctypes.c_uint), ctypes.c_void_p,
        ]  # fmt: skip
        self.lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        self.lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.rate = self.lib.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), PHONEME_EVENTS | IPA | DONT_EXIT)
        self.sound = bytearray()
        self.events: list[list] = []
        self.callback = Callback(self.receive)  # must outlive the library's use of it
        self.lib.espeak_SetSynthCallback(self.callback)

    def voices(self) -> list[list[str]]:
        """[language, voice file, description] of each voice."""
        found, records, i = [], self.lib.espeak_ListVoices(None), 0
        while records[i]:
            record = records[i].contents
            i += 1
            if not record.identifier.startswith(b"!v"):
                language = ctypes.cast(ctypes.addressof(record.languages.contents) + 1, ctypes.c_char_p).value
                found.append([part.decode(errors="replace") for part in (language, record.identifier, record.name)])
        return found

    def receive(self, samples, count: int, events) -> int:
        """What espeak calls with each piece of sound and its events; 0 to go on, 1 to stop."""
        if samples and count > 0:
            self.sound += ctypes.string_at(samples, 2 * count)
        i = 0
        while events[i].type != EVENT_END:
            event = events[i]
            if event.type in (EVENT_WORD, EVENT_PHONEME):
                phoneme = event.id.string.decode(errors="ignore") if event.type == EVENT_PHONEME else ""
                self.events.append([event.type, event.sample, event.text_position, event.length, phoneme])
            i += 1
        return int(len(self.sound) > 2 * MAX_SECONDS * self.rate)  # 1 stops the synthesis

    def speak(self, text: str, voice: str, rate: int, pitch: int, range: int) -> int:
        """The library's status, 0 if all went well; `sound` and `events` hold the result."""
        self.sound, self.events = bytearray(), []
        if status := self.lib.espeak_SetVoiceByName(voice.encode()):
            return status
        for parameter, value in ((RATE, rate), (PITCH, pitch), (RANGE, range), (VOLUME, 100)):
            self.lib.espeak_SetParameter(parameter, value, 0)
        data = text.encode("utf-8", "ignore") + b"\0"
        status = self.lib.espeak_Synth(data, len(data), 0, 1, 0, UTF8, None, None)
        self.lib.espeak_Synchronize()
        return status

    def transcribe(self, texts: list[str], voice: str) -> dict:
        """The answer to a request for phones; see this file's header."""
        if status := self.lib.espeak_SetVoiceByName(voice.encode()):
            return {"status": status}
        return {"status": 0, "ipa": [self._pronounced(text) for text in texts]}

    def _pronounced(self, text: str) -> str:
        data = ctypes.create_string_buffer(text.encode("utf-8", "ignore"))
        place = ctypes.c_void_p(ctypes.addressof(data))
        found = []
        while place.value is not None and len(found) < MAX_CLAUSES:  # one call for what espeak takes for a clause
            ipa = self.lib.espeak_TextToPhonemes(ctypes.byref(place), UTF8, IPA | TIED | ord(TIE) << 8)
            found.append((ipa or b"").decode(errors="ignore"))
        return " ".join(found)


def serve(espeak: Espeak, requests, answers) -> None:
    """Answers requests until there are no more."""

    def answer(header: dict, sound: bytes = b"") -> None:
        answers.write(json.dumps(header).encode() + b"\n" + sound)
        answers.flush()

    def speak(line: bytes) -> None:
        request = json.loads(line)
        if "transcribe" in request:
            answer(espeak.transcribe(request["transcribe"], request["voice"]))
            return
        status = espeak.speak(**request)
        answer({"status": status, "bytes": len(espeak.sound), "events": espeak.events}, bytes(espeak.sound))

    answer({"rate": espeak.rate, "voices": espeak.voices() if espeak.rate > 0 else []})
    for line in requests:
        if not hasattr(os, "fork"):
            speak(line)
            continue
        child = os.fork()
        if child == 0:
            signal.alarm(TIMEOUT)
            speak(line)
            os._exit(0)
        _, ended = os.waitpid(child, 0)
        if ended:  # it died before it wrote anything
            answer({"status": -(os.WTERMSIG(ended) or 1), "bytes": 0, "events": []})


if __name__ == "__main__":
    serve(Espeak(sys.argv[1], sys.argv[2]), sys.stdin.buffer, sys.stdout.buffer)
