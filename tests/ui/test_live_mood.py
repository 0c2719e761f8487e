"""The browser's face under a mood against Python's, number by number, in real Chromium."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.emotion import expression_tensor
from emotalk.live.face_pack import made_face
from emotalk.motion import MotionModel, MotionStyle
from emotalk.motion.lip_rules import closure_from_network, combine
from emotalk.motion.model import _MoodGlide
from emotalk.motion.network import AHEAD, BEFORE, RHYTHM_SIZE, SpeechCode
from emotalk.motion.person import RANK, MotionAdaptation
from emotalk.speech import SpeechEncoder, say
from emotalk.speech.feature_rows import frame_rows, quiet
from tests.ui.live_modules import LiveModules

ROW = 173
NEAR = 1e-4
"""Of a shape from 0 to 1: nothing that a picture shows."""
AXIS = np.linspace(-1, 1, 9)
SQUARE = np.float32([[v, a] for v in AXIS for a in AXIS])
"""Moods: the borders, the corners and (0, 0) among them."""


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return MotionModel.load()


@pytest.fixture(scope="module")
def browsed(browser, model):
    context = browser.new_context()
    opened = LiveModules(context.new_page(), "pack", "half", "spoken", "glide", pack=made_face(model))
    yield opened
    context.close()
    assert opened.errors == []


@pytest.fixture(scope="module")
def somebody(model) -> MotionAdaptation:
    random, shapes = np.random.default_rng(5), 52
    nobody = model.network.person().adaptation(model.network.fingerprint(), {})
    return dataclasses.replace(
        nobody, code=0.3 * random.standard_normal(nobody.code.shape), up=0.1 * random.standard_normal((RANK, shapes)),
        gain=0.3 * random.standard_normal(shapes), rest=0.1 * random.standard_normal(shapes),
        lips=0.02 * random.standard_normal(nobody.lips.shape),
    )  # fmt: skip


@pytest.fixture(scope="module")
def sentence():
    """Features of a spoken sentence, as the shipped encoder hears it."""
    return SpeechEncoder.load().encode(say("My mother came by for five happy summers, probably.", "flite:slt"))


def persons(model: MotionModel, somebody: MotionAdaptation) -> list[tuple[MotionStyle, MotionAdaptation | None]]:
    return [
        (MotionStyle(), None),
        (dataclasses.replace(MotionStyle.random(3), articulation="accurate"), None),
        (MotionStyle.random(8, 1.5), somebody),
    ]


def size_of(model: MotionModel, style: MotionStyle) -> float:
    return float(model.network.lively) if style.articulation == "lively" else 1.0


def random_code(model: MotionModel, style: MotionStyle, person, frames: int, seed: int) -> SpeechCode:
    """What no speech asks for: every contact, every opening, silence and closures in any company."""
    random = np.random.default_rng(seed)

    def numbers(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.float32(array.astype(np.float16)))[None]

    _, near, sizes = _style(model, style, person)
    return SpeechCode(
        numbers(random.normal(0, 1.5, (frames, 160))), numbers(random.normal(0, 1.5, (frames, 5))), near, sizes,
        numbers(random.choice([0, 1], frames) * random.random(frames)),
        numbers(random.choice([0, 1], frames) * random.random(frames)),
    )  # fmt: skip


def _style(model: MotionModel, style: MotionStyle, person) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    vector = torch.from_numpy(style.vector)[None]
    near = model.network.style(vector)[:, None]
    return vector, near if person is None else near + person.code, (vector @ model.network.lip_style).exp()[:, None]


def spoken_code(model: MotionModel, style: MotionStyle, person, features) -> SpeechCode:
    """A sentence, as half floats carry it to the browser."""
    hidden = model.network.config.features
    frames = len(features) // 2
    rows = [quiet(BEFORE, hidden), frame_rows(features[: 2 * frames], hidden), quiet(AHEAD, hidden)]
    beat = torch.rand(1, frames, RHYTHM_SIZE, generator=torch.Generator().manual_seed(0))
    vector = torch.from_numpy(style.vector)[None]
    with torch.inference_mode():
        code, _ = model.network.encode_speech(torch.from_numpy(np.concatenate(rows))[None], beat, vector, None, person)
        carried = {name: getattr(code, name).half().float() for name in ("channels", "lips", "closures", "silent")}
        return dataclasses.replace(code, **carried)


def rows_of(code: SpeechCode) -> np.ndarray:
    """[T, 173] as they travel; the rhythm, which no shape of a face looks at, is nonsense."""
    parts = [code.channels[0], code.lips[0], code.closures[0][:, None], code.silent[0][:, None]]
    rows = torch.cat([*parts, torch.full((len(parts[0]), 6), 9.0)], 1).numpy()
    assert rows.shape[1] == ROW
    return rows


def who_of(code: SpeechCode, style: MotionStyle, size: float, person: MotionAdaptation | None) -> dict:
    own = person and {name: getattr(person, name).tolist() for name in ("down", "up", "gain", "rest")}
    return {
        "style": code.style.flatten().tolist(), "sizes": code.sizes.flatten().tolist(), "gains": style.gains.tolist(),
        "size": size, "person": own,
    }  # fmt: skip


_SHOW = """({ who, rows, moods }) => {
    const face = window.face ??= new live.SpokenFace(pack), out = new Float32Array(52), found = [];
    const row = Float32Array.from(rows.flat()), width = pack.meta.show.row.size;
    face.setWho(who);
    moods.forEach(([v, a], i) => found.push(Array.from(face.show(row, i * width, v, a, out))));
    return found;
}"""


def differences(browsed, model, code: SpeechCode, moods: np.ndarray, style, adaptation) -> np.ndarray:
    """[T, 52] of the browser's face from Python's."""
    person = adaptation and model.network.person(adaptation)
    size = size_of(model, style)
    with torch.inference_mode():
        wanted = model.network.apply_emotion(
            code, torch.from_numpy(moods)[None], torch.from_numpy(style.gains)[None], person, size
        )
    who = who_of(code, style, size, adaptation)
    found = browsed.run(_SHOW, {"who": who, "rows": rows_of(code).tolist(), "moods": moods.tolist()})
    return np.abs(np.array(found) - wanted.expression[0].numpy())


# --- the whole face -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", range(3), ids=["lively", "accurate", "somebody"])
def test_any_code_under_any_mood_gives_the_face_of_python(browsed, model, somebody, which):
    style, adaptation = persons(model, somebody)[which]
    person = adaptation and model.network.person(adaptation)
    moods = np.concatenate([SQUARE, SQUARE, np.random.default_rng(1).uniform(-1, 1, (100, 2))]).astype(np.float32)
    code = random_code(model, style, person, len(moods), seed=which)
    assert differences(browsed, model, code, moods, style, adaptation).max() < NEAR


@pytest.mark.parametrize("which", range(3), ids=["lively", "accurate", "somebody"])
def test_a_spoken_sentence_gives_the_face_of_python(browsed, model, somebody, sentence, which):
    style, adaptation = persons(model, somebody)[which]
    person = adaptation and model.network.person(adaptation)
    code = spoken_code(model, style, person, sentence)
    assert code.channels.shape[1] > 50
    for mood in np.float32([(0, 0), (1, 1), (-1, 1), (-1, -1), (1, -1), (0.3, -0.1)]):
        moods = np.tile(mood, (code.channels.shape[1], 1))
        assert differences(browsed, model, code, moods, style, adaptation).max() < NEAR


def test_lips_that_have_learned_nothing_are_those_of_the_base_branch(browser, model):
    network = MotionModel.load().network
    network.learned.zero_()
    fresh = MotionModel(network, model.eyes, body=model.body)
    context = browser.new_context()
    other = LiveModules(context.new_page(), "pack", "spoken", pack=made_face(fresh))
    code = random_code(fresh, MotionStyle(), None, len(SQUARE), seed=4)
    assert differences(other, fresh, code, SQUARE, MotionStyle(), None).max() < NEAR
    assert differences(other, model, code, SQUARE, MotionStyle(), None).max() > 0.05  # the shipped ones have learned
    context.close()
    assert other.errors == []


def test_weights_reach_the_browser_to_the_last_bit(browsed, model):
    n = model.network
    layers = {
        "contact": n.contact,
        "base": n.base,
        "mood": n.mood[0],
        "modulation": n.modulation[0],
        "modulation_last": n.modulation[2],
        "gate": n.gate,
    }
    for name, layer in layers.items():
        for suffix, wanted in (("", layer.weight), ("_bias", layer.bias)):
            found = browsed.run("name => Array.from(pack.values(name))", f"show_{name}{suffix}")
            np.testing.assert_array_equal(np.float32(found), wanted.flatten().numpy())


# --- its parts ----------------------------------------------------------------------------------------------------


def test_the_field_of_faces_is_that_of_python(browsed):
    random = np.random.default_rng(2)
    tiny = 1e-4 * random.standard_normal((20, 2))
    axes = np.array([(1, -1e-9), (1, 1e-9), (-1, -1e-9), (0.5, -1e-30), (-0.5, -0.0), (1.7, -3)])
    moods = np.concatenate([SQUARE, random.uniform(-1, 1, (300, 2)), tiny, axes])
    found = browsed.run(
        "moods => moods.map(([v, a]) => Array.from(new live.MoodField(pack).at(v, a, new Float32Array(52))))",
        moods.tolist(),
    )
    np.testing.assert_allclose(found, expression_tensor(torch.from_numpy(moods)).numpy(), atol=2e-6)


def test_speech_and_emotion_share_the_mouth_as_in_python(browsed):
    random = np.random.default_rng(3)
    frames = 300
    speech, emotion = (torch.from_numpy(random.uniform(0, 1.2, (frames, 52)).astype(np.float32)) for _ in range(2))
    speech[::3] *= torch.from_numpy(random.random(52) < 0.3)
    # Contacts that are sure, that are not there and all between, in any company.
    held = np.clip(random.uniform(-0.5, 1.5, (2, frames)), 0, 1).astype(np.float32)
    wanted = combine(speech, emotion, *torch.from_numpy(held))
    found = browsed.run(
        """({ speech, emotion, held }) => {
            const rules = new live.LipRules(pack);
            return speech.map((s, i) => Array.from(
                rules.combine(s, emotion[i], held[0][i], held[1][i], new Float32Array(52))));
        }""",
        {"speech": speech.tolist(), "emotion": emotion.tolist(), "held": held.tolist()},
    )
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_closures_are_decided_as_in_python(browsed):
    probability, parted = np.float32(np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 7)))
    wanted = closure_from_network(torch.from_numpy(probability), torch.from_numpy(parted))
    found = browsed.run(
        "pairs => pairs.map(([p, parted]) => new live.LipRules(pack).closure(p, parted))",
        np.stack([probability.ravel(), parted.ravel()], 1).tolist(),
    )
    np.testing.assert_allclose(found, wanted.ravel(), atol=1e-5)


def test_a_mood_glides_and_swells_as_in_python(browsed):
    class Recorded:
        def standard_normal(self, count: int) -> np.ndarray:
            self.normals = 1.5 * np.random.default_rng(6).standard_normal(count)
            return self.normals

    # A slider at rest, thrown across, moved by hand, at the border.
    wanted = np.zeros((400, 2), np.float32)
    wanted[50:120] = 1, -1
    wanted[120:250] = np.cumsum(np.random.default_rng(7).normal(0, 0.1, (130, 2)), 0).clip(-1, 1)
    wanted[250:] = -1, 1
    random = Recorded()
    smooth, lively = _MoodGlide(random).glide(wanted)
    found = browsed.run(
        """({ wanted, normals }) => {
            const glide = new live.MoodGlide({ normal: () => normals.shift(), uniform: Math.random }, pack);
            return wanted.map(([v, a]) => {
                glide.step(v, a);
                return [...glide.smooth, ...glide.lively];
            });
        }""",
        {"wanted": wanted.tolist(), "normals": random.normals.tolist()},
    )
    assert np.ptp(lively / np.where(smooth, smooth, 1)) > 0.1
    np.testing.assert_allclose(found, np.concatenate([smooth, lively], 1), atol=1e-6)


def test_every_half_float_is_read_as_numpy_reads_it(browsed):
    patterns = np.arange(65536, dtype="<u2")
    finite = patterns[np.isfinite(patterns.view("<f2"))]
    script = """numbers => {
        const bytes = new Uint8Array(Uint16Array.from([7, ...numbers]).buffer);
        const out = new Float32Array(numbers.length + 1);
        const view = new DataView(bytes.buffer, 2);
        return [Array.from(live.halves(bytes.subarray(2), out, 1)), Array.from(live.halves(view, out, 0))];
    }"""
    wanted = finite.view("<f2").astype(np.float64)
    later, first = browsed.run(script, finite.tolist())
    np.testing.assert_array_equal(later, [0, *wanted])
    np.testing.assert_array_equal(first[:-1], wanted)
    assert browsed.run("[0x7c00, 0xfc00].map(live.half).map(String)") == ["Infinity", "-Infinity"]
