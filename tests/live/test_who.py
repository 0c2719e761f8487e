"""Who: what the showing half needs of a person and a style, so that it shows what Python shows."""

import json

import numpy as np
import pytest
import torch

from emotalk.live.who import who_of
from emotalk.motion import MotionModel, MotionStyle
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
    assert (who["head_energy"], who["brows"], who["sideways"]) == (STYLE.head_energy, STYLE.brows, STYLE.sideways)
    own = who_of(person, STYLE)["person"]
    assert {name: np.shape(own[name]) for name in own} == {
        "down": (160, 4), "up": (4, 52), "gain": (52,), "rest": (52,),
    }  # fmt: skip
    assert who_of(person, STYLE)["style"] != who["style"]


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
