"""How a mood sounds, at every moment of a text, and what the person at the sliders asks for on top."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.emotion import EmotionCurve
from emotalk.speech.manner import Change, Manner, style_for_emotion, style_track
from emotalk.speech.voice import LIMITS, Style

MOODS = st.floats(-1, 1)
RISING = EmotionCurve((0.0, 4.0), ((0.0, -1.0), (0.0, 1.0)))
"""From asleep to wide awake in four seconds."""


def row(track, i: int = 0) -> dict[str, float]:
    return {name: float(getattr(track, name)[i]) for name in LIMITS}


# One mood


def test_at_rest_a_voice_is_as_it_is():
    assert style_for_emotion(0, 0) == Style()


@settings(max_examples=40)
@given(MOODS, MOODS, MOODS)
def test_arousal_makes_faster_higher_livelier_louder_and_brighter_with_shorter_pauses(valence, first, second):
    calm, awake = sorted((first, second))
    low, high = style_for_emotion(valence, calm), style_for_emotion(valence, awake)
    assert high.rate >= low.rate
    assert high.pitch >= low.pitch
    assert high.pitch_range >= low.pitch_range
    assert high.gain_db >= low.gain_db
    assert high.tilt_db >= low.tilt_db
    assert high.pauses <= low.pauses


def test_the_sizes_are_those_that_are_told():
    """At full arousal 4 semitones, 60 % more range, 25 % faster, 4 dB, 5 dB of tilt."""
    awake = style_for_emotion(0, 1)
    assert 12 * math.log2(awake.pitch) == pytest.approx(4)
    assert (awake.pitch_range, awake.rate, awake.gain_db, awake.tilt_db) == pytest.approx((1.6, 1.25, 4.0, 5.0))


def test_valence_lifts_the_pitch_a_little_and_changes_neither_rate_nor_loudness():
    glad, sad = style_for_emotion(1, 0), style_for_emotion(-1, 0)
    assert 1.0 < glad.pitch < 1.1
    assert 0.9 < sad.pitch < 1.0
    for said in (glad, sad):
        assert (said.rate, said.gain_db, said.pauses, said.tilt_db) == (1, 0, 1, 0)


@settings(max_examples=40)
@given(MOODS, MOODS)
def test_every_mood_is_a_style_within_its_limits(valence, arousal):
    """`Style` refuses what is not."""
    style = style_for_emotion(valence, arousal)
    assert row(style_track(np.array([[valence, arousal]]))) == pytest.approx(vars(style))


@pytest.mark.parametrize("mood", [(1.01, 0), (0, -1.01), (math.nan, 0), (0, math.inf)])
def test_moods_outside_the_square_are_refused(mood):
    with pytest.raises(InputError, match=r"must lie in -1\.\.1"):
        style_for_emotion(*mood)


def test_a_mood_passes_smoothly_through_rest():
    arousal = np.linspace(-0.01, 0.01, 21)
    track = style_track(np.stack([np.zeros(21), arousal], 1))
    for name in LIMITS:
        steps = np.diff(getattr(track, name))
        assert np.abs(steps).max() < 0.01
        assert (np.sign(steps) == np.sign(steps[0])).all()


# Over time


def test_a_mood_over_time_is_asked_at_its_times():
    track = Manner(RISING).at(np.array([0.0, 2.0, 4.0, 9.0]))
    assert row(track, 0) == pytest.approx(vars(style_for_emotion(0, -1)))
    assert row(track, 1) == pytest.approx(vars(style_for_emotion(0, 0)), abs=1e-6)
    assert row(track, 2) == row(track, 3) == pytest.approx(vars(style_for_emotion(0, 1)))


def test_one_time_is_a_track_of_one():
    assert len(Manner(RISING).at(2.0).rate) == 1


def test_the_mean_of_a_stretch_is_the_style_of_a_whole_phrase():
    asleep, awake = Manner(RISING).over(0.0, 0.5), Manner(RISING).over(3.5, 0.5)
    assert asleep.rate < 0.9 < 1.2 < awake.rate
    assert asleep.gain_db < -3 < 3 < awake.gain_db
    middle = Manner(RISING).over(0.0, 4.0)
    assert middle.gain_db == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("seconds", [0.0, -3.0])
def test_a_stretch_without_length_has_the_style_of_its_moment(seconds):
    assert Manner(RISING).over(4.0, seconds) == style_for_emotion(0, 1)


def test_without_a_mood_time_changes_nothing():
    assert Manner().over(0, 100) == Manner().over(50, 1) == Style()


# The person at the sliders


def test_a_persons_rate_and_pitch_come_on_top_of_the_mood():
    mood, own = style_for_emotion(0.5, 0.5), Manner(EmotionCurve.constant(0.5, 0.5), rate=1.2, pitch=0.9).over(0, 1)
    assert own.rate == pytest.approx(1.2 * mood.rate)
    assert own.pitch == pytest.approx(0.9 * mood.pitch)
    assert (own.pitch_range, own.gain_db, own.pauses) == pytest.approx((mood.pitch_range, mood.gain_db, mood.pauses))


@settings(max_examples=40)
@given(MOODS, MOODS, st.floats(*LIMITS["rate"]), st.floats(*LIMITS["pitch"]))
@example(1.0, 1.0, LIMITS["rate"][1], LIMITS["pitch"][1])
@example(-1.0, -1.0, LIMITS["rate"][0], LIMITS["pitch"][0])
def test_both_together_stay_within_the_limits(valence, arousal, rate, pitch):
    manner = Manner(EmotionCurve.constant(valence, arousal), rate, pitch)
    for name, value in row(manner.at(0.0)).items():
        low, high = LIMITS[name]
        assert low <= value <= high
    assert isinstance(manner.over(0, 1), Style)


@pytest.mark.parametrize("choice", [{"rate": 0.39}, {"rate": 2.6}, {"pitch": 0.4}, {"pitch": 2.1}, {"rate": math.nan}])
def test_a_choice_out_of_range_is_refused_where_it_is_made(choice):
    with pytest.raises(InputError, match=f"{next(iter(choice))} must lie in"):
        Manner(**choice)


# Directions in a phrase


def test_a_change_holds_from_its_letter_on_until_the_next():
    manner = Manner(RISING, changes=(Change(0), Change(5, mood=(0.0, 1.0)), Change(9, mood=(0.0, 0.0), rate=0.8)))
    track = manner.at(np.full(6, 2.0), np.array([0, 4, 5, 8, 9, 40]))
    awake, rest = style_for_emotion(0, 1), style_for_emotion(0, 0)
    assert track.gain_db == pytest.approx([0, 0, awake.gain_db, awake.gain_db, 0, 0], abs=1e-6)
    assert track.rate == pytest.approx([1, 1, awake.rate, awake.rate, 0.8, 0.8], abs=1e-6)
    assert row(track, 0) == pytest.approx(vars(rest), abs=1e-6)  # the curve's own mood at two seconds


def test_emphasis_is_slower_higher_livelier_and_louder_and_its_contrary_the_contrary():
    said = Manner(changes=(Change(0), Change(1, emphasis=1.0), Change(2, emphasis=-1.0)))
    track = said.at(np.zeros(3), np.array([0, 1, 2]))
    plain, strong, weak = (row(track, i) for i in range(3))
    assert plain == pytest.approx(vars(Style()))
    assert strong["rate"] < 1 < weak["rate"]
    for name in ("pitch", "pitch_range"):
        assert weak[name] < 1 < strong[name]
    assert weak["gain_db"] < 0 < strong["gain_db"]


def test_a_persons_own_rate_holds_within_a_change_too():
    manner = Manner(rate=1.5, pitch=0.8, changes=(Change(0, rate=0.8, pitch=1.1),))
    assert row(manner.at(0.0)) == pytest.approx(vars(Style(rate=1.2, pitch=0.88)))


@settings(max_examples=40)
@given(MOODS, MOODS, st.floats(0.25, 4), st.floats(0.25, 4), st.floats(-1, 1), st.floats(*LIMITS["rate"]))
@example(1.0, 1.0, 4.0, 4.0, 1.0, 2.5)
@example(-1.0, -1.0, 0.25, 0.25, -1.0, 0.4)
def test_no_change_leaves_the_limits(valence, arousal, rate, pitch, emphasis, own):
    manner = Manner(rate=own, changes=(Change(0, (valence, arousal), rate, pitch, emphasis),))
    assert isinstance(manner.over(0.0, 1.0, 10), Style)
    assert all(LIMITS[name][0] <= value <= LIMITS[name][1] for name, value in row(manner.at(0.0)).items())


def test_behind_a_letter_the_same_holds_counted_from_there():
    manner = Manner(changes=(Change(), Change(5, mood=(1.0, 0.0)), Change(9, emphasis=1.0)))
    assert manner.behind(6).changes == (Change(mood=(1.0, 0.0)), Change(3, emphasis=1.0))
    assert Manner().behind(4) == Manner()
