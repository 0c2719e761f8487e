"""`python -m benchmarks.head`: how long the head model takes on one core.

Baseline: the textbook form on the same arrays in the same run (dense shapes, every joint's matrix blended for every
vertex). Targets: 3 ms for one frame, 60 ms for 64.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import torch

from emotalk.head import HeadModel


def median_ms(function: Callable[[], object], count: int = 21) -> float:
    """Median milliseconds of this thread's CPU time: on a busy machine a clock on the wall measures the others."""
    function()
    times = []
    for _ in range(count):
        started = time.thread_time()
        function()
        times.append(time.thread_time() - started)
    return 1e3 * float(np.median(times))


def textbook(head: HeadModel, expression: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
    """Dense blend shapes and skinning (Loper et al. 2015, SMPL, eq. 2-4), without lids and gaze."""
    vertices = head.template + torch.einsum("bs,svc->bvc", expression, head.shapes)
    blended = torch.einsum("vj,bjrc->bvrc", head.weights, transforms)
    return torch.einsum("bvrc,bvc->bvr", blended[..., :3], vertices) + blended[..., 3]


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    head = HeadModel.load()
    print(f"load average {os.getloadavg()[0]:.1f}; {len(head.template)} vertices, medians of one thread's CPU time")
    titles = f"{'frames':>7} {'forward':>9} {'with identity':>14} {'triangle frames':>20} {'landmarks':>10}"
    print(f"{titles} {'textbook':>16}")
    for frames in (1, 64):
        generator = torch.Generator().manual_seed(0)
        scales = {
            "expression": (52, 0.3),
            "jaw": (3, 0.05),
            "gaze": (2, 0.2),
            "eyelids": (2, 0.3),
            "head_pose": (6, 0.1),
        }
        inputs = {n: s * torch.rand(frames, w, generator=generator) for n, (w, s) in scales.items()}
        identity = torch.randn(head.components, generator=generator)
        mesh = head(**inputs)
        transforms = mesh.transforms[:, :, :3]
        times = [
            median_ms(lambda x=inputs: head(**x)),
            median_ms(lambda x=inputs, i=identity: head(identity=i, **x)),
            median_ms(lambda v=mesh.vertices: head.triangle_frames(v)),
            median_ms(lambda v=mesh.vertices: head.landmarks(v)),
        ]
        slow = median_ms(lambda e=inputs["expression"], t=transforms: textbook(head, e, t), 7)
        print(
            f"{frames:>7} {times[0]:>6.2f} ms {times[1]:>11.2f} ms {times[2]:>17.2f} ms {times[3]:>7.2f} ms "
            f"{slow:>7.2f} ms ({slow / times[0]:.1f}x)"
        )


if __name__ == "__main__":
    main()
