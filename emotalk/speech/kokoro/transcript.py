"""A phrase as Kokoro reads it: symbols, and the word that each belongs to.

    "of the people, now" ─► clauses ─► espeak's IPA "ʌvðə pˈiːpə^l" ─► symbols of each word ─► "ʌv ðə pˈipᵊl, nˈW"

espeak joins words ("of the" is one) and splits others; where its words are not the text's, the pronunciation of each
word by itself tells which sounds are whose.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emotalk.speech.kokoro.symbols import PAUSING, STRESS, VOCABULARY, symbols_of

MAX_SYMBOLS = 500
"""Of one transcript; the model was made for 510."""

Transcriber = Callable[[Sequence[str], str], list[str]]
"""`espeak.EspeakEngine.transcribe`: IPA of texts in a language."""

_MARKS = str.maketrans({
    "。": ".", "！": "!", "？": "?", "、": ",", "，": ",", "；": ";", "：": ":", "،": ",", "؛": ";", "؟": "?", "।": ".",
    "·": ",",
})  # fmt: skip
_CLAUSE = re.compile(r"(?:[^.,;:!?…—]|(?<=\d)[.,:](?=\d))+|[.,;:!?…—]+")
_INSIDE = re.compile(r"(?<=\w)[.,:](?=[^\W\d])|(?<=[^\W\d])[.,:](?=\w)")
"""A mark inside a word ends no clause; neither does one inside a number, which espeak reads ("3.5", "10:30")."""


@dataclass(frozen=True)
class Transcript:
    """Symbols of a phrase; `owner[i]` is the number of the word that symbol i belongs to, -1 for spaces and marks."""

    symbols: str  # N of them, each in VOCABULARY
    owner: tuple[int, ...]  # [N]
    words: tuple[str, ...]  # as they are written
    places: tuple[int, ...] = ()  # the letter of the phrase that each word begins at

    @property
    def tokens(self) -> list[int]:
        """The numbers of the symbols, [N + 2]: a 0 stands at both ends."""
        return [0, *(VOCABULARY[symbol] for symbol in self.symbols), 0]

    @property
    def letters(self) -> np.ndarray:
        """[N + 2] the letter of the phrase at which every token is said: where its word begins."""
        found, here = [0], 0
        for word in self.owner:
            here = here if word < 0 else self.places[word]
            found.append(here)
        return np.array([*found, here])


def transcribe(text: str, language: str, transcriber: Transcriber) -> Transcript:
    """A phrase in a language ("en-us", "fr-fr"...) as Kokoro's symbols, at most MAX_SYMBOLS (the rest is left out: a
    phrase of `speech.text` has fewer). Empty where there is nothing to pronounce."""
    clauses = _clauses(text)
    asked = [spoken for spoken, _ in clauses] + [word for spoken, _ in clauses for word in spoken.split()]
    answers = transcriber(asked, language)
    heard, alone = answers[: len(clauses)], iter(answers[len(clauses) :])
    symbols, owner, words, places, place = "", [], [], [], 0
    for (spoken, mark), ipa in zip(clauses, heard, strict=True):
        written = spoken.split()
        sounds = _by_word(ipa, [next(alone) for _ in written])
        for word, sound in zip(written, sounds, strict=True):
            found = text.find(word, place)
            here, place = (found, found + len(word)) if found >= 0 else (place, place)
            said = symbols_of(sound, language)
            if not said.strip(STRESS + " "):
                continue
            if symbols:
                symbols += " "
                owner.append(-1)
            symbols += said
            owner += [-1 if symbol == " " else len(words) for symbol in said]
            words.append(word)
            places.append(here)
        if symbols and symbols[-1] not in PAUSING:
            symbols += mark
            owner += [-1] * len(mark)
    return Transcript(symbols[:MAX_SYMBOLS], tuple(owner[:MAX_SYMBOLS]), tuple(words), tuple(places))


def _clauses(text: str) -> list[tuple[str, str]]:
    """What is said without a pause, and the mark behind it."""
    text = _INSIDE.sub(lambda match: "" if match[0] == "." else " ", text.translate(_MARKS))
    text = re.sub(r"\s+-+\s+", " — ", re.sub(r"[\"()“”]", " ", text))
    found: list[tuple[str, str]] = []
    for piece in _CLAUSE.findall(text):
        if piece[0] in PAUSING:
            if found and not found[-1][1]:
                found[-1] = (found[-1][0], piece[-1])
        elif any(character.isalnum() for character in piece):
            found.append((piece.strip(), ""))
    return found


def _by_word(ipa: str, alone: list[str]) -> list[str]:
    """The IPA of a clause cut into as many pieces as it has words, of each of which `alone` is the IPA by itself."""
    parts = ipa.split()
    # A word of several parts (a number) may hide that two others were joined: then the parts are not the words.
    if len(parts) == len(alone) and all(len(own.split()) == 1 for own in alone):
        return parts
    sounds = "".join(parts)
    expected = [(letter, word) for word, own in enumerate(alone) for letter in own.replace(" ", "")]
    owners = _aligned(sounds, expected)
    pieces = [""] * len(alone)
    starts = set(itertools.accumulate(map(len, parts)))
    for place, (letter, word) in enumerate(zip(sounds, owners, strict=True)):
        if place in starts and pieces[word]:
            pieces[word] += " "  # a number in several words
        pieces[word] += letter
    return pieces


def _aligned(sounds: str, expected: list[tuple[str, int]]) -> list[int]:
    """For each letter of `sounds` the word of the letter of `expected` that it stands against in the alignment of
    least cost (Levenshtein's); words only go forward."""
    if not expected:
        return [0] * len(sounds)
    letters = np.array([letter for letter, _ in expected])
    columns = np.arange(len(expected) + 1)
    # A row at once: the numbers of a hostile text are thousands of sounds.
    cost = np.empty((len(sounds) + 1, len(columns)), np.int32)
    cost[0] = columns
    for i, sound in enumerate(sounds, 1):
        cost[i] = cost[i - 1] + 1
        cost[i, 1:] = np.minimum(cost[i, 1:], cost[i - 1, :-1] + (letters != sound))
        cost[i] = np.minimum.accumulate(cost[i] - columns) + columns  # left out of `sounds`: one more each
    owners = [0] * len(sounds)
    i, j = len(sounds), len(expected)
    while i > 0:
        if j and cost[i, j] == cost[i - 1, j - 1] + (sounds[i - 1] != letters[j - 1]):
            i, j = i - 1, j - 1
            owners[i] = expected[j][1]
        elif j and cost[i, j] == cost[i, j - 1] + 1:
            j -= 1
        else:
            i -= 1
            owners[i] = expected[max(j - 1, 0)][1]
    return owners
