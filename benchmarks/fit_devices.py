"""`python -m benchmarks.fit_devices`: the same fit on the CPU and on a GPU: steps a second, loss, PSNR.

An avatar is fitted to a short synthetic video of a shipped person (known motion, no tracking), a fixed number of steps
on each device, in its own process so that peak memory and compiled kernels are that device's. The fits may differ in
the last digits: the two renderers stop at slightly different Gaussians.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("device", "steps", "Gaussians", "steps/s", "loss, first 50", "loss, last 50", "PSNR head / full (dB)",
           "whole fit (s)", "peak MB")  # fmt: skip


def measure(device: str, steps: int, size: int, frames: int) -> dict[str, float | str]:
    """One fit in this process; times in seconds, memory in MB (of the GPU where one is used)."""
    import resource

    import numpy as np
    import torch

    from emotalk.avatar import Consent
    from emotalk.fitting.personalize import PersonalizeConfig, PersonalizeFit
    from tests.fitting.synthetic_video import make_video

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="emotalk-fit-") as name:
        tracked, _ = make_video(Path(name) / "video", frames=frames, size=size)
        config = PersonalizeConfig(steps=steps, size=size, device=device)
        fit = PersonalizeFit(
            tracked, Path(name) / "fit", config, name="benchmark", consent=Consent("For measuring only.", "2026-01-01")
        )
        started = time.perf_counter()
        avatar = fit.run()
        whole = time.perf_counter() - started
    cuda = device.startswith("cuda")
    peak = (
        torch.cuda.max_memory_allocated() / 2**20 if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )
    losses = fit.fit._losses  # a benchmark may look inside: nothing else tells the loss
    return {
        "device": torch.cuda.get_device_name() if cuda else "CPU", "steps": fit.fit.step_count,
        "gaussians": len(avatar), "rate": fit.fit.step_count / fit.fit.seconds, "first": float(np.mean(losses[:50])),
        "last": float(np.mean(losses[-50:])), "head": avatar.card.metrics["psnr_head"],
        "full": avatar.card.metrics["psnr_full"], "whole": whole, "peak": peak,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", nargs="+", default=["cuda", "cpu"])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=120.0, help="most that one device may take")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(measure(arguments.one, arguments.steps, arguments.size, arguments.frames)))
        return
    print(f"| {' | '.join(COLUMNS)} |")
    print("|" + "---|" * len(COLUMNS))
    for device in arguments.devices:
        command = [sys.executable, "-m", "benchmarks.fit_devices", "--one", device]
        for name in ("steps", "size", "frames"):
            command += [f"--{name}", str(getattr(arguments, name))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=arguments.seconds)
        except subprocess.TimeoutExpired:
            print(f"| {device} | not done in {arguments.seconds:g} s |", flush=True)
            continue
        if done.returncode != 0:
            print(f"| {device} | failed: {done.stderr.strip().splitlines()[-1]} |", flush=True)
            print(done.stderr, file=sys.stderr)
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {row['device']} | {row['steps']} | {row['gaussians']:,} | {row['rate']:.1f} | {row['first']:.4f} "
            f"| {row['last']:.4f} | {row['head']:.2f} / {row['full']:.2f} | {row['whole']:.0f} | {row['peak']:.0f} |",
            flush=True,
        )
    print(
        f"\n{arguments.frames} synthetic frames at {arguments.size}², true motion; the loss is the fit's own, as means "
        "of 50 steps."
    )


if __name__ == "__main__":
    main()
