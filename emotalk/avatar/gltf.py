"""Write the head of an avatar as binary glTF 2.0, which Blender, three.js and Unreal open: mesh, colours, the 52 ARKit
shapes, joints, and perhaps a motion.

What glTF does is what the head model does: shapes add up, then joints move the vertices. Only how the model keeps the
lids outside the eyeballs is not linear in the shapes. For a motion that remainder is worked out and written as a few
more shapes (lidFit1, ...) which its animation drives; without a motion lids that are half shut may touch the eyeball.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from emotalk import __version__
from emotalk.avatar.glb import ATTRIBUTE, INDICES, GlbFile
from emotalk.avatar.model import CHUNK
from emotalk.avatar.vertex_colors import linear, vertex_colors
from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.atomic import write_bytes
from emotalk.core.errors import InputError
from emotalk.core.rates import FPS
from emotalk.head.mesh import JOINT_NAMES
from emotalk.head.model import HEAD

if TYPE_CHECKING:
    from emotalk.avatar.model import GaussianAvatar
    from emotalk.core.motion import HeadMotion
    from emotalk.head import HeadModel

PARENTS = (None, 0, 1, 2, 2, 2)
"""The joint each of `JOINT_NAMES` hangs from."""
LEAST_MOVE, LEAST_TURN = 1e-6, 2e-3
"""Metres, and change of a unit normal, below which a shape is taken not to touch a vertex."""
LID_ERROR = 1e-4
"""Metres that a lid may be off in an animation."""
MOST_LID_SHAPES = 24
LONGEST = 15 * 60 * FPS
"""Frames of a motion that are written at most."""
NOTICE = "AI generated"


@dataclasses.dataclass(frozen=True)
class _Face:
    """One person's head as sums of shapes."""

    person: HeadModel
    rest: torch.Tensor  # [V, 3] metres
    shapes: torch.Tensor  # [52, V, 3] what a full coefficient adds


@dataclasses.dataclass(frozen=True)
class _Track:
    """A motion as glTF plays it."""

    weights: np.ndarray  # [T, 52 + K] of the shapes and lid shapes
    lids: np.ndarray  # [K, V, 3] metres, the lid shapes
    turns: dict[int, np.ndarray]  # joint -> [T, 4] quaternions xyzw
    places: np.ndarray  # [T, 3] metres of the root


@torch.no_grad()
def write_gltf(avatar: GaussianAvatar, target: str | Path, motion: HeadMotion | None = None) -> Path:
    """Write the avatar's head as a .glb (metres, +Y up, facing +Z), complete or not at all; returns its path.

    The vertices are those of the head model in its order, neutral. `mesh.extras.targetNames` names the 52 shapes.
    Name, licence, provenance and consent of the avatar's card stand in `asset.extras`. Hair, clothes and all else that
    Gaussians show beyond the skin are not in the file. With a `motion` it is an animation at 25 frames a second.
    Raises InputError for another ending than .glb, a motion that is empty or longer than 15 minutes, or a file that
    cannot be written.
    """
    target = Path(target)
    if target.suffix.lower() != ".glb" or target.is_dir():
        raise InputError(f"A head is written as a .glb file, found {target.name!r:.80}; let its name end in .glb.")
    if motion is not None and not 0 < len(motion) <= LONGEST:
        raise InputError(
            f"A motion for a .glb has 1 to {LONGEST} frames (15 minutes), found {len(motion)}; give a part of it."
        )
    person = avatar.to("cpu").person
    face = _face(person)
    track = None if motion is None else _track(face, motion)
    colored = vertex_colors(avatar)
    file = GlbFile()
    mesh = _mesh(file, face, colored, np.zeros((0, *face.rest.shape)) if track is None else track.lids)
    nodes, skin = _skeleton(file, person)
    document = {
        "asset": _asset(avatar),
        "scene": 0,
        "scenes": [{"name": avatar.card.name, "nodes": [len(JOINT_NAMES), 0]}],
        "nodes": [*nodes, {"name": "face", "mesh": 0, "skin": 0}],
        "meshes": [mesh],
        "materials": [_material(colored is not None)],
        "skins": [skin],
    }
    if track is not None:
        document["animations"] = [_animation(file, track)]
    data = file.to_bytes(document)
    try:
        write_bytes(target, data)
    except OSError as error:
        raise InputError(f"The head cannot be written to {target}: {error.strerror or error}.") from error
    return target


