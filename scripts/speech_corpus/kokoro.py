"""Kokoro's voices as a source of sound with the phone times that the network itself speaks by.

    sentence ─► symbols ─► prosody ─► shaped by a mood ─► waveform of the whole sentence ─► Spoken
                                └─► phone times ─► nearer to what is heard, where it is English

The engine's own steps (`emotalk.speech.kokoro`), but for two: a sentence is made in one piece, and its style may be a
blend of two voices, so that there are more speakers than voices.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.signal

from emotalk.core.errors import VoiceError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import PHONES
from emotalk.emotion import EmotionCurve
from emotalk.speech.espeak import EspeakEngine
from emotalk.speech.kokoro import voices, weights
from emotalk.speech.kokoro.model import FRAME, FRAME_SECONDS, RATE, KokoroModel
from emotalk.speech.kokoro.shaping import by_sample, paced, shaped, speeds
from emotalk.speech.kokoro.timing import timing_of
from emotalk.speech.kokoro.transcript import MAX_SYMBOLS, transcribe
from emotalk.speech.manner import Manner
from emotalk.speech.tilt import TiltFilter
from scripts.speech_corpus.align import Segments, align
from scripts.speech_corpus.languages import foreign_sentences
from scripts.speech_corpus.voices import Spoken

HELD_OUT = ("af_kore", "am_puck", "bf_emma", "bm_fable", "if_sara")
"""Voices never trained on, neither alone nor blended: two women and two men of both sorts of English, a foreigner."""

_RATES = (0.85, 1.2)
_NEUTRAL = 0.25  # of the sentences are said as the voice would by itself
_CHANGING = 0.3  # of the others pass from one mood to another
_BLENDED = 0.4  # of the sentences are said by somebody between two voices
_SEMITONES = 1.5  # by which a sentence lies higher or lower than the mood says, at most
_NEAR = 0.08
"""Seconds: an aligned border that lies further from the network's own one is a mistake of the alignment."""
_MARGIN = (4, 8)  # frames of silence that stay before and behind a sentence


def training_partners(name: str) -> list[str]:
    """The voices of PEOPLE with which a voice may be blended: all others of its language, but no held-out one."""
    if name in HELD_OUT:
        return []
    language = voices.PEOPLE[name].language[:2]
    return [
        other
        for other, person in voices.PEOPLE.items()
        if person.language[:2] == language and other != name and other not in HELD_OUT
    ]


def random_manner(rng: np.random.Generator) -> Manner:
    """A mood anywhere in the square, or none, or two one after the other; at some rate and height."""
    rate = float(rng.uniform(*_RATES))
    pitch = float(2 ** (rng.uniform(-_SEMITONES, _SEMITONES) / 12))
    begin, end = rng.uniform(-1, 1, 2).tolist(), rng.uniform(-1, 1, 2).tolist()
    chance, changing = rng.random(2)
    if chance < _NEUTRAL:
        return Manner(None, rate, pitch)
    if changing < _CHANGING:
        return Manner(EmotionCurve.from_keys([(0.5, *begin), (3.0, *end)]), rate, pitch)
    return Manner(EmotionCurve.constant(*begin), rate, pitch)


def with_heard_borders(spoken: Spoken) -> Spoken:
    """An English sentence with its borders where a forced alignment hears them, as far as the two agree.

    The network counts in frames of 25 ms. Beside the acoustic event (a fall of the energy at a closure, the onset of
    hiss at a fricative; 50 sentences by five voices) its borders of p, t, k and b, m behind vowels scatter by 15 and
    11 ms (median), those of fricatives by 30; the alignment's by 8, 7 and 10. What is said stays the network's.
    """
    sound = scipy.signal.resample_poly(spoken.samples, SAMPLE_RATE, spoken.rate).astype(np.float32)
    heard = align(sound, spoken.text)
    return spoken if heard is None else replace(spoken, segments=nearer(spoken.segments, heard))


def nearer(own: Segments, heard: Segments) -> Segments:
    """The phones of `own`, without gaps, each beginning where `heard` has the same one begin, if that is near."""
    mine = [(i, phone) for i, (_, _, phone) in enumerate(own) if phone]
    theirs = [(start, phone) for start, _, phone in heard if phone]
    matcher = difflib.SequenceMatcher(None, [p for _, p in mine], [p for _, p in theirs], autojunk=False)
    starts = np.array([start for start, _, _ in own])
    for block in matcher.get_matching_blocks():
        for k in range(block.size):
            place, start = mine[block.a + k][0], theirs[block.b + k][0]
            if abs(starts[place] - start) < _NEAR:
                starts[place] = start
    starts = np.maximum.accumulate(starts)
    ends = [*starts[1:], max(own[-1][1], starts[-1])]
    return [(float(a), float(b), phone) for a, b, (_, _, phone) in zip(starts, ends, own, strict=True) if b > a]


