"""A person's own numbers beside the shared motion network: exact when nothing, checked when from a file."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy
import torch

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import CheckpointError, InputError
from emotalk.emotion import EmotionCurve
from emotalk.motion import MotionModel
from emotalk.motion.habits import Habits
from emotalk.motion.person import RANK, MotionAdaptation
from emotalk.sync.lip_measures import measures_of_motion
from emotalk.sync.network import SyncModel
from tests.motion.test_model import CURVE, FIELDS, spoken

SHAPES = len(ARKIT_NAMES)
JAW, SMILE = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthSmileLeft"]


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


@pytest.fixture(scope="module")
def nobody(model) -> MotionAdaptation:
    """The adaptation that changes nothing."""
    return model.network.person().adaptation(model.network.fingerprint(), {})


def somebody(nobody: MotionAdaptation, seed: int = 0) -> MotionAdaptation:
    """Somebody who opens the mouth further, smiles at rest and differs a little in all else."""
    rng = np.random.default_rng(seed)
    gain, rest = 0.2 * rng.standard_normal(SHAPES), np.zeros(SHAPES)
    gain[JAW], rest[SMILE] = 0.5, 0.2
    return dataclasses.replace(
        nobody, code=0.3 * rng.standard_normal(nobody.code.shape), up=0.05 * rng.standard_normal((RANK, SHAPES)),
        gain=gain, rest=rest, lips=0.02 * rng.standard_normal(nobody.lips.shape),
    )  # fmt: skip


def test_an_adaptation_of_nothing_changes_no_bit(model, nobody):
    _, features = spoken(1)
    plain, same = model(features, CURVE), model.adapted(nobody)(features, CURVE)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(plain, name), getattr(same, name))
    assert model.adapted(None).person is None


def test_a_person_speaks_in_their_own_way_and_the_shared_model_stays(model, nobody):
    _, features = spoken()
    before = model(features, EmotionCurve.constant(0, 0))
    own = model.adapted(somebody(nobody))(features, EmotionCurve.constant(0, 0))
    after = model(features, EmotionCurve.constant(0, 0))
    assert own.expression[:, JAW].max() > 1.15 * before.expression[:, JAW].max()
    assert np.median(own.expression[:, SMILE]) > 0.15
    np.testing.assert_array_equal(before.expression, after.expression)


def test_a_person_streams_bit_for_bit_as_the_whole(model, nobody):
    _, features = spoken()
    own = model.adapted(somebody(nobody))
    stream, parts = own.stream(CURVE), []
    for start in range(0, len(features), 37):
        parts.append(stream.push(features[start : start + 37]))
    parts.append(stream.finish())
    pieces = np.concatenate([part.expression for part in parts if part is not None])
    np.testing.assert_array_equal(pieces, own(features, CURVE).expression)


@pytest.mark.parametrize("corner", [(0, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_whoever_it_is_closures_close(model, nobody, corner):
    """The lip rules come last: even somebody with a wide jaw and a parted resting mouth shuts the lips at p b m."""
    speech, features = spoken()
    open_mouth = dataclasses.replace(
        somebody(nobody), code=np.zeros_like(nobody.code), rest=np.where(np.arange(SHAPES) == JAW, 0.06, 0.0)
    )
    lips = SyncModel.load()
    gaps = [
        measures_of_motion(m(features, EmotionCurve.constant(*corner), seed=1), lips.network.basis)[:, 0]
        for m in (model, model.adapted(open_mouth))
    ]
    for start, end, phone in speech.phones:
        if phone in ("p", "b", "m"):
            frames = slice(int(start * 25), int(np.ceil(end * 25)) + 1)
            assert gaps[1][frames].min() <= gaps[0][frames].min() + 0.01


def test_a_resting_face_gives_way_to_an_emotion(model, nobody):
    person = model.network.person(somebody(nobody))
    nothing = torch.zeros(1, 3, SHAPES)
    calm = person.speak(nothing, torch.zeros(1, 3, 2))[0, 0, SMILE]
    moved = person.speak(nothing, torch.tensor([0.0, -1.0]).expand(1, 3, 2))[0, 0, SMILE]
    assert 0.4 * calm < moved < 0.6 * calm


def test_saving_and_loading_keeps_every_number(nobody, tmp_path):
    habits = Habits((0.1, -0.05, 0.02), (0.5, 1.0, 2.0), 1.2, (0.03, -0.04), 0.5, 1.5, 0.8)
    one = dataclasses.replace(somebody(nobody), habits=habits, facts={"seconds": 12.5})
    one.save(tmp_path / "motion.safetensors")
    again = MotionAdaptation.load(tmp_path / "motion.safetensors")
    for name in ("code", "down", "up", "gain", "rest", "lips"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
    assert (again.network, again.facts) == (one.network, one.facts)
    np.testing.assert_array_equal(again.habits.vector, habits.vector)
    assert [path.name for path in tmp_path.iterdir()] == ["motion.safetensors"]
    assert (tmp_path / "motion.safetensors").stat().st_size < 20_000


def test_a_file_of_before_habits_were_measured_is_of_the_average_persons(nobody, tmp_path):
    arrays = {name: getattr(nobody, name) for name in ("code", "down", "up", "gain", "rest", "lips")}
    about = {"format": "emotalk-motion-person-2", "network": nobody.network, "facts": "{}"}
    (tmp_path / "motion.safetensors").write_bytes(safetensors.numpy.save(arrays, about))
    assert MotionAdaptation.load(tmp_path / "motion.safetensors").habits == Habits()


def test_an_adaptation_to_another_network_is_refused(model, nobody):
    with pytest.raises(InputError, match="another motion network"):
        model.adapted(dataclasses.replace(nobody, network="0123456789ab"))


def test_files_of_before_lips_were_learned_are_read_and_belong_to_the_network_they_name(model, nobody, tmp_path):
    arrays = {name: getattr(nobody, name) for name in ("code", "down", "up", "gain", "rest")}
    about = {"format": "emotalk-motion-person-1", "network": "0123456789ab", "facts": "{}"}
    (tmp_path / "motion.safetensors").write_bytes(safetensors.numpy.save(arrays, about))
    older = MotionAdaptation.load(tmp_path / "motion.safetensors")
    with pytest.raises(InputError, match="another motion network"):
        model.adapted(older)


@pytest.mark.parametrize("change", [
    {"gain": np.full(SHAPES, 3.0)}, {"rest": np.full(SHAPES, np.nan)}, {"gain": np.zeros(51)},
    {"down": np.zeros((160, RANK + 1))}, {"rest": np.full(SHAPES, 0.6)}, {"lips": np.zeros((64, 3))},
])  # fmt: skip
def test_numbers_that_no_person_has_are_refused(nobody, change):
    with pytest.raises(InputError, match=next(iter(change))):
        dataclasses.replace(nobody, **change)


def test_damaged_and_foreign_files_are_explained(nobody, tmp_path):
    path = tmp_path / "motion.safetensors"
    with pytest.raises(CheckpointError, match="cannot be read"):
        MotionAdaptation.load(path)
    data = nobody.to_bytes()
    arrays = {"code": np.zeros(3, np.float32)}
    wild = {"gain": np.full(SHAPES, np.inf, np.float32)}
    about = {"format": "emotalk-motion-person-2", "network": "", "facts": "{}"}
    whole = {name: getattr(nobody, name) for name in ("code", "down", "up", "gain", "rest", "lips")}
    for broken in (
        b"", data[:100], data[:-4], b"\xff" * 64, b"0" * 400_000,
        safetensors.numpy.save(arrays, about),
        safetensors.numpy.save(whole, about | {"format": "other"}),
        safetensors.numpy.save(whole | wild, about),
        safetensors.numpy.save(whole | {"habits": np.zeros(5, np.float32)}, about),
        safetensors.numpy.save(whole | {"habits": np.full(12, 9.0, np.float32)}, about),
        safetensors.numpy.save(whole | {"habits": np.full(12, np.nan, np.float32)}, about),
        safetensors.numpy.save(whole, about | {"facts": json.dumps(["no", "table"])}),
        safetensors.numpy.save(whole, about | {"facts": "[" * 100_000}),
    ):  # fmt: skip
        path.write_bytes(broken)
        with pytest.raises(CheckpointError, match="motion adaptation"):
            MotionAdaptation.load(path)
