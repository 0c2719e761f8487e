"""Who: what the showing half needs of a person and a style, so that it shows what Python shows."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from emotalk.live.who import who_of
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.habits import Habits
from emotalk.motion.network import SpeechCode
from emotalk.motion.person import MotionAdaptation, PersonLayer
from tests.motion.test_code_stream import shown, somebody
from tests.motion.test_model import spoken

STYLE = MotionStyle.random(4)


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


@pytest.fixture(scope="module")
def person(model) -> MotionModel:
    return somebody(model)


def test_who_is_json_in_the_shapes_of_the_contract(model, person):
    who = json.loads(json.dumps(who_of(model, STYLE)))
    shapes = {name: np.shape(who[name]) for name in ("style", "sizes", "gains", "quiet")}
    assert shapes == {"style": (48,), "sizes": (8,), "gains": (52,), "quiet": (173,)}
    assert who["person"] is None
    assert who["quiet"][167:] == [0.0] * 6
    assert {name: np.shape(value) for name, value in who["head"].items()} == {
        "energy": (6,), "tempo": (), "brows": (), "flash": (), "pose": (3,),
    }  # fmt: skip
    assert who["head"]["energy"] == pytest.approx([STYLE.head_energy] * 6, abs=1e-6)
    assert (who["sideways"], who["gaze"]) == (STYLE.sideways, [0.0, 0.0])
    own = who_of(person, STYLE)["person"]
    assert {name: np.shape(own[name]) for name in own} == {
        "down": (160, 4), "up": (4, 52), "gain": (52,), "rest": (52,),
    }  # fmt: skip
    assert who_of(person, STYLE)["style"] != who["style"]


def test_who_tells_of_a_persons_habits(model):
    nobody = model.network.person().adaptation(model.network.fingerprint(), {})
    habits = Habits((0.1, -0.05, 0.02), (0.5, 1.0, 2.0), 1.2, (0.03, -0.04), 0.5, 1.5, 0.8)
    plain = who_of(model, STYLE)
    own = json.loads(json.dumps(who_of(model.adapted(dataclasses.replace(nobody, habits=habits)), STYLE)))
    assert own["head"]["pose"] == pytest.approx(habits.pose)
    assert np.divide(own["head"]["energy"], plain["head"]["energy"]) == pytest.approx([0.5, 1, 2, 1, 1, 1], rel=1e-4)
    assert (own["head"]["tempo"], own["head"]["brows"]) == (1.2, 0.8)
    assert own["gaze"] == pytest.approx(habits.gaze)
    assert own["gaze_wander"] == pytest.approx(0.5 * plain["gaze_wander"], rel=1e-4)
    assert own["blink_rate"] == pytest.approx(1.5 * plain["blink_rate"], rel=1e-4)


@pytest.mark.parametrize("kind", ["model", "person"])
def test_rows_and_who_are_all_that_a_face_needs(request, kind):
    model = request.getfixturevalue(kind)
    stream = model.code_stream(STYLE)
    rows = np.concatenate([stream.push(spoken(1)[1]), stream.finish()])
    who = json.loads(json.dumps(who_of(model, STYLE)))
    x = torch.from_numpy(rows.astype(np.float16).astype(np.float32))[None]
    code = SpeechCode(
        x[..., :160], x[..., 160:165], torch.tensor(who["style"])[None, None], torch.tensor(who["sizes"])[None, None],
        x[..., 165], x[..., 166],
    )  # fmt: skip
    own = who["person"]
    layer = None
    if own is not None:
        numbers = {name: np.float32(own[name]) for name in own}
        layer = PersonLayer(48, 160, 64, MotionAdaptation(np.zeros(48), lips=np.zeros((64, 5)), **numbers))
    with torch.inference_mode():
        face = model.network.apply_emotion(
            code, torch.zeros(1, len(rows), 2), torch.tensor(who["gains"])[None], layer, who["size"]
        ).expression[0]
    np.testing.assert_allclose(face.numpy(), shown(model, rows), atol=5e-3)


def test_the_row_of_silence_is_made_once(model, monkeypatch):
    first = who_of(model, MotionStyle(jaw=0.123))["quiet"]
    monkeypatch.setattr("emotalk.motion.code_stream.CodeStream.silence", None)
    assert who_of(model, MotionStyle(jaw=0.123))["quiet"] == first
