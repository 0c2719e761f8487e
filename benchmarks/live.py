"""`python -m benchmarks.live`: the browser's picture against the Python renderer's, and what a live face costs.

Every pose of `benchmarks.live_poses` is drawn by both, at 512 pixels, from each preset's pack; the pixels under the "AI
generated" mark are left out. Chromium draws in software, so that milliseconds of the graphics processor say nothing;
fragments a frame are what to reckon with. The tables are written to benchmarks/results/live.md.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import shutil
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.live_poses import Pose, extremes, rows, speech
from benchmarks.results_file import with_remarks
from emotalk.avatar import load_avatar
from emotalk.core.atomic import write_text
from emotalk.core.image_metrics import psnr
from emotalk.live import live_pack
from emotalk.talk.request import Look
from emotalk.talk.scene import Scene
from emotalk.ui.live_script import live_script
from tests.ui.live_canvas import LiveCanvas, software_browser

RESULTS = Path(__file__).with_name("results") / "live.md"
PRESETS = ("mira", "jun", "elena", "kofi")
KINDS = ("speech", "moods", "yaw 30", "wide jaw", "tongue", "shut eyes", "gaze")

_FRAGMENTS = """() => {
    // Pixels that the drawn parallelograms cover: 4 reach squared times the determinant of L (shaders.js).
    const { splats, gl } = face, width = 1024, height = splats.order.rows;
    const place = new Uint32Array(4 * width * height), shape = new Uint32Array(4 * width * height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, splats.projected);
    gl.readBuffer(gl.COLOR_ATTACHMENT0);
    gl.readPixels(0, 0, width, height, gl.RGBA_INTEGER, gl.UNSIGNED_INT, place);
    gl.readBuffer(gl.COLOR_ATTACHMENT1);
    gl.readPixels(0, 0, width, height, gl.RGBA_INTEGER, gl.UNSIGNED_INT, shape);
    const length = new Float32Array(shape.buffer);
    const half = (h) => {
        const exponent = (h >> 10) & 31, rest = h & 1023;
        return exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : rest * 2 ** -24;
    };
    let fragments = 0, quads = 0;
    for (let i = 0; i < place.length; i += 4) {
        const opacity = half(place[i + 3] >>> 16);
        if (opacity <= 0) continue;
        quads++;
        fragments += 8 * Math.log(255 * opacity) * length[i] * length[i + 2];
    }
    return [quads, fragments];
}"""
_STEPS = """row => {
    const camera = live.cameraOf(face.pack, face.size, face.view), spent = { pose: [], sort: [] };
    for (let i = 0; i < 40; i++) {
        const a = performance.now();
        face.head.pose(row);
        const latents = face.corrections.of(row);
        const b = performance.now();
        face.sorting.now(face.head, latents, camera);
        const c = performance.now();
        spent.pose.push(b - a);
        spent.sort.push(c - b);
    }
    const middle = (times) => times.sort((x, y) => x - y)[times.length >> 1];
    return [middle(spent.pose), middle(spent.sort)];
}"""


@dataclass
class Found:
    """What one preset showed."""

    name: str
    size: int  # bytes of the pack, gzip
    gaussians: int
    kept: int
    decibels: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stale: list[float] = field(default_factory=list)  # speech, drawn in the order of the frame before
    quads: int = 0
    fragments: float = 0
    pose: float = 0  # milliseconds
    sort: float = 0

    @property
    def all(self) -> list[float]:
        return [value for values in self.decibels.values() for value in values]


def measure(name: str, size: int, poses: list[Pose], browser: object, sheet: Path | None) -> Found:
    """Draw a preset's poses in both renderers; `sheet` takes Python's picture, the browser's and eight times the
    difference of every extreme pose."""
    avatar = load_avatar(name)
    pack = live_pack(avatar)
    page = browser.new_page()
    canvas = LiveCanvas(page, gzip.decompress(pack.data))
    found = Found(name, len(pack.data), len(avatar), page.evaluate("face.pack.meta.count"))
    shown, shown_before = [], False
    for pose in poses:
        look = Look(size=size, yaw=pose.yaw, pitch=pose.pitch, zoom=pose.zoom)
        wanted = Scene(avatar, look).draw(pose.motion).copy()
        row = rows(pose.motion)[0]
        if pose.kind == "speech" and shown_before:
            drawn = canvas.draw(row, size, stale=True)
            found.stale.append(psnr(_shared(canvas, drawn, wanted), wanted))
        shown_before = pose.kind == "speech"
        drawn = canvas.draw(row, size, yaw=math.radians(pose.yaw), pitch=math.radians(pose.pitch), zoom=pose.zoom)
        found.decibels[pose.kind].append(psnr(_shared(canvas, drawn, wanted), wanted))
        if sheet is not None and pose.kind != "speech":
            far = np.clip(8 * np.abs(drawn.astype(int) - wanted), 0, 255).astype(np.uint8)
            shown.append(np.concatenate([wanted, drawn, far], 1))
    canvas.draw(rows(poses[0].motion)[0], size)
    found.quads, found.fragments = page.evaluate(_FRAGMENTS)
    found.pose, found.sort = page.evaluate(_STEPS, rows(poses[0].motion)[0].tolist())
    if canvas.errors:
        raise SystemExit(f"{name}: {canvas.errors}")
    page.close()
    if sheet is not None:
        from PIL import Image

        sheet.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(shown[:: max(1, len(shown) // 8)])).save(sheet / f"{name}.png")
    return found


def _shared(canvas: LiveCanvas, drawn: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The browser's picture with Python's where the mark lies."""
    return np.where(canvas.without_mark(drawn)[..., None], drawn, wanted)


