"""Let the picture's error pull at the pose itself: from Gaussians back to the mesh and the joints they hang on.

`binding.apply_frames` takes the posed mesh as given. `follow` adds the missing gradient of the Gaussians' places. That
triangles also turn and grow is left out: offsets from them are millimetres, so it would change the gradient little.
"""

from __future__ import annotations

import torch
from torch import Tensor

from emotalk.avatar import binding
from emotalk.avatar.gaussians import BoundGaussians
from emotalk.core.kernels.cache import KEEP_NAN, kernel


def follow(
    means: Tensor,  # [N, 3] of `apply_frames`
    gaussians: BoundGaussians,
    position: Tensor,  # [N, 3] local, as it was placed
    triangles: Tensor,  # [F, 3]
    vertices: Tensor,  # [V, 3] posed, gradients flow here
    rotations: Tensor,  # [3, 3, 3] of root, neck, head, and here
    translations: Tensor,  # [3, 3], and here
) -> Tensor:
    """The same `means` [N, 3], whose gradient also reaches the pose that placed them; on any device."""
    return _Follow.apply(means, vertices, rotations, translations, gaussians, position.detach(), triangles)


class _Follow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, means, vertices, rotations, translations, gaussians, position, triangles):
        ctx.bound = gaussians, position, triangles, len(vertices)
        return means.view_as(means)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        gaussians, position, triangles, count = ctx.bound
        mesh = gaussians.mesh_count
        on_mesh = triangles, gaussians.triangle, gaussians.barycentric, gradient[:mesh].contiguous()
        if binding.compiled(gradient):
            pull = torch.zeros(count, 3)
            _gather(*(part.numpy() for part in on_mesh), pull.numpy())
        else:
            pull = gather_torch(*on_mesh, count)
        on_joints, weights = gradient[mesh:], gaussians.joint_weights
        shift = weights.T @ on_joints
        weighted = weights[:, :, None] * on_joints[:, None]  # [J, 3 joints, 3]
        turn = torch.einsum("nja,nb->jab", weighted, position[mesh:])
        return gradient, pull, turn, shift, None, None, None


def gather_torch(
    triangles: Tensor,  # [F, 3]
    triangle: Tensor,  # [M] of each Gaussian
    barycentric: Tensor,  # [M, 3]
    gradient: Tensor,  # [M, 3] of their places
    count: int,
) -> Tensor:
    """Gradients [count, 3] of the mesh's vertices, in plain torch on any device."""
    shares = barycentric[:, :, None] * gradient[:, None]  # [M, 3 corners, 3]
    blank = torch.zeros(count, 3, device=gradient.device)
    return blank.index_add(0, triangles[triangle].reshape(-1), shares.reshape(-1, 3))


@kernel(**KEEP_NAN)
def _gather(triangles, triangle, barycentric, gradient, pull):
    for n in range(triangle.shape[0]):
        f = triangle[n]
        for k in range(3):
            v, w = triangles[f, k], barycentric[n, k]
            for c in range(3):
                pull[v, c] += w * gradient[n, c]
