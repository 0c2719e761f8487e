"""What text-to-speech knows replaces what was heard, whole or in a stream."""

import dataclasses
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.speech import PHONES, Speech, SpeechFeatures
from emotalk.speech.feature_rows import frame_rows, pair_rows, quiet, speech_rows
from emotalk.speech.known_phones import KnownPhones, known_phones
from tests.motion.test_model import spoken


def _heard(features: SpeechFeatures) -> SpeechFeatures:
    """The features with phones and articulation as an unsure encoder would give them."""
    unsure = np.full_like(features.phones, 1 / len(PHONES))
    return dataclasses.replace(features, phones=unsure, articulation=np.full_like(features.articulation, 0.2))


def test_a_stream_of_sentences_gets_its_phones_as_the_whole_does():
    speech, features = spoken(1)
    heard = _heard(features)
    whole = known_phones(heard, speech)
    times = KnownPhones()
    times.said(speech)
    times.said(speech)
    parts = []
    for start in range(0, len(heard), 23):
        parts.append(times.correct(heard[start : start + 23]))
    second = times.correct(heard)
    joined = np.concatenate([part.articulation for part in parts])
    np.testing.assert_allclose(joined[:-40], whole.articulation[:-40], atol=1e-3)
    np.testing.assert_allclose(np.concatenate([part.phones for part in parts]), whole.phones, atol=1e-5)
    np.testing.assert_allclose(second.phones, whole.phones, atol=1e-4)


@given(cuts=st.lists(st.integers(0, 200), max_size=12))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_any_pieces_get_the_shares_of_rows_that_the_phones_take(cuts):
    speech, features = spoken(1)
    heard, times = _heard(features), KnownPhones()
    times.said(speech)
    borders = sorted({0, len(heard), *(min(cut, len(heard)) for cut in cuts)})
    pieces = [times.correct(heard[first:last]) for first, last in itertools.pairwise(borders)]
    shares = np.zeros_like(heard.phones)
    for row, share in enumerate(shares):
        for start, end, name in speech.phones:
            share[PHONES.index(name)] += 50 * max(0.0, min(end, (row + 1) / 50) - max(start, row / 50))
        share[0] += 1 - share.sum()
    found = np.concatenate([piece.phones for piece in pieces])
    covered = (np.arange(len(heard)) + 0.5) / 50 < speech.seconds
    np.testing.assert_allclose(found[covered], shares[covered], atol=1e-5)
    for piece, first, last in zip(pieces, borders, borders[1:], strict=False):
        alone = known_phones(heard[first:last], speech, first)
        rows = covered[first:last]
        np.testing.assert_allclose(piece.articulation[rows], alone.articulation[rows], atol=1e-6)


def test_sound_without_phone_times_stays_as_heard():
    speech, features = spoken(1)
    heard = _heard(features)
    times = KnownPhones()
    times.said(dataclasses.replace(speech, phones=()))
    times.said(speech)
    first, second = times.correct(heard), times.correct(heard)
    np.testing.assert_array_equal(first.phones, heard.phones)
    assert np.abs(second.phones - heard.phones).max() > 0.5


def test_memory_does_not_grow():
    speech, features = spoken(1)
    times = KnownPhones()
    for _ in range(50):
        times.said(speech)
        times.correct(features)
    assert len(times._known) < 5 * len(speech.phones)


def test_rows_hold_what_the_network_reads():
    _, features = spoken(1)
    rows = speech_rows(features)
    np.testing.assert_array_equal(rows[:, :40], features.phones)
    np.testing.assert_array_equal(rows[:, 40:46], features.articulation)
    assert pair_rows(rows[:10]).shape == (5, 96)
    np.testing.assert_array_equal(pair_rows(rows[:10])[2, 48:], rows[5])
    assert quiet(3).sum() == 6  # silence is certain, all else nothing


def test_speech_without_phones_changes_nothing():
    _, features = spoken(1)
    assert known_phones(features, Speech(np.zeros(16000, np.float32))) is features


def test_the_hidden_layer_stands_behind_both_rows_of_its_frame():
    random = np.random.default_rng(0)
    features = SpeechFeatures(
        random.standard_normal((6, 4)), np.zeros((6, 40)), np.zeros((6, 6)), np.zeros(6), np.zeros(6), np.zeros(6)
    )
    rows = frame_rows(features, 4)
    assert rows.shape == (3, 96 + 8)
    np.testing.assert_array_equal(rows[:, :96], pair_rows(speech_rows(features)))
    np.testing.assert_array_equal(rows[1, 96:], features.features[2:4].reshape(-1))
    assert not frame_rows(features, 5)[:, 96:].any()  # of an encoder that the network does not know
    assert quiet(2, 4).shape == (2, 104)
