"""`python -m benchmarks.rasterizer`: speed and memory of the renderer, beside a vectorised torch renderer.

Every row is the best of several runs; the load average is printed because other work on the machine only ever makes
a run slower. "CPU ms" is processor time summed over threads, which other work disturbs less than the wall clock.
The table is written to benchmarks/results/rasterizer.md (rasterizer-cuda.md with --device cuda), or to --output.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import torch_splatting
from benchmarks.torch_splatting import head_like_cloud
from emotalk.core.atomic import write_text
from emotalk.core.gaussians import CloudBatch, GaussianCloud
from emotalk.core.kernels.workers import thread_count
from emotalk.rendering import FrameRenderer, batch_frames, frames_of, portrait_camera, rasterize, warmup

RESULTS = Path(__file__).with_name("results")
COUNTS, SIZES = (10_000, 20_000, 50_000), (256, 512, 1024)
WHITE = torch.ones(3)
NAMES = ("means", "scales", "quats", "opacities", "colors")


def best(function: Callable[[], object], device: str, seconds: float, least: int = 3) -> tuple[float, float]:
    """The smallest wall and processor time of one call, in milliseconds, over `seconds` of calls."""
    wall, processor = [], []
    begin = time.perf_counter()
    while len(wall) < least or time.perf_counter() - begin < seconds:
        start, start_processor = time.perf_counter(), time.process_time()
        function()
        if device == "cuda":
            torch.cuda.synchronize()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    return 1e3 * min(wall), 1e3 * min(processor)


def leaves(cloud: GaussianCloud) -> GaussianCloud:
    return GaussianCloud(*(getattr(cloud, name).detach().clone().requires_grad_() for name in NAMES))


def table(device: str, seconds: float) -> list[str]:
    lines = [
        "| Gaussians | picture | forward ms | FPS | CPU ms | 8-bit clip FPS | forward+backward ms | per s | CPU ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for count in COUNTS:
        cloud = GaussianCloud(*(getattr(head_like_cloud(count), name).to(device) for name in NAMES))
        learned = leaves(cloud)
        for size in SIZES:
            camera = portrait_camera(size)
            gradient = torch.ones(3, size, size, device=device).permute(1, 2, 0)

            def both(camera=camera, gradient=gradient, learned=learned) -> None:
                for name in NAMES:
                    getattr(learned, name).grad = None
                rasterize(learned, camera, WHITE).image.backward(gradient)

            wall, processor = best(lambda cloud=cloud, camera=camera: rasterize(cloud, camera, WHITE), device, seconds)
            wall_both, processor_both = best(both, device, seconds)
            renderer, clouds = FrameRenderer(size, size), clip_of(cloud, size, device)
            frames = sum(frames_of(part) for part in clouds)
            clip, _ = best(
                lambda camera=camera, renderer=renderer, clouds=clouds: [None for _ in renderer.frames(clouds, camera)],
                device,
                seconds,
            )
            lines.append(
                f"| {count:,} | {size}² | {wall:.2f} | {1e3 / wall:.0f} | {processor:.2f} | {1e3 * frames / clip:.0f} "
                f"| {wall_both:.2f} | {1e3 / wall_both:.0f} | {processor_both:.2f} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)  # the whole table is printed at the end
    return lines


def clip_of(cloud: GaussianCloud, size: int, device: str) -> list[GaussianCloud | CloudBatch]:
    """Some forty frames as a talk hands them over: one at a time on the CPU, many at a time on a GPU."""
    if device == "cpu":
        return [cloud] * 40
    together = batch_frames(size, size)
    return [CloudBatch.stack([cloud] * together)] * -(-40 // together)


def ratios(device: str, seconds: float) -> list[str]:
    """20,000 Gaussians at 512 x 512 beside vectorised torch, measured in turns."""
    cloud = GaussianCloud(*(getattr(head_like_cloud(20_000), name).to(device) for name in NAMES))
    camera, learned = portrait_camera(512), leaves(cloud)
    white, gradient = WHITE.to(device), torch.ones(3, 512, 512, device=device).permute(1, 2, 0)
    image = torch_splatting.render(cloud, camera, white)
    difference = float((image - rasterize(cloud, camera, white, early_stop=False).image).abs().mean())
    pairs = {
        "forward": (
            lambda: rasterize(cloud, camera, white),
            lambda: torch_splatting.render(cloud, camera, white),
        ),
        "forward+backward": (
            lambda: rasterize(learned, camera, white).image.backward(gradient),
            lambda: torch_splatting.render(learned, camera, white).backward(gradient),
        ),
    }
    lines = [
        "| 20,000 at 512² | ours ms (CPU) | vectorised torch ms | ratio | torch, one thread, CPU ms | ratio of CPU |",
        "|---|---|---|---|---|---|",
    ]
    threads = torch.get_num_threads()
    for name, (ours, torchs) in pairs.items():
        fast = best(ours, device, seconds)
        slow = best(torchs, device, 0, least=1)
        # Waiting torch threads spin and count as busy: processor time is comparable with one thread only.
        torch.set_num_threads(1)
        alone = best(torchs, device, 0, least=2)
        torch.set_num_threads(threads)
        again = best(ours, device, seconds)
        wall, processor = min(fast[0], again[0]), min(fast[1], again[1])
        lines.append(
            f"| {name} | {wall:.2f} ({processor:.2f}) | {slow[0]:.0f} | {slow[0] / wall:.0f} x "
            f"| {alone[1]:.0f} | {alone[1] / processor:.0f} x |"
        )
        print(lines[-1], flush=True)
    return [*lines, "", f"Mean absolute difference of the two pictures: {difference:.1e}."]


def fitting(device: str, size: int = 512, steps: int = 1000) -> str:
    """Fit 20,000 grey Gaussians to one picture (drawn from 50,000 others) with Adam and a squared error."""
    camera = portrait_camera(size)
    goal_cloud = GaussianCloud(*(getattr(head_like_cloud(50_000, 7), name).to(device) for name in NAMES))
    goal = rasterize(goal_cloud, camera).image
    start = GaussianCloud(*(getattr(head_like_cloud(20_000, 1), name).to(device) for name in NAMES))
    means, quats = (t.clone().requires_grad_() for t in (start.means, start.quats))
    log_scales = start.scales.log().requires_grad_()
    logits = torch.zeros(20_000, device=device, requires_grad=True)
    colors = torch.full((20_000, 3), 0.5, device=device, requires_grad=True)
    rates = ((means, 2e-5), (log_scales, 5e-3), (quats, 1e-3), (logits, 2.5e-2), (colors, 5e-3))
    adam = torch.optim.Adam([{"params": [p], "lr": rate} for p, rate in rates], eps=1e-15, fused=True)
    begin, begin_processor = time.perf_counter(), time.process_time()
    for _ in range(steps):
        adam.zero_grad()
        drawn = rasterize(GaussianCloud(means, log_scales.exp(), quats, logits.sigmoid(), colors), camera)
        loss = torch.nn.functional.mse_loss(drawn.image, goal)
        loss.backward()
        adam.step()
    wall, processor = time.perf_counter() - begin, time.process_time() - begin_processor
    return (
        f"{steps:,} Adam steps, 20,000 Gaussians, {size}²: {wall:.1f} s wall, {processor:.1f} s CPU, "
        f"PSNR {-10 * torch.log10(loss.detach()):.1f} dB."
    )


def first_picture() -> str:
    """Seconds from `import emotalk.rendering` to the first picture in a fresh process with a warm kernel cache."""
    code = (
        "import time, torch; a = time.perf_counter()\n"
        "import emotalk.rendering as r; from benchmarks.torch_splatting import head_like_cloud\n"
        "r.rasterize(head_like_cloud(20_000), r.portrait_camera(512)); print(time.perf_counter() - a)"
    )
    whole = "import time; a = time.perf_counter()\n" + code.replace("import time, torch; a = time.perf_counter()\n", "")
    seconds = []
    for script in (code, whole):
        runs = [
            float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
            for _ in range(3)
        ]
        seconds.append(min(runs))
    return (
        f"Import to first picture, warm cache: {seconds[0]:.2f} s with torch loaded, "
        f"{seconds[1]:.2f} s with torch's own import."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=3.0, help="measuring time per number")
    parser.add_argument("--output", type=Path, help="the file to write instead")
    arguments = parser.parse_args()
    device = arguments.device
    load_before = os.getloadavg()
    warmup()
    where = torch.cuda.get_device_name() if device == "cuda" else f"{thread_count()} threads"
    lines = [f"# Renderer ({device})", "", *table(device, arguments.seconds), ""]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before torch's renderer, which takes more
    lines += [*ratios(device, arguments.seconds), "", fitting(device), ""]
    if device == "cpu":
        lines += [first_picture(), ""]
    lines += [
        f"Peak memory of the process over the first table: {peak:.0f} MB, torch included. {where}, "
        f"{platform.machine()} with {os.cpu_count()} CPUs, torch {torch.__version__} ({torch.get_num_threads()} "
        f"threads). Load average {load_before[0]:.1f} before, {os.getloadavg()[0]:.1f} after: where it exceeds the "
        "number of threads, other work ran beside this and the wall times are upper bounds.",
    ]
    text = "\n".join(lines) + "\n"
    write_text(arguments.output or RESULTS / ("rasterizer.md" if device == "cpu" else "rasterizer-cuda.md"), text)
    print(text)


if __name__ == "__main__":
    main()
