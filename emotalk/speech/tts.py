"""Text into speech: any text, the best voice there is, and an emotion where the voice can take it.

text ─► phrases (text.py) ─► engine (kokoro, coqui, flite, espeak) ─► pieces, with pauses between sentences ─► Speech
"""

from __future__ import annotations

import difflib
import functools
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.errors import VoiceError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.coqui import CoquiEngine
from emotalk.speech.direction import Script
from emotalk.speech.espeak import EspeakEngine
from emotalk.speech.flite import FliteEngine
from emotalk.speech.kokoro import KokoroEngine
from emotalk.speech.manner import Manner
from emotalk.speech.performing import Directions, Stopwatch
from emotalk.speech.text import Phrase, phrases
from emotalk.speech.voice import Engine, VoiceInfo

if TYPE_CHECKING:
    from emotalk.emotion import EmotionCurve

log = logging.getLogger(__name__)

SETTING = "EMOTALK_VOICE"
"""Names the voice that reads where none is chosen."""
MAX_SECONDS = 1200.0
"""The longest speech that `say` puts together; `say_stream` has no limit."""

_SENTENCE_PAUSE = 0.25  # seconds after a sentence at rate 1; engines add some silence of their own


@functools.cache
def engines() -> dict[str, Engine]:
    """The text-to-speech engines by name, best voices first."""
    espeak = EspeakEngine()
    return {engine.name: engine for engine in (KokoroEngine(espeak.transcribe), CoquiEngine(), FliteEngine(), espeak)}


def voices(*, installed_only: bool = False) -> list[VoiceInfo]:
    """Every voice: installed ones first, then by quality; those that are not installed say how to get them."""
    found = [voice for engine in engines().values() for voice in engine.voices()]
    found.sort(key=lambda voice: (not voice.installed, -voice.quality))  # stable: each engine's own order stays
    return [voice for voice in found if voice.installed or not installed_only]


def default_voice(language: str = "en") -> VoiceInfo:
    """The voice that reads a language ("en", "en-gb", "de"...) where none is chosen: the one that EMOTALK_VOICE names
    if it speaks it, else the best that is installed and works. Raises VoiceError where there is none."""
    base = language.lower().split("-")[0]
    if (chosen := wished_voice(language)) is not None:
        return chosen
    speaking = [voice for voice in voices(installed_only=True) if voice.language.split("-")[0] == base]
    speaking.sort(key=lambda voice: voice.language != language.lower())  # stable: best first within
    if language.lower() == base:
        speaking.sort(key=lambda voice: -voice.quality)
    for voice in speaking:
        if _works(voice):
            return voice
    raise VoiceError(f"No installed voice speaks {language!r}. `pip install espeakng-loader` brings 140 languages.")


def wished_voice(language: str = "en") -> VoiceInfo | None:
    """The voice that EMOTALK_VOICE names if it speaks a language, else None; a line in the log says so (once) where it
    is English that it does not speak. Raises VoiceError where there is no such voice."""
    wish = os.environ.get(SETTING, "").strip()
    if not wish:
        return None
    chosen, base = find_voice(wish), language.lower().split("-")[0]
    if chosen.language.split("-")[0] == base:
        return chosen
    if base == "en":
        _tell_other_language(chosen.id, chosen.language)
    return None


@functools.cache
def _tell_other_language(voice: str, language: str) -> None:
    log.warning(
        "%s names %s, which speaks %s: English texts are read by another voice. `--voice %s` lets it try.",
        SETTING, voice, language, voice,
    )  # fmt: skip


def first_usable(names: Iterable[str]) -> str | None:
    """The first of some voices ("flite:slt", "espeak:en-us+f3") that is installed and works; None where none is."""
    installed = {voice.id: voice for voice in voices(installed_only=True)}
    for name in names:
        voice = installed.get(name.partition("+")[0])
        if voice is not None and _works(voice):
            return name
    return None


def _works(voice: VoiceInfo) -> bool:
    """Whether the engine of an installed voice can be made ready; where not, a line in the log says why."""
    try:
        engines()[voice.engine].prepare()
    except VoiceError as error:
        log.warning("%s Another voice speaks instead.", error)
        return False
    return True


def find_voice(voice: str | None) -> VoiceInfo:
    """The voice with an id ("flite:slt", or "slt" where that is plain); the best one for None.

    Raises VoiceError for a name nobody knows, with the nearest ones, and for a voice that is not installed.
    coqui's voices whose model is not downloaded yet are let through: they download it when they speak.
    """
    if voice is None:
        return default_voice()
    known = voices()
    plain, _, variant = voice.partition("+")
    matches = [v for v in known if plain.lower() in (v.id.lower(), v.name.lower())]
    if not matches:
        nearest = difflib.get_close_matches(voice.lower(), [v.id for v in known], 3, 0.4)
        hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
        raise VoiceError(f"There is no voice {voice[:60]!r}. {hint}`python -m emotalk voices` lists all.")
    found = matches[0]
    if not found.installed and not found.how_to_get.startswith("downloads"):
        raise VoiceError(f"The voice {found.id} is not installed. Get it: {found.how_to_get}.")
    if variant and found.engine == "espeak":
        return VoiceInfo(f"{found.id}+{variant}", found.language, found.quality, found.licence, found.description, True)
    return found


