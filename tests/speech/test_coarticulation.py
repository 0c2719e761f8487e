"""The coarticulation model: contacts are met, rounding spreads, silence rests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.core.speech import ARTICULATION_NAMES, PHONES
from emotalk.speech import coarticulation
from emotalk.speech.coarticulation import articulation_targets

JAW, WIDTH, PUCKER, CLOSURE, LABIODENTAL, TONGUE = range(len(ARTICULATION_NAMES))


def spoken(phones: str, each: float = 0.08, lead: float = 0.3) -> list[tuple[float, float, str]]:
    names = phones.split()
    return [(lead + i * each, lead + (i + 1) * each, name) for i, name in enumerate(names)]


def frame(second: float, rate: float = 50) -> int:
    return int(second * rate)


@pytest.mark.parametrize("phone", ["p", "b", "m"])
@pytest.mark.parametrize("each", [0.05, 0.08, 0.15])
def test_lips_meet_in_every_bilabial_and_are_apart_in_the_vowels_around_it(phone, each):
    targets = articulation_targets(spoken(f"aa {phone} aa", each), 500, rate=500)
    middle = frame(0.3 + 1.4 * each, 500)
    assert targets[middle, CLOSURE] > 0.9
    assert targets[frame(0.3 + 0.3 * each, 500), CLOSURE] < 0.35
    assert targets[frame(0.3 + 2.7 * each, 500), CLOSURE] < 0.35
    assert targets[middle, JAW] + 0.1 < targets[frame(0.3 + 0.5 * each, 500), JAW]


def test_each_contact_belongs_to_its_own_phones():
    for column, phones in ((CLOSURE, "p b m"), (LABIODENTAL, "f v"), (TONGUE, "th dh t d n l")):
        reached = {p for p in PHONES if articulation_targets(spoken(f"ah {p} ah", 0.1), 50)[:, column].max() > 0.6}
        assert reached == set(phones.split())


def test_rounding_is_prepared_through_consonants_that_leave_the_lips_free():
    targets = articulation_targets(spoken("s t uw"), 50)
    plain = articulation_targets(spoken("s t iy"), 50)
    in_t = frame(0.3 + 0.08 + 0.04)
    assert targets[in_t, PUCKER] > 0.25
    assert plain[in_t, PUCKER] < 0.05
    assert targets[in_t, WIDTH] < plain[in_t, WIDTH]


def test_a_diphthong_moves():
    targets = articulation_targets(spoken("hh ay hh", 0.2), 60)
    assert targets[frame(0.3 + 0.25), JAW] > targets[frame(0.3 + 0.38), JAW] + 0.1
    assert targets[frame(0.3 + 0.38), WIDTH] > targets[frame(0.3 + 0.25), WIDTH] + 0.1


def test_silence_is_a_closed_resting_mouth_whether_it_is_named_or_left_out():
    named = articulation_targets([(0.0, 0.5, "sil"), (0.5, 0.7, "aa"), (0.7, 1.5, "sil")], 75)
    left_out = articulation_targets([(0.5, 0.7, "aa")], 75)
    np.testing.assert_allclose(named, left_out, atol=2e-3)
    assert np.abs(named[[0, -1]]).max() < 0.01
    assert not articulation_targets([], 20).any()


def test_values_keep_their_ranges_for_any_order_of_phones():
    rng = np.random.default_rng(0)
    ends = np.cumsum(rng.uniform(0.0, 0.2, 400))
    names = rng.choice(PHONES, 400)
    starts = np.concatenate([[0.0], ends[:-1]])
    targets = articulation_targets(list(zip(starts.tolist(), ends.tolist(), names.tolist(), strict=True)), 2100)
    assert targets.dtype == np.float32
    assert targets[:, WIDTH].min() >= -1
    assert np.delete(targets, WIDTH, axis=1).min() >= 0
    assert targets.max() <= 1


def test_a_phone_matters_only_near_it():
    before = spoken("aa b aa")
    far = [(2.0, 2.2, "uw")]
    np.testing.assert_allclose(articulation_targets(before, 50), articulation_targets(before + far, 50), atol=1e-3)


def test_frames_are_centred_so_that_rates_agree():
    segments = spoken("m aa p iy f uw")
    at_50 = articulation_targets(segments, 60, rate=50)
    at_150 = articulation_targets(segments, 180, rate=150)
    np.testing.assert_allclose(at_50, at_150[1::3], atol=1e-3)


def gesture_by_gesture(segments: list[tuple[float, float, str]], frames: int, rate: float) -> np.ndarray:
    """The sums at the top of the module, one gesture after the other."""
    weighted, weight = np.zeros((2, frames, len(ARTICULATION_NAMES)))
    seconds = (np.arange(frames)[:, None] + 0.5) / rate
    for start, end, phone in coarticulation._with_silence(segments, frames / rate):
        for gesture in coarticulation._GESTURES[phone]:
            begin, finish = (start + part * (end - start) for part in (gesture.begin, gesture.end))
            gliding = np.where(coarticulation._CONTACTS, 0, min((finish - begin) / 4, coarticulation._GLIDING))
            early = np.maximum(begin + gliding - seconds, 0) / coarticulation._REACH_BEFORE
            late = np.maximum(seconds - finish + gliding, 0) / coarticulation._REACH_AFTER
            dominance = gesture.strength * np.exp(-early - late)
            weighted += dominance * gesture.target
            weight += dominance
    return weighted / weight


@given(
    phones=st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 0.2), st.sampled_from(PHONES)), max_size=40),
    begin=st.floats(-0.6, 1),
    frames=st.integers(0, 300),
    rate=st.sampled_from([25, 50, 500]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_moment_is_the_weighted_mean_of_all_gestures(phones, begin, frames, rate):
    segments = []
    for pause, seconds, name in phones:
        start = (segments[-1][1] if segments else begin) + pause
        segments.append((start, start + seconds, name))
    found = articulation_targets(segments, frames, rate)
    # Dominance that is left out beyond 0.9 s is below 0.005 % of a strength.
    np.testing.assert_allclose(found, gesture_by_gesture(segments, frames, rate), atol=2e-3)


def test_long_speech_is_the_same_from_any_second_on():
    segments = spoken("m aa p iy f uw s t ow l ay k " * 30)
    whole = articulation_targets(segments, 1500)
    late = articulation_targets([(a - 10, b - 10, name) for a, b, name in segments if b > 9.4], 1000)
    np.testing.assert_allclose(late, whole[500:], atol=1e-3)


@pytest.mark.parametrize(
    ("segments", "says"),
    [
        ([(0.0, 0.1, "xx")], "'xx' is not a phone"),
        ([(0.5, 0.4, "aa")], "follow each other"),
        ([(0.5, 0.6, "aa"), (0.1, 0.2, "b")], "follow each other"),
        ([(0.5, float("nan"), "aa")], "follow each other"),
    ],
)
def test_wrong_segments_are_refused_in_a_sentence(segments, says):
    with pytest.raises(InputError, match=says):
        articulation_targets(segments, 10)
