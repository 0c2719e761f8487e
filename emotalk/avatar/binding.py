"""Move Gaussians with the triangles and joints they are bound to, as training does it (`posing` is for playing).

Two steps: `binding_frames` turns a posed mesh into one small frame per Gaussian, `apply_frames` applies the frames.
Both run where the tensors are, compiled on the CPU. Their plain torch forms, `binding_frames_torch` and
`apply_frames_torch`, are differentiable in everything and are what other devices run and tests compare with.
The rule is that of Gaussians on mesh faces (EmoTaG, arXiv 2603.21332, section 3.2): mean = R x s + centre,
rotation product, scale times s; here s is 1 on the neutral face and the centre is the Gaussian's own barycentric
point, so that lengths stay metres.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar.gaussians import ONE_SIDED, REGION_INDEX, STRETCH_LIMITS
from emotalk.core.kernels.cache import KEEP_NAN, inlined, kernel

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.avatar.gaussians import BoundGaussians
    from emotalk.core.camera import Camera

BACK_FACING = -0.2
"""Cosine between normal and view below which a one-sided Gaussian is not drawn. Slightly behind the silhouette, as
Gaussians just beyond the edge still reach over it."""
TINY = 1e-20
"""Added to squared lengths before dividing: a triangle that an expression collapses keeps a finite frame."""


@dataclass(frozen=True)
class BindingFrames:
    """One frame per Gaussian: world = base + matrix @ local, rotation by `quat`, lengths times `stretch`."""

    base: Tensor  # [N, 3] metres
    matrix: Tensor  # [N, 3, 3] rotation times stretch (joint-bound: the blended joint rotation)
    quat: Tensor  # [N, 4] wxyz, length 1
    stretch: Tensor  # [N]


def compiled(tensor: Tensor) -> bool:
    """Whether what is done with `tensor` (any shape) runs in compiled CPU kernels; elsewhere it is plain torch."""
    return tensor.device.type == "cpu"


def triangle_sizes(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Square roots of twice the triangle areas [F] in metres, for vertices [V, 3] and triangles [F, 3]."""
    a, b, c = vertices[triangles].unbind(1)
    return (torch.linalg.cross(b - a, c - a).square().sum(-1) + TINY).pow(0.25)


def quat_from_matrix(matrix: Tensor) -> Tensor:
    """Unit quaternions [..., 4] (wxyz) of rotation matrices [..., 3, 3].

    The largest of the four candidates (Shepperd 1978) avoids dividing by a small number.
    """
    m = matrix.flatten(-2)
    if compiled(matrix):
        candidates = _candidates(m)
    else:  # they are linear in the matrix: one product in place of thirty sums, which a GPU would be asked for singly
        linear, constant = _candidates_map(m.device, m.dtype)
        candidates = (m @ linear + constant).unflatten(-1, (4, 4))
    best = candidates.diagonal(dim1=-2, dim2=-1).argmax(-1)
    chosen = candidates.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    return torch.nn.functional.normalize(chosen, dim=-1)


def _candidates(m: Tensor) -> Tensor:
    """Four times the quaternion times each of its numbers, [..., 4, 4], of rotation matrices [..., 9]."""
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = m.unbind(-1)
    return torch.stack(
        [
            torch.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
            torch.stack([m21 - m12, 1 + m00 - m11 - m22, m10 + m01, m02 + m20], -1),
            torch.stack([m02 - m20, m10 + m01, 1 - m00 + m11 - m22, m21 + m12], -1),
            torch.stack([m10 - m01, m20 + m02, m21 + m12, 1 - m00 - m11 + m22], -1),
        ],
        -2,
    )


