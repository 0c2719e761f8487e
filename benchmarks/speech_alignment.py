"""Words whose text is known, found in recordings by the encoder's own ears, against another aligner."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.speech_methods import encoder_track
from benchmarks.speech_scores import Score, track_of_segments
from benchmarks.voice_times import NEAR, word_starts
from emotalk.core.errors import InputError
from emotalk.core.speech import PHONES, Speech
from emotalk.speech.alignment import LEAST_FIT, align
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.loudness import normalise
from emotalk.speech.pronunciation import pronounce
from emotalk.speech.tts import engines
from scripts.speech_corpus import align as sphinx

RAVDESS = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
_OTHER = ("nobody came to the market before", "keep the old bridge and the paper")
"""As long as the two sentences of RAVDESS, and none of them."""


@dataclass
class Found:
    """What came of a corpus."""

    late: list[float] = field(default_factory=list)  # seconds by which words begin behind the other aligner's
    aligned: Score = field(default_factory=Score)
    heard: Score = field(default_factory=Score)
    own: list[float] = field(default_factory=list)  # fits of their own text
    other: list[float] = field(default_factory=list)  # and of another one


def recordings(data: Path) -> Iterator[tuple[str, np.ndarray, str, str]]:
    """(corpus, samples [N], what is said, what is not) of recordings that nothing in the aligner was tuned on."""
    lines = (data / "ljspeech" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    texts = [re.sub(r"[^A-Za-z' ]", " ", line.split("|")[-1]) for line in lines]
    for number in range(1, 120, 4):
        samples, _ = soundfile.read(data / "ljspeech" / f"{lines[number].split('|')[0]}.flac", dtype="float32")
        yield "LJSpeech", samples, " ".join(texts[number].split()), texts[number - 1]
    for path in sorted((data / "ravdess").glob("*.flac"))[3::7]:
        samples, _ = soundfile.read(path, dtype="float32")
        spoken = path.stem.split("-")[4]
        yield "RAVDESS", samples, RAVDESS[spoken], _OTHER[int(spoken) - 1]


def measure(encoder: SpeechEncoder, data: Path) -> dict[str, Found]:
    """By corpus."""
    transcriber = engines()["espeak"].transcribe
    table: dict[str, Found] = {}
    for corpus, samples, text, another in recordings(data):
        found = table.setdefault(corpus, Found())
        features = encoder.encode(Speech(normalise(samples)))
        words = align(pronounce(text, transcriber), features.phones)
        found.own.append(words.fit)
        try:
            found.other.append(align(pronounce(another, transcriber), features.phones).fit)
        except InputError:  # too long for the sound
            found.other.append(-np.inf)
        starts = word_starts(samples, text)
        if starts is not None and len(starts) == len(words.words):
            found.late += [here - there for (here, _, _), there in zip(words.words, starts, strict=True)]
        segments = sphinx.align(samples, text)
        if segments is not None:
            truth = track_of_segments(segments, len(features))
            mine = [(start, end, PHONES.index(phone)) for start, end, phone in words.phones]
            found.aligned.add(track_of_segments(mine, len(features)), truth)
            found.heard.add(encoder_track(features), truth)
    return table


def alignment_table(encoder: SpeechEncoder, data: Path) -> str:
    """Markdown."""
    lines = [
        "## Words of a recording whose text is known\n",
        "`emotalk.speech.alignment` against pocketsphinx's forced alignment, which is no truth: it errs too, above all "
        "where voices are acted (RAVDESS). LJSpeech: 30 recordings so labelled; RAVDESS: a seventh of them. The "
        "encoder knows none of these speakers, and nothing was tuned on these recordings. Visemes and closures: what "
        f"the mouth is told, by listening alone and with the text. Refused: a fit below {LEAST_FIT}.\n",
        f"| corpus | words | bias (ms) | within {NEAR * 1e3:.0f} ms | p95 (ms) | viseme, heard | with text | "
        "p/b/m P/R, heard | with text | own text refused | another text refused |",
        "|" + "---|" * 11,
    ]
    for corpus, found in measure(encoder, data).items():
        late = np.array(found.late) * 1e3
        heard, told = found.heard, found.aligned
        refused = [f"{np.sum(np.array(fits) < LEAST_FIT)} of {len(fits)}" for fits in (found.own, found.other)]
        lines.append(
            f"| {corpus} | {len(late)} | {np.median(late):+.0f} | {(np.abs(late) <= NEAR * 1e3).mean():.3f} | "
            f"{np.percentile(np.abs(late), 95):.0f} | {heard.viseme_accuracy_with_silence:.3f} | "
            f"{told.viseme_accuracy_with_silence:.3f} | {heard.closure_precision:.2f}/{heard.closure_recall:.2f} | "
            f"{told.closure_precision:.2f}/{told.closure_recall:.2f} | {refused[0]} | {refused[1]} |"
        )
    return "\n".join(lines)
