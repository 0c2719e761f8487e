"""The engine `kokoro`: phrases in, pieces of speech out, the first one soon.

    phrase ─► transcript ─► prosody ─► shaped by the mood ─► pieces, cut where it is quiet ─► waveform ─► 16 kHz Speech

The prosody of a whole phrase is known at once and costs little; its sound is made in pieces of some seconds, so that
the first can be heard, and seen, while the others are made.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import numpy as np

from emotalk.core.errors import VoiceError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.kokoro import voices, weights
from emotalk.speech.kokoro.model import FRAME, FRAME_SECONDS, RATE, VOICED, KokoroModel, Prosody
from emotalk.speech.kokoro.shaping import by_sample, paced, shaped, speeds
from emotalk.speech.kokoro.timing import SILENT, timing_of
from emotalk.speech.kokoro.transcript import MAX_SYMBOLS, Transcriber, transcribe
from emotalk.speech.loudness import soft_limit
from emotalk.speech.manner import Manner
from emotalk.speech.resampling import Resampler
from emotalk.speech.tilt import TiltFilter
from emotalk.speech.voice import VoiceInfo

PIECES = (40, 40, 80, 120)
"""Frames of the first pieces, and of all others: a short one is heard early, long ones cost less. The second one is
short too, because a face follows its sound half a second behind and waits for it. The last piece may be half as long
again, so that none is very short."""
_CONTEXT = 5
"""Frames on either side that a piece is made with and that are then cut off: with them the spectrum around a cut
differs from that of the uncut sound no more than elsewhere (2.9 against 1.3 to 2.2 dB; 5.6 without)."""
_FADE = 240
"""Samples over which two pieces pass into each other: 10 ms."""
_LEAD, _TRAIL = 2, 4
"""Frames of silence that stay before and behind a phrase."""
_STARS = {"A": 5, "B": 5, "C": 4, "D": 4, "F": 3}
"""Quality by the first letter of a voice's grade; the best of flite has 3."""