@functools.cache
def _candidates_map(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """`_candidates` as a matrix [9, 16] and what is added [16]."""
    constant = _candidates(torch.zeros(9)).flatten()
    linear = _candidates(torch.eye(9)).flatten(1) - constant
    return linear.to(device, dtype), constant.to(device, dtype)


_PRODUCT = ((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0))
_PRODUCT_SIGNS = ((1, -1, -1, -1), (1, 1, -1, 1), (1, 1, 1, -1), (1, -1, 1, 1))
"""Row by row, which number of the left quaternion each of the right one is multiplied by in their product."""


@functools.cache
def _product_map(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.tensor(_PRODUCT).flatten().to(device), torch.tensor(_PRODUCT_SIGNS).to(device, dtype)


def quat_multiply(left: Tensor, right: Tensor) -> Tensor:
    """Hamilton products [..., 4] of wxyz quaternions: first `right`, then `left`."""
    if not compiled(left):  # as products of matrices [4, 4] with quaternions, which asks less of a GPU
        numbers, signs = _product_map(left.device, left.dtype)
        matrix = left.index_select(-1, numbers).unflatten(-1, (4, 4)) * signs
        return (matrix * right[..., None, :]).sum(-1)
    a, b, c, d = left.unbind(-1)
    w, x, y, z = right.unbind(-1)
    return torch.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        -1,
    )


def binding_frames_torch(
    gaussians: BoundGaussians,
    vertices: Tensor,  # [..., V, 3] posed mesh, metres
    triangles: Tensor,  # [F, 3] int64
    neutral_sizes: Tensor,  # [F] triangle_sizes of the neutral face
    joint_rotations: Tensor,  # [..., 3, 3, 3] root, neck, head: rest pose -> posed
    joint_translations: Tensor,  # [..., 3, 3] metres
) -> BindingFrames:
    """The frames [..., N] of the Gaussians on this posed mesh, or on each of a batch, in plain torch on any device,
    differentiable in mesh and joints."""
    triangle = gaussians.triangle
    corner = vertices[..., triangles[triangle], :]  # [..., M, 3, 3]
    a, b, c = corner.unbind(-2)
    edge = b - a
    edge = edge / (edge.square().sum(-1, keepdim=True) + TINY).sqrt()
    cross = torch.linalg.cross(b - a, c - a)
    double_area = (cross.square().sum(-1, keepdim=True) + TINY).sqrt()
    normal = cross / double_area
    rotation = torch.stack([edge, torch.linalg.cross(normal, edge), normal], -1)  # columns
    stretch = (double_area[..., 0].sqrt() / neutral_sizes[triangle]).clamp(*STRETCH_LIMITS)
    mesh_base = (corner * gaussians.barycentric[..., None]).sum(-2)

    weights = gaussians.joint_weights  # [J, 3]
    blended = torch.einsum("nj,...jab->...nab", weights, joint_rotations)
    joint_base = weights @ joint_translations
    mesh_quat, turns = quat_from_matrix(torch.cat([rotation, joint_rotations], -3)).split([len(triangle), 3], -2)
    # q and -q are one rotation: bring all joints to the head's side before averaging.
    turns = turns * torch.where((turns * turns[..., 2:, :]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    joint_quat = torch.nn.functional.normalize(weights @ turns, dim=-1)
    return BindingFrames(
        torch.cat([mesh_base, joint_base], -2),
        torch.cat([rotation * stretch[..., None, None], blended], -3),
        torch.cat([mesh_quat, joint_quat], -2),
        torch.cat([stretch, torch.ones_like(joint_base[..., 0])], -1),
    )


def shift_shoulders(
    vertices: Tensor,  # [V, 3] posed mesh
    rotations: Tensor,  # [3, 3, 3] root, neck, head
    translations: Tensor,  # [3, 3]
    root_weights: Tensor,  # [V] share of the root joint in every vertex
    shift: Tensor,  # [3] metres, or [3, 4]: what is added to a point's own place, linear in it and a constant in metres
) -> tuple[Tensor, Tensor, Tensor]:
    """The same pose with what hangs on the root joint moved: shoulders have their own way in a video, a `HeadMotion`
    takes them along with the neck. With [3, 4] they also turn, lean and breathe: point p goes to p + shift (p, 1)."""
    if shift.ndim == 1:
        moved = torch.cat([translations[:1] + shift, translations[1:]])
        return vertices + root_weights[:, None] * shift, rotations, moved
    linear, constant = shift[:, :3], shift[:, 3]
    root = torch.eye(3).to(linear) + linear
    rotations = torch.cat([(root @ rotations[0])[None], rotations[1:]])
    translations = torch.cat([(root @ translations[0] + constant)[None], translations[1:]])
    return vertices + root_weights[:, None] * (vertices @ linear.T + constant), rotations, translations


def apply_frames_torch(
    frames: BindingFrames,
    position: Tensor,  # [N, 3] local
    rotation: Tensor,  # [N, 4]
    scale: Tensor,  # [N, 3] metres
    color: Tensor,  # [..., N, 3]
    index: Tensor,  # [C] int64 rows that are corrected, ascending
    position_offset: Tensor,  # [..., C, 3] metres, local
    color_offset: Tensor,  # [..., C, 3]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """World means [..., N, 3], quats [..., N, 4], scales [..., N, 3] and colours [..., N, 3], of one pose or of each of
    a batch; plain torch, differentiable."""
    batch = position_offset.shape[:-2]
    position = position.expand(*batch, -1, -1).index_add(-2, index, position_offset)
    color = color.expand(*batch, -1, -1).index_add(-2, index, color_offset)
    # Not by a matrix product: a GPU's is made for larger matrices.
    means = frames.base + (frames.matrix * position[..., None, :]).sum(-1)
    return means, quat_multiply(frames.quat, rotation), scale * frames.stretch[..., None], color


def one_sided(gaussians: BoundGaussians) -> Tensor:
    """Which Gaussians [N] (bool) lie on the outside of something solid and may be culled when they face away."""
    sided = torch.zeros(len(REGION_INDEX), dtype=torch.bool)
    sided[[REGION_INDEX[name] for name in ONE_SIDED]] = True
    result = sided.to(gaussians.region.device)[gaussians.region]
    result[gaussians.mesh_count :] = False  # what hangs on joints has no outside
    return result


def facing(
    frames: BindingFrames,
    means: Tensor,  # [N, 3] world
    camera: Camera,
    sided: Tensor,  # [N] bool, see `one_sided`
) -> Tensor:
    """For each Gaussian 1.0 where it faces the camera or is not `sided` [N], else 0.0; [N], without gradients."""
    matrix = camera.world_to_camera.to(means)
    return facing_eye(frames, means, -(matrix[:3, :3].T @ matrix[:3, 3]), sided)


def facing_eye(
    frames: BindingFrames,
    means: Tensor,  # [..., N, 3] world
    eye: Tensor,  # [..., 3] metres, where the camera is
    sided: Tensor,  # [N] bool, see `one_sided`
) -> Tensor:
    """As `facing`, of one pose or of each of a batch; [..., N]."""
    with torch.no_grad():
        toward = eye[..., None, :] - means
        cosine = (frames.matrix[..., 2] * toward).sum(-1) / (toward.norm(dim=-1) * frames.stretch)
        return ((cosine > BACK_FACING) | ~sided).to(means.dtype)


# --- compiled forms -----------------------------------------------------------------------------------------------


@inlined(**KEEP_NAN)
def _quat_of(m00, m01, m02, m10, m11, m12, m20, m21, m22):
    one, half = np.float32(1), np.float32(0.5)
    trace = m00 + m11 + m22
    if trace > m00 and trace > m11 and trace > m22:
        s = half / math.sqrt(one + trace)
        return half * half / s, (m21 - m12) * s, (m02 - m20) * s, (m10 - m01) * s
    if m00 >= m11 and m00 >= m22:
        s = half / math.sqrt(one + m00 - m11 - m22)
        return (m21 - m12) * s, half * half / s, (m10 + m01) * s, (m02 + m20) * s
    if m11 >= m22:
        s = half / math.sqrt(one - m00 + m11 - m22)
        return (m02 - m20) * s, (m10 + m01) * s, half * half / s, (m21 + m12) * s
    s = half / math.sqrt(one - m00 - m11 + m22)
    return (m10 - m01) * s, (m20 + m02) * s, (m21 + m12) * s, half * half / s


@kernel(**KEEP_NAN)
def fill_triangle_frames(vertices, triangles, neutral_sizes, low, high, out):
    """Writes out [F, 14]: rotation (row major), quaternion, stretch."""
    tiny, one = np.float32(TINY), np.float32(1)
    for f in range(triangles.shape[0]):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        ux, uy, uz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
        vx, vy, vz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        double_area = math.sqrt(nx * nx + ny * ny + nz * nz + tiny)
        inverse = one / double_area
        nx, ny, nz = nx * inverse, ny * inverse, nz * inverse
        inverse = one / math.sqrt(ux * ux + uy * uy + uz * uz + tiny)
        ux, uy, uz = ux * inverse, uy * inverse, uz * inverse
        bx, by, bz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
        out[f, 0], out[f, 1], out[f, 2] = ux, bx, nx
        out[f, 3], out[f, 4], out[f, 5] = uy, by, ny
        out[f, 6], out[f, 7], out[f, 8] = uz, bz, nz
        w, x, y, z = _quat_of(ux, bx, nx, uy, by, ny, uz, bz, nz)
        out[f, 9], out[f, 10], out[f, 11], out[f, 12] = w, x, y, z
        out[f, 13] = min(max(math.sqrt(double_area) / neutral_sizes[f], low), high)


@kernel(**KEEP_NAN)
def _mesh_frames(frames, vertices, triangles, triangle, barycentric, base, matrix, quat, stretch):
    for n in range(triangle.shape[0]):
        f = triangle[n]
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        wi, wj, wk = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
        s = frames[f, 13]
        for c in range(3):
            base[n, c] = wi * vertices[i, c] + wj * vertices[j, c] + wk * vertices[k, c]
            for d in range(3):
                matrix[n, c, d] = frames[f, 3 * c + d] * s
        for c in range(4):
            quat[n, c] = frames[f, 9 + c]
        stretch[n] = s


@kernel(**KEEP_NAN)
def _joint_frames(weights, rotations, translations, turns, base, matrix, quat, stretch):
    one = np.float32(1)
    for n in range(weights.shape[0]):
        r, m, h = weights[n, 0], weights[n, 1], weights[n, 2]
        for c in range(3):
            base[n, c] = r * translations[0, c] + m * translations[1, c] + h * translations[2, c]
            for d in range(3):
                matrix[n, c, d] = r * rotations[0, c, d] + m * rotations[1, c, d] + h * rotations[2, c, d]
        length = np.float32(0)
        for c in range(4):
            q = r * turns[0, c] + m * turns[1, c] + h * turns[2, c]
            quat[n, c] = q
            length += q * q
        inverse = one / math.sqrt(length)
        for c in range(4):
            quat[n, c] *= inverse
        stretch[n] = one


@kernel(**KEEP_NAN)
def _apply(base, matrix, quat, stretch, position, rotation, scale, color, index, dx, dc, means, quats, scales, colors):
    following, corrected = 0, index.shape[0]
    for n in range(position.shape[0]):
        x, y, z = position[n, 0], position[n, 1], position[n, 2]
        red, green, blue = color[n, 0], color[n, 1], color[n, 2]
        if following < corrected and index[following] == n:
            x += dx[following, 0]
            y += dx[following, 1]
            z += dx[following, 2]
            red += dc[following, 0]
            green += dc[following, 1]
            blue += dc[following, 2]
            following += 1
        for i in range(3):
            means[n, i] = base[n, i] + matrix[n, i, 0] * x + matrix[n, i, 1] * y + matrix[n, i, 2] * z
            scales[n, i] = scale[n, i] * stretch[n]
        colors[n, 0], colors[n, 1], colors[n, 2] = red, green, blue
        a, b, c, d = quat[n, 0], quat[n, 1], quat[n, 2], quat[n, 3]
        w0, x0, y0, z0 = rotation[n, 0], rotation[n, 1], rotation[n, 2], rotation[n, 3]
        quats[n, 0] = a * w0 - b * x0 - c * y0 - d * z0
        quats[n, 1] = a * x0 + b * w0 + c * z0 - d * y0
        quats[n, 2] = a * y0 - b * z0 + c * w0 + d * x0
        quats[n, 3] = a * z0 + b * y0 - c * x0 + d * w0


@kernel(**KEEP_NAN)
def _apply_backward(matrix, quat, stretch, g_means, g_quats, g_scales, g_position, g_rotation, g_scale):
    for n in range(stretch.shape[0]):
        gx, gy, gz = g_means[n, 0], g_means[n, 1], g_means[n, 2]
        for i in range(3):
            g_position[n, i] = matrix[n, 0, i] * gx + matrix[n, 1, i] * gy + matrix[n, 2, i] * gz
            g_scale[n, i] = g_scales[n, i] * stretch[n]
        # The product with a unit quaternion is a rotation of 4-space: its transpose is the conjugate's product.
        a, b, c, d = quat[n, 0], -quat[n, 1], -quat[n, 2], -quat[n, 3]
        w0, x0, y0, z0 = g_quats[n, 0], g_quats[n, 1], g_quats[n, 2], g_quats[n, 3]
        g_rotation[n, 0] = a * w0 - b * x0 - c * y0 - d * z0
        g_rotation[n, 1] = a * x0 + b * w0 + c * z0 - d * y0
        g_rotation[n, 2] = a * y0 - b * z0 + c * w0 + d * x0
        g_rotation[n, 3] = a * z0 + b * y0 - c * x0 + d * w0


def _numpy(tensor: Tensor, dtype: type = np.float32) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=dtype)


def binding_frames(
    gaussians: BoundGaussians,
    vertices: Tensor,  # [V, 3] posed mesh, metres
    triangles: Tensor,  # [F, 3] int64
    neutral_sizes: Tensor,  # [F] triangle_sizes of the neutral face
    joint_rotations: Tensor,  # [3, 3, 3] root, neck, head: rest pose -> posed
    joint_translations: Tensor,  # [3, 3] metres
) -> BindingFrames:
    """The frames [N] of the Gaussians on this posed mesh, without gradients, on the device of the tensors."""
    if not compiled(vertices):
        with torch.no_grad():
            mesh = vertices, triangles, neutral_sizes, joint_rotations, joint_translations
            return binding_frames_torch(gaussians, *mesh)
    mesh, count = gaussians.mesh_count, len(gaussians)
    base, matrix = np.empty((count, 3), np.float32), np.empty((count, 3, 3), np.float32)
    quat, stretch = np.empty((count, 4), np.float32), np.empty(count, np.float32)
    vertex_array, triangle_array = _numpy(vertices), _numpy(triangles, np.int64)
    frames = np.empty((len(triangle_array), 14), np.float32)
    low, high = (np.float32(limit) for limit in STRETCH_LIMITS)
    fill_triangle_frames(vertex_array, triangle_array, _numpy(neutral_sizes), low, high, frames)
    _mesh_frames(
        frames, vertex_array, triangle_array, _numpy(gaussians.triangle, np.int64), _numpy(gaussians.barycentric),
        base[:mesh], matrix[:mesh], quat[:mesh], stretch[:mesh],
    )  # fmt: skip
    if mesh < count:
        turns = quat_from_matrix(joint_rotations.detach())
        turns = turns * torch.where((turns @ turns[2]) < 0, -1.0, 1.0)[:, None]
        _joint_frames(
            _numpy(gaussians.joint_weights), _numpy(joint_rotations), _numpy(joint_translations), _numpy(turns),
            base[mesh:], matrix[mesh:], quat[mesh:], stretch[mesh:],
        )  # fmt: skip
    return BindingFrames(*(torch.from_numpy(array) for array in (base, matrix, quat, stretch)))


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, frames, position, rotation, scale, color, index, position_offset, color_offset):
        count = len(position)
        means, quats = np.empty((count, 3), np.float32), np.empty((count, 4), np.float32)
        scales, colors = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
        arrays = [_numpy(frames.base), _numpy(frames.matrix), _numpy(frames.quat), _numpy(frames.stretch)]
        ctx.frames, ctx.index = arrays, index
        _apply(
            *arrays, _numpy(position), _numpy(rotation), _numpy(scale), _numpy(color), _numpy(index, np.int64),
            _numpy(position_offset), _numpy(color_offset), means, quats, scales, colors,
        )  # fmt: skip
        return tuple(torch.from_numpy(array) for array in (means, quats, scales, colors))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g_means, g_quats, g_scales, g_colors):
        _, matrix, quat, stretch = ctx.frames
        count = len(stretch)
        g_position, g_rotation = np.empty((count, 3), np.float32), np.empty((count, 4), np.float32)
        g_scale = np.empty((count, 3), np.float32)
        _apply_backward(
            matrix, quat, stretch, _numpy(g_means), _numpy(g_quats), _numpy(g_scales), g_position, g_rotation, g_scale
        )
        g_position, g_rotation, g_scale = (torch.from_numpy(array) for array in (g_position, g_rotation, g_scale))
        return None, g_position, g_rotation, g_scale, g_colors, None, g_position[ctx.index], g_colors[ctx.index]


def apply_frames(
    frames: BindingFrames,
    position: Tensor,  # [N, 3] local
    rotation: Tensor,  # [N, 4]
    scale: Tensor,  # [N, 3] metres
    color: Tensor,  # [N, 3]
    index: Tensor,  # [C] int64 rows that are corrected, ascending
    position_offset: Tensor,  # [C, 3] metres, local
    color_offset: Tensor,  # [C, 3]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """World means [N, 3], quats [N, 4], scales [N, 3] and colours [N, 3], on the device of the tensors; gradients flow
    to everything but the frames."""
    inputs = frames, position, rotation, scale, color, index, position_offset, color_offset
    return _Apply.apply(*inputs) if compiled(position) else apply_frames_torch(*inputs)