class Kokoro:
    """Says sentences with any voice of `voices.PEOPLE`. `package` is the folder `package` of the npm package
    kokoro-js 1.2.1, whose voices are needed where they are not shipped. Raises VoiceError without the weights."""

    def __init__(self, package: Path | None = None) -> None:
        self._package = package
        self._model = KokoroModel(weights.prepared())
        self._transcriber = EspeakEngine().transcribe
        self._styles = functools.cache(self._load)

    def speak(self, name: str, english: Sequence[str], rng: np.random.Generator) -> Iterator[Spoken]:
        """A voice saying sentences of its language in a random order and in all manners, until there are no more."""
        language = voices.PEOPLE[name].language
        texts = english if language.startswith("en") else foreign_sentences(language)
        partners = training_partners(name)
        for i in rng.permutation(len(texts)):
            manner, blended, share = random_manner(rng), rng.random() < _BLENDED, float(rng.uniform(0.3, 0.5))
            blend = None
            if partners and blended:
                blend = (partners[rng.integers(len(partners))], share)
            spoken = self.say(name, texts[i], manner, blend)
            if spoken is not None:
                yield with_heard_borders(spoken) if language.startswith("en") else spoken

    def say(
        self, name: str, text: str, manner: Manner | None = None, blend: tuple[str, float] | None = None
    ) -> Spoken | None:
        """The sentence at 24 kHz with its phones; None where there is nothing to pronounce or it is too long.

        `blend` names a second voice and its share of the style. Raises VoiceError for a voice that is not here.
        """
        manner = manner or Manner()
        person = voices.PEOPLE[name]
        transcript = transcribe(text, person.language, self._transcriber)
        if not transcript.symbols or len(transcript.symbols) >= MAX_SYMBOLS:
            return None
        row = min(len(transcript.symbols), voices.ROWS) - 1
        style = self._styles(name)[row]
        if blend is not None:
            other, share = blend
            style = (1 - share) * style + share * self._styles(other)[row]
        tokens, letters = transcript.tokens, transcript.letters
        usual = self._model.prosody(tokens, style)
        begins = (np.cumsum(usual.durations) - usual.durations) * FRAME_SECONDS / manner.rate
        prosody = paced(usual, speeds(transcript, manner.at(begins, letters)))
        timing = timing_of(transcript, prosody, person.lead)
        sounds = [phone for phone in timing.phones if phone[2] != "sil"]
        if not sounds:
            return None
        first = max(0, int(sounds[0][0] / FRAME_SECONDS) - _MARGIN[0])
        last = min(len(prosody), int(np.ceil(sounds[-1][1] / FRAME_SECONDS)) + _MARGIN[1])
        seconds = (np.arange(len(prosody)) - first) * FRAME_SECONDS
        track = manner.at(seconds, np.repeat(letters, prosody.durations))
        sound = self._model.waveform(shaped(prosody, track).cut(first, last), style)[: (last - first) * FRAME]
        tilt, gain = (by_sample(part)[first * FRAME : last * FRAME] for part in (track.tilt_db, track.gain_db))
        samples = TiltFilter(RATE).push(sound, tilt[: len(sound)]) * 10 ** (gain[: len(sound)] / 20)
        start, end = first * FRAME_SECONDS, last * FRAME_SECONDS
        segments = [
            (max(a, start) - start, min(b, end) - start, PHONES.index(phone))
            for a, b, phone in timing.phones
            if min(b, end) > max(a, start)
        ]
        return Spoken(samples, RATE, segments, text)

    def _load(self, name: str) -> np.ndarray:
        """The styles [510, 256] of a voice."""
        if voices.is_here(name) or self._package is None:
            return voices.load(name).styles
        try:
            return np.fromfile(self._package / "voices" / f"{name}.bin", "<f4").reshape(voices.ROWS, voices.SIZE)
        except (OSError, ValueError) as error:
            raise VoiceError(
                f"The voice {name} is not in {self._package} ({error}). Unpack what `npm pack kokoro-js@1.2.1` brings."
            ) from error
