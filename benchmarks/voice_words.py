"""Whether a voice is understood in every mood: the word errors of a recogniser."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pocketsphinx import Decoder

from benchmarks import voice_mood
from benchmarks.voice_said import said
from emotalk.core.rates import SAMPLE_RATE

VOICES = (*voice_mood.VOICES, "flite:slt", "espeak:en-us")
MOODS = ((0.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))
SENTENCES = (
    *voice_mood.SENTENCES,
    "They want to open a new school.",
    "Please close the window before you leave.",
    "My father bought a new car.",
    "There is nothing that we can do about it.",
    "The children are playing in the garden.",
    "It was the best day of the summer.",
    "The weather will be better on Sunday.",
)
ALLOWED = 1.3
"""Word errors of a mood against those at rest."""


def word_errors(said_words: list[str], heard: list[str]) -> int:
    """Substitutions, insertions and deletions between two lists (Levenshtein's distance)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said_words, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(before + (word != other), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def error_rate(voice: str, mood: tuple[float, float]) -> tuple[int, int]:
    """Word errors over all sentences, and how many words they have."""
    decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")  # a fresh one: it adapts to whom it hears
    wrong = words = 0
    for text in SENTENCES:
        expected = text.lower().strip(".").split()
        wrong += word_errors(expected, _heard(decoder, said(voice, text, *mood).samples))
        words += len(expected)
    return wrong, words


def table() -> Iterator[str]:
    """Markdown."""
    yield (
        "pocketsphinx with its own acoustic and language model of American English (the small one of its package), "
        f"{len(SENTENCES)} common sentences. Word errors in percent; behind them the ratio to the same voice at rest, "
        f"which is to be at most {ALLOWED}. The recogniser is old and mishears people too: the numbers "
        "compare, they do not "
        "say how well a person understands.\n"
    )
    yield "| voice | " + " | ".join(f"{v:+.0f}, {a:+.0f}" if (v, a) != (0, 0) else "at rest" for v, a in MOODS) + " |"
    yield "|" + "---|" * (len(MOODS) + 1)
    kokoro = []
    for voice in VOICES:
        found = [error_rate(voice, mood) for mood in MOODS]
        if voice in voice_mood.VOICES:
            kokoro.append(found)
        yield _row(voice, found)
    total = np.array(kokoro).sum(0)
    yield _row("all of Kokoro", [(int(wrong), int(words)) for wrong, words in total])


def _row(voice: str, found: list[tuple[int, int]]) -> str:
    rates = [wrong / words for wrong, words in found]
    cells = [f"{100 * rates[0]:.1f} ({found[0][0]} of {found[0][1]})"]
    cells += [f"{100 * rate:.1f} (x{rate / max(rates[0], 1e-9):.2f})" if rates[0] else f"{100 * rate:.1f}"
              for rate in rates[1:]]  # fmt: skip
    return "| " + " | ".join([voice, *cells]) + " |"


def _heard(decoder: Decoder, samples: np.ndarray) -> list[str]:
    pcm = (samples / max(float(np.abs(samples).max()), 1e-9) * 0.7 * 32767).astype(np.int16).tobytes()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    return decoder.hyp().hypstr.split() if decoder.hyp() else []
