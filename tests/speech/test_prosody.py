import numpy as np
import pytest

from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.prosody import prosody


def syllable(pitch: float, level: float, seconds: float = 0.16) -> np.ndarray:
    """A vowel-like buzz that swells and fades."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * pitch * k * t + k * k) / k for k in range(1, 15))
    return level * buzz * np.sin(np.pi * t / seconds) ** 2


def gap(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE))


def said(*parts: np.ndarray) -> Speech:
    return Speech(np.concatenate(parts))


def test_every_syllable_is_counted_and_found_where_it_is_loudest():
    found = prosody(said(*[np.concatenate([syllable(150, 0.1), gap(0.04)]) for _ in range(10)]))
    np.testing.assert_allclose(found.syllables, 0.08 + 0.2 * np.arange(10), atol=0.021)
    assert found.articulation_rate == pytest.approx(5, abs=0.3)


def test_pauses_are_silences_longer_than_a_plosive():
    word = [syllable(150, 0.1), gap(0.1), syllable(150, 0.1)]
    found = prosody(said(*word, gap(0.6), *word))
    assert len(found.pauses) == 1
    assert found.pauses[0] == pytest.approx((0.42, 1.02), abs=0.07)
    assert found.articulation_rate == pytest.approx(4 / 0.84, rel=0.2)


@pytest.mark.parametrize("stressed", [2, 5, 9])
def test_the_loud_high_long_syllable_is_the_stressed_one(stressed):
    parts = [
        np.concatenate([syllable(180, 0.2, 0.24) if i == stressed else syllable(120, 0.06), gap(0.05)])
        for i in range(12)
    ]
    found = prosody(said(*parts))
    strongest = max(found.stresses, key=lambda stress: stress.strength)
    assert strongest.second == pytest.approx(0.21 * stressed + 0.12, abs=0.03)
    assert 0.5 < strongest.strength <= 1


def test_stress_is_heard_against_the_phrase_not_against_a_sinking_tone():
    # Loudness and pitch fall all along, as in any statement; the eighth syllable stands out locally only.
    parts = []
    for i in range(14):
        lift = 1.35 if i == 8 else 1.0
        parts += [syllable(200 * 0.95**i * lift, 0.2 * 0.88**i * lift), gap(0.05)]
    found = prosody(said(*parts))
    strongest = max(found.stresses, key=lambda stress: stress.strength)
    assert strongest.second == pytest.approx(8 * 0.21 + 0.08, abs=0.03)


def test_stresses_keep_their_distance():
    rng = np.random.default_rng(0)
    parts = [np.concatenate([syllable(rng.uniform(100, 220), rng.uniform(0.03, 0.2)), gap(0.03)]) for _ in range(60)]
    seconds = [stress.second for stress in prosody(said(*parts)).stresses]
    assert len(seconds) > 5
    assert np.diff(seconds).min() >= 0.3


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0), np.zeros(10), np.zeros(SAMPLE_RATE), np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE)],
    ids=["nothing", "almost nothing", "silence", "noise"],
)
def test_a_sound_without_speech_has_no_syllables_and_no_stress(samples):
    found = prosody(Speech(samples))
    assert found.syllables == ()
    assert found.stresses == ()
    assert found.articulation_rate == 0
    assert found.median_pitch == 0


def test_the_median_pitch_is_that_of_the_voiced_rows():
    assert prosody(said(syllable(150, 0.1, 0.5), gap(1.0))).median_pitch == pytest.approx(150, rel=0.01)
