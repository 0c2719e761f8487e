"""Let the picture's error pull at the pose itself: from Gaussians back to the mesh and the joints they hang on.

`binding.carry_cpu` takes the posed mesh as given. `follow` adds the missing gradient of the Gaussians' places. That
triangles also turn and grow is left out: offsets from them are millimetres, so it would change the gradient little.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar.gaussians import BoundGaussians
from emotalk.core.kernels.cache import KEEP_NAN, kernel


def follow(
    means: Tensor,  # [N, 3] of `carry_cpu`
    gaussians: BoundGaussians,
    position: Tensor,  # [N, 3] local, as it was carried
    triangles: Tensor,  # [F, 3]
    vertices: Tensor,  # [V, 3] posed, gradients flow here
    rotations: Tensor,  # [3, 3, 3] of root, neck, head, and here
    translations: Tensor,  # [3, 3], and here
) -> Tensor:
    """The same `means`, whose gradient also reaches the pose that carried them."""
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
        pull = np.zeros((count, 3), np.float32)
        _gather(
            triangles.numpy(), gaussians.triangle.numpy(), gaussians.barycentric.numpy(),
            gradient[:mesh].contiguous().numpy(), pull,
        )  # fmt: skip
        on_joints, weights = gradient[mesh:], gaussians.joint_weights
        shift = weights.T @ on_joints
        weighted = weights[:, :, None] * on_joints[:, None]  # [J, 3 joints, 3]
        turn = torch.einsum("nja,nb->jab", weighted, position[mesh:])
        return gradient, torch.from_numpy(pull), turn, shift, None, None, None


@kernel(**KEEP_NAN)
def _gather(triangles, triangle, barycentric, gradient, pull):
    for n in range(triangle.shape[0]):
        f = triangle[n]
        for k in range(3):
            v, w = triangles[f, k], barycentric[n, k]
            for c in range(3):
                pull[v, c] += w * gradient[n, c]