def report(found: list[Found], size: int, poses: int, every: int) -> str:
    """The whole result file in Markdown."""
    scripts = {name: len(gzip.compress(live_script(name).encode(), 9)) for name in ("living", "dialogue")}
    load = " ".join(f"{x:.1f}" for x in os.getloadavg())
    lines = [
        "# The live face",
        "",
        f"`python -m benchmarks.live`, {size}², {poses} poses a preset, packs as pages get them; Chromium with",
        f"software WebGL2 on two cores, load average {load}.",
        "",
        "## Against the Python renderer (PSNR in dB: mean / least)",
        "",
        f"| preset | all | {' | '.join(KINDS)} | speech, sorted {40 * every} ms before |",
        f"|---|---|{'---|' * len(KINDS)}---|",
    ]
    for one in found:
        cells = [_cell(one.all), *(_cell(one.decibels[kind]) for kind in KINDS), _cell(one.stale)]
        lines.append(f"| {one.name} | {' | '.join(cells)} |")
    lines += [
        "",
        "Wanted: 45 mean, 42 least.",
        "",
        "## Size and work",
        "",
        "| preset | pack, gzip | Gaussians | of | from the front | fragments a frame | pose ms | sort ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        lines.append(
            f"| {one.name} | {one.size / 1e6:.2f} MB | {one.kept:,} | {one.gaussians:,} | {one.quads:,} "
            f"| {one.fragments / 1e6:.1f} M | {one.pose:.2f} | {one.sort:.2f} |"
        )
    lines += [
        "",
        f"JavaScript, gzip: {scripts['living'] / 1000:.1f} kB; for conversations {scripts['dialogue'] / 1000:.1f} kB "
        "more, when the first one begins.",
    ]
    return "\n".join(lines) + "\n"


def _cell(values: list[float]) -> str:
    return f"{statistics.mean(values):.1f} / {min(values):.1f}" if values else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--every", type=int, default=3, help="of the sentence's frames, one is drawn in so many")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--sheet", type=Path, help="folder for pictures of both renderers side by side")
    chosen = parser.parse_args()
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        raise SystemExit("There is no Chromium here; install one (Debian: apt-get install chromium).")
    poses = [*speech(chosen.every), *extremes()]
    found = []
    with software_browser(executable) as browser:
        for name in chosen.presets:
            found.append(measure(name, chosen.size, poses, browser, chosen.sheet))
            print(name, _cell(found[-1].all), flush=True)
    write_text(chosen.output, with_remarks(report(found, chosen.size, len(poses), chosen.every), chosen.output))


if __name__ == "__main__":
    main()
