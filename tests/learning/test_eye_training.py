"""The network of eyes finds again what recordings were made with."""

import numpy as np
import pytest

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.learning.eye_training import (
    EyeConfig,
    EyeRecord,
    captured,
    drift_that_trembles,
    fit_looks,
    fit_rates,
    log_likelihood,
    look_likelihood,
    recorded_blinks,
    rhythm_of_lips,
    train_eyes,
    trembling,
)
from emotalk.motion.eye_network import CHOICE, FEATURES, PROFILE
from emotalk.motion.eyes import FOLLOW


def _record(features, events, looks=None, origins=None) -> EyeRecord:
    frames, count = len(features), 0 if looks is None else len(looks)
    none = np.zeros((0, 2))
    choices = np.zeros((count, CHOICE))
    choices[:, 0] = 1
    return EyeRecord(
        "made", np.zeros((frames, 2), bool), features, events, np.ones((frames, 2), bool),
        none if looks is None else looks, none if origins is None else origins, choices,
    )  # fmt: skip


def _blinking(tops=(50, 130, 250), sizes=(0.5, 0.5, 0.2), frames=400) -> HeadMotion:
    motion = HeadMotion.neutral(frames)
    for top, size in zip(tops, sizes, strict=True):
        motion.eyelids[top - 2 : top + 3] = size * np.array([0.3, 0.8, 1.0, 0.6, 0.2])[:, None]
    return motion


def test_rates_are_those_that_events_were_drawn_with():
    random = np.random.default_rng(0)
    features = np.zeros((60_000, FEATURES))
    features[:, 2] = random.random(len(features)) < 0.5
    rates = np.exp(-0.5 + 1.5 * features[:, 2])
    events = np.stack([random.random(len(rates)) < 1 - np.exp(-rates / FPS)] * 2, 1)
    slopes, level = fit_rates([_record(features, events)], 0, ridge=1.0)
    assert level == pytest.approx(-0.5, abs=0.1)
    assert slopes[2] == pytest.approx(1.5, abs=0.12)
    np.testing.assert_allclose(np.delete(slopes, 2), 0, atol=1e-9)


def test_the_right_rates_are_the_most_likely():
    random = np.random.default_rng(1)
    rates = 1 + random.random(20_000)
    events = random.random(len(rates)) < 1 - np.exp(-rates / FPS)
    likely = log_likelihood(rates, events)
    assert likely > log_likelihood(np.full(len(rates), rates.mean()), events)
    assert likely > log_likelihood(1.3 * rates, events)


def test_the_density_of_looks_is_the_one_they_were_drawn_from():
    random = np.random.default_rng(2)
    origins = np.radians(8) * random.standard_normal((3000, 2))
    home = random.random((3000, 1)) < 0.4
    spread = np.where(home, np.radians(1.0), np.radians([10.0, 5.0]))
    looks = np.where(home, 0.0, 0.5 * origins) + spread * random.standard_normal((3000, 2))
    record = _record(np.zeros((10, FEATURES)), np.zeros((10, 2), bool), looks, origins)
    fitted = fit_looks([record], ridge=0.1)
    assert (fitted["pull"][0] == 0).all()
    assert fitted["rise"][0] == 0
    found = look_likelihood(record, fitted)
    off = np.degrees(looks[:, None] - np.stack([0 * origins, 0.5 * origins], 1))
    true_spread = np.array([[1.0, 1.0], [10.0, 5.0]])
    each = np.exp(-0.5 * ((off / true_spread) ** 2).sum(-1)) / (2 * np.pi * true_spread.prod(1))
    true = np.log(each @ [0.4, 0.6])
    assert found.mean() == pytest.approx(true.mean(), abs=0.02)


def test_a_capture_gives_its_jumps_and_blinks():
    motion = _blinking()
    motion.gaze[180:, 0] = np.radians(8)
    motion.gaze[320:, 0] = 0
    record = captured("made", motion)
    np.testing.assert_array_equal(np.flatnonzero(record.events[:, 1]), [47, 127, 247])  # three frames before the tops
    np.testing.assert_array_equal(np.flatnonzero(record.events[:, 0]), [179, 319])
    np.testing.assert_allclose(np.degrees(record.looks[:, 0] - record.origins[:, 0]), [8, -8], atol=1e-6)
    assert not record.open[:48, 1].any()  # nobody knows when the last one was
    assert not record.open[128:137, 1].any()  # nobody blinks within a blink
    assert not record.open[128:132, 0].any()
    assert record.open[200:240].all()


def test_lips_that_move_speak():
    face = np.zeros((300, 52))
    face[100:200, ARKIT_INDEX["jawOpen"]] = 0.3 + 0.3 * np.sin(np.arange(100))
    rhythm = rhythm_of_lips(face)
    assert rhythm.shape == (300, 6)
    assert rhythm[110:190, 0].all()
    assert not rhythm[:90, 0].any()
    assert not rhythm[215:, 0].any()
    assert (rhythm[:, 4].sum(), rhythm[:, 5].sum()) == (1, 1)


def test_blinks_are_kept_in_units_of_the_full_one():
    bank = recorded_blinks([_blinking()])
    assert bank.shape == (3, PROFILE)
    np.testing.assert_allclose(
        bank[0], np.clip(np.array([0, 0.3, 0.8, 1, 0.6, 0.2, 0, 0, 0, 0]) / 0.75, 0, 1), atol=1e-6
    )
    assert bank[:, 3] == pytest.approx([1, 1, 0.2 / 0.375], abs=1e-6)


def test_drift_trembles_as_it_is_asked_to():
    random = np.random.default_rng(3)
    wanted = np.radians(4.0)
    place, course = np.zeros(2), []
    for _ in range(20_000):
        place = place + FOLLOW * (drift_that_trembles(wanted) * random.standard_normal(2) - place)
        course.append(place)
    motion = HeadMotion.neutral(len(course))
    motion.gaze[:] = course
    assert trembling(motion) == pytest.approx(wanted, rel=0.05)


def test_recordings_without_events_are_refused():
    with pytest.raises(InputError, match="too few"):
        train_eyes([captured("made", _blinking())], np.zeros((1, PROFILE)), 0.01, 0.1, EyeConfig())
