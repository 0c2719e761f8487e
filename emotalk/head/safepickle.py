"""Reads arrays out of old model pickles without running anything that is in them.

A pickle is a program. This reader lets it build dicts, lists, numbers and text, and answers its calls for
numpy, scipy.sparse and chumpy classes with inert stand-ins that only keep what they are given; every other
name is refused. Arrays are then made from the raw bytes, plain numbers only.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from emotalk.core.errors import CheckpointError

LIMIT_BYTES = 1 << 30
"""FLAME's largest file is 0.2 GB."""
LIMIT_CELLS = 10_000_000
"""FLAME's joint regressor has 5 x 5023 entries."""


class _Inert:
    """Keeps constructor arguments and state; does nothing."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Dtype(_Inert):
    def resolve(self) -> np.dtype:
        name = self.arguments[0] if self.arguments else ""
        name = name.decode("latin1") if isinstance(name, bytes) else name
        if not isinstance(name, str) or name[:1] not in ("f", "i", "u", "b") or not name[1:].isdigit():
            raise CheckpointError(f"The file holds an array of the type {name!r}; only plain numbers are read.")
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "="
        order = order.decode("latin1") if isinstance(order, bytes) else order
        return np.dtype(name).newbyteorder(order if order in ("<", ">") else "=")


class _Array(_Inert):
    def resolve(self) -> np.ndarray:
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise CheckpointError("The file holds an incomplete array; download it again.")
        _, shape, dtype, fortran, raw = self.state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, (bytes, str)):
            raise CheckpointError("The file holds an array of objects; only arrays of numbers are read.")
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        flat = np.frombuffer(raw, dtype.resolve())
        return flat.reshape(shape, order="F" if fortran else "C")


class _Sparse(_Inert):
    def resolve(self, by_column: bool) -> np.ndarray:
        state = self.state if isinstance(self.state, dict) else {}
        data, indices, starts = (np.asarray(_plain(state.get(k))) for k in ("data", "indices", "indptr"))
        rows, columns = (int(n) for n in state.get("_shape", state.get("shape", (0, 0))))
        if rows * columns > LIMIT_CELLS:
            raise CheckpointError(f"The file holds a sparse matrix of {rows} x {columns}; no head model is that large.")
        lines = columns if by_column else rows
        if starts.shape != (lines + 1,) or len(data) != len(indices) or starts[-1] != len(data):
            raise CheckpointError("The file holds a sparse matrix whose parts do not fit together.")
        dense = np.zeros((rows, columns), np.float64)
        line = np.repeat(np.arange(lines), np.diff(starts))
        np.add.at(dense, (indices, line) if by_column else (line, indices), data)
        return dense


class _ColumnSparse(_Sparse):
    pass


class _RowSparse(_Sparse):
    pass


class _Chumpy(_Inert):
    pass


class _Object:
    pass


def _reconstruct(kind: object, *_: object) -> _Inert:
    """Stands in for numpy's and copyreg's `_reconstruct(or)`: an empty stand-in of the wanted kind."""
    if not (isinstance(kind, type) and issubclass(kind, _Inert)):
        raise CheckpointError("The file wants to build something that is not an array; it is not a model file.")
    return kind()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise CheckpointError(f"The file holds bytes encoded as {encoding!r}; only 'latin1' occurs in model files.")
    return text.encode("latin1")


_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_STAND_INS = {
    "ndarray": _Array, "dtype": _Dtype, "_reconstruct": _reconstruct, "csc_matrix": _ColumnSparse,
    "csr_matrix": _RowSparse, "_reconstructor": _reconstruct, "object": _Object, "set": set, "scalar": _Inert,
    "encode": _encode,
}  # fmt: skip


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        allowed = (
            (module in _NUMPY and name in ("ndarray", "dtype", "_reconstruct", "scalar"))
            or (module.startswith("scipy.sparse") and name in ("csc_matrix", "csr_matrix"))
            or (module in ("copy_reg", "copyreg") and name == "_reconstructor")
            or (module in ("__builtin__", "builtins") and name in ("object", "set"))
            or (module == "_codecs" and name == "encode")
        )
        if allowed:
            return _STAND_INS[name]
        if module.split(".")[0] == "chumpy":
            return _Chumpy
        raise CheckpointError(
            f"The file asks for {module}.{name}, which no head model needs; it may be malicious and was not run. "
            "Use the original generic_model.pkl, or convert it to .npz."
        )

    def persistent_load(self, pid: object) -> object:
        raise CheckpointError("The file refers to objects outside itself; it is not a plain model file.")


def _plain(value: object) -> object:
    """Arrays and numbers for stand-ins; containers are walked by the caller."""
    if isinstance(value, _Array):
        return value.resolve()
    if isinstance(value, _Sparse):
        return value.resolve(isinstance(value, _ColumnSparse))
    if isinstance(value, _Chumpy):
        state = value.state if isinstance(value.state, dict) else {}
        return _plain(state.get("x"))
    return value


def read_pickled_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays and numbers of a pickled dict, by name; other entries are left out.

    Nothing in the file is executed. Raises CheckpointError where the file is missing, too large, damaged, or asks
    for anything but numpy arrays, scipy sparse matrices and chumpy arrays.
    """
    try:
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise CheckpointError(f"{path} has {size / 1e9:.1f} GB; a head model has at most 1 GB.")
        with path.open("rb") as file:
            content = _Reader(file, encoding="latin1").load()
        if not isinstance(content, dict):
            raise CheckpointError(f"{path} holds a {type(content).__name__}, not the dict of a head model.")
        arrays = {}
        for name, value in content.items():
            value = _plain(value)
            if isinstance(name, str) and isinstance(value, (np.ndarray, int, float)):
                arrays[name] = np.asarray(value)
        return arrays
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened ({error.strerror}); check the path.") from error
    # A damaged pickle can fail in any of these ways, depending on the byte that is wrong.
    except (
        pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, MemoryError,
        OverflowError, RecursionError, UnicodeError, ImportError, AssertionError,
    ) as error:  # fmt: skip
        raise CheckpointError(f"{path} is damaged or no model file ({type(error).__name__}); get it again.") from error
