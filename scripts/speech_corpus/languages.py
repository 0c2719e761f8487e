"""Sentences of other languages than English to be spoken, from what Debian packages hold."""

from __future__ import annotations

import functools
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scripts.speech_corpus.text import FORTUNES

FRENCH_PAGES = Path("/usr/share/man/fr/man1")
HINDI_WORDS = Path("/usr/share/hunspell/hi_IN.dic")
PACKAGES = {"es": "fortunes-es", "it": "fortunes-it", "pt": "fortunes-br", "fr": "manpages-fr", "hi": "hunspell-hi"}

_SENTENCE = re.compile(r"[A-ZÀ-Þ][^\W\d_]*(?:[ ,;:'’-]+[^\W\d_]+)+[.!?]")
"""A capital letter, words and nothing else between them, a mark at the end."""
_TYPED_ACCENT = re.compile(r"([aeiouAEIOU])'(?=[\s.,;:!?])")
_GRAVE = str.maketrans("aeiouAEIOU", "àèìòùÀÈÌÒÙ")
_HINDI_SENTENCES = 3000


@functools.cache
def foreign_sentences(language: str) -> tuple[str, ...]:
    """Sentences of 3 to 16 words in a fixed order. `language`: "es", "fr", "hi", "it" or "pt", or a dialect of them.

    Spanish, Italian and Portuguese ones are fortunes, French ones stand in manual pages; the Hindi ones are words of
    a spelling dictionary in random order, which is enough for how their sounds meet. Raises FileNotFoundError where
    the Debian package is not installed.
    """
    language = language[:2]
    found = sorted({sentence for text in _texts(language) for sentence in _split(text)})
    if not found:
        raise FileNotFoundError(
            f"There are no sentences in {language}; install the Debian package {PACKAGES[language]}."
        )
    return tuple(found[i] for i in np.random.default_rng(0).permutation(len(found)))


def _texts(language: str) -> Iterator[str]:
    if language == "pt":
        yield from _fortunes(FORTUNES / "brasil")
    elif language == "fr":
        for path in sorted(FRENCH_PAGES.glob("*.gz")):
            yield from _paragraphs(gzip.decompress(path.read_bytes()).decode("utf-8", "ignore"))
    elif language == "hi":
        yield from _strings_of_words()
    else:
        for path in sorted((FORTUNES / language).glob("*")):
            if path.suffix in (".fortunes", "") and path.is_file():
                yield from _fortunes(path)


def _fortunes(path: Path) -> Iterator[str]:
    if path.is_file():
        for fortune in path.read_text(encoding="utf-8", errors="ignore").split("\n%"):
            yield _TYPED_ACCENT.sub(lambda match: match[1].translate(_GRAVE), re.sub(r"\n\s+--.*", "", fortune) + " ")


def _paragraphs(page: str) -> Iterator[str]:
    """What is running text in the source of a manual page."""
    lines: list[str] = []
    for line in page.splitlines():
        if line.startswith((".", "'")):
            yield " ".join(lines)
            lines = []
        else:
            lines.append(re.sub(r"\\f(?:\[\w*\]|.)|\\-", lambda match: "-" if match[0] == "\\-" else "", line))
    yield " ".join(lines)


def _strings_of_words() -> Iterator[str]:
    if not HINDI_WORDS.is_file():
        return
    words = [word.partition("/")[0] for word in HINDI_WORDS.read_text(encoding="utf-8").split()[1:]]
    words = [word for word in words if 2 <= len(word) <= 9]
    rng = np.random.default_rng(0)
    for _ in range(_HINDI_SENTENCES):
        yield " ".join(words[i] for i in rng.integers(len(words), size=rng.integers(4, 10))) + "।"


def _split(text: str) -> Iterator[str]:
    """The plain sentences of a text."""
    for sentence in re.split(r"(?<=[.!?।])\s+", re.sub(r"\s+", " ", text).strip(' -"«»')):
        plain = _SENTENCE.fullmatch(sentence) and not re.search(r"\b[A-ZÀ-Þ]{2,}\b", sentence)
        if 3 <= len(sentence.split()) <= 16 and len(sentence) <= 110 and (plain or sentence.endswith("।")):
            yield sentence
