"""Cutting an exported model in two: both halves together are the whole, with weights as floats.

The model is a very small one that has the names, inputs and outputs of the real one; quantised as ONNX Runtime's
dynamic quantisation does it, with weights that eight bits hold exactly.
"""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from emotalk.speech.kokoro import graph
from emotalk.speech.kokoro.model import FRAME, KokoroModel

CHANNELS, TOKENS, SYMBOLS = 512, 9, 20
STEP = 0.01  # of the weights: whole multiples of it up to 127


@dataclasses.dataclass
class Exported:
    """A model in the making: nodes and constants."""

    quantised: bool
    nodes: list = dataclasses.field(default_factory=list)
    constants: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def add(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = value
        return name

    def product(
        self, kind: str, value: str, name: str, weights: np.ndarray, bias: np.ndarray | None = None, **attributes
    ) -> str:
        """A Conv or MatMul with weights [...] that are whole multiples of STEP: as it is, or with integers."""
        if not self.quantised:
            inputs = [value, self.constant(f"{name}_w", weights.astype(np.float32))]
            inputs += [] if bias is None else [self.constant(f"{name}_b", bias)]
            return self.add(kind, inputs, name, **attributes)
        q, scale, zero = f"{name}_q", f"{name}_scale", f"{name}_zero"
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [value], [q, scale, zero]))
        # Unsigned weights around a middle of their own, which has to be taken off.
        whole = self.constant(f"{name}_w_quantized", (np.round(weights / STEP) + 121).astype(np.uint8))
        middle = self.constant(f"{name}_w_zero", np.uint8(121))
        step = self.constant(f"{name}_w_scale", np.float32(STEP))
        result = self.add(f"{kind}Integer", [q, whole, zero, middle], f"{name}_integer", **attributes)
        if bias is not None:
            self.constant(f"{name}_b", bias)
            unit = self.add("Mul", [scale, step], f"{name}_bias_scale")
            steps = self.add("Floor", [self.add("Div", [f"{name}_b", unit], f"{name}_b_div")], f"{name}_b_floor")
            shape = self.constant(f"{name}_shape", np.array([1, -1, 1], np.int64))
            cast = self.add("Cast", [steps], f"{name}_b_cast", to=TensorProto.INT32)
            reshaped = self.add("Reshape", [cast, shape], f"{name}_b_reshaped")
            result = self.add("Add", [result, reshaped], f"{name}_biased")
        real = self.add("Cast", [result], f"{name}_cast", to=TensorProto.FLOAT)
        scales = self.add("Mul", [scale, step], f"{name}_scales")
        return self.add("Mul", [real, scales], name)

    def save(self, path: Path) -> None:
        value = helper.make_tensor_value_info
        inputs = [
            value("tokens", TensorProto.INT64, [1, "N"]),
            value("style", TensorProto.FLOAT, [1, 256]),
            value("speed", TensorProto.FLOAT, ["S"]),
        ]
        made = helper.make_graph(
            self.nodes,
            "small",
            inputs,
            [value("audio", TensorProto.FLOAT, ["samples"])],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in self.constants.items()],
        )
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def exported(path: Path, quantised: bool, durations: str = "/encoder/Clip_output_0") -> Path:
    """One frame a token: content is an embedding seen through the style, F0 and energy are convolutions of it."""
    rng, model = np.random.default_rng(0), Exported(quantised)

    def weights(*shape: int) -> np.ndarray:
        return np.clip(np.round(rng.standard_normal(shape) * 20), -120, 120) * STEP

    model.constant("table", rng.standard_normal((SYMBOLS, 8)).astype(np.float32))
    embedded = model.add("Gather", ["table", "tokens"], "embedded")
    hidden = model.product("MatMul", embedded, "hidden", weights(8, CHANNELS))
    seen = model.add("Add", [hidden, model.product("MatMul", "style", "seen", weights(256, CHANNELS))], "both")
    content = model.add("Transpose", [seen], "/encoder/MatMul_1_output_0", perm=[0, 2, 1])
    length = model.add("ReduceMean", [seen], "length", axes=[2], keepdims=0)
    paced = model.add("Div", [model.add("Abs", [length], "positive"), "speed"], "paced")
    model.add("Clip", [paced, model.constant("least", np.float32(1e-6))], durations)
    flat = model.constant("flat", np.array([1, -1], np.int64))
    for name, output in (("pitch", "/encoder/Reshape_output_0"), ("effort", "/encoder/Reshape_1_output_0")):
        bias = rng.standard_normal(2).astype(np.float32)
        curve = model.product("Conv", content, name, weights(2, CHANNELS, 3), bias, pads=[1, 1])
        model.add("Reshape", [model.add("Transpose", [curve], f"{name}_t", perm=[0, 2, 1]), flat], output)
    bias = rng.standard_normal(FRAME).astype(np.float32)
    sound = model.product("Conv", content, "sound", weights(FRAME, CHANNELS, 1), bias)
    coloured = model.add(
        "Add",
        [
            sound,
            model.add(
                "Unsqueeze",
                [
                    model.product("MatMul", "style", "colour", weights(256, FRAME)),
                    model.constant("last", np.array([2], np.int64)),
                ],
                "colour_t",
            ),
        ],
        "coloured",
    )
    louder = model.add("Mul", ["/encoder/Reshape_output_0", "/encoder/Reshape_1_output_0"], "louder")
    mean = model.add("ReduceMean", [louder], "mean", axes=[1], keepdims=1)
    scaled = model.add("Mul", [model.add("Transpose", [coloured], "rows", perm=[0, 2, 1]), mean], "scaled")
    model.add("Reshape", [scaled, model.constant("one", np.array([-1], np.int64))], "audio")
    model.save(path)
    return path


