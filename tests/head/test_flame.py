"""FLAME files of the original layout are read without running them; everything else is refused with a sentence."""

import contextlib
import os
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from scipy import sparse

from emotalk.core.errors import CheckpointError, InputError
from emotalk.head import FlameHead
from emotalk.head.safepickle import read_pickled_arrays

VERTICES, SHAPES, EXPRESSIONS = 12, 6, 3


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """A tiny model of FLAME's layout: a cloud of points, two of them eyeballs."""
    rng = np.random.default_rng(0)
    weights = rng.random((VERTICES, 5))
    weights[:2] = np.eye(5)[[3, 4]]
    regressor = rng.random((5, VERTICES))
    return {
        "v_template": rng.normal(0, 0.1, (VERTICES, 3)),
        "shapedirs": rng.normal(0, 0.01, (VERTICES, 3, SHAPES + EXPRESSIONS)),
        "posedirs": rng.normal(0, 0.01, (VERTICES, 3, 36)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "f": rng.integers(0, VERTICES, (8, 3)).astype(np.uint32),
        "kintree_table": np.array([[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
    }


@pytest.fixture
def generic_model(arrays, tmp_path, monkeypatch):
    """generic_model.pkl as FLAME ships it: chumpy arrays, a sparse regressor, protocol 2, some text."""
    module = types.ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x):
            self.__dict__ = {"x": x, "_dirty_vars": set(), "_itr": None}

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module.Ch = Ch
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    content = dict(arrays) | {
        "v_template": Ch(arrays["v_template"]),
        "shapedirs": Ch(arrays["shapedirs"]),
        "J_regressor": sparse.csc_matrix(arrays["J_regressor"]),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }
    # scipy pickles its classes under private module names, as FLAME's file does.
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(pickle.dumps(content, protocol=2))
    monkeypatch.delitem(sys.modules, "chumpy.ch")
    monkeypatch.delitem(sys.modules, "chumpy")
    return path


def test_pickle_and_npz_give_the_same_model(generic_model, arrays, tmp_path):
    np.savez(tmp_path / "flame.npz", **arrays)
    one, other = FlameHead.load(generic_model, EXPRESSIONS), FlameHead.load(tmp_path / "flame.npz", EXPRESSIONS)
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name])
    assert one.components == SHAPES
    assert one.triangles.shape == (8, 3)


def test_python_2_strings_are_read(arrays, tmp_path):
    """FLAME's own file was written by Python 2: array bytes are text to Python 3."""
    raw = arrays["v_template"]
    data = raw.tobytes()
    program = (
        b"\x80\x02}q\x00U\nv_templatecnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01"
        + b"K"
        + bytes([VERTICES])
        + b"K\x03\x86cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T" + len(data).to_bytes(4, "little") + data + b"tbs."
    )
    path = tmp_path / "two.pkl"
    path.write_bytes(program)
    np.testing.assert_array_equal(read_pickled_arrays(path)["v_template"], raw)


def reference(arrays, identity, expression, jaw, gaze, pose):
    """FLAME's equations in float64 numpy, one frame."""
    from scipy.spatial.transform import Rotation

    origin = (arrays["J_regressor"] @ arrays["v_template"])[1]
    vertices = arrays["v_template"] - origin + arrays["shapedirs"] @ np.concatenate([identity, expression])
    joints = arrays["J_regressor"] @ (arrays["v_template"] - origin + arrays["shapedirs"][..., :SHAPES] @ identity)
    eye = Rotation.from_euler("YX", [gaze[0], -gaze[1]]).as_matrix()
    turns = [Rotation.from_rotvec(pose[:3]).as_matrix(), Rotation.from_rotvec(jaw).as_matrix(), eye, eye]
    vertices = vertices + arrays["posedirs"] @ np.concatenate([(t - np.eye(3)).ravel() for t in turns])

    def about(turn, pivot):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn, pivot - turn @ pivot
        return matrix

    root = np.eye(4)
    root[:3, 3] = pose[3:]
    neck = root @ about(turns[0], joints[1])
    chain = [root, neck, *(neck @ about(t, joints[k + 2]) for k, t in enumerate(turns[1:]))]
    homogeneous = np.column_stack([vertices, np.ones(VERTICES)])
    return sum(w[:, None] * (homogeneous @ m.T)[:, :3] for w, m in zip(arrays["weights"].T, chain, strict=True))


def test_forward_follows_flames_equations(arrays):
    head = FlameHead(arrays, EXPRESSIONS)
    rng = np.random.default_rng(1)
    inputs = [rng.normal(0, 0.5, n) for n in (SHAPES, EXPRESSIONS, 3, 2, 6)]
    names = ("identity", "expression", "jaw", "gaze", "head_pose")
    tensors = {n: torch.tensor(x[None], dtype=torch.float32) for n, x in zip(names, inputs, strict=True)}
    np.testing.assert_allclose(head(**tensors).vertices[0].numpy(), reference(arrays, *inputs), atol=1e-5)


def test_rest_is_the_template_and_gradients_flow(arrays):
    head = FlameHead(arrays, EXPRESSIONS)
    torch.testing.assert_close(head().vertices[0], head.template)
    expression = torch.zeros(2, EXPRESSIONS, requires_grad=True)
    head(expression=expression).vertices.square().sum().backward()
    assert expression.grad.abs().sum() > 0


def test_interface_is_the_heads_own(arrays):
    head = FlameHead(arrays, EXPRESSIONS, {"ibug68": (np.zeros((68, 3), int), np.full((68, 3), 1 / 3))})
    mesh = head(jaw=torch.zeros(3, 3))
    assert mesh.vertices.shape == (3, VERTICES, 3)
    assert mesh.transforms.shape == (3, 6, 4, 4)
    assert head.landmarks(mesh.vertices, "ibug68").shape == (3, 68, 3)
    assert head.triangle_frames(mesh.vertices)[0].shape == (3, 8, 3, 3)
    with pytest.raises(InputError, match="mediapipe478"):
        head.landmarks(mesh.vertices, "mediapipe478")
    with pytest.raises(InputError, match="eyelids"):
        head(eyelids=torch.ones(1, 2))
    with pytest.raises(InputError, match=r"expression must have shape \[B, 3\]"):
        head(expression=torch.zeros(1, 52))


class Runs:
    """What a malicious pickle does: it has a function called when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("where", ["alone", "beside arrays", "as array state"])
def test_a_malicious_pickle_is_refused_and_not_run(where, arrays, tmp_path):
    marker = tmp_path / "run"
    attack = Runs(os.mkdir, str(marker))
    content = {"alone": attack, "beside arrays": arrays | {"extra": attack}, "as array state": {"v_template": [attack]}}
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(pickle.dumps(content[where], protocol=2))
    with pytest.raises(CheckpointError, match="mkdir"):
        FlameHead.load(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(S'1+1'\ntR.",
        b"cposix\nsystem\n(S'true'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'/etc/passwd'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cscipy.sparse\nload_npz\n(S'x'\ntR.",
        b"ccopy_reg\n_reconstructor\n(cbuiltins\nobject\ncbuiltins\nobject\nNtR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\nobject\n(I0\ntS'b'\ntR.",
        b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.",
        b"Pid\n.",
    ],
)
def test_names_a_model_does_not_need_are_refused(program, tmp_path):
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(program)
    with pytest.raises(CheckpointError):
        read_pickled_arrays(path)


def test_damaged_files_give_a_sentence(generic_model, tmp_path):
    whole = generic_model.read_bytes()
    rng = np.random.default_rng(0)
    unnoticed = 0
    for k in range(60):
        damaged = bytearray(whole[: int(rng.integers(0, len(whole)))] if k % 2 else whole)
        for _ in range(3 if damaged else 0):
            damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
        path = tmp_path / "damaged.pkl"
        path.write_bytes(bytes(damaged))
        # Only a flipped number inside an array may go unnoticed; nothing but CheckpointError may come out.
        with contextlib.suppress(CheckpointError):
            assert FlameHead.load(path, EXPRESSIONS).components == SHAPES
            unnoticed += 1
    assert unnoticed < 30


def test_other_files_give_a_sentence(arrays, tmp_path):
    with pytest.raises(CheckpointError, match="cannot be opened"):
        FlameHead.load(tmp_path / "missing.pkl")
    (tmp_path / "text.pkl").write_text("hello")
    with pytest.raises(CheckpointError, match="damaged or no model file"):
        FlameHead.load(tmp_path / "text.pkl")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(CheckpointError, match="cannot be read"):
        FlameHead.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", v_template=arrays["v_template"])
    with pytest.raises(CheckpointError, match="shapedirs"):
        FlameHead.load(tmp_path / "other.npz")
    np.savez(tmp_path / "wrong.npz", **(arrays | {"weights": arrays["weights"][:, :4]}))
    with pytest.raises(CheckpointError, match="weights has shape"):
        FlameHead.load(tmp_path / "wrong.npz", EXPRESSIONS)
    np.savez(tmp_path / "nan.npz", **(arrays | {"posedirs": arrays["posedirs"] * np.nan}))
    with pytest.raises(CheckpointError, match="not finite"):
        FlameHead.load(tmp_path / "nan.npz", EXPRESSIONS)
