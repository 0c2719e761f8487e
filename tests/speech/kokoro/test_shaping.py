"""Mood in the voice: what a style does to pitch, energy and speed before anything is spoken."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.speech.kokoro.model import FRAME, VOICED, Prosody
from emotalk.speech.kokoro.shaping import by_sample, paced, shaped, speeds
from emotalk.speech.manner import Manner, StyleTrack
from emotalk.speech.voice import LIMITS
from tests.speech.kokoro.synthetic import transcript_of

FRAMES = 60


@pytest.fixture
def prosody() -> Prosody:
    """Three seconds at most of a voice that moves by an octave around 200 Hz, with stretches without voice."""
    f0 = 200 * 2 ** (0.5 * np.sin(np.arange(2 * FRAMES) / 7))
    f0[10:20] = f0[70:75] = 12.0
    energy = np.linspace(2, 8, 2 * FRAMES)
    return Prosody(np.full(12, 5), np.zeros((4, FRAMES), np.float32), f0.astype(np.float32), energy.astype(np.float32))


def track(**values: float | np.ndarray) -> StyleTrack:
    """As the voice is, but for some values."""
    usual = {"rate": 1.0, "pitch": 1.0, "pitch_range": 1.0, "gain_db": 0.0, "pauses": 1.0, "tilt_db": 0.0} | values
    return StyleTrack(**{name: np.broadcast_to(np.float64(value), (FRAMES,)) for name, value in usual.items()})


def semitones(f0: np.ndarray) -> np.ndarray:
    return 12 * np.log2(f0[f0 > VOICED])


def test_a_voice_without_a_mood_is_left_as_it_is(prosody):
    said = shaped(prosody, Manner().at(np.arange(FRAMES) * 0.025))
    np.testing.assert_allclose(said.f0, prosody.f0, rtol=1e-5)
    np.testing.assert_array_equal(said.energy, prosody.energy)
    assert said.content is prosody.content
    assert said.durations is prosody.durations


@pytest.mark.parametrize("pitch", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("spread", [0.5, 1.0, 1.3])
def test_range_acts_on_the_log_pitch_around_its_middle_and_pitch_moves_the_middle(prosody, pitch, spread):
    before, after = semitones(prosody.f0), semitones(shaped(prosody, track(pitch=pitch, pitch_range=spread)).f0)
    middle = np.median(before)
    np.testing.assert_allclose(after, middle + spread * (before - middle) + 12 * np.log2(pitch), atol=1e-3)
    assert np.median(after) == pytest.approx(middle + 12 * np.log2(pitch), abs=1e-3)


def test_without_range_a_voice_is_monotone(prosody):
    f0 = shaped(prosody, track(pitch_range=0.0)).f0
    voiced = prosody.f0 > VOICED
    np.testing.assert_allclose(f0[voiced], np.median(prosody.f0[voiced]), rtol=0.01)


def test_frames_without_voice_stay_as_they_are(prosody):
    silent = prosody.f0 <= VOICED
    f0 = shaped(prosody, track(pitch=2.0, pitch_range=3.0)).f0
    np.testing.assert_array_equal(f0[silent], prosody.f0[silent])
    assert (f0[~silent] > VOICED).all()


def test_a_whisper_without_any_voice_is_no_trouble(prosody):
    whisper = Prosody(prosody.durations, prosody.content, np.full(2 * FRAMES, 9.0, np.float32), prosody.energy)
    np.testing.assert_array_equal(shaped(whisper, track(pitch=2.0)).f0, whisper.f0)


def test_louder_is_more_effort_by_a_like_amount_everywhere(prosody):
    """Softer too: a weak source creaks. What makes it softer is a gain."""
    louder, softer = (shaped(prosody, track(gain_db=db)).energy - prosody.energy for db in (4.0, -4.0))
    assert louder.min() > 0.2
    np.testing.assert_allclose(louder, louder[0], atol=1e-5)
    np.testing.assert_allclose(softer, louder, atol=1e-5)


def test_a_style_that_changes_acts_where_it_is_and_without_a_jump(prosody):
    """Both values of a frame have the frame's own style; a step is spread over 150 ms around its place."""
    step, voiced = FRAMES // 2, prosody.f0 > VOICED
    later = np.where(np.arange(FRAMES) < step, 1.0, 1.5)
    factor = shaped(prosody, track(pitch=later)).f0 / prosody.f0
    far = voiced & (np.abs(np.arange(2 * FRAMES) - 2 * step) > 6)
    np.testing.assert_allclose(factor[far], np.repeat(later, 2)[far], rtol=1e-5)
    assert np.abs(np.diff(factor[2 * step - 8 : 2 * step + 9])).max() < 0.1
    assert factor[2 * step - 8 : 2 * step + 9].mean() == pytest.approx(1.25, abs=0.03)


