"""Where a fit gets more Gaussians and where it loses some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from emotalk.fitting.gaussian_parameters import GaussianParameters

SHRINK = 1.6
"""A split Gaussian's halves are this much smaller along the split (Kerbl et al. 2023, section 5.2)."""
LEAST_OPACITY = 0.02
LEAST_SIZE = 3e-4
"""Metres: Gaussians whose longest axis is below this are not split; at 512 pixels it is a third of a pixel."""


@torch.no_grad()
def densify(
    parameters: GaussianParameters,
    statistics: Tensor,  # [N, 2] summed length of screen gradients, number of views it was seen in
    budget: int,
    share: float = 0.06,
) -> tuple[int, int]:
    """Split the Gaussians that the picture pulls at most, drop the transparent ones; returns (split, dropped).

    At most `share` of the Gaussians are split at once and never more than `budget` are kept in all. A split one
    leaves two halves, side by side along its longest axis, in the same triangle or on the same joints.
    """
    values = parameters.values
    keep = values["opacity_logit"].sigmoid() >= LEAST_OPACITY
    pull = statistics[:, 0] / statistics[:, 1].clamp_min(1)
    length, axis = values["log_scale"].max(1)
    pull = torch.where(keep & (length.exp() > LEAST_SIZE), pull, 0.0)
    count = min(int(share * len(pull)), max(0, budget - int(keep.sum())), int((pull > 0).sum()))
    split = torch.zeros_like(keep)
    split[pull.topk(count).indices] = True

    step = torch.zeros_like(values["position"])
    everyone = torch.arange(len(keep), device=keep.device)
    step[everyone, axis] = 0.5 * length.exp()
    step = _rotate(values["rotation"], step)
    smaller = values["log_scale"].clone()
    smaller[everyone, axis] -= torch.tensor(SHRINK).log()
    values["position"].data[split] += step[split]
    values["log_scale"].data[split] = smaller[split]

    mesh = parameters.fixed.mesh_count
    mesh_rows = torch.cat([everyone[:mesh][keep[:mesh]], everyone[:mesh][split[:mesh]]])
    joint_rows = torch.cat([everyone[mesh:][keep[mesh:]], everyone[mesh:][split[mesh:]]])
    rows = torch.cat([mesh_rows, joint_rows])
    twin = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    twin[int(keep[:mesh].sum()) : len(mesh_rows)] = True
    twin[len(mesh_rows) + int(keep[mesh:].sum()) :] = True
    parameters.rearrange(rows, twin | split[rows])
    parameters.values["position"].data[twin] -= 2 * step[rows][twin]
    return count, int((~keep).sum())


def _rotate(quats: Tensor, vectors: Tensor) -> Tensor:
    """Vectors [N, 3] turned by quaternions [N, 4] (wxyz)."""
    quats = torch.nn.functional.normalize(quats, dim=-1)
    axis = quats[:, 1:]
    cross = 2 * torch.linalg.cross(axis, vectors)
    return vectors + quats[:, :1] * cross + torch.linalg.cross(axis, cross)
