"""Posing for playing, without gradients (`binding` is for training): `poser_for` gives the form for a device.

`CompiledPoser` binds, moves and culls in one pass over the Gaussians. The same arithmetic as in `binding`, but nothing
is stored per Gaussian in between: at 40,000 Gaussians writing and reading the frames takes longer than computing with
them. `TorchPoser` is for every other device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar import binding
from emotalk.avatar.binding import BACK_FACING, fill_triangle_frames, quat_from_matrix
from emotalk.avatar.gaussians import STRETCH_LIMITS, view_direction
from emotalk.core.gaussians import CloudBatch, GaussianCloud
from emotalk.core.kernels.cache import KEEP_NAN, kernel

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.avatar.gaussians import BoundGaussians, Corrections
    from emotalk.core.camera import Camera


@kernel(**KEEP_NAN)
def _pose_mesh(frames, vertices, triangles, triangle, barycentric, position, rotation, scale, opacity, sided, eye, cull,
               means, quats, scales, opacities):  # fmt: skip
    limit, zero = np.float32(BACK_FACING), np.float32(0)
    for n in range(triangle.shape[0]):
        f = triangle[n]
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        wi, wj, wk = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
        s = frames[f, 13]
        x, y, z = position[n, 0] * s, position[n, 1] * s, position[n, 2] * s
        for c in range(3):
            means[n, c] = (
                wi * vertices[i, c] + wj * vertices[j, c] + wk * vertices[k, c]
                + frames[f, 3 * c] * x + frames[f, 3 * c + 1] * y + frames[f, 3 * c + 2] * z
            )  # fmt: skip
            scales[n, c] = scale[n, c] * s
        a, b, c, d = frames[f, 9], frames[f, 10], frames[f, 11], frames[f, 12]
        w0, x0, y0, z0 = rotation[n, 0], rotation[n, 1], rotation[n, 2], rotation[n, 3]
        quats[n, 0] = a * w0 - b * x0 - c * y0 - d * z0
        quats[n, 1] = a * x0 + b * w0 + c * z0 - d * y0
        quats[n, 2] = a * y0 - b * z0 + c * w0 + d * x0
        quats[n, 3] = a * z0 + b * y0 - c * x0 + d * w0
        opacities[n] = opacity[n]
        if cull and sided[n]:
            tx, ty, tz = eye[0] - means[n, 0], eye[1] - means[n, 1], eye[2] - means[n, 2]
            along = frames[f, 2] * tx + frames[f, 5] * ty + frames[f, 8] * tz
            if along <= limit * math.sqrt(tx * tx + ty * ty + tz * tz):
                opacities[n] = zero


@kernel(**KEEP_NAN)
def _pose_joints(weights, rotations, translations, turns, position, rotation, means, quats):
    one = np.float32(1)
    for n in range(weights.shape[0]):
        r, m, h = weights[n, 0], weights[n, 1], weights[n, 2]
        x, y, z = position[n, 0], position[n, 1], position[n, 2]
        for c in range(3):
            means[n, c] = (
                r * (translations[0, c] + rotations[0, c, 0] * x + rotations[0, c, 1] * y + rotations[0, c, 2] * z)
                + m * (translations[1, c] + rotations[1, c, 0] * x + rotations[1, c, 1] * y + rotations[1, c, 2] * z)
                + h * (translations[2, c] + rotations[2, c, 0] * x + rotations[2, c, 1] * y + rotations[2, c, 2] * z)
            )
        a = r * turns[0, 0] + m * turns[1, 0] + h * turns[2, 0]
        b = r * turns[0, 1] + m * turns[1, 1] + h * turns[2, 1]
        c = r * turns[0, 2] + m * turns[1, 2] + h * turns[2, 2]
        d = r * turns[0, 3] + m * turns[1, 3] + h * turns[2, 3]
        inverse = one / math.sqrt(a * a + b * b + c * c + d * d)
        a, b, c, d = a * inverse, b * inverse, c * inverse, d * inverse
        w0, x0, y0, z0 = rotation[n, 0], rotation[n, 1], rotation[n, 2], rotation[n, 3]
        quats[n, 0] = a * w0 - b * x0 - c * y0 - d * z0
        quats[n, 1] = a * x0 + b * w0 + c * z0 - d * y0
        quats[n, 2] = a * y0 - b * z0 + c * w0 + d * x0
        quats[n, 3] = a * z0 + b * y0 - c * x0 + d * w0


@kernel(**KEEP_NAN)
def _add_corrections(latents, index, position_basis, color_basis, position_offset, color_offset, position, color):
    position_offset[:] = 0
    color_offset[:] = 0
    for k in range(latents.shape[0]):
        z = latents[k]
        if z != 0:
            for c in range(position_offset.shape[0]):
                position_offset[c] += z * position_basis[k, c]
                color_offset[c] += z * color_basis[k, c]
    for c in range(index.shape[0]):
        n = index[c]
        for i in range(3):
            position[n, i] += position_offset[3 * c + i]
            color[n, i] += color_offset[3 * c + i]


@kernel(**KEEP_NAN)
def _seen_from(color, view_color, along_x, along_y, seen):
    for n in range(color.shape[0]):
        for c in range(3):
            seen[n, c] = color[n, c] + along_x * view_color[0, n, c] + along_y * view_color[1, n, c]


class CompiledPoser:
    """Holds an avatar's numbers as arrays that the CPU kernels take, and poses them."""

    def __init__(
        self,
        gaussians: BoundGaussians,
        corrections: Corrections,
        triangles: Tensor,  # [F, 3]
        neutral_sizes: Tensor,  # [F]
        sided: Tensor,  # [N] bool
    ) -> None:
        g = gaussians.detach()

        def array(tensor: Tensor, dtype: type = np.float32) -> np.ndarray:
            return np.ascontiguousarray(tensor.detach().numpy(), dtype=dtype)

        # Triangles without Gaussians need no frame.
        used, triangle = np.unique(g.triangle.numpy(), return_inverse=True)
        self._triangles = array(triangles, np.int32)[used]
        self._sizes = array(neutral_sizes)[used]
        self._triangle = triangle.astype(np.int32)
        self._barycentric, self._weights = array(g.barycentric), array(g.joint_weights)
        self._position, self._rotation = array(g.position), array(g.rotation)
        self._scale, self._opacity = array(g.log_scale.exp()), array(g.opacity_logit.sigmoid())
        self._color, self._sided = array(g.color), array(sided, np.bool_)
        self._view_color = array(g.view_color.permute(1, 0, 2)) if g.view_color.any() else None
        self._index = array(corrections.index, np.int64)
        self._position_basis = array(corrections.position.flatten(1))
        self._color_basis = array(corrections.color.flatten(1))

    def __call__(
        self,
        vertices: Tensor,  # [V, 3] posed mesh
        rotations: Tensor,  # [3, 3, 3] of root, neck, head
        translations: Tensor,  # [3, 3]
        latents: Tensor,  # [K]
        camera: Camera | None,
    ) -> GaussianCloud:
        """The posed Gaussians; with a camera, those on the far side of solid parts have opacity 0."""
        count, mesh = len(self._position), len(self._triangle)
        position = self._position
        if self._view_color is None:
            color = self._color.copy()
        else:
            color = np.empty((count, 3), np.float32)
            direction = view_direction(rotations[2], translations[2], camera).numpy()
            _seen_from(self._color, self._view_color, *direction, color)
        if len(self._index):
            position = position.copy()
            offsets = np.empty((2, 3 * len(self._index)), np.float32)
            bases = (self._position_basis, self._color_basis)
            _add_corrections(latents.numpy(), self._index, *bases, *offsets, position, color)
        means, quats = np.empty((count, 3), np.float32), np.empty((count, 4), np.float32)
        scales, opacities = np.empty((count, 3), np.float32), np.empty(count, np.float32)
        eye = np.zeros(3, np.float32)
        if camera is not None:
            matrix = camera.world_to_camera.numpy().astype(np.float32)
            eye = -(matrix[:3, :3].T @ matrix[:3, 3])
        posed = np.ascontiguousarray(vertices.numpy(), dtype=np.float32)
        frames = np.empty((len(self._triangles), 14), np.float32)
        low, high = (np.float32(limit) for limit in STRETCH_LIMITS)
        fill_triangle_frames(posed, self._triangles, self._sizes, low, high, frames)
        _pose_mesh(
            frames, posed, self._triangles, self._triangle, self._barycentric, position[:mesh], self._rotation[:mesh],
            self._scale[:mesh], self._opacity[:mesh], self._sided[:mesh], eye, camera is not None,
            means[:mesh], quats[:mesh], scales[:mesh], opacities[:mesh],
        )  # fmt: skip
        if mesh < count:
            turns = quat_from_matrix(rotations)
            turns = turns * torch.where((turns @ turns[2]) < 0, -1.0, 1.0)[:, None]
            _pose_joints(
                self._weights, np.ascontiguousarray(rotations.numpy()), np.ascontiguousarray(translations.numpy()),
                turns.numpy(), position[mesh:], self._rotation[mesh:], means[mesh:], quats[mesh:],
            )  # fmt: skip
            scales[mesh:] = self._scale[mesh:]
            opacities[mesh:] = self._opacity[mesh:]
        return GaussianCloud(*(torch.from_numpy(part) for part in (means, scales, quats, opacities, color)))


