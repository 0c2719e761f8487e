"""Speech and its features keep their promises."""

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.core.speech import ARTICULATION_NAMES, PHONES, Speech, SpeechFeatures


def features(rows: int, seed: int = 0) -> SpeechFeatures:
    rng = np.random.default_rng(seed)
    return SpeechFeatures(
        features=rng.normal(size=(rows, 8)),
        phones=rng.dirichlet(np.ones(len(PHONES)), rows),
        articulation=rng.random((rows, len(ARTICULATION_NAMES))),
        voicing=(rng.random(rows) > 0.5).astype(float),
        energy=rng.uniform(-60, -10, rows),
        f0=rng.uniform(80, 250, rows),
    )


def test_speech_counts_the_video_frames_that_cover_it():
    assert Speech(np.zeros(16_000)).frames == 25
    assert Speech(np.zeros(16_001)).frames == 26
    assert Speech(np.zeros(0)).frames == 0


def test_speech_refuses_stereo_and_nan_with_a_sentence():
    with pytest.raises(InputError, match=r"Speech\.samples must have shape \[T\], found \[4, 2\]"):
        Speech(np.zeros((4, 2)))
    with pytest.raises(InputError, match="NaN"):
        Speech(np.array([0.0, np.nan]))


def test_video_rate_is_the_mean_of_two_feature_rows():
    fine = features(10)
    coarse = fine.at_video_rate()
    assert len(coarse) == 5
    np.testing.assert_allclose(coarse.articulation[3], fine.articulation[6:8].mean(0), rtol=1e-6)
    np.testing.assert_allclose(coarse.phones.sum(1), 1, rtol=1e-5)


def test_video_rate_keeps_an_odd_last_row():
    fine = features(7)
    np.testing.assert_allclose(fine.at_video_rate().features[-1], fine.features[-1], rtol=1e-6)


def test_video_rate_takes_the_voiced_pitch_at_a_voicing_border():
    fine = features(2)
    f0, voicing = np.array([0.0, 120.0]), np.array([0.0, 1.0])
    coarse = SpeechFeatures(fine.features, fine.phones, fine.articulation, voicing, fine.energy, f0).at_video_rate()
    assert coarse.f0[0] == 120


def test_features_name_the_array_that_does_not_fit():
    fine = features(4)
    with pytest.raises(InputError, match=r"phones must have shape \[4, 40\]"):
        SpeechFeatures(fine.features, fine.phones[:3], fine.articulation, fine.voicing, fine.energy, fine.f0)
