"""Reads and checks `checkpoints/head.npz`."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import CheckpointError
from emotalk.head.mesh import JOINT_NAMES

FORMAT = "emotalk-head"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class HeadData:
    """The arrays of a head file, decoded to float32 / int64, and its metadata."""

    metadata: dict
    template: np.ndarray  # [V, 3] metres
    triangles: np.ndarray  # [F, 3]
    uv: np.ndarray  # [M, 2]
    uv_triangles: np.ndarray  # [F, 3] rows of uv, one for each corner
    shapes: np.ndarray  # [52, V, 3] displacements at coefficient 1
    identity: np.ndarray  # [K, V, 3] displacements at one standard deviation
    joints: np.ndarray  # [6, 3]
    joint_identity: np.ndarray  # [K, 6, 3]
    weights: np.ndarray  # [V, 6]
    regions: dict[str, np.ndarray]  # name -> [V] bool
    landmarks: dict[str, tuple[np.ndarray, np.ndarray]]  # name -> triangle corners [L, 3], barycentric [L, 3]
    look_angles: np.ndarray  # [4] radians of the eyeball at eyeLookUp, Down, In, Out = 1
    jaw_open_angle: float  # radians of jaw pitch that equal jawOpen = 1
    lid_vertices: tuple[np.ndarray, np.ndarray]  # skin that must stay outside the left, right eyeball
    lid_distances: tuple[np.ndarray, np.ndarray]  # the least distance from the eye's centre in eyeball radii
    closure: tuple[np.ndarray, np.ndarray, np.ndarray]  # (row, column, value): identity offset -> blink offset


def read_head(path: Path) -> HeadData:
    """The contents of a head file; raises CheckpointError where it is missing, damaged or of another version."""
    if not path.is_file():
        raise CheckpointError(f"The head file {path} is missing; restore it or run `python -m scripts.build_head`.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} cannot be read as a head file ({error}); restore it.") from error
    try:
        metadata = json.loads(str(arrays["metadata"]))
        version = metadata.get("version") if metadata.get("format") == FORMAT else None
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{path} is not a head file of version {FORMAT_VERSION} (found {version}); "
                "rebuild it with `python -m scripts.build_head`."
            )
        return _decode(metadata, arrays)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged or foreign ({error!r}); restore the shipped file.") from error


def _decode(metadata: dict, arrays: dict[str, np.ndarray]) -> HeadData:
    template = arrays["template"].astype(np.float32)
    count = len(template)
    # A shape is stored as the vertices it moves: `shape_sizes` says how many each of the 52 has.
    shapes = np.zeros((len(ARKIT_NAMES), count, 3), np.float32)
    ends = np.cumsum(arrays["shape_sizes"])
    if len(ends) != len(shapes) or ends[-1] != len(arrays["shape_vertices"]):
        raise ValueError("shape_sizes does not fit shape_vertices")
    for k, end in enumerate(ends):
        part = slice(end - arrays["shape_sizes"][k], end)
        shapes[k, arrays["shape_vertices"][part]] = arrays["shape_offsets"][part]
    identity = arrays["identity"].astype(np.float32) * arrays["identity_steps"].astype(np.float32)[:, None, None]
    names = metadata["regions"]
    bits = np.unpackbits(arrays["regions"], axis=1, count=count).astype(bool)
    landmarks = {
        name: (arrays[f"{name}_corners"].astype(np.int64), arrays[f"{name}_barycentric"].astype(np.float32))
        for name in ("mediapipe478", "ibug68")
    }
    data = HeadData(
        metadata=metadata,
        template=template,
        triangles=arrays["triangles"].astype(np.int64),
        uv=arrays["uv"].astype(np.float32),
        uv_triangles=arrays["uv_triangles"].astype(np.int64),
        shapes=shapes,
        identity=identity,
        joints=arrays["joints"].astype(np.float32),
        joint_identity=arrays["joint_identity"].astype(np.float32),
        weights=arrays["weights"].astype(np.float32),
        regions=dict(zip(names, bits, strict=True)),
        landmarks=landmarks,
        look_angles=arrays["look_angles"].astype(np.float32),
        jaw_open_angle=float(arrays["jaw_open_angle"]),
        lid_vertices=tuple(arrays[f"lid_vertices_{s}"].astype(np.int64) for s in "lr"),
        lid_distances=tuple(arrays[f"lid_distances_{s}"].astype(np.float32) for s in "lr"),
        closure=(
            arrays["closure_rows"].astype(np.int64),
            arrays["closure_columns"].astype(np.int64),
            arrays["closure_values"].astype(np.float32),
        ),
    )
    _check(data)
    return data


def _check(data: HeadData) -> None:
    count, components = len(data.template), len(data.identity)
    wanted = {
        "template": (data.template, (count, 3)),
        "identity": (data.identity, (components, count, 3)),
        "joints": (data.joints, (len(JOINT_NAMES), 3)),
        "joint_identity": (data.joint_identity, (components, len(JOINT_NAMES), 3)),
        "weights": (data.weights, (count, len(JOINT_NAMES))),
        "look_angles": (data.look_angles, (4,)),
    }
    for name, (array, shape) in wanted.items():
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape} instead of {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds values that are not finite")
    if not np.isfinite(data.shapes).all() or not np.isfinite(data.uv).all():
        raise ValueError("shapes or uv hold values that are not finite")
    limits = [("triangles", data.triangles, count), ("uv_triangles", data.uv_triangles, len(data.uv))]
    limits += [(name, corners, count) for name, (corners, _) in data.landmarks.items()]
    limits += [("lid_vertices", v, count) for v in data.lid_vertices]
    limits += [("closure", c, count) for c in data.closure[:2]]
    for name, index, limit in limits:
        if index.size and (index.min() < 0 or index.max() >= limit):
            raise ValueError(f"{name} points outside the mesh")
