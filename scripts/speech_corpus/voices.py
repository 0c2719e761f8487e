"""Three free text-to-speech engines as sources of sound with exact phone times."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import numpy as np
import soundfile

from emotalk.core.speech import PHONES

_PHONE_INDEX = {phone: i for i, phone in enumerate(PHONES)}
# What flite, festival, pocketsphinx and TextGrids call the same 40 phones.
_ALIASES = {
    "pau": "sil", "h#": "sil", "brth": "sil", "ssil": "sil", "#": "sil", "q": "sil", "+spn+": "sil", "+nsn+": "sil",
    "ax": "ah", "ax-h": "ah", "axr": "er", "ix": "ih", "ux": "uw", "nx": "n", "dx": "t", "el": "l", "em": "m",
    "en": "n", "hv": "hh",
}  # fmt: skip


def phone_index(name: str) -> int:
    """The row of PHONES for an engine's name of a phone; KeyError where it is none of them."""
    name = name.strip().lower()
    return _PHONE_INDEX[_ALIASES.get(name, name)]


@dataclass(frozen=True)
class Spoken:
    """A sentence as an engine said it: samples [N] at `rate` Hz and (start, end, phone index) in seconds."""

    samples: np.ndarray
    rate: int
    segments: list[tuple[float, float, int]]
    text: str


def flite(voice: str, text: str, stretch: float) -> Spoken | None:
    """The sentence by flite, `stretch` times as slow; None where it split it into several utterances.

    Its times are 3-8 ms late of a forced alignment. The diphone voices leave out 0.1 s of the last pause.
    """
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "o.wav"
        command = ["flite", "-voice", voice, "-psdur", "--setf", f"duration_stretch={stretch:.3f}", "-t", text]
        printed = subprocess.run([*command, "-o", str(wave)], capture_output=True, text=True, check=True, timeout=60)
        samples, rate = soundfile.read(wave, dtype="float32")
    segments: list[tuple[float, float, int]] = []
    begin = 0.0
    for token in printed.stdout.split():
        phone, _, end = token.rpartition(":")
        if float(end) < begin:
            return None
        segments.append((begin, float(end), phone_index(phone)))
        begin = float(end)
    if not segments or not -0.05 < begin - len(samples) / rate < 0.3:
        return None  # the printed times do not belong to this sound
    return Spoken(samples, rate, segments, text)


def festival(voice: str, texts: list[str], stretches: list[float]) -> list[Spoken]:
    """The sentences by a festival voice, in one process (loading a voice takes longer than a sentence)."""
    with tempfile.TemporaryDirectory() as folder:
        script = [f"({voice})"]
        for i, (text, stretch) in enumerate(zip(texts, stretches, strict=True)):
            plain = text.replace('"', "").replace("\\", "")
            script += [
                f"(Parameter.set 'Duration_Stretch {stretch:.3f})",
                f'(set! u (utt.synth (Utterance Text "{plain}")))',
                f'(utt.save.wave u "{folder}/{i}.wav" \'riff)',
                f'(utt.save.segs u "{folder}/{i}.seg")',
            ]
        path = Path(folder) / "batch.scm"
        path.write_text("\n".join(script))
        # An utterance that festival cannot say ends the process: what it finished before still counts.
        subprocess.run(["festival", "-b", str(path)], capture_output=True, check=False, timeout=600)
        return [
            _read_festival(Path(folder) / str(i), text)
            for i, text in enumerate(texts)
            if (Path(folder) / f"{i}.seg").exists()
        ]


def _read_festival(stem: Path, text: str) -> Spoken:
    samples, rate = soundfile.read(stem.with_suffix(".wav"), dtype="float32")
    segments: list[tuple[float, float, int]] = []
    begin = 0.0
    for line in stem.with_suffix(".seg").read_text().splitlines():
        fields = line.split()
        if len(fields) == 3:
            segments.append((begin, float(fields[0]), phone_index(fields[2])))
            begin = float(fields[0])
    return Spoken(samples, rate, segments, text)


class _Identifier(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Identifier),
    ]  # fmt: skip


