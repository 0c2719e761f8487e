"""Emotion curves and names: what goes in comes out, smoothly, and nonsense is refused with a sentence."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.emotion import NAMED_EMOTIONS, EmotionCurve, load_curve, named_emotion, nearest_emotions, radius

UNIT = st.floats(-1, 1)
KEYS = st.lists(st.tuples(st.integers(0, 40), UNIT, UNIT), min_size=1, max_size=8, unique_by=lambda key: key[0])


def test_a_constant_curve_is_the_same_at_every_frame():
    values = EmotionCurve.constant(0.3, -0.7).at(5)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, np.tile([0.3, -0.7], (5, 1)), rtol=1e-6)


@given(KEYS)
def test_a_curve_passes_through_its_keys_and_never_beyond_them(keys):
    curve = EmotionCurve.from_keys(keys)
    at_keys = curve.at_seconds(np.array(curve.times))
    np.testing.assert_allclose(at_keys, np.array(curve.values), atol=1e-6)
    dense = curve.at_seconds(np.linspace(-1, 42, 700))
    assert (dense <= np.max(curve.values, 0) + 1e-6).all()
    assert (dense >= np.min(curve.values, 0) - 1e-6).all()


def test_a_ramp_has_no_corner_at_its_keys():
    # The corner that straight lines would make at 1 s has a jump in slope of 1 per second.
    curve = EmotionCurve.from_keys([(0, 0, 0), (1, 1, 0), (2, 1, 0)])
    slope = np.diff(curve.at_seconds(np.linspace(0, 2, 2001))[:, 0]) / 0.001
    assert np.abs(np.diff(slope)).max() < 0.05


@given(KEYS, st.integers(0, 900), st.integers(1, 60))
def test_a_piece_of_a_curve_equals_that_piece_of_the_whole(keys, start, count):
    curve = EmotionCurve.from_keys(keys)
    np.testing.assert_array_equal(curve.at(range(start, start + count)), curve.at(start + count)[start:])


@given(KEYS)
def test_json_and_csv_bring_a_curve_back(keys):
    curve = EmotionCurve.from_keys(keys)
    lines = [f"{t:.6g},{v:.6g},{a:.6g}" for t, (v, a) in zip(curve.times, curve.values, strict=True)]
    csv = "\n".join(["time,valence,arousal", *lines])
    for again in (EmotionCurve.from_json(curve.to_json()), EmotionCurve.from_csv(csv)):
        np.testing.assert_allclose(again.at(1050), curve.at(1050), atol=2e-5)


def test_a_key_may_name_its_emotion(tmp_path):
    path = tmp_path / "curve.json"
    path.write_text(json.dumps({"keys": [{"time": 0, "emotion": "happy", "intensity": 0.5}]}))
    assert load_curve(path).values[0] == named_emotion("happy", 0.5)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("time,valence\n0,1\n", "arousal"),
        ("time,valence,arousal\n0,much,1\n", "number"),
        ("time,valence,arousal\n", "one"),
    ],
)
def test_a_bad_csv_is_explained(tmp_path, text, word):
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=word):
        load_curve(path)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"keys": 3}', '{"keys": [{"time": 0}]}', '{"keys": []}', "[" * 100_000,
        '{"keys": [{"time": "soon", "valence": 0, "arousal": 0}]}',
        '{"keys": [{"time": 1' + "0" * 400 + ', "valence": 0, "arousal": 0}]}',
    ],
)  # fmt: skip
def test_bad_json_is_explained(text):
    with pytest.raises(InputError):
        EmotionCurve.from_json(text)


def test_keys_too_close_for_a_slope_are_refused():
    for later in (0.0, 1e-300, 0.0009):
        with pytest.raises(InputError, match="less than a millisecond apart"):
            EmotionCurve.from_keys([(0, 1, 0), (later, -1, 0)])
    assert np.isfinite(EmotionCurve.from_keys([(0, 1, 0), (0.001, -1, 0)]).at(10)).all()


@pytest.mark.parametrize("point", [(1.2, 0), (0, float("nan")), ("x", 0), (10**400, 0), (None, 0), ([1], 0)])
def test_points_outside_the_square_are_refused(point):
    with pytest.raises(InputError, match=r"\[-1, 1\]"):
        EmotionCurve.constant(*point)


def test_a_blend_takes_each_axis_by_its_own_share():
    slider = EmotionCurve.constant(0.8, -0.4)
    voice = EmotionCurve.from_frames(np.stack([np.zeros(50), np.linspace(0, 1, 50)], 1))
    mixed = slider.blend(voice, valence=0.0, arousal=0.5).at(50)
    np.testing.assert_allclose(mixed[:, 0], 0.8, atol=1e-6)
    np.testing.assert_allclose(mixed[:, 1], 0.5 * -0.4 + 0.5 * voice.at(50)[:, 1], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMED_EMOTIONS if name != "neutral"])
def test_every_name_is_the_nearest_to_its_own_place(name):
    point = named_emotion(name)
    assert nearest_emotions(*point)[0][0] == name
    assert radius(*point) == pytest.approx(1.0, abs=1e-3)


@given(UNIT, UNIT)
def test_shares_of_names_add_up_to_one(valence, arousal):
    shares = [share for _, share in nearest_emotions(valence, arousal, count=len(NAMED_EMOTIONS))]
    assert sum(shares) == pytest.approx(1.0, abs=1e-6)
    assert shares == sorted(shares, reverse=True)


def test_the_middle_is_neutral_and_an_unknown_name_lists_the_known_ones():
    assert nearest_emotions(0, 0)[0] == ("neutral", 1.0)
    with pytest.raises(InputError, match="happy"):
        named_emotion("flabbergasted")


def test_key_frames_are_written_in_words_and_numbers():
    curve = EmotionCurve.from_words("2.5 sad, 0 happy , 1 -0.6 0.4")
    assert curve.times == (0.0, 1.0, 2.5)
    assert curve.values == (named_emotion("happy"), (-0.6, 0.4), named_emotion("sad"))
    assert EmotionCurve.from_words("0 calm").values == (named_emotion("calm"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0", "A key frame is"), ("", "A key frame is"), ("0 happy,", "A key frame is"), ("0 1 2 3", "A key frame is"),
        ("0 0.5", "no emotion called"), ("happy 0", "no emotion called"), ("0 hungry", "no emotion called"),
        ("x happy", "A key frame is"),
        ("0 2 0", "in \\[-1, 1\\]"), ("nan happy", "finite seconds"), ("0 nan 0", "in \\[-1, 1\\]"),
        ("0 happy, 0 sad", "a millisecond apart"),
    ],
)  # fmt: skip
def test_what_is_no_key_frame_is_a_sentence(text, said):
    with pytest.raises(InputError, match=said):
        EmotionCurve.from_words(text)


@given(st.text(max_size=40))
def test_any_text_is_key_frames_or_a_sentence(text):
    with contextlib.suppress(InputError):
        EmotionCurve.from_words(text)
