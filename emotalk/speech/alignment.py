"""Forced alignment: when each word of a known text is said in a recording, by the speech encoder's own ears.

    text ─► words and phones (pronunciation.py) ─► states, a silence allowed around every word ─┐
    sound ─► encoder ─► phone probabilities, 50 Hz ─► likelihoods ──────────────────────────────┴─► Viterbi ─► times

A state is a phone of the text; a row of 20 ms stays in its state or goes on to the next, past a silence if there is
none. What is found is the likeliest way through all states in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.rates import FEATURE_RATE
from emotalk.core.speech import PHONES, Speech
from emotalk.speech.language import detect
from emotalk.speech.pronunciation import Pronunciation, pronounce

if TYPE_CHECKING:
    from emotalk.speech.encoder import SpeechEncoder

LEAST_FIT = -1.7
"""Below this `Alignment.fit` a text is not that of the sound. Tuned on 30 sentences of LJSpeech (-0.3 to 0.0 with their
own text, -3.1 to -1.9 with another) and 52 of RAVDESS, whose acted emotions the encoder hears less well (-1.4 to -0.3,
with other texts -2.6 to -1.2)."""

LETTERS_PER_SECOND = 40
"""More than anybody says."""
TOO_LONG = "The transcript has more sounds than fit into the recording. Give the words that are said."

_ALIKE = (
    "p b m", "f v", "th dh s z t d", "t d n l k g", "k g ng hh", "ch jh sh zh s z", "r er w", "m n ng",
    "aa ah ao ay aw ae", "ae eh ey ih", "iy ih y ey", "ao ow oy uh uw w", "aa ao ow ah", "ah ih uh er eh",
)  # fmt: skip
"""Phones that are mistaken for each other, or stand for each other in another accent."""
_ALIKE_SHARE, _FLOOR = 0.1, 1e-4
"""How much of the probability of its like a phone gets, and the least that any has: with both, 98 % of the words of 30
sentences of LJSpeech begin within 60 ms of another aligner's, 97 % without; of acted voices 83 % instead of 76 %."""
_SILENCE_PENALTY = 1.0
"""Silence is heard too often (at weak sounds): its log likelihood is lowered by this. Tuned on the same sentences."""
_BAND = 1200
"""States that are looked at in a row, around the likeliest: what is said in more than a minute."""

Spans = tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class Alignment:
    """(start, end, name) in seconds of the words, and without gaps of the phones ("sil" between words).

    `fit` is the mean over the rows of speech of the log likelihood of the text's phone, relative to the likeliest one:
    0 where just these phones are heard.
    """

    words: Spans
    phones: Spans
    fit: float


def with_transcript(speech: Speech, text: str, encoder: SpeechEncoder) -> Speech:
    """A recording with the times of the words and phones of `text`, which is what is said in it.

    Takes about 1/30 of the time the sound lasts. Raises InputError where there is nothing to say in the text or it does
    not belong to the sound, VoiceError where espeak, which knows how words are pronounced, is missing.
    """
    # Imported here: voices are not needed to align, but their engines know how words are pronounced.
    from emotalk.speech.tts import engines

    if sum(map(str.isalnum, text)) > LETTERS_PER_SECOND * (speech.seconds + 1):
        raise InputError(TOO_LONG)  # before anything is pronounced: a book takes a while
    words = pronounce(text, engines()["espeak"].transcribe, detect(text) or "en")
    found = align(words, encoder.encode(speech).phones)
    if found.fit < LEAST_FIT:
        raise InputError(
            "The transcript does not fit the recording: other words are heard in it. Give the words that are said."
        )
    return replace(speech, text=text, words=found.words, phones=found.phones)


def align(words: Sequence[Pronunciation], phones: np.ndarray) -> Alignment:
    """The words of a text on the phone probabilities [T, 40] (50 Hz) that were heard in a recording, whether or not
    they fit. Raises InputError where there are none, or the recording is too short for them."""
    if not words:
        raise InputError("There are no words to look for in the recording. Give the words that are said.")
    names, owner = _states(words)
    states = np.array([PHONES.index(name) for name in names])
    scores = likelihoods(phones)
    path = best_path(scores, states, np.array(owner) < 0)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    edges = [*(starts / FEATURE_RATE).tolist(), len(path) / FEATURE_RATE]
    spans, spoken = [], {}
    for start, end, state in zip(edges, edges[1:], path[starts], strict=False):
        spans.append((start, end, names[state]))
        if owner[state] >= 0:
            begin, _ = spoken.get(owner[state], (start, end))
            spoken[owner[state]] = (begin, end)
    said = states[path] > 0
    loss = scores[np.arange(len(path)), states[path]] - scores.max(1)
    return Alignment(
        tuple((*spoken[number], word.word) for number, word in enumerate(words)), tuple(spans), float(loss[said].mean())
    )


def likelihoods(phones: np.ndarray) -> np.ndarray:
    """Log likelihoods [T, 40] of the phones, of probabilities [T, 40]."""
    alike = np.zeros((len(PHONES), len(PHONES)))
    for group in _ALIKE:
        members = [PHONES.index(phone) for phone in group.split()]
        alike[np.ix_(members, members)] = _ALIKE_SHARE
    np.fill_diagonal(alike, 1.0)
    scores = np.log(phones @ alike + _FLOOR)
    scores[:, 0] -= _SILENCE_PENALTY
    return scores


def best_path(scores: np.ndarray, states: np.ndarray, optional: np.ndarray) -> np.ndarray:
    """The state of every row [T] on the likeliest way through states [S] in order.

    `scores` [T, C] are log likelihoods, `states` says which column each state has; `optional` [S] ones may be passed
    over (never two in a row; the first and the last are). Raises InputError where the rows do not reach to the end.
    """
    rows, count, width = len(scores), len(states), min(len(states), _BAND)
    if rows < (~optional).sum():
        raise InputError(TOO_LONG)
    jumps = np.zeros(count)  # added where a state is reached past the one before it
    jumps[2:] = np.where(optional[1:-1], 0.0, -np.inf)
    value = np.full(count + 2, -np.inf)  # two impossible states stand before the first
    value[2:4] = scores[0, states[:2]]
    steps = np.zeros((rows, width), np.uint8)  # how many states further each one was reached
    lows = np.zeros(rows, int)  # the first state of the band
    low = 0
    for row in range(1, rows):
        likeliest = low + int(value[low + 2 : low + 2 + width].argmax())
        low = int(np.clip(likeliest - width // 2, low, count - width))
        lows[row] = low
        ways = np.stack([value[low + 2 - step : low + 2 - step + width] for step in range(3)])
        ways[2] += jumps[low : low + width]
        steps[row] = ways.argmax(0)
        value[: low + 2] = -np.inf
        value[low + 2 : low + 2 + width] = ways.max(0) + scores[row, states[low : low + width]]
    state = count - 1 if value[-1] >= value[-2] else count - 2
    if not np.isfinite(value[state + 2]):
        raise InputError("The transcript does not fit the recording. Give the words that are said.")
    path = np.empty(rows, int)
    for row in range(rows - 1, -1, -1):
        path[row] = state
        state -= int(steps[row, state - lows[row]])
    return path


def _states(words: Sequence[Pronunciation]) -> tuple[list[str], list[int]]:
    """Phones of all states, a silence around every word, and the number of the word that each belongs to (-1: none)."""
    names, owner = ["sil"], [-1]
    for number, word in enumerate(words):
        names += [*word.phones, "sil"]
        owner += [number] * len(word.phones) + [-1]
    return names, owner
