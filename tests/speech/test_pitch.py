import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.speech.pitch import LOOK_AHEAD_SAMPLES, SILENCE_DB, ProsodyStream, prosody_frames, row_count


def harmonic_tone(f0: np.ndarray | float, seconds: float, level: float = 0.1) -> np.ndarray:
    """A buzz like a voice's: all harmonics below 7 kHz, falling by 6 dB per octave."""
    f0 = np.broadcast_to(np.asarray(f0, float), round(seconds * SAMPLE_RATE))
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    harmonics = [np.cos(k * phase + k * k) / k for k in range(1, 30) if f0.max() * k < 7000]
    return (level * np.sum(harmonics, 0)).astype(np.float32)


def noise(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)


def sentence() -> np.ndarray:
    """Voiced, voiceless and silent stretches with a moving pitch."""
    glide = harmonic_tone(np.linspace(220, 110, 8000), 0.5)
    parts = [glide, noise(0.2, 0.05), harmonic_tone(140, 0.3), np.zeros(4000, np.float32), harmonic_tone(300, 0.4)]
    return np.concatenate(parts) + noise(1.65, 0.002, seed=1)


@pytest.mark.parametrize("pitch", [70, 95, 110, 180, 220, 330, 440, 580])
def test_the_pitch_of_a_noisy_tone_is_found_within_one_percent(pitch):
    tone = harmonic_tone(pitch, 1.0)
    frames = prosody_frames(tone + noise(1.0, 0.1 * tone.std()))
    inner = frames.f0[2:-2]
    assert (inner > 0).all()
    np.testing.assert_allclose(inner, pitch, rtol=0.01)


def test_a_gliding_pitch_is_followed_through_the_row_centres():
    f0 = np.geomspace(250, 100, 2 * SAMPLE_RATE)
    found = prosody_frames(harmonic_tone(f0, 2.0)).f0[2:-2]
    centres = f0[160::320][2:-2]
    np.testing.assert_allclose(found, centres, rtol=0.02)


def test_noise_and_silence_have_no_pitch():
    assert (prosody_frames(noise(3.0, 0.1)).f0 > 0).mean() < 0.02
    silence = prosody_frames(np.zeros(SAMPLE_RATE, np.float32))
    assert not silence.f0.any()
    assert (silence.voicing < 0.01).all()
    assert (silence.energy == SILENCE_DB).all()


def test_voicing_is_high_exactly_where_there_is_a_pitch():
    frames = prosody_frames(sentence())
    np.testing.assert_array_equal(frames.voicing >= 0.5, frames.f0 > 0)
    assert frames.voicing.min() >= 0
    assert frames.voicing.max() <= 1
    assert frames.f0[5:20].all()  # the glide
    assert not frames.f0[27:33].any()  # the noise
    assert not frames.f0[52:60].any()  # the silence


def test_energy_is_the_rms_level_in_decibels():
    loud, soft = prosody_frames(noise(2.0, 0.1)), prosody_frames(noise(2.0, 0.01))
    assert loud.energy.mean() == pytest.approx(-20, abs=0.7)
    assert (loud.energy - soft.energy).mean() == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize("samples", [0, 1, 319, 320, 321, 16_000])
def test_rows_cover_the_sound(samples):
    frames = prosody_frames(np.zeros(samples, np.float32))
    assert len(frames.f0) == len(frames.voicing) == len(frames.energy) == row_count(samples) == -(-samples // 320)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30))
def test_chunks_of_any_size_give_bit_identical_rows(sizes):
    sound = sentence()
    stream = ProsodyStream()
    cuts = np.minimum(np.cumsum(sizes), len(sound))
    parts = [stream.push(chunk) for chunk in np.split(sound, cuts)]
    parts.append(stream.finish())
    for streamed, whole in zip(zip(*parts, strict=True), prosody_frames(sound), strict=True):
        np.testing.assert_array_equal(np.concatenate(streamed), whole)


def test_a_row_comes_out_after_the_promised_look_ahead_and_not_before():
    sound = sentence()
    stream = ProsodyStream()
    rows = len(stream.push(sound[: 320 * 10 + LOOK_AHEAD_SAMPLES - 1]).f0)
    assert rows == 9
    assert len(stream.push(sound[320 * 10 + LOOK_AHEAD_SAMPLES - 1 :][:1]).f0) == 1
    assert LOOK_AHEAD_SAMPLES / SAMPLE_RATE <= 0.25


@pytest.mark.parametrize("bad", [np.zeros((2, 100)), np.array([0.0, np.nan]), np.array([np.inf])])
def test_bad_samples_are_refused_with_a_sentence(bad):
    with pytest.raises(InputError, match="mono samples"):
        prosody_frames(bad)


def test_a_finished_stream_takes_nothing_more():
    stream = ProsodyStream()
    stream.finish()
    with pytest.raises(InputError, match="finished"):
        stream.push(np.zeros(10))
