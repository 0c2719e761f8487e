"""The body network: noise that never ends and never drifts, traces of speech, files that are checked."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core import checkpoint
from emotalk.core.errors import CheckpointError
from emotalk.motion.body_network import (
    COURSES,
    FORMAT,
    NOISE_HERTZ,
    TRACES,
    BodyWeights,
    NoiseBank,
    RhythmTraces,
    load_body,
    save_body,
)
from emotalk.motion.rhythm import Rhythm

SILENT = Rhythm(0.0, 0.0, 0.0, False, False, 0.0)


def _weights(hidden: int = 6, seed: int = 0) -> BodyWeights:
    random = np.random.default_rng(seed)
    noises = len(COURSES) * len(NOISE_HERTZ)
    shapes = {
        "first": (hidden, noises + TRACES), "first_bias": (hidden,), "second": (hidden, hidden),
        "second_bias": (hidden,), "last": (len(COURSES), hidden), "direct": (len(COURSES), noises),
        "rest": (len(COURSES),), "size": (len(COURSES),),
    }  # fmt: skip
    return BodyWeights(**{name: random.standard_normal(shape) for name, shape in shapes.items()})


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.6, 1.6))
def test_noises_keep_unit_spread_from_the_first_frame_on_at_any_tempo(seed, speed):
    bank = NoiseBank(np.random.default_rng(seed), (300, 2))
    first = bank.step(speed)
    for _ in range(40):
        last = bank.step(speed)
    for noise in (first, last):
        np.testing.assert_allclose(noise.std((0, 1)), 1.0, atol=0.2)


def test_every_noise_is_slower_than_the_next():
    bank = NoiseBank(np.random.default_rng(0), (50,))
    course = np.stack([bank.step() for _ in range(100)])
    change = np.abs(np.diff(course, axis=0)).mean((0, 1))
    assert (np.diff(change) > 0).all()


def test_traces_tell_what_happened_and_forget_it():
    traces = RhythmTraces()
    before = traces.step(SILENT)
    beat = dataclasses.replace(SILENT, nod=1.0)
    after = [traces.step(beat)] + [traces.step(SILENT) for _ in range(400)]
    assert (before == 0).all()
    assert np.abs(after[3]).max() > 0.3
    assert np.abs(after[-1]).max() < 1e-3


def test_saving_and_loading_keeps_the_network(tmp_path):
    weights = _weights()
    save_body(weights, tmp_path / "body.safetensors", {"films": 3})
    loaded = load_body(tmp_path / "body.safetensors")
    for name, array in vars(weights).items():
        np.testing.assert_allclose(getattr(loaded, name), array, rtol=2e-3, atol=1e-4)


def test_what_is_taken_off_lies_at_rest():
    weights = dataclasses.replace(_weights(), rest=np.zeros(len(COURSES)))
    noise, traces = np.zeros((len(COURSES), len(NOISE_HERTZ))), np.zeros(TRACES)
    away = dataclasses.replace(weights, rest=np.ones(len(COURSES)))
    np.testing.assert_allclose(weights.play(noise, traces) - away.play(noise, traces), weights.size)


@pytest.mark.parametrize("harm", ["format", "shape", "number", "missing"])
def test_damaged_files_are_explained(tmp_path, harm):
    path = tmp_path / "body.safetensors"
    arrays = {name: array.astype(np.float32) for name, array in vars(_weights()).items()}
    if harm == "shape":
        arrays["last"] = arrays["last"][:-1]
    if harm == "number":
        arrays["direct"][0, 0] = np.nan
    if harm == "missing":
        del arrays["rest"]
    checkpoint.save(path, arrays, {"format": "other" if harm == "format" else FORMAT})
    with pytest.raises(CheckpointError, match="train_body"):
        load_body(path)


def test_the_shipped_network_is_small():
    from emotalk.core.paths import CHECKPOINTS

    assert (CHECKPOINTS / "body.safetensors").stat().st_size < 100_000
    assert np.isfinite(load_body().size).all()