class KokoroEngine:
    """Voices of Kokoro-82M in nine accents; exact times of phones and words, moods that change while it speaks.

    `transcriber` says how texts are pronounced (espeak's rules).
    """

    name = "kokoro"

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self._lock = threading.Lock()
        self._model: KokoroModel | None = None
        self._fault: VoiceError | None = None

    def voices(self) -> list[VoiceInfo]:
        """All voices, those that are shipped first."""
        ready = self._fault is None and weights.is_at_hand()
        found = []
        for name, person in voices.PEOPLE.items():
            here = voices.is_here(name)
            how = "" if here else "downloads 28 MB from the Hub at its first use"
            if not ready:
                how = weights.how_to_get()
            stars = _STARS[person.grade[0]]
            found.append(
                VoiceInfo(
                    f"kokoro:{name}", person.language, stars, voices.LICENCE, person.description, ready and here, how
                )
            )
        return sorted(found, key=lambda voice: not voice.installed)  # stable: by grade within

    def prepare(self) -> None:
        """Load the networks, which are made at the first call on a machine. Raises VoiceError where that fails, and
        does not try again unless the disk was full."""
        with self._lock:
            if self._fault is not None:
                raise self._fault
            if self._model is not None:
                return
            folder = None
            try:
                folder = weights.prepared()
                self._model = KokoroModel(folder)
            except VoiceError as error:
                if not isinstance(error.__cause__, OSError):  # a full disk may have room again
                    self._fault = error
                raise
            except Exception as error:  # whatever the runtime says of a file that it cannot use
                remedy = f"Remove {folder}: it is made again" if folder else f"Install it: {weights.HOW_TO_GET}"
                self._fault = VoiceError(f"Kokoro cannot be used here ({str(error)[:200]}). {remedy}.")
                raise self._fault from error

    def stream(self, text: str, voice: str, manner: Manner, start: float = 0.0) -> Iterator[Speech]:
        """A phrase in pieces of at most 4.5 s, whose times count from the beginning of each.

        `manner` is asked for the style at the seconds from `start` on, where the phrase begins. Raises VoiceError.
        """
        if voice not in voices.PEOPLE:
            raise VoiceError(f"Kokoro has no voice {voice[:40]!r}. `python -m emotalk voices` lists them.")
        self.prepare()
        person, (styles, gain_db) = voices.PEOPLE[voice], voices.load(voice)
        transcript = transcribe(text, person.language, self._transcriber)
        if not transcript.symbols:
            return
        if len(transcript.symbols) >= MAX_SYMBOLS and (half := text.find(" ", len(text) // 2)) > 0:
            seconds = 0.0
            for part, own in ((text[:half], manner), (text[half:], manner.behind(half))):
                for piece in self.stream(part, voice, own, start + seconds):
                    seconds += piece.seconds
                    yield piece
            return
        style = styles[min(len(transcript.symbols), voices.ROWS) - 1]
        tokens = transcript.tokens
        letters = transcript.letters
        usual = self._model.prosody(tokens, style)
        # Where in a mood a token falls has to be known before its speed is.
        begins = (np.cumsum(usual.durations) - usual.durations - _sounding(usual)[0]) * FRAME_SECONDS / manner.rate
        prosody = paced(usual, speeds(transcript, manner.at(start + begins, letters)))
        timing = timing_of(transcript, prosody, person.lead)
        first, last = _sounding(prosody)
        seconds = start + (np.arange(len(prosody)) - first) * FRAME_SECONDS
        track = manner.at(seconds, np.repeat(letters, prosody.durations))
        said = shaped(prosody, track)
        gain = 10 ** ((gain_db + by_sample(track.gain_db)) / 20)
        tilt, effort = by_sample(track.tilt_db), TiltFilter(RATE)
        resampler, offset = Resampler(RATE), first * FRAME_SECONDS
        given = 0
        for sound in self._sounds(said, style, first, last):
            here = slice(first * FRAME + given, first * FRAME + given + len(sound))
            given += len(sound)
            samples = resampler.push(soft_limit(effort.push(sound, tilt[here]) * gain[here]))
            if given == (last - first) * FRAME:
                samples = np.concatenate([samples, resampler.finish()])
            end = offset + len(samples) / SAMPLE_RATE
            words = _within(timing.words, offset, end, cut=False)
            phones = _within(timing.phones, offset, end, cut=True)
            yield Speech(samples, f"kokoro:{voice}", " ".join(word for _, _, word in words), phones, words)
            offset = end

    def _sounds(self, prosody: Prosody, style: np.ndarray, first: int, last: int) -> Iterator[np.ndarray]:
        """The frames from `first` to `last` as sound at RATE, in pieces that together have 600 samples a frame."""
        tail = np.zeros(0, np.float32)  # what the last piece goes on with, to be faded out
        for begin, end in _pieces(prosody, first, last):
            before, after = min(_CONTEXT, begin - first), min(_CONTEXT, last - end)
            made = self._model.waveform(prosody.cut(begin - before, end + after), style)[before * FRAME :]
            sound, rest = made[: (end - begin) * FRAME].copy(), made[(end - begin) * FRAME :]
            if len(tail):
                width = min(_FADE, len(tail), len(sound))
                ramp = np.linspace(0, 1, width, dtype=np.float32)
                sound[:width] = ramp * sound[:width] + (1 - ramp) * tail[:width]
            tail = rest[:_FADE]
            yield sound


def _sounding(prosody: Prosody) -> tuple[int, int]:
    """The frames between which something is to be heard, with a little silence around them."""
    loud = np.flatnonzero(prosody.energy.reshape(-1, 2).max(1) > SILENT)
    if not len(loud):
        return 0, len(prosody)
    return max(0, int(loud[0]) - _LEAD), min(len(prosody), int(loud[-1]) + 1 + _TRAIL)


def _pieces(prosody: Prosody, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Where to cut: at the quietest frame in the second half of each piece, rather without voice than with."""
    cost = prosody.energy.reshape(-1, 2).max(1) + 3.0 * (prosody.f0.reshape(-1, 2).max(1) > VOICED)
    lengths = itertools.chain(PIECES, itertools.repeat(PIECES[-1]))
    while last - first > 1.5 * (longest := next(lengths)):
        window = slice(first + longest // 2, first + longest)
        cut = window.start + int(np.argmin(cost[window]))
        yield first, cut
        first = cut
    yield first, last


def _within(
    spans: tuple[tuple[float, float, str], ...], begin: float, end: float, cut: bool
) -> tuple[tuple[float, float, str], ...]:
    """The spans of a stretch of time, counted from its beginning: parts of them (`cut`), or those that begin in it."""
    if cut:
        return tuple(
            (max(a, begin) - begin, min(b, end) - begin, name) for a, b, name in spans if min(b, end) > max(a, begin)
        )
    return tuple((max(a, begin) - begin, b - begin, name) for a, b, name in spans if begin <= a < end)
