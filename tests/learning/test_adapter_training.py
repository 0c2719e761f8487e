"""The adapter learns what was said from states that know it."""

import numpy as np
import pytest
import torch

from emotalk.core.errors import InputError
from emotalk.learning.adapter_training import AdapterScores, HeardRows, adapter_scores, train_adapter
from emotalk.speech.encoder import SpeechEncoder


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return SpeechEncoder.load()


@pytest.fixture(scope="module")
def rows(encoder: SpeechEncoder) -> HeardRows:
    """States that hold the phone plainly among much else; features of a network that hears only half of it."""
    rng = np.random.default_rng(0)
    phones = rng.integers(0, 40, 4000)
    known = np.eye(40)[phones] @ rng.standard_normal((40, 64))
    hidden = known + 0.3 * rng.standard_normal(known.shape)
    features = known @ rng.standard_normal((64, encoder.feature_size)) / 8 + rng.standard_normal(
        (4000, encoder.feature_size)
    )
    articulation = np.eye(40)[phones] @ rng.uniform(0, 1, (40, 6))
    return HeardRows(np.float16(hidden), np.float16(features), phones, np.float16(articulation))


def scores(adapter, rows: HeardRows, encoder: SpeechEncoder) -> AdapterScores:
    with torch.no_grad():
        return adapter_scores(adapter(torch.from_numpy(np.float32(rows.hidden))).numpy(), rows, encoder)


def test_training_hears_more_than_the_regression_that_it_begins_with(rows, encoder) -> None:
    before = scores(train_adapter(rows, encoder, steps=0), rows, encoder)
    after = scores(train_adapter(rows, encoder, steps=150), rows, encoder)
    assert after.phones > before.phones + 0.3
    assert after.articulation.mean() > before.articulation.mean() + 0.2


def test_the_same_seed_gives_the_same_adapter(rows, encoder) -> None:
    one, again, other = (train_adapter(rows, encoder, steps=5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.linear.weight, again.linear.weight)
    assert not torch.equal(one.linear.weight, other.linear.weight)


def test_scores_are_the_share_of_right_phones_and_correlations(encoder) -> None:
    rng = np.random.default_rng(4)
    features = rng.standard_normal((200, encoder.feature_size)).astype(np.float32)
    phones, articulation = encoder.read_out(features)
    said = phones.argmax(1)
    said[:50] = (said[:50] + 1) % 40
    told = adapter_scores(features, HeardRows(features, features, said, articulation), encoder)
    assert told.phones == pytest.approx(0.75)
    np.testing.assert_allclose(told.articulation, 1, atol=1e-5)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="one length"):
        HeardRows(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(2), np.zeros((3, 6)))
