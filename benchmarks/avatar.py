"""`python -m benchmarks.avatar`: how long posing takes, per frame on one core.

Baseline: the plain torch functions on the same avatar, in the same run. Target: 4 ms for 40,000 Gaussians.
"""

from __future__ import annotations

import os
import time

import numpy as np
import torch

from emotalk.avatar import binding
from emotalk.avatar.gaussians import signals
from emotalk.core.motion import HeadMotion
from emotalk.fitting.gaussian_fit import blank_corrections
from emotalk.head import HeadModel
from emotalk.rendering import portrait_camera
from scripts.preset_fit.plain import build_plain_avatar

FRAMES = 64


def lively_motion(frames: int, seed: int = 0) -> HeadMotion:
    """Smooth random motion that uses every channel."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * (np.arange(frames)[:, None] / 25 * rng.uniform(0.3, 2, 65) + rng.random(65))
    wave = 0.5 + 0.5 * np.sin(phase)
    scale = [(0.4, 52), (0.05, 3), (0.2, 2), (0.5, 2), (0.1, 6)]
    ends = np.cumsum([width for _, width in scale])
    return HeadMotion(*(wave[:, e - w : e] * s for (s, w), e in zip(scale, ends, strict=True)))


def median_ms(function, count: int) -> float:
    """Median milliseconds of this thread's CPU time of `function(k)` for k in range(count): on a busy machine the
    clock on the wall measures the others."""
    times = []
    for k in range(count):
        started = time.thread_time()
        function(k)
        times.append(time.thread_time() - started)
    return 1e3 * float(np.median(times))


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    head, camera = HeadModel.load(), portrait_camera(512)
    print(f"load average {os.getloadavg()[0]:.1f}; medians of {FRAMES} frames, CPU milliseconds of one thread")
    print(
        f"{'Gaussians':>10} {'corrected':>10} {'mesh':>8} {'pose':>8} {'culled':>8} {'all in':>8} {'plain torch':>12}"
    )
    for count in (12_000, 26_000):
        avatar = build_plain_avatar(head, count=count)
        corrections = blank_corrections(avatar)
        corrections.position.normal_(0, 1e-5)
        avatar = avatar.replace(corrections=corrections)
        motion = lively_motion(FRAMES)
        avatar.pose(motion, 0, camera)  # compiles
        mesh = median_ms(lambda k, a=avatar, m=motion: a.mesh(m[16 * (k % 4) : 16 * (k % 4) + 16]), 12) / 16
        pose = median_ms(lambda k, a=avatar, m=motion: a.pose(m, k), FRAMES)
        culled = median_ms(lambda k, a=avatar, m=motion: a.pose(m, k, camera), FRAMES)
        vertices, rotations, translations = avatar.mesh(motion)
        rows, g, c = torch.from_numpy(signals(motion)), avatar.gaussians, avatar.corrections

        def plain(k, a=avatar, v=vertices, r=rotations, t=translations, rows=rows, g=g, c=c):
            frames = binding.binding_frames_torch(g, v[k], a.head.triangles, a.neutral_sizes, r[k], t[k])
            offsets = c.offsets(c.latents(rows[k]))
            binding.apply_frames_torch(frames, g.position, g.rotation, g.log_scale.exp(), g.color, c.index, *offsets)

        slow = median_ms(plain, 16)
        print(
            f"{len(avatar):>10} {len(c.index):>10} {mesh:>8.2f} {pose:>8.2f} {culled:>8.2f} {culled + mesh:>8.2f} "
            f"{slow:>9.2f} ({slow / pose:.1f}x)"
        )


if __name__ == "__main__":
    main()
