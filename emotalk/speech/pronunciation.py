"""How a text is pronounced: its words as they are read aloud, each with its ARPAbet phones.

text ─► phrases (text.py) ─► espeak's IPA, word by word ─► phones
"""

from __future__ import annotations

from dataclasses import dataclass

from emotalk.speech.kokoro.symbols import PAUSING, STRESS, phone_of
from emotalk.speech.kokoro.transcript import Transcriber, transcribe
from emotalk.speech.text import phrases

_LANGUAGES = {"en": "en-us", "fr": "fr-fr", "pt": "pt-br"}
"""espeak's rules for a language that is named without a country."""


@dataclass(frozen=True)
class Pronunciation:
    """A word as it is read aloud, and its phones (one at least)."""

    word: str
    phones: tuple[str, ...]


def pronounce(text: str, transcriber: Transcriber, language: str = "en") -> list[Pronunciation]:
    """The words of a text in order, numbers and signs written out ("5 km" is "five kilometers").

    `transcriber` is `espeak.EspeakEngine.transcribe`, `language` that of the text. Raises InputError where there is
    nothing to pronounce, VoiceError where espeak or its rules for the language are missing.
    """
    found = []
    for phrase in phrases(text, language):
        spoken = phrase.language or language
        transcript = transcribe(phrase.text, _LANGUAGES.get(spoken, spoken), transcriber)
        sounds: list[list[str]] = [[] for _ in transcript.words]
        before = ""
        for symbol, word in zip(transcript.symbols, transcript.owner, strict=True):
            if word >= 0 and symbol not in STRESS:
                _append(sounds[word], phone_of(symbol, before))
            if symbol not in STRESS:
                before = "" if symbol == " " or symbol in PAUSING else symbol
        found += [
            Pronunciation(word, tuple(phones)) for word, phones in zip(transcript.words, sounds, strict=True) if phones
        ]
    return found


def _append(phones: list[str], phone: str) -> None:
    """Add a phone to those of its word; the vowel of "her" is two symbols and one phone."""
    if phone == "er" and phones and phones[-1] == "ah":
        phones[-1] = "er"
    elif phone != "sil" and not (phone == "er" and phones and phones[-1] == "er"):
        phones.append(phone)
