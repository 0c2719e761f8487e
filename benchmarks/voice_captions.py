"""When captions begin: the words of 50 sentences against forced alignments of their sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks import voice_times, voice_words
from benchmarks.voice_said import said
from benchmarks.voice_times import NEAR, word_starts

VOICES = tuple(f"kokoro:{name}" for name in voice_times.VOICES)
SENTENCES = (
    *voice_times.SENTENCES,
    *voice_words.SENTENCES,
    "The river was so cold that nobody wanted to swim.",
    "After dinner we played cards until it was very late.",
    "He forgot his umbrella on the train this morning.",
    "My sister lives in a small house near the sea.",
    "The doctor said that I should drink more water.",
    "There were not enough chairs for all the guests.",
    "Can you tell me where the station is?",
    "She has never been to the north of the country.",
    "We need some bread, a little butter and two eggs.",
    "The film was long, but it was worth the time.",
    "It takes an hour to walk to the top of the hill.",
    "His office is on the third floor of that building.",
    "They painted the kitchen yellow and the door green.",
    "If you are hungry, there is some soup on the table.",
    "The teacher asked a question that nobody could answer.",
    "Do not touch the glass, because it is very hot.",
    "We waited for the bus, but it did not come.",
    "In winter the days are short and the nights are long.",
    "Her brother plays the piano better than his father.",
    "I have read this book three times already.",
    "The dog ran across the street and into the park.",
    "What time does the first plane leave tomorrow?",
    "The old man told us a story about the war.",
    "You should write the number down before you forget it.",
    "The cake was made with apples and brown sugar.",
    "Someone left a window open during the night.",
    "The children laughed when the clown fell off his chair.",
    "A good friend is worth more than gold.",
    "They sold their car and bought two bicycles instead.",
    "The lights went out just as the music began.",
)
"""Fifty; nothing was tuned on them."""


def table() -> Iterator[str]:
    """Markdown."""
    yield (
        f"{len(SENTENCES)} sentences, the voices by turns. How far the beginning of a word, which is where its caption "
        "would begin, lies from where pocketsphinx finds it (steps of 10 ms, 0.3 s of faint noise before the sound, "
        "without which it tends to put the first word at the beginning of the file). A bias above 0 means that the "
        "voice's own times are late.\n"
    )
    yield f"| voice | sentences | words | bias (ms) | within {NEAR * 1e3:.0f} ms | p95 (ms) | first words, bias (ms) |"
    yield "|" + "---|" * 7
    late: dict[str, list[list[float]]] = {voice: [] for voice in VOICES}
    for number, text in enumerate(SENTENCES):
        voice = VOICES[number % len(VOICES)]
        speech = said(voice, text)
        starts = word_starts(speech.samples, text)
        if starts is not None and len(starts) == len(speech.words):
            late[voice].append([own - there for (own, _, _), there in zip(speech.words, starts, strict=True)])
    for voice, sentences in late.items():
        yield _row(voice, sentences)
    yield _row("all", [sentence for sentences in late.values() for sentence in sentences])


def _row(voice: str, sentences: list[list[float]]) -> str:
    words = np.concatenate(sentences) * 1e3
    first = np.median([sentence[0] for sentence in sentences]) * 1e3
    size = np.abs(words)
    return (
        f"| {voice} | {len(sentences)} | {len(words)} | {np.median(words):+.0f} | {(size <= NEAR * 1e3).mean():.3f} | "
        f"{np.percentile(size, 95):.0f} | {first:+.0f} |"
    )
