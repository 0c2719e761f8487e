"""Write Gaussians as the .ply file of 3D Gaussian Splatting that common viewers open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.core.atomic import write_bytes

if TYPE_CHECKING:
    from emotalk.core.gaussians import GaussianCloud

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic 1 / (2 sqrt(pi)): viewers show 0.5 + SH_C0 * f_dc."""
PROPERTIES = (
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
    "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
)  # fmt: skip
"""In the order of the reference implementation (Kerbl et al. 2023) without higher harmonics."""


def export_ply(cloud: GaussianCloud, path: str | Path) -> Path:
    """Write one pose of an avatar as a binary 3DGS .ply (metres, y up; opacities as logits, scales as logarithms)."""
    count = len(cloud.means)
    with torch.no_grad():
        columns = [
            cloud.means,
            torch.zeros(count, 3),
            (cloud.colors - 0.5) / SH_C0,
            torch.logit(cloud.opacities.clamp(1e-4, 1 - 1e-4))[:, None],
            cloud.scales.clamp_min(1e-9).log(),
            torch.nn.functional.normalize(cloud.quats, dim=-1),
        ]
    table = np.concatenate([column.detach().cpu().numpy() for column in columns], 1).astype("<f4")
    header = "\n".join(
        ["ply", "format binary_little_endian 1.0", "comment emotalk", f"element vertex {count}"]
        + [f"property float {name}" for name in PROPERTIES]
        + ["end_header\n"]
    )
    path = Path(path)
    write_bytes(path, header.encode("ascii") + table.tobytes())
    return path
