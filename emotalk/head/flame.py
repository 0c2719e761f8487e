"""FLAME (Li et al. 2017) behind the interface of `HeadModel`, from a file that the user has licensed.

Differences to our own head: `expression` are FLAME's own coefficients and not ARKit's; there is one joint for neck
and head, so `head_pose` turns the neck; there are no teeth, lids or landmark embeddings in the file.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core.errors import CheckpointError, InputError
from emotalk.head.mesh import JOINT_NAMES, HeadMesh, landmark_points, triangle_frames
from emotalk.head.rotations import axis_angle_matrix, yaw_pitch_matrix
from emotalk.head.safepickle import read_pickled_arrays

NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f")
FLAME_JOINTS = 5  # root, neck, jaw, left eye, right eye
OURS = (0, 1, 3, 4, 5)  # where they stand among JOINT_NAMES


class FlameHead(nn.Module):
    """FLAME as a differentiable, batched head in metres, its neck joint at the origin.

    Attributes as in `HeadModel`: `triangles`, `template`, `weights`, `joints`, `regions` (eyes only: the file names
    no others), `joint_names`, `components` (identity) and `expressions` (number of expression coefficients).
    """

    joint_names = JOINT_NAMES

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        expressions: int = 100,
        landmark_embeddings: dict[str, tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> None:
        """`arrays` by FLAME's names; the last `expressions` columns of shapedirs are expressions (100 in FLAME 2020
        and 2023). `landmark_embeddings`: name -> (vertex corners [L, 3], barycentric [L, 3])."""
        super().__init__()
        checked = _checked(arrays, expressions)
        self.expressions = expressions
        regressor = checked["J_regressor"]
        joints = regressor @ checked["v_template"]
        origin = joints[1]
        shapes = checked["shapedirs"].transpose(2, 0, 1)  # [S, V, 3]
        weights = np.zeros((len(checked["v_template"]), len(JOINT_NAMES)))
        weights[:, OURS] = checked["weights"]
        tensors = {
            "template": checked["v_template"] - origin,
            "shapes": shapes,
            "joint_shapes": np.einsum("jv,svc->sjc", regressor, shapes),
            "joint_origin": joints - origin,
            "correctives": checked["posedirs"].reshape(-1, checked["posedirs"].shape[-1]).T,  # [36, V * 3]
            "weights": weights,
        }
        for name, array in tensors.items():
            self.register_buffer(name, torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32))
        self.register_buffer("triangles", torch.as_tensor(checked["f"].astype(np.int64)))
        self._embeddings = {
            name: (torch.as_tensor(c, dtype=torch.int64), torch.as_tensor(b, dtype=torch.float32))
            for name, (c, b) in (landmark_embeddings or {}).items()
        }

    @classmethod
    def load(cls, path: str | Path, expressions: int = 100) -> FlameHead:
        """FLAME from generic_model.pkl (read without running it) or an .npz with the same names.

        Raises CheckpointError where the file is missing, damaged, unsafe or of another layout.
        """
        path = Path(path)
        if path.suffix != ".npz":
            return cls(read_pickled_arrays(path), expressions)
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls({name: file[name] for name in file.files}, expressions)
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            if isinstance(error, InputError):
                raise
            raise CheckpointError(f"{path} cannot be read as a FLAME file ({error}); get it again.") from error

    @property
    def components(self) -> int:
        return len(self.shapes) - self.expressions

    @property
    def joints(self) -> Tensor:
        """[6, 3] of the average person; the head joint coincides with the neck."""
        return self.joint_origin[[0, 1, 1, 2, 3, 4]]

    @property
    def regions(self) -> dict[str, Tensor]:
        return {"eyes": self.weights[:, 4:].sum(1) > 0.5}

    def forward(
        self,
        identity: Tensor | None = None,  # [K] or [B, K]
        expression: Tensor | None = None,  # [B, E] FLAME coefficients
        jaw: Tensor | None = None,  # [B, 3] axis-angle
        gaze: Tensor | None = None,  # [B, 2] yaw, pitch
        eyelids: Tensor | None = None,  # [B, 2] must be zero: FLAME has no lids of its own
        head_pose: Tensor | None = None,  # [B, 6] axis-angle of the neck, root metres
    ) -> HeadMesh:
        """The posed mesh; inputs left out are zero. Raises InputError for wrong shapes or closed eyelids."""
        sizes = {"identity": self.components, "expression": self.expressions, "jaw": 3, "gaze": 2, "eyelids": 2,
                 "head_pose": 6}  # fmt: skip
        given = {"identity": identity, "expression": expression, "jaw": jaw, "gaze": gaze, "eyelids": eyelids,
                 "head_pose": head_pose}  # fmt: skip
        inputs = {}
        for name, value in given.items():
            if value is not None:
                value = torch.as_tensor(value, dtype=self.template.dtype, device=self.template.device)
                value = value[None] if value.ndim == 1 else value
                if value.ndim != 2 or value.shape[1] != sizes[name]:
                    raise InputError(f"{name} must have shape [B, {sizes[name]}], found {list(value.shape)}.")
                inputs[name] = value
        if "eyelids" in inputs and bool((inputs["eyelids"] != 0).any()):
            raise InputError("FLAME cannot close its eyelids; pass zeros, or use the shipped head.")
        batch = max((len(v) for v in inputs.values()), default=1)
        wrong = {n: len(v) for n, v in inputs.items() if len(v) not in (1, batch)}
        if wrong:
            raise InputError(f"All inputs must have the same number of frames ({batch}), found {wrong}.")
        values = {
            n: inputs[n].expand(batch, -1) if n in inputs else self.template.new_zeros(batch, size)
            for n, size in sizes.items()
        }
        coefficients = torch.cat([values["identity"], values["expression"]], 1)
        vertices = self.template + torch.einsum("bs,svc->bvc", coefficients, self.shapes)
        joints = self.joint_origin + torch.einsum(
            "bs,sjc->bjc", values["identity"], self.joint_shapes[: self.components]
        )
        eyes = yaw_pitch_matrix(values["gaze"][:, 0], values["gaze"][:, 1])
        turns = [axis_angle_matrix(values["head_pose"][:, :3]), axis_angle_matrix(values["jaw"]), eyes, eyes]
        identity_matrix = torch.eye(3, dtype=vertices.dtype, device=vertices.device)
        features = torch.cat([(turn - identity_matrix).flatten(1) for turn in turns], 1)  # [B, 36]
        vertices = vertices + (features @ self.correctives).view(batch, -1, 3)
        transforms = _transforms(joints, turns, values["head_pose"][:, 3:])
        homogeneous = torch.cat([vertices, torch.ones_like(vertices[..., :1])], -1)
        each = torch.einsum("bjrc,bvc->bjvr", transforms[:, :, :3], homogeneous)
        return HeadMesh(torch.einsum("vj,bjvr->bvr", self.weights, each), transforms)

    def landmarks(self, vertices: Tensor, kind: str = "ibug68") -> Tensor:
        """Landmarks [B, L, 3] of an embedding given at construction; raises InputError where there is none."""
        if kind not in self._embeddings:
            raise InputError(f"This FLAME head has no {kind!r} landmarks; pass landmark_embeddings with that name.")
        corners, barycentric = (x.to(vertices.device) for x in self._embeddings[kind])
        return landmark_points(vertices, corners, barycentric)

    def triangle_frames(self, vertices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `HeadModel.triangle_frames`."""
        return triangle_frames(vertices, self.triangles)


