"""Phones and articulation from what text-to-speech knows instead of from what can be heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emotalk.core.rates import FEATURE_RATE, SAMPLE_RATE
from emotalk.core.speech import PHONES, Speech, SpeechFeatures
from emotalk.speech.coarticulation import articulation_targets

_SILENCE = PHONES.index("sil")
_ROWS = 64  # taken at once: memory stays small for an hour of speech


def known_phones(features: SpeechFeatures, speech: Speech, first_row: int = 0) -> SpeechFeatures:
    """The features with phones and articulation from the speech's own phone times, where it knows them.

    Text-to-speech tells exactly when it says what; then nothing has to be heard. `first_row` is the row of the speech
    (50 Hz) with which the features begin, for features that come in pieces. Speech without phone times gives them
    back unchanged.
    """
    if not speech.phones:
        return features
    phones, articulation = _rows_of(speech.phones, first_row, len(features))
    return replace(features, phones=phones, articulation=articulation)


def _rows_of(said: Sequence[tuple[float, float, str]], first_row: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Phones [rows, 40] and articulation [rows, 6] of what is said from a row on."""
    begin, end = first_row / FEATURE_RATE, (first_row + rows) / FEATURE_RATE
    # Coarticulation reaches 0.6 s; a second of neighbours on either side makes pieces equal to the whole.
    near = [(a - begin, b - begin, name) for a, b, name in said if b > begin - 1 and a < end + 1]
    # The coarticulation model begins its silence 0.6 s before the first row: cut what lies further back.
    kept = [(max(a, -0.6), b, name) for a, b, name in near if b > -0.6]
    return _phone_rows(near, rows), articulation_targets(kept, rows, FEATURE_RATE)


def _phone_rows(said: Sequence[tuple[float, float, str]], rows: int) -> np.ndarray:
    """[rows, 40] the share of each row that each phone takes; the rest of it is silence."""
    names = np.array([PHONES.index(name) for _, _, name in said], np.int64)
    starts, stops = np.array([phone[:2] for phone in said]).reshape(-1, 2).T
    edges = np.arange(rows + 1) / FEATURE_RATE
    found = np.zeros((rows, len(PHONES)), np.float32)
    for first in range(0, rows, _ROWS):
        here = found[first : first + _ROWS]
        begin, end = edges[first : first + len(here)], edges[first + 1 : first + len(here) + 1]
        near = (starts < end[-1]) & (stops > begin[0])
        shares = np.minimum(end, stops[near, None]) - np.maximum(begin, starts[near, None])
        shares = np.maximum(shares, 0) * FEATURE_RATE
        here[:, _SILENCE] = 1 - shares.sum(0)
        np.add.at(here.T, names[near], shares)
    return np.clip(found, 0, 1)


class KnownPhones:
    """`known_phones` for speech and features that come in pieces, as in a stream of sentences.

    Tell it every piece of speech (`said`) before the features of its sound (`correct`). Pieces without phone times
    leave their rows as they were heard.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._row = 0
        self._known: list[tuple[float, float, str]] = []  # (start, end, phone) in seconds of the whole stream
        self._spans: list[tuple[float, float]] = []  # seconds whose phones are known

    def said(self, speech: Speech) -> None:
        """The piece that follows the last one."""
        start = self._samples / SAMPLE_RATE
        self._samples += len(speech.samples)
        if speech.phones:
            self._known += [(start + a, start + b, name) for a, b, name in speech.phones]
            self._spans.append((start, self._samples / SAMPLE_RATE))

    def correct(self, features: SpeechFeatures) -> SpeechFeatures:
        """The features that follow the last ones, with what is known in place of what was heard."""
        first, self._row = self._row, self._row + len(features)
        past = first / FEATURE_RATE - 2
        self._known = [phone for phone in self._known if phone[1] > past]
        self._spans = [span for span in self._spans if span[1] > past]
        if not self._known:
            return features
        phones, articulation = _rows_of(self._known, first, len(features))
        middle = (np.arange(first, self._row) + 0.5) / FEATURE_RATE
        sure = np.zeros((len(features), 1), bool)
        for start, end in self._spans:
            sure[:, 0] |= (middle >= start) & (middle < end)
        return replace(
            features,
            phones=np.where(sure, phones, features.phones),
            articulation=np.where(sure, articulation, features.articulation),
        )
