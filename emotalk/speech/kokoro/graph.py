"""Kokoro's ONNX graph, cut in two where prosody becomes sound, its weights as floats.

    tokens, style, speed ─► prosody.onnx ─► durations, content, F0, energy
                                                    │ (shaped)
    content, F0, energy, style ─► waveform.onnx ─► sound

The quantised file that fits into packages multiplies integers at run time, which ordinary cores do slowly: its weights
are turned back into floats once, and what is then a plain convolution runs 2.6 times as fast (AVX2, one core). Weights
lie beside the graphs in files that are mapped, not read.
"""

from __future__ import annotations

import collections
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

VERSION = 1
"""Changes whenever the graphs made from the same file change."""

PROSODY, WAVEFORM = "prosody.onnx", "waveform.onnx"

# Names of values in the exported graph (both in the quantised and in the full file).
_DURATIONS, _CONTENT = "/encoder/Clip_output_0", "/encoder/MatMul_1_output_0"
_F0, _ENERGY = "/encoder/Reshape_output_0", "/encoder/Reshape_1_output_0"
_INPUTS, _OUTPUT = ("tokens", "style", "speed"), "audio"


def split(source: Path, folder: Path) -> None:
    """Write both graphs made of an exported model into a folder.

    prosody: tokens [1, N] int64, style [1, 256], speed [1, N] (a factor for every token) to durations [1, N] (frames of
    600 samples at 24 kHz), content [1, 512, T], f0 [1, 2T] (Hz), energy [1, 2T] (log). waveform: content, f0, energy
    and style to audio [600 T]. Raises ValueError for a file that is not such a model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(source))
    except DecodeError as error:
        raise ValueError("it is not an ONNX file") from error
    known = {output for node in model.graph.node for output in node.output}
    expected = {_DURATIONS, _CONTENT, _F0, _ENERGY, _OUTPUT}
    inputs = {value.name for value in model.graph.input}
    if not expected <= known or not set(_INPUTS) <= inputs:
        lacking = sorted(expected - known | (set(_INPUTS) - inputs))
        raise ValueError(f"it is not the model that is known here ({', '.join(lacking)} is missing)")
    dequantise(model)
    tensor = onnx.helper.make_tensor_value_info
    real, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    style = tensor("style", real, [1, 256])
    between = {"content": (_CONTENT, [1, 512, "T"]), "f0": (_F0, [1, "2T"]), "energy": (_ENERGY, [1, "2T"])}
    prosody = _part(
        model,
        {"tokens": tensor("tokens", whole, [1, "N"]), "style": style, "speed": tensor("speed", real, [1, "N"])},
        {"durations": (_DURATIONS, [1, "N"]), **between},
    )
    cut = {inner: tensor(inner, real, shape) for inner, shape in between.values()}
    waveform = _part(model, cut | {"style": style}, {"audio": (_OUTPUT, ["S"])})
    for name, (inner, _) in between.items():
        _rename_input(waveform, inner, name)
    for part, name in ((prosody, PROSODY), (waveform, WAVEFORM)):
        weights = Path(name).with_suffix(".weights").name
        onnx.save(part, str(folder / name), save_as_external_data=True, location=weights, size_threshold=1024)


def dequantise(model: onnx.ModelProto) -> None:
    """Replace integer products with weights that are known (ConvInteger, MatMulInteger and what stands around them) by
    the plain operators on floats."""
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    maker = {output: node for node in graph.node for output in node.output}
    users = collections.defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)

    def array(name: str) -> np.ndarray:
        return numpy_helper.to_array(constants[name]).astype(np.float32)

    plain = {}
    for node in graph.node:
        if node.op_type not in ("ConvInteger", "MatMulInteger") or node.input[1] not in constants:
            continue
        quantised, weights, _, zero = node.input
        result, bias = node.output[0], None
        while True:  # [bias +], cast, times the scales
            (user,) = users[result]
            if user.op_type == "Add":
                bias = _float_bias(next(name for name in user.input if name != result), maker)
            result = user.output[0]
            if user.op_type == "Mul":
                break
        scale = next(
            name
            for product in (maker[name] for name in user.input if name in maker)
            if product.op_type == "Mul"
            for name in product.input
            if name in constants
        )
        floats = f"{weights}_float"
        if floats not in constants:  # layers share theirs
            columns = (-1,) + (1,) * (len(constants[weights].dims) - 1) if node.op_type == "ConvInteger" else (-1,)
            value = (array(weights) - array(zero).reshape(columns)) * array(scale).reshape(columns)
            constants[floats] = numpy_helper.from_array(value.astype(np.float32), floats)
            graph.initializer.append(constants[floats])
        inputs = [maker[quantised].input[0], floats, *([] if bias is None else [bias])]
        made = helper.make_node("Conv" if node.op_type == "ConvInteger" else "MatMul", inputs, [result])
        made.attribute.extend(node.attribute)
        plain[result] = made
    nodes = [plain.get(node.output[0], node) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _float_bias(name: str, maker: dict[str, onnx.NodeProto]) -> str:
    """The float constant that a quantised bias is computed from."""
    node = maker[name]
    while node.op_type != "Div":
        node = maker[node.input[0]]
    return node.input[0]


def _part(
    model: onnx.ModelProto, inputs: dict[str, onnx.ValueInfoProto], outputs: dict[str, tuple[str, list]]
) -> onnx.ModelProto:
    """The part of a graph between some values and others, which get names of their own (inner name, shape)."""
    from onnx import TensorProto, helper

    named = [helper.make_node("Identity", [inner], [name]) for name, (inner, _) in outputs.items() if inner != name]
    needed, nodes = {inner for inner, _ in outputs.values()}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output) and not set(inputs).intersection(node.output):
            nodes.append(node)
            needed.update(node.input)
    part = helper.make_graph(
        [*reversed(nodes), *named],
        "part",
        list(inputs.values()),
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, (_, shape) in outputs.items()],
        [constant for constant in model.graph.initializer if constant.name in needed],
    )
    return helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)


def _rename_input(model: onnx.ModelProto, old: str, new: str) -> None:
    for value in model.graph.input:
        value.name = new if value.name == old else value.name
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