def _transforms(joints: Tensor, turns: list[Tensor], shift: Tensor) -> Tensor:
    """[B, 6, 4, 4] of root, neck, head (= neck), jaw and eyes, each about its own joint."""
    batch = len(joints)

    def about(rotation: Tensor, pivot: Tensor) -> Tensor:
        matrix = torch.eye(4, dtype=joints.dtype, device=joints.device).repeat(batch, 1, 1)
        matrix[:, :3, :3] = rotation
        matrix[:, :3, 3] = pivot - (rotation @ pivot[..., None])[..., 0]
        return matrix

    root = torch.eye(4, dtype=joints.dtype, device=joints.device).repeat(batch, 1, 1)
    root[:, :3, 3] = shift
    neck = root @ about(turns[0], joints[:, 1])
    rest = [neck @ about(turn, joints[:, 2 + k]) for k, turn in enumerate(turns[1:])]
    return torch.stack([root, neck, neck, *rest], 1)


def _checked(arrays: dict[str, np.ndarray], expressions: int) -> dict[str, np.ndarray]:
    """The needed arrays, or a CheckpointError that names what is wrong."""
    missing = [name for name in NEEDED if name not in arrays]
    if missing:
        raise CheckpointError(f"This is no FLAME file: {', '.join(missing)} missing; pass generic_model.pkl.")
    found = {name: np.asarray(arrays[name]) for name in NEEDED}
    template = found["v_template"]
    count = len(template) if template.ndim == 2 else 0
    shapes = {
        "v_template": (count, 3), "posedirs": (count, 3, 9 * (FLAME_JOINTS - 1)), "weights": (count, FLAME_JOINTS),
        "J_regressor": (FLAME_JOINTS, count),
    }  # fmt: skip
    for name, shape in shapes.items():
        if not count or found[name].shape != shape:
            raise CheckpointError(f"This is no FLAME file: {name} has shape {found[name].shape} instead of {shape}.")
    directions = found["shapedirs"]
    if directions.shape[:2] != (count, 3) or directions.ndim != 3 or directions.shape[2] < expressions:
        raise CheckpointError(
            f"This is no FLAME file: shapedirs has shape {directions.shape} instead of ({count}, 3, >= {expressions})."
        )
    faces = found["f"]
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces) or faces.min() < 0 or faces.max() >= count:
        raise CheckpointError("This is no FLAME file: its triangles f do not fit its vertices.")
    for name, array in found.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"The FLAME file is damaged: {name} holds values that are not finite.")
    return found
