"""The network of eyes: chances of what eyes do, and the file that keeps it."""

import dataclasses

import numpy as np
import pytest

from emotalk.core import checkpoint
from emotalk.core.errors import CheckpointError
from emotalk.core.paths import CHECKPOINTS
from emotalk.motion.eye_network import (
    CHOICE,
    FAR,
    FEATURES,
    FORMAT,
    LOOKS,
    PROFILE,
    EyeWeights,
    choice_features,
    event_features,
    far,
    load_eyes,
    save_eyes,
)

QUIET = np.zeros(6)


def weights(seed: int = 0) -> EyeWeights:
    random = np.random.default_rng(seed)
    shapes = {
        "rates": (2, FEATURES), "rates_bias": (2,), "choice": (LOOKS, CHOICE), "pull": (LOOKS, 2), "rise": (LOOKS,),
        "spread": (LOOKS, 2), "blinks": (5, PROFILE), "drift": (1,), "lid_slope": (1,),
    }  # fmt: skip
    return EyeWeights(**{name: 0.3 * random.standard_normal(shape) for name, shape in shapes.items()})


def test_what_is_long_ago_is_forgotten():
    soon, late = event_features(0.04, 0.04, 0.0, QUIET), event_features(100.0, 100.0, 0.0, QUIET)
    assert len(soon) == FEATURES
    assert (soon[:8] > 0.7).all()
    assert np.abs(late).max() < 1e-6


def test_far_grows_with_the_distance_and_saturates():
    distances = [far(share * FAR, 0.0) for share in (0, 0.5, 1, 3, 30)]
    assert distances[0] == 0
    assert (np.diff(distances) > 0).all()
    assert distances[-1] <= 1
    assert far(0.1, 0.2) == pytest.approx(far(-0.2, 0.1))


def test_chances_of_the_next_look_add_up_and_the_listener_can_be_favoured():
    eyes, seen = weights(), choice_features(0.5, np.linspace(0, 1, 6))
    plain, drawn, scattered = eyes.odds(seen), eyes.odds(seen, 2.0), eyes.odds(seen, 0.0, 2.0)
    assert plain.sum() == pytest.approx(1)
    # Among the others nothing changes.
    np.testing.assert_allclose(drawn[1:] / drawn[1:].sum(), plain[1:] / plain[1:].sum())
    assert np.log(drawn[0] / drawn[1]) - np.log(plain[0] / plain[1]) == pytest.approx(2)
    assert np.log(scattered[-1] / scattered[1]) - np.log(plain[-1] / plain[1]) == pytest.approx(2)


def test_rates_are_positive_and_multiply():
    eyes = weights()
    one, other = np.random.default_rng(1).random((2, FEATURES))
    both = eyes.hazards(one + other) * np.exp(eyes.rates_bias)
    np.testing.assert_allclose(both, eyes.hazards(one) * eyes.hazards(other))


def test_saving_and_loading_keeps_the_network(tmp_path):
    eyes = weights()
    save_eyes(eyes, tmp_path / "eyes.safetensors", {"captures": 4})
    loaded = load_eyes(tmp_path / "eyes.safetensors")
    for name, array in vars(eyes).items():
        np.testing.assert_allclose(getattr(loaded, name), array, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("harm", ["format", "shape", "number", "missing", "no blinks", "no file"])
def test_damaged_files_are_explained(tmp_path, harm):
    path = tmp_path / "eyes.safetensors"
    arrays = {name: array.astype(np.float32) for name, array in vars(weights()).items()}
    if harm == "shape":
        arrays["pull"] = arrays["pull"][:-1]
    if harm == "number":
        arrays["rates"][0, 0] = np.nan
    if harm == "missing":
        del arrays["drift"]
    if harm == "no blinks":
        arrays["blinks"] = arrays["blinks"][:0]
    if harm != "no file":
        checkpoint.save(path, arrays, {"format": "other" if harm == "format" else FORMAT})
    with pytest.raises(CheckpointError, match="train_eyes"):
        load_eyes(path)


def test_the_shipped_network_is_small_and_plausible():
    assert (CHECKPOINTS / "eyes.safetensors").stat().st_size < 50_000
    eyes = load_eyes()
    jumps, blinks = eyes.hazards(event_features(2.0, 4.0, 0.3, QUIET))
    assert 0.2 < jumps < 3
    assert 0.1 < blinks < 1
    assert eyes.hazards(event_features(0.04, 4.0, 0.3, QUIET))[0] < 0.7 * jumps  # eyes rest after a jump
    assert eyes.hazards(event_features(2.0, 0.5, 0.3, QUIET))[1] < blinks / 2
    assert (eyes.blinks.min() >= 0) & (eyes.blinks.max() <= 1)
    assert (eyes.pull[0] == 0).all()  # the first density stays on the listener
    assert (eyes.spread > 0).all()
    assert set(dataclasses.asdict(eyes)) == set(vars(eyes))