class TorchPoser:
    """Poses an avatar's numbers in plain torch on the device where they are."""

    def __init__(
        self,
        gaussians: BoundGaussians,
        corrections: Corrections,
        triangles: Tensor,  # [F, 3]
        neutral_sizes: Tensor,  # [F]
        sided: Tensor,  # [N] bool
    ) -> None:
        self._gaussians, self._corrections = gaussians.detach(), corrections
        self._triangles, self._sizes, self._sided = triangles, neutral_sizes, sided
        self._scale, self._opacity = self._gaussians.log_scale.exp(), self._gaussians.opacity_logit.sigmoid()
        self._sheen = bool(self._gaussians.view_color.any())

    @torch.no_grad()
    def __call__(
        self,
        vertices: Tensor,  # [V, 3] posed mesh
        rotations: Tensor,  # [3, 3, 3] of root, neck, head
        translations: Tensor,  # [3, 3]
        latents: Tensor,  # [K]
        camera: Camera | None,
    ) -> GaussianCloud:
        """The posed Gaussians; with a camera, those on the far side of solid parts have opacity 0."""
        return GaussianCloud(*self._posed(vertices, rotations, translations, latents, _eyes(camera, vertices)))

    @torch.no_grad()
    def batch(
        self,
        vertices: Tensor,  # [T, V, 3] posed meshes
        rotations: Tensor,  # [T, 3, 3, 3] of root, neck, head
        translations: Tensor,  # [T, 3, 3]
        latents: Tensor,  # [T, K]
        cameras: Sequence[Camera] | None,
    ) -> CloudBatch:
        """The same for T frames at once, each seen by its own camera."""
        return CloudBatch(*self._posed(vertices, rotations, translations, latents, _eyes(cameras, vertices)))

    def _posed(self, vertices: Tensor, rotations: Tensor, translations: Tensor, latents: Tensor, eye: Tensor | None):
        g, c = self._gaussians, self._corrections
        frames = binding.binding_frames_torch(g, vertices, self._triangles, self._sizes, rotations, translations)
        color = g.color
        if self._sheen:
            toward = vertices.new_tensor([0.0, 0.0, 1.0]) if eye is None else eye - translations[..., 2, :]
            view = _turned_back(rotations[..., 2, :, :], torch.nn.functional.normalize(toward, dim=-1))
            color = color + torch.einsum("...d,ndc->...nc", view[..., :2], g.view_color)
        means, quats, scales, colors = binding.apply_frames_torch(
            frames, g.position, g.rotation, self._scale, color, c.index, *c.offsets(latents)
        )
        opacities = self._opacity.expand(means.shape[:-1])
        if eye is not None:
            opacities = opacities * binding.facing_eye(frames, means, eye, self._sided)
        return means, scales, quats, opacities, colors


def _eyes(cameras: Camera | Sequence[Camera] | None, like: Tensor) -> Tensor | None:
    """Where a camera is [3], or each of several [T, 3], metres; on the device and in the precision of `like`."""
    if cameras is None:
        return None
    several = not hasattr(cameras, "world_to_camera")
    matrix = torch.stack([camera.world_to_camera for camera in cameras]) if several else cameras.world_to_camera
    matrix = matrix.to(like)
    return -_turned_back(matrix[..., :3, :3], matrix[..., :3, 3])


def _turned_back(rotation: Tensor, vector: Tensor) -> Tensor:
    """Vectors [..., 3] by the inverses of rotations [..., 3, 3]."""
    return (rotation * vector[..., :, None]).sum(-2)


def poser_for(
    gaussians: BoundGaussians,
    corrections: Corrections,
    triangles: Tensor,  # [F, 3]
    neutral_sizes: Tensor,  # [F] of the neutral face
    sided: Tensor,  # [N] bool, see `binding.one_sided`
) -> CompiledPoser | TorchPoser:
    """What poses these Gaussians where their tensors are."""
    make = CompiledPoser if binding.compiled(gaussians.position) else TorchPoser
    return make(gaussians, corrections, triangles, neutral_sizes, sided)
