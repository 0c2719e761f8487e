"""The numbers of an avatar: Gaussians in the coordinates of what they are bound to, and how expression changes them.

triangle + barycentric ─┐                     x, rotation, scale (local)
                        ├─► frame (A, b, Q, k) ────────────┬─► mean = b + A x, quat = Q q, scale = k s
joint weights ──────────┘                                  │
expression, gaze, head turn ─► latents z ─► x + z·Bx, color + z·Bc
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.core.camera import Camera
    from emotalk.core.motion import HeadMotion

REGIONS: tuple[str, ...] = (
    "face", "lips", "mouth", "teeth", "tongue", "eyes", "lids", "lashes", "brows", "ears", "scalp", "neck",
    "shoulders", "hair", "beard", "clothes", "glasses", "gums", "other",
)  # fmt: skip
"""What a Gaussian belongs to: `BoundGaussians.region` holds indices into this list."""
REGION_INDEX: dict[str, int] = {name: i for i, name in enumerate(REGIONS)}
ONE_SIDED: tuple[str, ...] = ("face", "eyes", "ears", "scalp", "neck", "shoulders")
"""Regions that are the outside of something solid: their Gaussians need not be drawn when they face away. Lips, lids
and the inside of the mouth are sheets that an open mouth shows from both sides."""

SIGNAL_WIDTH = len(ARKIT_NAMES) + 3 + 2 + 2 + 3
"""Numbers of one frame that corrections may depend on: expression, jaw, gaze, eyelids, head rotation."""
SHOULDER_WIDTH = 9
"""Numbers of how the shoulders bend in a video (the linear part of `binding.shift_shoulders`) that may follow; 0 in a
talk."""
LATENT_LIMIT = 2.5
"""Latents are clipped to this many units: beyond the expressions of the fit a linear correction
extrapolates into speckle."""
PER_GAUSSIAN = ("position", "rotation", "log_scale", "opacity_logit", "color", "view_color", "region")
"""Fields of `BoundGaussians` with one row for every Gaussian, mesh-bound or joint-bound."""
STRETCH_LIMITS = (0.6, 2.5)
"""How far a Gaussian follows the growth of its triangle (ratio of edge lengths to the neutral face)."""


@dataclass(frozen=True)
class BoundGaussians:
    """N Gaussians, the first M bound to mesh triangles, the other J = N - M to the joints root, neck and head.

    Mesh-bound positions are offsets in metres from a barycentric point of the triangle, in the triangle's frame
    (edge, binormal, normal) at the size it has on the neutral face. Joint-bound positions are metres in the rest
    pose of the head model. Float tensors may require gradients.
    """

    triangle: Tensor  # [M] int64, row of the head's triangles
    barycentric: Tensor  # [M, 3], rows sum to 1
    joint_weights: Tensor  # [J, 3] of root, neck, head; rows sum to 1
    position: Tensor  # [N, 3] metres
    rotation: Tensor  # [N, 4] wxyz, any length > 0
    log_scale: Tensor  # [N, 3] natural logarithm of metres
    opacity_logit: Tensor  # [N]
    color: Tensor  # [N, 3] RGB seen from the front
    view_color: Tensor  # [N, 2, 3] added per unit of the viewer's x and y direction (`view_direction`)
    region: Tensor  # [N] int64, index into REGIONS

    def __post_init__(self) -> None:
        mesh, joint, count = len(self.triangle), len(self.joint_weights), len(self.position)
        wanted = {
            "triangle": (mesh,), "barycentric": (mesh, 3), "joint_weights": (joint, 3), "position": (mesh + joint, 3),
            "rotation": (count, 4), "log_scale": (count, 3), "opacity_logit": (count,), "color": (count, 3),
            "view_color": (count, 2, 3), "region": (count,),
        }  # fmt: skip
        for name, shape in wanted.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise InputError(f"BoundGaussians.{name} must have shape {list(shape)}, found {list(found)}.")

    def __len__(self) -> int:
        return len(self.position)

    @property
    def mesh_count(self) -> int:
        """How many are bound to triangles; they come first."""
        return len(self.triangle)

    def select(self, keep: Tensor) -> BoundGaussians:
        """The Gaussians where `keep` [N] (bool) is true, in the same order."""
        mesh = self.mesh_count
        parts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("triangle", "barycentric"):
            parts[name] = parts[name][keep[:mesh]]
        parts["joint_weights"] = parts["joint_weights"][keep[mesh:]]
        for name in PER_GAUSSIAN:
            parts[name] = parts[name][keep]
        return BoundGaussians(**parts)

    def detach(self) -> BoundGaussians:
        """The same numbers without gradients."""
        return BoundGaussians(**{f.name: getattr(self, f.name).detach() for f in dataclasses.fields(self)})

    @staticmethod
    def concatenate(parts: list[BoundGaussians]) -> BoundGaussians:
        """All mesh-bound Gaussians of the parts, then all joint-bound ones."""
        joined = {}
        for name in ("triangle", "barycentric", "joint_weights"):
            joined[name] = torch.cat([getattr(p, name) for p in parts])
        for name in PER_GAUSSIAN:
            mesh = [getattr(p, name)[: p.mesh_count] for p in parts]
            joint = [getattr(p, name)[p.mesh_count :] for p in parts]
            joined[name] = torch.cat(mesh + joint)
        return BoundGaussians(**joined)


@dataclass(frozen=True)
class Corrections:
    """Small linear changes of some Gaussians with the expression (shading in folds, inside of the mouth, lids).

    Latents z [K] = clip(matrix @ (signal - mean)); the position of Gaussian `index[c]` moves by
    sum_k z[k] position[k, c] metres in its binding frame and its colour by sum_k z[k] color[k, c].
    """

    mean: Tensor  # [S], SIGNAL_WIDTH or SIGNAL_WIDTH + SHOULDER_WIDTH
    matrix: Tensor  # [K, S]
    index: Tensor  # [C] int64, ascending rows of BoundGaussians
    position: Tensor  # [K, C, 3] metres per unit of latent
    color: Tensor  # [K, C, 3]

    def __post_init__(self) -> None:
        latents, count = len(self.matrix), len(self.index)
        width = len(self.mean) if len(self.mean) == SIGNAL_WIDTH + SHOULDER_WIDTH else SIGNAL_WIDTH
        wanted = {
            "mean": (width,), "matrix": (latents, width), "index": (count,),
            "position": (latents, count, 3), "color": (latents, count, 3),
        }  # fmt: skip
        for name, shape in wanted.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise InputError(f"Corrections.{name} must have shape {list(shape)}, found {list(found)}.")

    def latents(self, signal: Tensor) -> Tensor:
        """Latents [..., K] of the signals [..., SIGNAL_WIDTH] of one or more frames, or with their shoulders
        [..., SIGNAL_WIDTH + SHOULDER_WIDTH]."""
        if signal.shape[-1] < len(self.mean):
            signal = torch.nn.functional.pad(signal, (0, len(self.mean) - signal.shape[-1]))
        signal = signal[..., : len(self.mean)]
        # Not by a matrix product: its last digit depends on where the matrix lies in memory.
        return (self.matrix * (signal - self.mean)[..., None, :]).sum(-1).clamp(-LATENT_LIMIT, LATENT_LIMIT)

    def offsets(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """What latents [K], or [T, K] of several frames, add to positions [C, 3] or [T, C, 3] and colours of the
        corrected Gaussians."""
        if latents.ndim == 2 or latents.device.type != "cpu":  # to look for those that are used costs a GPU a wait
            return torch.tensordot(latents, self.position, 1), torch.tensordot(latents, self.color, 1)
        active = latents.nonzero()[:, 0]  # a face at rest uses few of them
        z = latents[active]
        return torch.tensordot(z, self.position[active], 1), torch.tensordot(z, self.color[active], 1)

    @staticmethod
    def empty(device: str | torch.device = "cpu") -> Corrections:
        """No corrections at all."""
        mean, matrix = torch.zeros(SIGNAL_WIDTH, device=device), torch.zeros(0, SIGNAL_WIDTH, device=device)
        index = torch.zeros(0, dtype=torch.int64, device=device)
        return Corrections(mean, matrix, index, *(torch.zeros(0, 0, 3, device=device) for _ in range(2)))


def signals(motion: HeadMotion, torso: Tensor | None = None) -> np.ndarray:
    """What corrections may depend on, [T, SIGNAL_WIDTH]: expression, jaw, gaze, eyelids, head rotation (no place);
    and with a torso [T, 3, 4] how it bends, [T, SIGNAL_WIDTH + SHOULDER_WIDTH]."""
    parts = [motion.expression, motion.jaw, motion.gaze, motion.eyelids, motion.head_pose[:, :3]]
    if torso is not None and torso.ndim == 3:
        parts.append(torso[:, :, :3].reshape(len(torso), SHOULDER_WIDTH).cpu().numpy())
    return np.concatenate(parts, axis=1).astype(np.float32)


def view_direction(
    head_rotation: Tensor,  # [3, 3] rest to pose
    head_place: Tensor,  # [3] metres
    camera: Camera | None,
) -> Tensor:
    """Where the viewer stands, seen from the head: x and y [2] of the unit direction in the head's own axes.

    (0, 0) is straight in front; x > 0 on the person's left. Without a camera the viewer is far away on the z axis.
    Together with a colour linear in it this is a spherical harmonic of degree one (Kerbl et al. 2023), which catches
    the sheen of hair and cloth; it belongs to the whole head, so that it costs nothing per Gaussian.
    """
    toward = torch.tensor([0.0, 0.0, 1.0]).to(head_rotation)
    if camera is not None:
        matrix = camera.world_to_camera.to(head_rotation)
        toward = -(matrix[:3, :3].T @ matrix[:3, 3]) - head_place
    return (head_rotation.T @ torch.nn.functional.normalize(toward, dim=0))[:2]