@settings(max_examples=40)
@given(
    pitch=st.floats(*LIMITS["pitch"]),
    spread=st.floats(*LIMITS["pitch_range"]),
    gain=st.floats(*LIMITS["gain_db"]),
    base=st.floats(60, 500),
)
def test_no_style_leaves_what_a_throat_can_do(pitch, spread, gain, base):
    f0 = np.tile([base, base * 1.5, 8.0, base * 0.7], FRAMES // 2)
    prosody = Prosody(
        np.full(1, FRAMES), np.zeros((4, FRAMES), np.float32), f0.astype(np.float32), np.zeros(2 * FRAMES, np.float32)
    )
    said = shaped(prosody, track(pitch=pitch, pitch_range=spread, gain_db=gain))
    voiced = prosody.f0 > VOICED
    assert (said.f0[voiced] >= 55 - 1e-3).all()
    assert (said.f0 <= 520).all()
    assert said.f0.dtype == said.energy.dtype == np.float32
    assert len(said) == FRAMES


def test_a_gain_has_no_steps():
    """A direction's step, spread over 150 ms, rises from sample to sample."""
    values = by_sample(np.where(np.arange(FRAMES) < FRAMES // 2, -4.0, 4.0))
    assert len(values) == FRAMES * FRAME
    assert (values[0], values[-1]) == pytest.approx((-4, 4))
    assert np.diff(values).min() >= -1e-9
    assert np.diff(values).max() < 0.01
    np.testing.assert_array_equal(by_sample(np.full(3, 2.0)), np.full(3 * FRAME, 2.0))


# Speed


@pytest.fixture
def tokens() -> Prosody:
    """Four tokens, each with its own content, pitch and energy; the third has no voice."""
    durations = np.array([3, 6, 4, 9])
    content = np.repeat(np.arange(4.0), durations)[None].astype(np.float32)
    f0 = np.repeat([100.0, 200.0, 12.0, 150.0], 2 * durations).astype(np.float32)
    return Prosody(durations, content, f0, np.repeat([2.0, 4.0, -6.0, 8.0], 2 * durations).astype(np.float32))


def test_as_fast_as_it_is_a_prosody_stays_the_same(tokens):
    assert paced(tokens, np.ones(4)) is tokens


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 12), st.floats(0.3, 3.0)), min_size=1, max_size=20))
def test_every_token_lasts_as_long_as_its_speed_says_and_keeps_what_it_is(sounds):
    durations, speed = map(np.array, zip(*sounds, strict=True))
    names = np.arange(len(durations))
    usual = Prosody(
        durations,
        np.repeat(names, durations)[None].astype(np.float32),
        np.repeat(100.0 + names, 2 * durations).astype(np.float32),
        np.repeat(names, 2 * durations).astype(np.float32),
    )
    said = paced(usual, speed)
    assert len(said) == said.durations.sum() == len(said.f0) / 2 == len(said.energy) / 2
    assert (said.durations >= 1).all()
    wanted = durations / speed
    assert np.abs(said.durations - np.maximum(wanted, 1)).max() <= 1.5
    np.testing.assert_array_equal(said.content[0], np.repeat(names, said.durations))
    # Curves are stretched too; the middle of a token is its own.
    middles = 2 * np.cumsum(said.durations) - said.durations
    inner = (said.durations >= 3) & (durations >= 2)
    np.testing.assert_allclose(said.energy[middles[inner]], names[inner], atol=1e-4)
    np.testing.assert_allclose(said.f0[middles[inner]], 100.0 + names[inner], atol=1e-3)


def test_short_tokens_too_are_slower_on_average():
    """Each rounded by itself, a frame would stay a frame."""
    usual = Prosody(
        np.ones(100, int), np.zeros((1, 100), np.float32), np.full(200, 90, np.float32), np.zeros(200, np.float32)
    )
    assert len(paced(usual, np.full(100, 0.8))) == 125


def test_between_voice_and_none_there_is_no_pitch_in_between(tokens):
    f0 = paced(tokens, np.full(4, 0.7)).f0
    assert set(np.round(f0[f0 < VOICED])) == {12}
    assert f0[f0 > VOICED].min() >= 100 - 1e-3


def test_every_token_has_the_rate_of_its_style():
    transcript = transcript_of("ma mi")
    rate = np.linspace(0.8, 1.4, len(transcript.tokens))
    usual = {field.name: np.ones(len(rate)) for field in fields(StyleTrack)}
    np.testing.assert_allclose(speeds(transcript, StyleTrack(**usual | {"rate": rate})), rate)


def test_marks_are_slower_where_pauses_are_longer_and_nothing_else_is():
    transcript = transcript_of("ma, mi.")
    usual = {field.name: np.ones(len(transcript.tokens)) for field in fields(StyleTrack)}
    found = speeds(transcript, StyleTrack(**usual | {"rate": usual["rate"] * 1.2, "pauses": usual["pauses"] * 2.0}))
    np.testing.assert_allclose(found, [1.2, 1.2, 1.2, 0.6, 1.2, 1.2, 1.2, 0.6, 1.2])