def prepare_voice(voice: str | None = None) -> VoiceInfo:
    """The voice that `find_voice` finds, its engine made ready. Raises VoiceError where that cannot be."""
    found = find_voice(voice)
    engines()[found.engine].prepare()
    return found


def say(
    text: str,
    voice: str | None = None,
    rate: float = 1.0,
    pitch: float = 1.0,
    emotion: tuple[float, float] | EmotionCurve | None = None,
) -> Speech:
    """`text` as speech at 16 kHz, with phone and word times where the voice's engine knows them.

    `voice` is an id of `voices()` (None: the best installed), `rate` and `pitch` are factors in 0.4..2.5 and 0.5..2,
    `emotion` is (valence, arousal) in [-1, 1], or a curve of them over the seconds of the speech, and sets rate, pitch,
    its range, loudness and pauses (about -23 dB at rest).
    Raises InputError for a text with nothing to say, VoiceError for a voice that is missing or fails, or where the
    speech would be longer than 20 minutes (`say_stream` says texts of any length).
    """
    parts = []
    seconds = 0.0
    for part in say_stream(text, voice, rate, pitch, emotion):
        parts.append(part)
        seconds += part.seconds
        if seconds > MAX_SECONDS:
            raise VoiceError(
                f"The text takes more than {MAX_SECONDS / 60:.0f} minutes to say. Use say_stream or split the text."
            )
    return join(parts, text)


def say_stream(
    text: str | Script,
    voice: str | None = None,
    rate: float = 1.0,
    pitch: float = 1.0,
    emotion: tuple[float, float] | EmotionCurve | None = None,
) -> Iterator[Speech]:
    """`say` in pieces, as soon as each is ready: a few seconds, or a sentence, ended by its pause where the sentence
    is. Times count from the start of each piece; its text is what is said in it. A `direction.Script` is said as its
    cues tell."""
    chosen = find_voice(voice)
    if isinstance(emotion, tuple):
        # Imported here: it brings torch, which a voice without a mood does not need.
        from emotalk.emotion import EmotionCurve

        emotion = EmotionCurve.constant(*emotion)
    manner = Manner(emotion, rate, pitch)
    seconds = 0.0
    open_sentence = spoke = timed = False
    script = text if isinstance(text, Script) else Script(text)
    directions = Directions(script.cues)
    for phrase in phrases(script.text, chosen.language, markers=bool(script.cues)):
        for part in directions.parts(phrase.text):
            if part.pause:
                silence = _silence(part.pause, timed)
                seconds += silence.seconds
                yield silence
            watch = Stopwatch(part)
            own = replace(manner, changes=part.changes) if script.cues else manner
            for piece in _say_phrase(replace(phrase, text=part.text), chosen, own, seconds):
                seconds += piece.seconds
                open_sentence = spoke = True
                timed = bool(piece.phones)
                yield watch.timed(piece)
            directions.wait(watch.left)
        if phrase.last and open_sentence:
            style = manner.over(seconds, _SENTENCE_PAUSE)
            silence = _silence(_SENTENCE_PAUSE * style.pauses / style.rate, timed)
            seconds += silence.seconds
            open_sentence = False
            yield silence
    if not spoke:
        raise VoiceError(f"The voice {chosen.id} has no sound for this text. Rephrase it or choose another voice.")


def _silence(seconds: float, timed: bool) -> Speech:
    """So much silence; with its phone where the voice around it tells its phones."""
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    return Speech(samples, phones=((0.0, len(samples) / SAMPLE_RATE, "sil"),) if timed and len(samples) else ())


def join(parts: list[Speech], text: str) -> Speech:
    """Pieces of speech one after the other, their times shifted accordingly."""
    phones, words, moods, offset = [], [], [], 0.0
    for part in parts:
        phones += [(start + offset, end + offset, name) for start, end, name in part.phones]
        words += [(start + offset, end + offset, name) for start, end, name in part.words]
        moods += [(second + offset, mood) for second, mood in part.moods]
        offset += part.seconds
    source = next((part.source for part in parts if part.source), "")
    samples = np.concatenate([part.samples for part in parts]) if parts else np.zeros(0, np.float32)
    return Speech(samples, source, text, tuple(phones), tuple(words), tuple(moods))


def _say_phrase(phrase: Phrase, chosen: VoiceInfo, manner: Manner, start: float) -> Iterator[Speech]:
    """The pieces of a phrase that begins `start` seconds into the speech; none where it has no sound."""
    if not any(character.isalnum() for character in phrase.text):
        return
    if phrase.language is None:
        engine, name = chosen.engine, chosen.name
    else:
        engine, name = "espeak", "en-us" if phrase.language == "en" else phrase.language
    try:
        yield from engines()[engine].stream(phrase.text, name, manner, start)
    except MemoryError as error:
        raise VoiceError("There is too little memory left to speak. Close other programs, or try again later.") from (
            error
        )
    except OSError as error:  # a full disk, no more processes or open files
        raise VoiceError(
            f"The voice {engine}:{name} could not work: {error.strerror or error}. Make room on the machine's disk "
            f"({tempfile.gettempdir()}) and in its memory, then try again."
        ) from error
