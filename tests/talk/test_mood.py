"""The mood of a talk, as far as its sound is known."""

from __future__ import annotations

import numpy as np
import pytest

from emotalk.avatar import AvatarCard
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.emotion import EmotionCurve
from emotalk.talk.mood import BEYOND, CHANGE_SECONDS, TalkMood, mood_of, reach_of, style_of
from emotalk.talk.request import TalkRequest

SECOND = np.zeros(SAMPLE_RATE, np.float32)


def request(**changes) -> TalkRequest:
    return TalkRequest(text="Hello.", **changes)


def at(curve: EmotionCurve, *seconds: float) -> np.ndarray:
    return curve.at_seconds(np.array(seconds))


def test_without_directions_the_chosen_curve_holds():
    curve = EmotionCurve((0.0, 2.0), ((0.2, 0.0), (0.6, -0.5)))
    mood = TalkMood(request(emotion=curve))
    mood.said(Speech(SECOND))
    assert mood.update(SECOND) is curve
    assert mood.update(np.zeros(0, np.float32)) is curve


def test_a_direction_takes_over_smoothly_and_gives_back():
    mood = TalkMood(request(emotion=EmotionCurve.constant(0.2, 0.1)))
    mood.said(Speech(np.tile(SECOND, 4), moods=((1.0, (-0.8, -0.4)), (3.0, None))))
    seen = []
    for _ in range(4):
        curve = mood.update(SECOND)
        seen.append(curve)
    np.testing.assert_allclose(at(seen[0], 0.9), [[0.2, 0.1]], atol=1e-6)
    np.testing.assert_allclose(at(seen[1], 1.0 + CHANGE_SECONDS + 0.05, 1.9), [[-0.8, -0.4]] * 2, atol=1e-6)
    half = at(seen[1], 1.0 + CHANGE_SECONDS / 2)[0, 0]
    assert -0.8 < half < 0.2
    np.testing.assert_allclose(at(seen[3], 3.0 + CHANGE_SECONDS + 0.05), [[0.2, 0.1]], atol=1e-6)


def test_what_the_directions_set_can_be_asked_for():
    mood = TalkMood(request(emotion=EmotionCurve.constant(0.2, 0.1)))
    mood.said(Speech(np.tile(SECOND, 2), moods=((0.1, (-0.8, -0.4)), (1.5, (0.5, 0.5)))))
    mood.said(Speech(np.tile(SECOND, 2), moods=((1.0, None),)))
    assert mood.directed == ((0.0, -0.8, -0.4), (1.5, 0.5, 0.5), (3.0, pytest.approx(0.2), pytest.approx(0.1)))
    assert TalkMood(request()).directed == ()


def test_moods_are_told_as_strong_as_they_are_shown():
    mood = TalkMood(request(emotion=EmotionCurve.constant(0.2, 0.1), expressiveness=0.5))
    mood.said(Speech(np.tile(SECOND, 3), moods=((1.0, (0.8, -0.6)), (2.0, None))))
    assert mood.directed == (
        (1.0, pytest.approx(0.4), pytest.approx(-0.3)),
        (2.0, pytest.approx(0.1), pytest.approx(0.05)),
    )


def test_where_a_mood_gives_back_to_the_voice_nothing_is_told():
    """What the voice will show is heard only later."""
    mood = TalkMood(request(emotion="auto"))
    mood.said(Speech(np.tile(SECOND, 3), moods=((1.0, (0.8, -0.6)), (2.0, None))))
    assert mood.directed == ((1.0, 0.8, -0.6),)


def test_the_second_that_motion_still_has_to_play_is_kept():
    mood = TalkMood(request())
    mood.said(Speech(np.tile(SECOND, 6), moods=((0.5, (0.9, 0.9)),)))
    for _ in range(6):
        curve = mood.update(SECOND)
    assert curve.times[0] == pytest.approx(4 + 0.5 / FPS)
    assert curve.times[-1] == pytest.approx(6 - 0.5 / FPS)


def test_the_curve_does_not_depend_on_how_the_sound_is_cut():
    def last(cuts: list[int]) -> np.ndarray:
        mood = TalkMood(request(emotion=EmotionCurve((0.0, 3.0), ((0.0, 0.0), (0.5, 0.5)))))
        mood.said(Speech(np.zeros(3 * SAMPLE_RATE, np.float32), moods=((1.2, (-1.0, 0.3)),)))
        for cut in cuts:
            curve = mood.update(np.zeros(cut, np.float32))
        return at(curve, 2.1, 2.5, 2.9)

    np.testing.assert_allclose(last([16000] * 3), last([7000] * 6 + [6000]), atol=1e-6)


def test_expressiveness_scales_directions_as_it_scales_the_pad():
    mood = TalkMood(request(expressiveness=0.5))
    mood.said(Speech(np.tile(SECOND, 2), moods=((0.5, (0.8, -0.6)),)))
    mood.update(SECOND)
    np.testing.assert_allclose(at(mood.update(SECOND), 1.8), [[0.4, -0.3]], atol=1e-6)


def test_a_talk_that_begins_with_a_direction_begins_in_its_mood():
    mood = TalkMood(request(emotion=EmotionCurve.constant(0.6, 0.3)))
    mood.said(Speech(SECOND, moods=((0.1, (-0.8, -0.4)),)))
    np.testing.assert_allclose(at(mood.update(SECOND), 0.0, 0.5), [[-0.8, -0.4]] * 2, atol=1e-6)


def test_scaling_stays_inside():
    assert mood_of(EmotionCurve.constant(0.9, -0.9), 2.0).values == ((1.0, -1.0),)
    curve = EmotionCurve.constant(0.3, 0.3)
    assert mood_of(curve, 1.0) is curve


def test_a_face_goes_as_far_as_its_card_says_and_further_beyond_the_border():
    card = AvatarCard("N", "CC0-1.0", "p", synthetic=True, reach=1.1, face=3)
    assert reach_of(card) == reach_of(card, 0.4) == 1.1
    assert reach_of(card, 2.0) == pytest.approx(1.1 * (1 + BEYOND))
    usual, more, less = (style_of(card, 0.5, amount) for amount in (1.0, 1.5, 0.5))
    assert usual.face == 3
    assert usual.head_energy == 0.5
    np.testing.assert_allclose(more.gains, usual.gains * (1 + BEYOND / 2), rtol=1e-6)
    np.testing.assert_array_equal(less.gains, usual.gains)
    assert more.expressivity == 1.0
    assert usual.expressivity == less.expressivity == 0.0
