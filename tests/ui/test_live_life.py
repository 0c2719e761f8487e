"""A talk in the browser is the talk of Python: speech code and mood in, frames of motion out."""

from __future__ import annotations

import numpy as np
import pytest

from emotalk.emotion import EmotionCurve
from emotalk.live.face_pack import made_face
from emotalk.live.who import who_of
from emotalk.motion import MotionModel, MotionStyle
from tests.motion.test_model import spoken
from tests.ui.live_body import Recorder
from tests.ui.live_modules import LiveModules

# These come with other branches.

_TALK = """([drawn, who, rows, moods]) => {
    // Plays back what Python drew; another kind of draw than Python's is an error.
    const replay = ([kinds, values], at = 0) => {
        const next = (kind) => () => {
            if (kinds[at] !== kind) throw new Error(`draw ${at} is ${kind}, Python has ${kinds[at]}`);
            return values[at++];
        };
        return { uniform: next("u"), normal: next("n") };
    };
    const [gaze, blink, head, mood] = drawn.map((one) => replay(one));
    const life = new live.Life(pack, who, { gaze, blink, head, mood, presence: new live.Chance(0) });
    const flat = Float32Array.from(rows.flat()), size = rows[0].length;
    return moods.map(([v, a], i) => Array.from(life.frame(flat, i * size, v, a)));
}"""


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


@pytest.fixture(scope="module")
def browsed(browser, model):
    context = browser.new_context()
    opened = LiveModules(context.new_page(), "pack", "life", pack=made_face(model))
    yield opened
    context.close()
    assert opened.errors == []


@pytest.mark.parametrize("style", [MotionStyle(), MotionStyle.random(4)], ids=["average", "drawn"])
def test_a_talk_is_that_of_python(browsed, model, monkeypatch, style):
    _, features = spoken()
    frames = -(-len(features) // 2)
    curve = EmotionCurve.from_keys([(0, -0.5, 0.4), (1, 0.8, 0.6), (2, -0.7, -0.8)])
    made, recorders = np.random.default_rng, []

    def recorded(seed):
        recorders.append(Recorder(made(seed)))
        return recorders[-1]

    monkeypatch.setattr(MotionStyle, "gains", style.gains)  # drawn, too, but not by the body
    monkeypatch.setattr(np.random, "default_rng", recorded)
    stream = model.stream(curve, style, 7)
    monkeypatch.setattr(np.random, "default_rng", made)
    parts = [part for part in (stream.push(features), stream.finish()) if part is not None]
    wanted = np.concatenate([np.concatenate([p.expression, p.jaw, p.gaze, p.eyelids, p.head_pose], 1) for p in parts])
    code = model.code_stream(style)
    rows = np.concatenate([code.push(features), code.finish()])
    found = np.array(
        browsed.run(
            _TALK,
            [
                [r.drawn for r in recorders],
                who_of(model, style),
                rows.astype(float).tolist(),
                curve.at(frames).tolist(),
            ],
        )
    )
    assert len(wanted) == frames
    np.testing.assert_allclose(found, wanted, atol=1e-4)


_LIVED = """([who, rows, plan]) => {
    const life = new live.Life(pack, who, 3), flat = Float32Array.from(rows.flat()), size = rows[0].length;
    life.alive = true;
    return plan.map((i) => Array.from(life.frame(i === null ? null : flat, (i ?? 0) * size, 0.3, 0.2)));
}"""


def test_a_talk_that_is_cut_anywhere_never_jumps(browsed, model):
    """From silence into a talk and, within a word, back into silence: nothing moves faster than in the talk itself."""
    _, features = spoken()
    style = MotionStyle()
    code = model.code_stream(style)
    rows = np.concatenate([code.push(features), code.finish()])
    who = who_of(model, style)
    for cut in (30, 41, 57):
        plan = [None] * 50 + list(range(cut)) + [None] * 50
        moved = np.array(browsed.run(_LIVED, [who, rows.astype(float).tolist(), plan]))
        speed = np.abs(np.diff(moved, axis=0))
        mouth, head = speed[:, :55].max(1), speed[:, 59:].max(1)
        for edge in (50, 50 + cut):
            assert mouth[edge - 2 : edge + 10].max() <= mouth[52 : 48 + cut].max()
            assert head[edge - 2 : edge + 10].max() <= max(head[52 : 48 + cut].max(), 0.02)
