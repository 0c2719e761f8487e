"""Log-mel rows: placed in time, independent of chunks, levelled against gain and line."""

import itertools

import numpy as np
import pytest

from emotalk.core.rates import FEATURE_RATE, SAMPLE_RATE
from emotalk.speech.mel import BANDS, HOP, MelStream, SpectralLeveller, mel_filters


@pytest.fixture
def babble() -> np.ndarray:
    """Two seconds of noise whose loudness changes ten times a second."""
    rng = np.random.default_rng(1)
    loudness = np.repeat(rng.uniform(0.02, 1, 20), SAMPLE_RATE // 10)
    return (rng.standard_normal(len(loudness)) * loudness * 0.1).astype(np.float32)


def in_pieces(stream, samples: np.ndarray, longest: int) -> np.ndarray:
    rng = np.random.default_rng(longest)
    parts, start = [], 0
    while start < len(samples):
        length = int(rng.integers(0, longest))
        parts.append(stream.push(samples[start : start + length]))
        start += length
    return np.concatenate(parts)


def test_filters_give_every_frequency_between_the_feet_its_whole_power():
    filters = mel_filters()
    frequencies = np.fft.rfftfreq(512, 1 / SAMPLE_RATE)
    inside = (frequencies > 120) & (frequencies < 7250)
    np.testing.assert_allclose(filters.sum(1)[inside], 1, atol=1e-5)
    assert (filters.sum(0) > 0).all()


def test_a_tone_is_loudest_in_the_band_around_it():
    tone = np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    row = MelStream().push(tone)[20].reshape(2, BANDS)
    filters = mel_filters()
    assert row[0].argmax() == filters[1000 * 512 // SAMPLE_RATE].argmax()


def test_row_i_hears_second_i_over_50():
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[25 * HOP + HOP // 4] = 1.0  # at the centre of the first window of row 25
    frames = MelStream().push(click).reshape(-1, 2, BANDS).mean(2)
    assert frames.argmax() == 50


@pytest.mark.parametrize("longest", [2, 50, 700, 9000])
def test_rows_are_the_same_bits_for_any_chunks(babble, longest):
    np.testing.assert_array_equal(MelStream().push(babble), in_pieces(MelStream(), babble, longest))


def test_levelling_is_the_same_bits_for_any_chunks(babble):
    rows = MelStream().push(babble)[None]
    prior = np.full(BANDS, -8.0)
    whole = SpectralLeveller(prior).push(rows)
    leveller = SpectralLeveller(prior)
    cuts = [0, 1, 2, 7, 8, 40, rows.shape[1]]
    parts = [leveller.push(rows[:, a:b]) for a, b in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(whole, np.concatenate(parts, 1))


def test_after_some_seconds_gain_and_line_hardly_matter(babble):
    sound = np.tile(babble, 5)
    coloured = np.convolve(sound, [1.0, -0.8])[: len(sound)].astype(np.float32) * 0.2
    plain, other = (
        SpectralLeveller(np.full(BANDS, -8.0)).push(MelStream().push(s)[None])[0] for s in (sound, coloured)
    )
    late = slice(8 * FEATURE_RATE, None)
    unlevelled = np.abs(MelStream().push(sound) - MelStream().push(coloured))[late].mean() * 0.4
    assert np.abs(plain - other)[late].mean() < 0.15 * unlevelled


def test_background_before_the_first_word_is_not_taken_for_speech(babble):
    hum = np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE).astype(np.float32) * 0.001
    leveller = SpectralLeveller(np.full(BANDS, -8.0))
    quiet = leveller.push(MelStream().push(hum)[None])
    assert quiet[:, FEATURE_RATE:].mean() < -0.5  # 0 would be the level of speech
    assert leveller.push(MelStream().push(babble)[None]).mean() > quiet[:, FEATURE_RATE:].mean() + 1
