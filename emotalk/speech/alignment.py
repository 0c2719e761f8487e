"""Forced alignment: when each word of a known text is said in a recording, by the speech encoder's own ears.

    text ─► words and phones (pronunciation.py) ─► states, a silence allowed around every word ─┐
    sound ─► encoder ─► phone probabilities, 50 Hz ─► likelihoods ──────────────────────────────┴─► Viterbi ─► times

A state is a phone of the text; a row of 20 ms stays in its state or goes on to the next, past a silence if there is
none. What is found is the likeliest way through all states in order; where it fits badly for a second, the text is not
what is said, and what was heard stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.rates import FEATURE_RATE, SAMPLE_RATE
from emotalk.core.speech import PHONES, Speech
from emotalk.speech.language import detect
from emotalk.speech.pronunciation import TOO_LONG, Pronunciation, check_not_cancelled, pronounce

if TYPE_CHECKING:
    from emotalk.speech.encoder import SpeechEncoder

LEAST_FIT = -1.3
"""Below this `Alignment.fit` a text is not that of the sound. Tuned on recordings beside those that
`benchmarks.speech_alignment` measures: 30 labelled LJSpeech (-1.1 to -0.2 with their own text, -2.7 to -1.5 with
another) and 52 of RAVDESS's acted emotions (-1.1 to -0.2; with other texts -2.5 to -1.2, twice -1.0)."""

LEAST_LOCAL_FIT = -2.0
"""Below this mean over a second of speech something else is said there. Looked at on the same recordings, those
labelled LJSpeech also five in a row: with their own text 1 s of 82 recordings is below (the worst second is at -2.5);
where a sentence is missing in the text (-5.2 to -3.2 in the worst second) or another one (-4.7 to -2.5) some second
always is, where one is too many in 12 of 13 cases (-4.4 to -1.9)."""

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
_BAND = 4800
"""States that are looked at in a row, around the likeliest: what is said in five minutes. Where music is heard as
speech the likeliest way may run ahead of the true one by more than a state a row, and must not leave it behind."""
_WINDOW = FEATURE_RATE
"""Rows of speech, a second, over which the local fit is a mean."""
_PLACES = np.array([1, 4, 16, 64], np.uint8)
"""Two bits for each of four states."""
_PIECE_SECONDS = 10
_ROWS_BETWEEN_LOOKS = 1000
"""Rows after which `cancelled` is asked again: some tenths of a second of work."""

Spans = tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class Alignment:
    """(start, end, name) in seconds of the words, and without gaps of the phones ("sil" between words).

    Where something else than the text is said, the phones are those that are heard, and words have no time: they are
    left out. `doubtful` says for how many seconds that is. `fit` is the mean over the other rows of speech (over all
    of it, where more than half is doubtful) of the log likelihood of the text's phone, relative to the likeliest one: 0
    where just these phones are heard.
    """

    words: Spans
    phones: Spans
    fit: float
    doubtful: float