def _asset(avatar: GaussianAvatar) -> dict[str, Any]:
    card = avatar.card
    kept = ("name", "licence", "provenance", "synthetic", "limitations", "source", "created", "head_version")
    told = {name: getattr(card, name) for name in kept if getattr(card, name) != ""}
    if card.consent is not None:
        told["consent"] = dataclasses.asdict(card.consent)
    notice = f"{NOTICE}. Licence: {card.licence}"
    extras = {"notice": f"{NOTICE} with emotalk: say so wherever you show it.", "avatar": told}
    return {"version": "2.0", "generator": f"emotalk {__version__}", "copyright": notice, "extras": extras}


def _mesh(file: GlbFile, face: _Face, colored: tuple[np.ndarray, float] | None, lids: np.ndarray) -> dict[str, Any]:
    """The mesh with colours [V, 3] and lid shapes [K, V, 3]."""
    rest, triangles = face.rest.numpy(), face.person.triangles.numpy()
    normals = _normals(rest, triangles)
    joints, weights = _influences(face.person.weights.numpy())
    attributes = {
        "POSITION": file.add(rest.astype("<f4"), ATTRIBUTE, bounds=True),
        "NORMAL": file.add(normals.astype("<f4"), ATTRIBUTE),
        "JOINTS_0": file.add(joints, ATTRIBUTE),
        "WEIGHTS_0": file.add(weights, ATTRIBUTE),
    }
    extras: dict[str, Any] = {
        "targetNames": [*ARKIT_NAMES, *(f"lidFit{k + 1}" for k in range(len(lids)))],
        # The shapes move the lids alone; whoever drives them by hand turns the eyes' joints by this much.
        "eyeRadiansAtFullLook": dict(zip(("up", "down", "in", "out"), face.person.look_angles.tolist(), strict=True)),
    }
    if colored is not None:
        rgba = np.concatenate([linear(colored[0]), np.ones((len(rest), 1))], 1)
        # 16 bits: in linear light 8 would show steps in dark hair.
        attributes["COLOR_0"] = file.add(np.rint(rgba * 65535).astype("<u2"), ATTRIBUTE, normalized=True)
        extras["verticesWithColorOfTheirOwn"] = round(colored[1], 4)
    targets = []
    for shape in [*face.shapes.numpy(), *lids]:
        turned = _normals(rest + shape, triangles) - normals
        position, normal = (
            file.add_sparse(array.astype("<f4"), least) for array, least in ((shape, LEAST_MOVE), (turned, LEAST_TURN))
        )
        targets.append({"POSITION": position, "NORMAL": normal})
    kind = "<u2" if len(rest) <= 2**16 - 1 else "<u4"
    indices = file.add(triangles.ravel().astype(kind), INDICES)
    primitive = {"attributes": attributes, "indices": indices, "material": 0, "mode": 4, "targets": targets}
    return {"name": "face", "primitives": [primitive], "weights": [0.0] * len(targets), "extras": extras}


def _material(colored: bool) -> dict[str, Any]:
    """Skin that is neither metal nor mirror; sheets such as lids and lips are seen from both sides."""
    base = {"baseColorFactor": [1.0 if colored else 0.5] * 3 + [1.0], "metallicFactor": 0.0, "roughnessFactor": 0.7}
    return {"name": "skin", "doubleSided": True, "pbrMetallicRoughness": base}


def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals [V, 3]: the average of the triangles around a vertex, larger ones counting more."""
    a, b, c = vertices[triangles].transpose(1, 0, 2).astype(np.float64)
    faces = np.cross(b - a, c - a)
    corner = triangles.ravel()
    sums = np.stack(
        [np.bincount(corner, np.repeat(faces[:, axis], 3), len(vertices)) for axis in range(3)], -1
    )  # fmt: skip
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(length > 1e-20, sums / np.maximum(length, 1e-20), [0.0, 0.0, 1.0])


def _influences(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Four joints [V, 4] uint8 and their weights [V, 4] float32 for each vertex, of the model's weights [V, 6]."""
    weights = weights.astype(np.float64)
    weights[:, HEAD] = 0
    weights[:, HEAD] = np.maximum(1 - weights.sum(1), 0)  # the head has what other joints leave: so the model counts
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    kept = np.take_along_axis(weights, joints, 1)
    kept /= kept.sum(1, keepdims=True)
    return np.where(kept > 0, joints, 0).astype("u1"), kept.astype("<f4")


