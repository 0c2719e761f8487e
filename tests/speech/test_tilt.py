"""Effort in the spectrum: what a tilt does to low and high sounds, and that pieces are one sound."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.rates import SAMPLE_RATE
from emotalk.speech import say
from emotalk.speech.loudness import loudness
from emotalk.speech.tilt import CORNER_HZ, TiltFilter

SECOND = np.arange(SAMPLE_RATE) / SAMPLE_RATE


def tilted(samples: np.ndarray, rate: int, tilt_db: float) -> np.ndarray:
    return TiltFilter(rate).push(samples, tilt_db)


def gain_db(hertz: float, tilt_db: float) -> float:
    """What becomes of a tone, in dB."""
    tone = np.sin(2 * np.pi * hertz * SECOND)
    settled = tilted(tone, SAMPLE_RATE, tilt_db)[SAMPLE_RATE // 4 :]
    return float(20 * np.log10(np.std(settled) / np.std(tone)))


@pytest.mark.parametrize("tilt_db", [-6.0, -2.0, 3.0, 6.0])
def test_far_above_the_corner_there_is_so_much_more_than_far_below(tilt_db):
    assert gain_db(7500, tilt_db) - gain_db(60, tilt_db) == pytest.approx(tilt_db, abs=0.3)
    middle = gain_db(CORNER_HZ, tilt_db) - gain_db(60, tilt_db)
    assert 0.3 < middle / tilt_db < 0.75


def test_the_steps_between_are_smooth():
    gains = np.array([gain_db(hertz, 6.0) for hertz in (100, 300, 600, 1000, 1800, 3000, 5000)])
    assert (np.diff(gains) > 0).all()
    assert np.diff(gains).max() < 2


def test_without_a_tilt_a_sound_is_as_it_was():
    sound = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    np.testing.assert_allclose(TiltFilter(24_000).push(sound, 0.0), sound, atol=1e-7)
    assert len(TiltFilter(24_000).push(sound[:0], 3.0)) == 0


@settings(max_examples=30)
@given(st.lists(st.integers(0, 900), max_size=8), st.integers(0, 2**32 - 1))
def test_pieces_are_the_same_sound_as_the_whole(cuts, seed):
    """With a tilt that changes all the time."""
    random = np.random.default_rng(seed)
    sound, tilt = random.normal(0, 0.1, 900).astype(np.float32), np.cumsum(random.normal(0, 0.1, 900))
    filter_, edges = TiltFilter(24_000), [0, *sorted(cuts), 900]
    parts = [filter_.push(sound[a:b], tilt[a:b]) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(parts), TiltFilter(24_000).push(sound, tilt), atol=1e-6)


def test_a_tilt_that_comes_and_goes_does_not_click():
    """Around a jump of the tilt a tone makes no step that is larger than its own."""
    tone = (0.5 * np.sin(2 * np.pi * 200 * SECOND)).astype(np.float32)
    said = TiltFilter(SAMPLE_RATE).push(tone, np.interp(SECOND, [0.4, 0.55], [-5.0, 5.0]))
    assert np.abs(np.diff(said, 2)).max() < 2 * np.abs(np.diff(tone, 2)).max()


@pytest.mark.parametrize("tilt_db", [-5.0, 5.0])
def test_speech_stays_about_as_loud(tilt_db):
    speech = say("We were waiting in the other room.", "espeak:en-us").samples
    assert loudness(tilted(speech, SAMPLE_RATE, tilt_db)) == pytest.approx(loudness(speech), abs=0.6)
