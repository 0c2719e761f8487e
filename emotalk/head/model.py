"""The parametric head: identity, expression and pose in, mesh out.

identity [K]     ─► template ─┐
expression [52]  ─► 52 shapes ┼─► lids kept outside the eyeballs ─► skinning (6 joints) ─► HeadMesh
eyelids, gaze    ─► blink and eyeLook shapes, eye joints ┘
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import InputError
from emotalk.core.paths import CHECKPOINTS
from emotalk.head.headfile import HeadData, read_head
from emotalk.head.mesh import JOINT_NAMES, HeadMesh, landmark_points, triangle_frames
from emotalk.head.rotations import axis_angle_matrix, yaw_pitch_matrix

BLINKS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
LOOKS = [[ARKIT_INDEX[f"eyeLook{d}{s}"] for d in ("Up", "Down", "In", "Out")] for s in ("Left", "Right")]
HEAD = JOINT_NAMES.index("head")
CHANNELS = {"expression": len(ARKIT_NAMES), "jaw": 3, "gaze": 2, "eyelids": 2, "head_pose": 6}


class HeadModel(nn.Module):
    """Turns the channels of a `HeadMotion` (as tensors) into a mesh; differentiable and batched.

    Attributes: `triangles [F, 3]`, `template [V, 3]` (metres, this identity), `uv [M, 2]` with
    `uv_triangles [F, 3]` (a vertex on a texture seam has several), `regions` (name -> bool [V]),
    `joint_names`, `weights [V, 6]`, `components` (size of the identity space), `metadata`.
    """

    joint_names = JOINT_NAMES

    def __init__(self, data: HeadData) -> None:
        super().__init__()
        self.metadata = data.metadata
        self.jaw_open_angle = data.jaw_open_angle
        tensors = {
            "template": data.template, "triangles": data.triangles, "uv": data.uv, "uv_triangles": data.uv_triangles,
            "shapes": data.shapes, "identity_basis": data.identity, "joints": data.joints,
            "joint_identity": data.joint_identity, "weights": data.weights, "look_angles": data.look_angles,
        }  # fmt: skip
        for name, (corners, barycentric) in data.landmarks.items():
            tensors |= {f"{name}_corners": corners, f"{name}_barycentric": barycentric}
        for k, side in enumerate("lr"):
            tensors |= {f"lids_{side}": data.lid_vertices[k], f"lid_distances_{side}": data.lid_distances[k]}
            ball = data.regions["eyes"] & (data.weights[:, 4 + k] > 0.5)
            tensors[f"ball_{side}"] = ball.nonzero()[0]
        for name, array in tensors.items():
            self.register_buffer(name, torch.as_tensor(array))
        # Kept with coordinates first in memory, as `_identity` needs it; otherwise each call would copy 10 MB.
        self.identity_basis = self.identity_basis.transpose(1, 2).contiguous().transpose(1, 2)
        for name, array in zip(("rows", "columns", "values"), data.closure, strict=True):
            self.register_buffer(f"closure_{name}", torch.as_tensor(array))
        for name, mask in data.regions.items():
            self.register_buffer(f"region_{name}", torch.as_tensor(mask))
        self._region_names = tuple(data.regions)
        # Each joint moves a part of the vertices only.
        for j, name in enumerate(JOINT_NAMES):
            self.register_buffer(f"skinned_{name}", self.weights[:, j].nonzero()[:, 0])
            self.register_buffer(f"share_{name}", self.weights[getattr(self, f"skinned_{name}"), j])
        self.register_buffer("moving", self.shapes.abs().amax((0, 2)).nonzero()[:, 0])
        self._bake_shapes(self.shapes)

    @classmethod
    def load(cls, path: str | Path | None = None, device: str | torch.device = "cpu") -> HeadModel:
        """The shipped head, or the one in the file `path`; raises CheckpointError where it cannot be read."""
        return cls(read_head(Path(path) if path is not None else CHECKPOINTS / "head.npz")).to(device)

    @property
    def components(self) -> int:
        """K, the size of the identity space; 0 for a head that has its identity worked in."""
        return len(self.identity_basis)

    @property
    def regions(self) -> dict[str, Tensor]:
        """Which vertices belong to a region: name -> bool [V]."""
        return {name: getattr(self, f"region_{name}") for name in self._region_names}

    def with_identity(self, identity: Tensor) -> HeadModel:
        """The head of one person: `identity` [K] is worked in once, so that each frame costs less."""
        identity = self._checked("identity", identity, self.components)
        if len(identity) != 1:
            raise InputError(f"with_identity takes one identity [K], found a batch of {len(identity)}.")
        offset, joint_offset, blink = (x[0] for x in self._identity(identity))
        person = copy.copy(self)
        person._buffers = dict(self._buffers)
        person.template = self.template + offset.T
        person.joints = self.joints + joint_offset
        person.shapes = self.shapes.index_add(0, torch.tensor(BLINKS, device=blink.device), blink.transpose(1, 2))
        person._bake_shapes(person.shapes)
        person.identity_basis = self.identity_basis[:0]
        person.joint_identity = self.joint_identity[:0]
        return person

    def forward(
        self,
        identity: Tensor | None = None,  # [K] or [B, K] standard deviations, around this model's template
        expression: Tensor | None = None,  # [B, 52] ARKit coefficients
        jaw: Tensor | None = None,  # [B, 3] axis-angle on top of the jaw shapes
        gaze: Tensor | None = None,  # [B, 2] yaw, pitch in radians, on top of the eyeLook shapes
        eyelids: Tensor | None = None,  # [B, 2] closure of left, right lid, on top of eyeBlink
        head_pose: Tensor | None = None,  # [B, 6] axis-angle shared by neck and head, root metres
    ) -> HeadMesh:
        """The posed mesh; inputs left out are zero. Raises InputError for wrong shapes.

        eyeBlink + eyelids is cut off at 1 (a lid cannot be more than shut). Looking up, down or sideways takes
        the lids along by the eyeLook shapes, in proportion to the angle.
        """
        given = {"expression": expression, "jaw": jaw, "gaze": gaze, "eyelids": eyelids, "head_pose": head_pose}
        inputs = {n: self._checked(n, x, CHANNELS[n]) for n, x in given.items() if x is not None}
        if identity is not None:
            inputs["identity"] = identity = self._checked("identity", identity, self.components)
        batch = max((len(x) for x in inputs.values()), default=1)
        wrong = {n: len(x) for n, x in inputs.items() if len(x) not in (1, batch)}
        if wrong:
            raise InputError(f"All inputs must have the same number of frames ({batch}), found {wrong}.")
        values = {
            n: inputs[n].expand(batch, -1) if n in inputs else self.template.new_zeros(batch, size)
            for n, size in CHANNELS.items()
        }
        expression, angles = self.fold(values["expression"], values["gaze"], values["eyelids"])
        vertices, joints = self._shaped(expression, identity)
        transforms = self._transforms(joints, values["jaw"], angles, values["head_pose"])
        return HeadMesh(self._skin(vertices, transforms).transpose(1, 2).contiguous(), transforms)

    def landmarks(self, vertices: Tensor, kind: str = "mediapipe478") -> Tensor:
        """Landmarks [B, L, 3] on `vertices` [B, V, 3]: "mediapipe478" (with irises) or "ibug68"."""
        if kind not in ("mediapipe478", "ibug68"):
            raise InputError(f"Unknown landmarks {kind!r}; use 'mediapipe478' or 'ibug68'.")
        return landmark_points(vertices, getattr(self, f"{kind}_corners"), getattr(self, f"{kind}_barycentric"))

    def triangle_frames(self, vertices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation [B, F, 3, 3], centre [B, F, 3] and scale [B, F] of every triangle of `vertices` [B, V, 3]."""
        return triangle_frames(vertices, self.triangles)

    def shaped(self, coefficients: Tensor) -> Tensor:
        """Vertices [B, V, 3] with all shapes and before any joint moves them; `coefficients` [B, 52] as `fold` makes
        them."""
        coefficients = self._checked("coefficients", coefficients, len(ARKIT_NAMES))
        return self._shaped(coefficients, None)[0].transpose(1, 2)

    def _shaped(self, expression: Tensor, identity: Tensor | None) -> tuple[Tensor, Tensor]:
        """Vertices [B, 3, V] with identity and shapes, and the joints [B, 6, 3]; both at rest."""
        batch = len(expression)
        # Coordinates come first from here to the end ([B, 3, V]): products of small matrices with long rows are
        # an order of magnitude faster than with long columns of threes.
        moved = (expression @ self._flat_shapes).view(batch, 3, -1)
        joints = self.joints.expand(batch, -1, -1)
        vertices = self.template.T.expand(batch, 3, -1)
        if identity is None:
            vertices = vertices.clone()
        else:
            offset, joint_offset, blink = self._identity(identity)
            vertices, joints = vertices + offset, joints + joint_offset
            moved = moved + torch.einsum("bk,bkcv->bcv", expression[:, BLINKS], blink[..., self.moving])
        # In place on a fresh copy: each further copy of a long clip's vertices would cost milliseconds.
        vertices.index_add_(2, self.moving, moved)
        self._guard_lids(vertices, joints)
        return vertices, joints

    def _bake_shapes(self, shapes: Tensor) -> None:
        self.register_buffer("_flat_shapes", shapes[:, self.moving].transpose(1, 2).reshape(len(shapes), -1))

    def _checked(self, name: str, value: Tensor, width: int) -> Tensor:
        value = torch.as_tensor(value, dtype=self.template.dtype, device=self.template.device)
        if value.ndim == 1:
            value = value[None]
        if value.ndim != 2 or value.shape[1] != width:
            raise InputError(f"{name} must have shape [B, {width}], found {list(value.shape)}.")
        return value

    def _identity(self, identity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Offsets of vertices [B, 3, V], joints [B, 6, 3] and of the two blink shapes [B, 2, 3, V].

        A person's lids have their own way to go until they meet; `closure` knows it from the offsets.
        """
        offset = (identity @ self.identity_basis.transpose(1, 2).flatten(1)).view(len(identity), 3, -1)
        joints = torch.einsum("bk,kjc->bjc", identity, self.joint_identity)
        pull = offset[..., self.closure_columns] * self.closure_values
        blink = torch.zeros_like(offset).index_add(2, self.closure_rows, pull)
        left = self.template[:, 0] > 0
        return offset, joints, torch.stack([blink * left, blink * ~left], 1)

    def fold(self, expression: Tensor, gaze: Tensor, eyelids: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [B, 52] with gaze and eyelids worked in, and the left and right eyeball's (yaw, pitch)
        [B, 2, 2] in radians; of expression [B, 52], gaze [B, 2] and eyelids [B, 2] as `forward` takes them."""
        up, down, inward, outward = self.look_angles
        yaw, pitch = gaze[:, 0], gaze[:, 1]
        lift, drop = pitch.clamp_min(0) / up, (-pitch).clamp_min(0) / down
        to_left, to_right = yaw.clamp_min(0), (-yaw).clamp_min(0)
        added, angles = [], []
        for side, sign in ((0, 1.0), (1, -1.0)):
            # The person's left is outwards for the left eye and inwards for the right one.
            away, towards = (to_left, to_right) if side == 0 else (to_right, to_left)
            added.append(torch.stack([lift, drop, towards / inward, away / outward], 1))
            own = expression[:, LOOKS[side]]
            angles.append(
                torch.stack([
                    yaw + sign * (own[:, 3] * outward - own[:, 2] * inward),
                    pitch + own[:, 0] * up - own[:, 1] * down,
                ], 1)
            )  # fmt: skip
        folded = expression.clone()
        folded[:, LOOKS[0] + LOOKS[1]] = folded[:, LOOKS[0] + LOOKS[1]] + torch.cat(added, 1)
        folded[:, BLINKS] = (folded[:, BLINKS] + eyelids).clamp_max(1.0)
        return folded, torch.stack(angles, 1)

    def _guard_lids(self, vertices: Tensor, joints: Tensor) -> None:
        """Pushes lid skin out of the eyeballs: a straight blend between open and shut cuts through a sphere."""
        for side, joint in (("l", 4), ("r", 5)):
            index, centre = getattr(self, f"lids_{side}"), joints[:, joint, :, None]
            # The last vertex of an eyeball is its back pole: no cornea there.
            radius = (vertices[:, :, getattr(self, f"ball_{side}")[-1:]] - centre).norm(dim=1)
            offset = vertices.index_select(2, index) - centre
            least = getattr(self, f"lid_distances_{side}") * radius
            grow = (least / offset.norm(dim=1).clamp_min(1e-6) - 1).clamp_min(0)
            vertices.index_add_(2, index, grow[:, None] * offset)

    def _transforms(self, joints: Tensor, jaw: Tensor, eyes: Tensor, head_pose: Tensor) -> Tensor:
        half = axis_angle_matrix(0.5 * head_pose[:, :3])
        eye = yaw_pitch_matrix(eyes[..., 0], eyes[..., 1])
        batch = len(joints)
        root = torch.eye(3, dtype=half.dtype, device=half.device).expand(batch, 3, 3)
        shift = head_pose[:, 3:]

        def about(rotation: Tensor, pivot: Tensor) -> Tensor:
            """Translation of a rotation about a pivot."""
            return pivot - (rotation @ pivot[..., None])[..., 0]

        rotations, shifts = [root, half], [shift, about(half, joints[:, 1]) + shift]
        # A child's transform is the parent's after its own: x -> P(R (x - p) + p).
        for parent, own, pivot in (
            (1, half, joints[:, 2]), (2, axis_angle_matrix(jaw), joints[:, 3]),
            (2, eye[:, 0], joints[:, 4]), (2, eye[:, 1], joints[:, 5]),
        ):  # fmt: skip
            shifts.append((rotations[parent] @ about(own, pivot)[..., None])[..., 0] + shifts[parent])
            rotations.append(rotations[parent] @ own)
        top = torch.cat([torch.stack(rotations, 1), torch.stack(shifts, 1)[..., None]], -1)
        bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(batch, len(JOINT_NAMES), 1, 4)
        return torch.cat([top, bottom], 2)

    def _skin(self, vertices: Tensor, transforms: Tensor) -> Tensor:
        """Linear blend skinning [B, 3, V]: what the head does to all, plus what other joints do differently."""
        head = transforms[:, HEAD]
        posed = torch.baddbmm(head[:, :3, 3:], head[:, :3, :3], vertices)
        differing = transforms - head[:, None]
        for j, name in enumerate(JOINT_NAMES):
            if j != HEAD:
                index = getattr(self, f"skinned_{name}")
                extra = torch.baddbmm(differing[:, j, :3, 3:], differing[:, j, :3, :3], vertices.index_select(2, index))
                posed.index_add_(2, index, extra * getattr(self, f"share_{name}"))
        return posed