def _skeleton(file: GlbFile, person: HeadModel) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A node for each joint, in order, and the skin."""
    places = person.joints.numpy().astype(np.float64)
    nodes: list[dict[str, Any]] = []
    for joint, name in enumerate(JOINT_NAMES):
        parent = PARENTS[joint]
        offset = places[joint] - (0 if parent is None else places[parent])
        node: dict[str, Any] = {"name": name, "translation": offset.tolist()}
        if children := [child for child, above in enumerate(PARENTS) if above == joint]:
            node["children"] = children
        nodes.append(node)
    inverse = np.tile(np.eye(4, dtype="<f4"), (len(places), 1, 1))
    inverse[:, :3, 3] = -places
    joints = list(range(len(JOINT_NAMES)))
    return nodes, {"inverseBindMatrices": file.add(inverse), "joints": joints, "skeleton": 0}


def _face(person: HeadModel) -> _Face:
    # Not the model's template and shapes: these have the lids outside the eyeballs, at rest and at full coefficients.
    rest = person.shaped(torch.zeros(1, len(ARKIT_NAMES)))
    return _Face(person, rest[0], person.shaped(torch.eye(len(ARKIT_NAMES))) - rest)


def _track(face: _Face, motion: HeadMotion) -> _Track:
    person = face.person
    coefficients, eyes = person.fold(
        *(torch.tensor(getattr(motion, name)) for name in ("expression", "gaze", "eyelids"))
    )
    lids, amounts = _lid_shapes(face, coefficients)
    half = Rotation.from_rotvec(0.5 * motion.head_pose[:, :3])
    # As `yaw_pitch_matrix`: first pitch up about -x, then yaw to the person's left about +y.
    looks = [Rotation.from_euler("YX", side * [1.0, -1.0]) for side in eyes.double().numpy().transpose(1, 0, 2)]
    rotations = dict(enumerate([half, half, Rotation.from_rotvec(motion.jaw), *looks], start=1))
    return _Track(
        np.concatenate([coefficients.numpy(), amounts], 1).astype("<f4"),
        lids,
        {joint: _continuous(turn.as_quat()) for joint, turn in rotations.items() if turn.magnitude().max() > 1e-6},
        person.joints[0].numpy() + motion.head_pose[:, 3:],
    )


def _continuous(quaternions: np.ndarray) -> np.ndarray:
    """The same turns [T, 4] without jumps between q and -q, which players would take for a whole turn."""
    flips = np.where((quaternions[1:] * quaternions[:-1]).sum(1) < 0, -1.0, 1.0)
    return quaternions * np.concatenate([[1.0], np.cumprod(flips)])[:, None]


def _lid_shapes(face: _Face, coefficients: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Shapes [K, V, 3] and their weights [T, K] within ±1 that bring the lids of coefficients [T, 52] to where the
    model has them: as few as keep every vertex within `LID_ERROR`, by principal components."""
    person, rest = face.person, face.rest
    skin = torch.cat([person.lids_l, person.lids_r]).unique()
    shapes = face.shapes[:, skin].flatten(1)
    missing = torch.cat(
        [
            person.shaped(part)[:, skin] - rest[skin] - (part @ shapes).view(len(part), -1, 3)
            for part in coefficients.split(CHUNK)
        ]
    )
    pushed = (missing.norm(dim=2) > 0.1 * LID_ERROR).any(0)
    left = missing[:, pushed].double().flatten(1).numpy()
    axes = np.linalg.eigh(left.T @ left)[1][:, ::-1].T[:MOST_LID_SHAPES]
    lids, amounts = [], []
    for axis in axes:
        if np.linalg.norm(left.reshape(len(left), -1, 3), axis=2).max(initial=0) <= LID_ERROR:
            break
        along = left @ axis
        top = max(np.abs(along).max(), 1e-12)
        left = left - along[:, None] * axis
        lid = np.zeros((len(rest), 3), np.float32)
        lid[skin[pushed]] = (axis * top).reshape(-1, 3)
        lids.append(lid)
        amounts.append(along / top)
    return np.reshape(lids, (-1, len(rest), 3)), np.reshape(amounts, (-1, len(missing))).T


def _animation(file: GlbFile, track: _Track) -> dict[str, Any]:
    times = file.add((np.arange(len(track.weights)) / FPS).astype("<f4"), bounds=True)
    outputs = [(len(JOINT_NAMES), "weights", track.weights.ravel()), (0, "translation", track.places)]
    outputs += [(joint, "rotation", turns) for joint, turns in track.turns.items()]
    channels, samplers = [], []
    for node, path, values in outputs:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        output = file.add(np.ascontiguousarray(values, "<f4"))
        samplers.append({"input": times, "output": output, "interpolation": "LINEAR"})
    return {"name": "talk", "channels": channels, "samplers": samplers}
