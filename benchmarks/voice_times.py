"""When a voice says which phone and word, against forced alignments of its sound."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from pocketsphinx import Decoder

from benchmarks.voice_said import said
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import PHONES, Speech
from scripts.speech_corpus.align import align

VOICES = ("af_heart", "af_bella", "bf_emma", "am_michael", "am_fenrir", "bm_george")
SENTENCES = (
    "My brother put the paper boat back into the pond.",
    "Nobody came to the market before the bell rang.",
    "The old bridge moves a little when a train goes by.",
    "Keep the milk cold and the bread warm.",
    "A small black dog barked at the empty bus.",
    "Her uncle built most of the houses in this part of town.",
    "You may open the box when everybody has gone home.",
    "Please bring me a pen and a piece of blue paper.",
    "The storm broke two of the tall trees behind our farm.",
    "We spent the whole summer fishing from that boat.",
)
"""Sentences of this file alone. Nothing was tuned on them but the `lead` of am_michael and bm_george
(`kokoro.voices`)."""
NEAR = 0.060
"""Seconds: a caption that begins so near a word is not seen to be early or late."""
_BEFORE = 0.3
"""Seconds of faint noise before a sound that is aligned, see `word_starts`."""


class Errors(NamedTuple):
    """Seconds by which a voice's own times lie behind those of the alignment."""

    phones: np.ndarray  # [P] onsets of phones that both name alike
    lips: np.ndarray  # [L] those of them that are p, b or m
    first: np.ndarray  # [F] onsets of first words of sentences
    words: np.ndarray  # [W] onsets of words, the first ones included


def errors(voices: tuple[str, ...]) -> Errors:
    """Of all sentences by some voices, at rest."""
    phones, lips, first, words = [], [], [], []
    for voice in voices:
        for text in SENTENCES:
            speech = said(voice, text)
            aligned = align(speech.samples, text)
            if aligned is not None:
                pairs = _matched(speech, [(start, PHONES[phone]) for start, _, phone in aligned if phone])
                phones += [here - there for here, there, _ in pairs]
                lips += [here - there for here, there, phone in pairs if phone in ("p", "b", "m")]
            starts = word_starts(speech.samples, text)
            if starts is not None and len(starts) == len(speech.words):
                late = [start - there for (start, _, _), there in zip(speech.words, starts, strict=True)]
                words += late
                first.append(late[0])
    return Errors(*(np.array(values) for values in (phones, lips, first, words)))


def table() -> Iterator[str]:
    """Markdown."""
    yield (
        f"{len(SENTENCES)} sentences that nothing was tuned on but the lead of am_michael and bm_george, whose rows "
        "are no independent check. The alignment is pocketsphinx's, in steps of 10 ms; "
        "against hand-made labels its median error is 10 ms. "
        "A bias above 0 means that the voice's own times are late. flite "
        "knows its times exactly, so its row is what the alignment itself is off by. Onsets; only phones that both "
        "name alike.\n"
    )
    yield (
        "| voice | phones | bias, median (ms) | error, median (ms) | p90 (ms) | "
        "p b m | bias (ms) | error (ms) | p90 (ms) | "
        f"words | bias (ms) | within {NEAR * 1e3:.0f} ms | p95 (ms) | first words, bias (ms) |"
    )
    yield "|" + "---|" * 14
    everyone = []
    for voice in ("flite:slt", *(f"kokoro:{name}" for name in VOICES)):
        found = errors((voice,))
        yield _row(voice, found)
        if voice.startswith("kokoro"):
            everyone.append(found)
    yield _row("all of Kokoro", Errors(*(np.concatenate(parts) for parts in zip(*everyone, strict=True))))


def _row(name: str, found: Errors) -> str:
    cells = [name]
    for late in (found.phones, found.lips):
        size = np.abs(late) * 1e3
        cells += [str(len(late)), f"{np.median(late) * 1e3:+.0f}", f"{np.median(size):.0f}"]
        cells.append(f"{np.percentile(size, 90):.0f}")
    if len(found.words):
        size = np.abs(found.words)
        cells += [str(len(size)), f"{np.median(found.words) * 1e3:+.0f}", f"{(size <= NEAR).mean():.3f}"]
        cells += [f"{np.percentile(size, 95) * 1e3:.0f}", f"{np.median(found.first) * 1e3:+.0f}"]
    else:
        cells += ["-"] * 5
    return "| " + " | ".join(cells) + " |"


def _matched(speech: Speech, aligned: list[tuple[float, str]]) -> list[tuple[float, float, str]]:
    """(start here, start there, phone) of the phones that stand alike in both."""
    here = [(start, phone) for start, _, phone in speech.phones if phone != "sil"]
    matcher = difflib.SequenceMatcher(None, [p for _, p in here], [p for _, p in aligned], autojunk=False)
    return [
        (here[block.a + k][0], aligned[block.b + k][0], here[block.a + k][1])
        for block in matcher.get_matching_blocks()
        for k in range(block.size)
    ]


@functools.cache
def _decoder() -> Decoder:
    return Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")


def word_starts(samples: np.ndarray, text: str) -> list[float] | None:
    """Seconds at which the words of `text` begin in samples [N]; None where they do not fit, or one is not in the
    dictionary.

    Faint noise is put before the sound: a first word that follows 50 ms of silence is else often put at the very
    beginning.
    """
    words = text.lower().strip(".?!").replace(",", "").split()
    decoder = _decoder()
    if any(decoder.lookup_word(word) is None for word in words):
        return None
    before = np.random.default_rng(0).normal(0, 1e-4, round(_BEFORE * SAMPLE_RATE))
    sound = np.concatenate([before, samples])
    pcm = (sound / max(float(np.abs(sound).max()), 1e-9) * 0.7 * 32767).astype(np.int16).tobytes()
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return None
    starts = [
        segment.start_frame * 0.01 - _BEFORE for segment in decoder.seg() if segment.word.partition("(")[0] in words
    ]
    return starts if len(starts) == len(words) else None