_PHONEME_EVENT = 7
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """espeak-ng in this process, with phoneme events. Make one only: initialising it twice hangs later calls."""

    # Forced alignment of espeak's sound puts borders 10 ms before its events (median over four voices, 940 phones).
    EVENT_LAG = 0.010  # seconds

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        options = 0x0001 | 0x0002 | 0x8000  # phoneme events, named in IPA, do not exit on error
        data = espeakng_loader.get_data_path().encode()
        self._library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        self._rate = self._library.espeak_Initialize(2, 0, data, options)  # 2: synchronous
        if self._rate <= 0:
            raise RuntimeError(f"espeak-ng did not start (status {self._rate}); is espeakng-loader installed whole?")
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.POINTER(ctypes.c_uint), ctypes.c_void_p,
        ]  # fmt: skip
        self._pcm: list[np.ndarray] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _CALLBACK(self._on_sound)  # kept: the library calls it after this line has ended
        self._library.espeak_SetSynthCallback(self._callback)

    def _on_sound(self, wave, count: int, events) -> int:
        if wave and count > 0:
            self._pcm.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type != 0:
            event = events[i]
            if event.type == _PHONEME_EVENT:
                name = bytes(event.id.string).split(b"\0")[0].decode("utf-8", "ignore")
                self._events.append((event.audio_position, name))
            i += 1
        return 0

    def say(self, voice: str, text: str, words_per_minute: int, pitch: int, pitch_range: int) -> Spoken | None:
        """The sentence by a voice such as "en-us+f3"; pitch and its range in 0..100. None where it says nothing."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}; `espeak-ng --voices=variant` lists what it has.")
        for parameter, value in ((1, words_per_minute), (3, pitch), (4, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._pcm, self._events = [], []
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        self._library.espeak_Synchronize()
        if not self._pcm or len(self._events) < 2:
            return None
        samples = np.concatenate(self._pcm).astype(np.float32) / 32768
        times = [max(position / 1000 - self.EVENT_LAG, 0.0) for position, _ in self._events] + [
            len(samples) / self._rate
        ]
        segments = [(0.0, times[0], 0)]
        for begin, end, (_, name) in zip(times[:-1], times[1:], self._events, strict=True):
            phones = arpabet(name)
            step = max(end - begin, 0.0) / len(phones)
            segments += [(begin + i * step, begin + (i + 1) * step, phone) for i, phone in enumerate(phones)]
        return Spoken(samples, self._rate, segments, text)


_IPA = {
    "aa": "ɑː ɑ ɒ", "ae": "æ a aa", "ah": "ʌ ə ɐ ᵊ", "ao": "ɔː ɔ oː", "aw": "aʊ", "ay": "aɪ", "b": "b", "ch": "tʃ",
    "d": "d", "dh": "ð", "eh": "ɛ e", "er": "ɜː ɚ ɜ əɹ", "ey": "eɪ", "f": "f", "g": "ɡ g", "hh": "h", "ih": "ɪ ᵻ",
    "iy": "iː i", "jh": "dʒ", "k": "k x", "l": "l ɫ", "m": "m", "n": "n n̩", "ng": "ŋ", "ow": "oʊ əʊ o", "oy": "ɔɪ",
    "p": "p", "r": "ɹ r", "s": "s", "sh": "ʃ", "t": "t ɾ ʔ", "th": "θ", "uh": "ʊ", "uw": "uː u", "v": "v", "w": "w ʍ",
    "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
_IPA_TO_PHONE = {ipa: phone_index(phone) for phone, all_ipa in _IPA.items() for ipa in all_ipa.split()}


def arpabet(ipa: str) -> list[int]:
    """Phone indices of one espeak phoneme ("ɑːɹ" is aa r); pauses and unknown signs are silence."""
    ipa = ipa.translate(str.maketrans("", "", "ˈˌ\u200d\u0361"))
    phones: list[int] = []
    i = 0
    while i < len(ipa):
        for length in (3, 2, 1):
            if ipa[i : i + length] in _IPA_TO_PHONE:
                phones.append(_IPA_TO_PHONE[ipa[i : i + length]])
                i += length
                break
        else:
            i += 1  # a length mark or a diacritic
    return phones or [0]
