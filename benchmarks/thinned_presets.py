"""What thinning takes from the shipped avatars, and what it leaves: `python -m benchmarks.thinned_presets BEFORE`.

BEFORE is a folder with avatars of the same names before they were thinned, for instance an earlier commit's:

    git archive aa18472 checkpoints/avatars | tar -x -C ../before
    python -m benchmarks.thinned_presets ../before/checkpoints/avatars

Drawn at 512 and 256 pixels in moods and with moving mouths, both in turns; what is drawn first takes turns too.
"""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import numpy as np
import torch
import tyro

from benchmarks.results_file import with_remarks
from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.avatar.gallery import FIRST_FACES
from emotalk.core.atomic import write_text
from emotalk.core.motion import HeadMotion
from emotalk.live.pack import made
from emotalk.live.visibility import shown_faces
from emotalk.talk.request import Look
from emotalk.talk.scene import Scene
from scripts.check_presets import FOLDER, check
from scripts.thin_presets import likeness, random_face

RESULTS = Path(__file__).parent / "results" / "thinned_presets.md"
FACES, ROUNDS = 16, 3
SIZES = (512, 256)
SIDES = ((40, 0), (-40, 0), (60, 0), (-60, 0), (35, 20), (-35, -20))
"""Degrees of yaw and pitch at which the worst picture is looked for."""


def faces() -> HeadMotion:
    """Faces that no thinning has learned from."""
    rng, known = np.random.default_rng(2), shown_faces()
    return HeadMotion.concatenate([random_face(rng, known) for _ in range(FACES)])


def milliseconds(avatars: list[GaussianAvatar], size: int, motion: HeadMotion) -> list[float]:
    """CPU ms for a picture, posed and drawn: the best of the rounds."""
    scenes, best = [Scene(avatar, Look(size)) for avatar in avatars], [np.inf] * len(avatars)
    for turn in range(ROUNDS):
        for k in (0, 1) if turn % 2 else (1, 0):
            started = time.process_time()
            for t in range(len(motion)):
                scenes[k].draw(motion, t)
            best[k] = min(best[k], 1000 * (time.process_time() - started) / len(motion))
    return best


def alike(avatars: list[GaussianAvatar], look: Look, motion: HeadMotion) -> np.ndarray:
    """PSNR (dB) of each picture of the one against the other's."""
    scenes, found = [Scene(avatar, look) for avatar in avatars], []
    for t in range(len(motion)):
        one, other = (scene.draw(motion, t).astype(np.float32) for scene in scenes)
        found.append(10 * np.log10(255**2 / max(np.square(one - other).mean(), 1e-3)))
    return np.array(found)


def rows(name: str, before: GaussianAvatar, after: GaussianAvatar) -> list[str]:
    """The rows of one preset in the three tables."""
    pair, motion = [before, after], faces()
    times = [milliseconds(pair, size, motion) for size in SIZES]
    packs = [len(gzip.compress(made(avatar), 9, mtime=0)) / 1e6 for avatar in pair]
    cost = " | ".join(f"{a:.1f} -> {b:.1f} ({100 * (b / a - 1):+.0f} %)" for a, b in times)
    front = alike(pair, Look(512), motion)
    near = alike(pair, Look(512, zoom=2.2), motion)
    sides = np.array([alike(pair, Look(512, *view), motion[:8]).min() for view in SIDES])
    unseen = likeness(after, before)
    truth = [check(avatar, FOLDER / name)[0].mean(0) for avatar in pair]
    return [
        f"| {name} | {len(before):,} -> {len(after):,} | {cost} | {packs[0]:.2f} -> {packs[1]:.2f} |",
        f"| {name} | {unseen[0]:.1f}, {unseen[1]:.4f} | {front.mean():.1f} / {front.min():.1f} | "
        f"{near.mean():.1f} / {near.min():.1f} | {sides.min():.1f} |",
        f"| {name} | "
        + " | ".join(f"{truth[0][i]:.2f} -> {truth[1][i]:.2f}" for i in (0, 2))
        + " | "
        + " | ".join(f"{truth[0][i]:.4f} -> {truth[1][i]:.4f}" for i in (1, 3))
        + " |",
    ]


def main(before: tyro.conf.Positional[Path], out: Path = RESULTS) -> None:
    torch.set_num_threads(1)
    tables: list[list[str]] = [[], [], []]
    for name in FIRST_FACES:
        for table, row in zip(tables, rows(name, load_avatar(before / name), load_avatar(name)), strict=True):
            table.append(row)
            print(row, flush=True)
    load = " ".join(f"{x:.1f}" for x in os.getloadavg())
    text = f"""# Thinned presets

`python -m scripts.thin_presets` nearly halved the Gaussians of the shipped avatars. What that takes and leaves was
measured by `python -m benchmarks.thinned_presets`: best of {ROUNDS} rounds over {FACES} faces, {os.cpu_count()} cores,
load {load}.

## What it takes

| preset | Gaussians | CPU ms a picture, 512 pixels | 256 pixels | live pack, MB |
|---|---|---|---|---|
{chr(10).join(tables[0])}

## Against itself before

PSNR in dB, mean / least. `views` are 40 that it did not learn from (with SSIM), `sides` the worst of eight faces from
yaw ±40, ±60 and 35 degrees with pitch 20.

| preset | views | front | zoom 2.2 | sides, least |
|---|---|---|---|---|
{chr(10).join(tables[1])}

## Against held-out renders

Pictures that neither the fit nor the thinning has seen (`python -m scripts.check_presets`).

| preset | head, PSNR | covered part of it | head, SSIM | covered part of it |
|---|---|---|---|---|
{chr(10).join(tables[2])}
"""
    write_text(out, with_remarks(text, out))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
