"""How a text is pronounced: its words as they are read aloud, each with its ARPAbet phones.

text ─► phrases (text.py) ─► espeak's IPA, word by word ─► phones
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from emotalk.core.errors import Cancelled, InputError
from emotalk.speech.kokoro.symbols import PAUSING, STRESS, phone_of
from emotalk.speech.kokoro.transcript import MAX_SYMBOLS, Transcriber, Transcript, transcribe
from emotalk.speech.text import phrases

_LANGUAGES = {"en": "en-us", "fr": "fr-fr", "pt": "pt-br"}
"""espeak's rules for a language that is named without a country."""

TOO_LONG = "The transcript has more sounds than fit into the recording. Give the words that are said."


@dataclass(frozen=True)
class Pronunciation:
    """A word as it is read aloud, and its phones (one at least)."""

    word: str
    phones: tuple[str, ...]


def pronounce(
    text: str,
    transcriber: Transcriber,
    language: str = "en",
    most: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Pronunciation]:
    """The words of a text in order, numbers and signs written out ("5 km" is "five kilometers").

    `transcriber` is `espeak.EspeakEngine.transcribe`, `language` that of the text; `cancelled` is asked at every
    phrase. Raises InputError where there is nothing to pronounce or as soon as there are more phones than `most`,
    VoiceError where espeak or its rules for the language are missing, Cancelled.
    """
    found: list[Pronunciation] = []
    count = 0
    for phrase in phrases(text, language):
        spoken = phrase.language or language
        for transcript in _transcripts(phrase.text, _LANGUAGES.get(spoken, spoken), transcriber):
            check_not_cancelled(cancelled)
            said = _words(transcript)
            count += sum(len(word.phones) for word in said)
            if most is not None and count > most:
                raise InputError(TOO_LONG)
            found += said
    return found


def check_not_cancelled(cancelled: Callable[[], bool]) -> None:
    """Raises Cancelled where somebody asked to stop."""
    if cancelled():
        raise Cancelled("Stopped: nothing was kept.")


def _transcripts(text: str, language: str, transcriber: Transcriber) -> Iterator[Transcript]:
    """A phrase in parts of less than MAX_SYMBOLS, since what is beyond is left out of a transcript."""
    transcript = transcribe(text, language, transcriber)
    if len(transcript.symbols) < MAX_SYMBOLS or len(text) < 2:
        yield transcript
        return
    half = text.find(" ", len(text) // 2)
    if half < 0:
        half = len(text) // 2  # nothing says where a word ends: Chinese has no spaces
    for part in (text[:half], text[half:].strip()):
        yield from _transcripts(part, language, transcriber)


def _words(transcript: Transcript) -> list[Pronunciation]:
    sounds: list[list[str]] = [[] for _ in transcript.words]
    before = ""
    for symbol, word in zip(transcript.symbols, transcript.owner, strict=True):
        if word >= 0 and symbol not in STRESS:
            _append(sounds[word], phone_of(symbol, before))
        if symbol not in STRESS:
            before = "" if symbol == " " or symbol in PAUSING else symbol
    return [Pronunciation(word, tuple(phones)) for word, phones in zip(transcript.words, sounds, strict=True) if phones]


def _append(phones: list[str], phone: str) -> None:
    """Add a phone to those of its word; the vowel of "her" is two symbols and one phone."""
    if phone == "er" and phones and phones[-1] == "ah":
        phones[-1] = "er"
    elif phone != "sil" and not (phone == "er" and phones and phones[-1] == "er"):
        phones.append(phone)