@pytest.fixture
def asked() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "tokens": rng.integers(0, SYMBOLS, (1, TOKENS)),
        "style": (rng.standard_normal((1, 256)) * 0.1).astype(np.float32),
        "speed": np.array([1.0], np.float32),
    }


def whole(path: Path, asked: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["audio"], asked)[0]


@pytest.mark.parametrize("quantised", [False, True], ids=["float", "int8"])
def test_both_halves_together_are_the_whole_in_floats(tmp_path, asked, quantised):
    expected = whole(exported(tmp_path / "float.onnx", quantised=False), asked)
    graph.split(exported(tmp_path / "source.onnx", quantised), tmp_path)
    model, style = KokoroModel(tmp_path), asked["style"][0]
    prosody = model.prosody(asked["tokens"][0].tolist(), style)
    sound = model.waveform(prosody, style)
    assert sound.shape == (FRAME * TOKENS,)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(sound / scale, expected / scale, atol=1e-4)
    assert (prosody.content.shape, prosody.f0.shape) == ((CHANNELS, TOKENS), (2 * TOKENS,))
    assert np.abs(prosody.f0 - prosody.energy).max() > 0.1  # not one taken for the other


def test_integer_products_are_gone_and_cost_no_accuracy(tmp_path, asked):
    """The integers themselves are off by a hundred times more: they round what goes in, too."""
    expected = whole(exported(tmp_path / "float.onnx", quantised=False), asked)
    source = exported(tmp_path / "source.onnx", quantised=True)
    error = np.abs(whole(source, asked) - expected).max() / np.abs(expected).max()
    assert error > 1e-3
    graph.split(source, tmp_path)
    for name in (graph.PROSODY, graph.WAVEFORM):
        kinds = {node.op_type for node in onnx.load(str(tmp_path / name)).graph.node}
        assert not [kind for kind in kinds if "Integer" in kind or "Quantize" in kind]
        assert "Conv" in kinds


def test_every_token_has_a_speed_of_its_own(tmp_path, asked):
    """In the exported model one speed holds for all."""
    graph.split(exported(tmp_path / "source.onnx", quantised=False), tmp_path)
    session = onnxruntime.InferenceSession(str(tmp_path / graph.PROSODY), providers=["CPUExecutionProvider"])
    speed = np.linspace(0.5, 2, TOKENS, dtype=np.float32)[None]
    (usual,) = session.run(["durations"], asked | {"speed": np.ones_like(speed)})
    (paced,) = session.run(["durations"], asked | {"speed": speed})
    np.testing.assert_allclose(paced, np.maximum(usual / speed, 1e-6), rtol=1e-5)


def test_the_sound_follows_a_prosody_that_was_changed(tmp_path, asked):
    graph.split(exported(tmp_path / "source.onnx", quantised=True), tmp_path)
    model, style = KokoroModel(tmp_path), asked["style"][0]
    prosody = model.prosody(asked["tokens"][0].tolist(), style)
    doubled = dataclasses.replace(prosody, f0=prosody.f0 * 2)
    np.testing.assert_allclose(model.waveform(doubled, style), 2 * model.waveform(prosody, style), rtol=1e-3)


def test_a_part_of_a_prosody_is_a_part_of_the_sound(tmp_path, asked):
    """Also in a stretch of another length than that of the whole."""
    graph.split(exported(tmp_path / "source.onnx", quantised=False), tmp_path)
    model, style = KokoroModel(tmp_path), asked["style"][0]
    prosody = model.prosody(asked["tokens"][0].tolist(), style)
    assert model.waveform(prosody.cut(2, 6), style).shape == (4 * FRAME,)


def test_neither_half_carries_what_only_the_other_needs(tmp_path):
    graph.split(exported(tmp_path / "source.onnx", quantised=False), tmp_path)
    names = {
        name: {constant.name for constant in onnx.load(str(tmp_path / name)).graph.initializer}
        for name in (graph.PROSODY, graph.WAVEFORM)
    }
    assert {"table", "hidden_w", "pitch_w"} <= names[graph.PROSODY]
    assert {"sound_w", "colour_w"} <= names[graph.WAVEFORM]
    assert not {"sound_w", "colour_w"} & names[graph.PROSODY]
    assert not {"table", "hidden_w", "pitch_w"} & names[graph.WAVEFORM]


def test_weights_lie_beside_the_graphs(tmp_path):
    graph.split(exported(tmp_path / "source.onnx", quantised=False), tmp_path)
    for name in (graph.PROSODY, graph.WAVEFORM):
        assert (tmp_path / name).stat().st_size < 20_000 < (tmp_path / name).with_suffix(".weights").stat().st_size


def test_another_model_is_refused(tmp_path):
    other = exported(tmp_path / "other.onnx", quantised=False, durations="/decoder/Clip_output_0")
    with pytest.raises(ValueError, match=r"not the model that is known here \(/encoder/Clip_output_0 is missing\)"):
        graph.split(other, tmp_path)


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "song.mp3").write_bytes(b"ID3 and no graph")
    with pytest.raises(ValueError, match="not an ONNX file"):
        graph.split(tmp_path / "song.mp3", tmp_path)