def find_transcript(
    speech: Speech, text: str, encoder: SpeechEncoder, cancelled: Callable[[], bool] = lambda: False
) -> Alignment:
    """Where the words of `text` are in a recording in which it is said.

    Takes about 1/30 of the time the sound lasts; `cancelled` is asked several times a second. Raises InputError where
    there is nothing to say in the text or it does not belong to the sound, VoiceError where espeak, which knows how
    words are pronounced, is missing, Cancelled.
    """
    # Imported here: voices are not needed to align, but their engines know how words are pronounced.
    from emotalk.speech.tts import engines

    # Every phone lasts a row at least: a text that is too long is refused as soon as that is known.
    rows = -(-len(speech.samples) * FEATURE_RATE // SAMPLE_RATE)
    words = pronounce(text, engines()["espeak"].transcribe, detect(text) or "en", rows, cancelled)
    found = align(words, _heard(speech, encoder, cancelled), cancelled)
    if found.fit < LEAST_FIT:
        raise InputError(
            "The transcript does not fit the recording: other words are heard in it. Give the words that are said."
        )
    return found


def with_transcript(
    speech: Speech, text: str, encoder: SpeechEncoder, cancelled: Callable[[], bool] = lambda: False
) -> Speech:
    """A recording with the times of the words and phones of `text`, which is what is said in it; times and errors are
    those of `find_transcript`."""
    found = find_transcript(speech, text, encoder, cancelled)
    return replace(speech, text=text, words=found.words, phones=found.phones)


def align(
    words: Sequence[Pronunciation], phones: np.ndarray, cancelled: Callable[[], bool] = lambda: False
) -> Alignment:
    """The words of a text on the `phones` [T, 40] (probabilities, 50 Hz) that were heard in a recording, whether or not
    they fit. Raises InputError where there are none, or the recording is too short for them; Cancelled."""
    if not words:
        raise InputError("There are no words to look for in the recording. Give the words that are said.")
    names, owner = _states(words)
    states, owners = np.array([PHONES.index(name) for name in names]), np.array(owner)
    scores = likelihoods(phones)
    path = best_path(scores, states, owners < 0, cancelled)
    labels = states[path]
    said = labels > 0
    loss = scores[np.arange(len(path)), labels] - scores.max(1)
    doubtful = _local_fit(loss, said) < LEAST_LOCAL_FIT
    labels = np.where(doubtful, phones.argmax(1), labels)
    spans = []
    # A run has one label, and one state too where that is known: a phone may follow itself.
    for start, end in _runs(labels + len(PHONES) * np.where(doubtful, 0, path + 1)):
        spans.append((start / FEATURE_RATE, end / FEATURE_RATE, PHONES[labels[start]]))
    spoken = []
    for start, end in _runs(owners[path]):
        # Silent rows within a word are none: its phones follow each other without a silence.
        if owners[path[start]] >= 0 and doubtful[start:end].mean() < 0.5:
            spoken.append((start / FEATURE_RATE, end / FEATURE_RATE, words[owners[path[start]]].word))
    sure = said & ~doubtful
    fit = loss[sure if sure.sum() >= said.sum() / 2 else said].mean()
    return Alignment(tuple(spoken), tuple(spans), float(fit), float(doubtful.sum() / FEATURE_RATE))


def _heard(speech: Speech, encoder: SpeechEncoder, cancelled: Callable[[], bool]) -> np.ndarray:
    """Phone probabilities [T, 40] of a recording."""
    stream, size = encoder.stream(), _PIECE_SECONDS * SAMPLE_RATE
    found = []
    for start in range(0, len(speech.samples), size):
        check_not_cancelled(cancelled)
        found.append(stream.push(speech.samples[start : start + size]))
    found.append(stream.finish())
    return np.concatenate([features.phones for features in found if features is not None])


def _local_fit(loss: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Mean of the losses [T] of the rows [T] in which something is said, over a window around each row [T]. What is
    missing to half a window of them counts as 0: a few weak sounds between silences are no other text."""
    sums, counts = (np.concatenate([[0.0], np.cumsum(values)]) for values in (np.where(said, loss, 0.0), said))
    rows = np.arange(len(loss))
    first, last = np.maximum(rows - _WINDOW // 2, 0), np.minimum(rows + _WINDOW // 2, len(loss))
    return (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], _WINDOW // 2)


def _runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of the stretches of equal values [T]."""
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    return zip(starts.tolist(), [*starts[1:].tolist(), len(values)], strict=True)


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


def best_path(
    scores: np.ndarray, states: np.ndarray, optional: np.ndarray, cancelled: Callable[[], bool] = lambda: False
) -> np.ndarray:
    """The state of every row [T] on the likeliest way through states [S] in order.

    `scores` [T, C] are log likelihoods, `states` says which column each state has; `optional` [S] ones may be passed
    over (never two in a row; the first and the last are). Raises InputError where the rows do not reach to the end,
    Cancelled.
    """
    rows, count, width = len(scores), len(states), min(len(states), _BAND)
    if rows < (~optional).sum():
        raise InputError(TOO_LONG)
    jumps = np.zeros(count)  # added where a state is reached past the one before it
    jumps[2:] = np.where(optional[1:-1], 0.0, -np.inf)
    value = np.full(count + 2, -np.inf)  # two impossible states stand before the first
    value[2:4] = scores[0, states[:2]]
    steps = np.zeros((rows, -(-width // 4)), np.uint8)  # how many states further each one was reached, four in a byte
    lows = np.zeros(rows, int)  # the first state of the band
    low, step = 0, np.zeros((steps.shape[1], 4), np.uint8)
    for row in range(1, rows):
        if row % _ROWS_BETWEEN_LOOKS == 0:
            check_not_cancelled(cancelled)
        likeliest = low + int(value[low + 2 : low + 2 + width].argmax())
        low = int(np.clip(likeliest - width // 2, low, count - width))
        lows[row] = low
        stay, on, past = (value[low + 2 - further : low + 2 - further + width] for further in range(3))
        past = past + jumps[low : low + width]
        best = np.maximum(stay, on)
        step.reshape(-1)[:width] = np.where(past > best, 2, on > stay)
        steps[row] = step @ _PLACES
        value[: low + 2] = -np.inf
        value[low + 2 : low + 2 + width] = np.maximum(best, past) + scores[row][states[low : low + width]]
    state = count - 1 if value[-1] >= value[-2] else count - 2
    if not np.isfinite(value[state + 2]):
        raise InputError("The transcript does not fit the recording. Give the words that are said.")
    path = np.empty(rows, int)
    for row in range(rows - 1, -1, -1):
        path[row] = state
        place = state - int(lows[row])
        state -= int(steps[row, place // 4]) >> 2 * (place % 4) & 3
    return path


def _states(words: Sequence[Pronunciation]) -> tuple[list[str], list[int]]:
    """Phones of all states, a silence around every word, and the number of the word that each belongs to (-1: none)."""
    names, owner = ["sil"], [-1]
    for number, word in enumerate(words):
        names += [*word.phones, "sil"]
        owner += [number] * len(word.phones) + [-1]
    return names, owner
