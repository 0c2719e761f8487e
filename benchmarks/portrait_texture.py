"""What the texture branch brings on mouths of real people: one frame of a clip is the photo, the others are the truth.

    python -m benchmarks.portrait_texture WEIGHTS

WEIGHTS is what `scripts.train_texture` leaves in its folder. The people and clips are none that it learned from.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.portrait_clips import CLIPS, OWN, TRACKS, compared, tracked_clip
from emotalk.core.image_metrics import peak_ratio
from emotalk.learning.driven_photo import driven_photo, neutral_row
from emotalk.learning.texture_pairs import filmed_pairs, prepared
from emotalk.learning.texture_training import gradient
from emotalk.portrait.texture import load_texture


def table(weights: Path) -> Iterator[str]:
    """Markdown."""
    network = load_texture(weights)
    yield (
        "Crops of 128 x 96 pixels around the mouth, 1.05 eye distances wide: PSNR against the film, and mean gradient "
        "in that of the film, as the motion branch draws them and with what the network adds.\n"
    )
    yield "| clip | motion branch, dB | + texture, dB | gain | gradient before | after |\n|---|---|---|---|---|---|"
    kept, all_rows = os.environ.get(TRACKS), []
    with tempfile.TemporaryDirectory() as folder:
        for name, file in OWN.items():
            clip = tracked_clip(CLIPS / file, Path(kept or folder))
            row = neutral_row(clip.tracked)
            rows = compared(clip.tracked, row)
            driven = driven_photo(clip.tracked, clip.points, row, rows)
            pairs = filmed_pairs(name, driven, clip.tracked.frame, rows)
            found = []
            for k in range(len(pairs)):
                crops, drawn, truth = prepared(pairs, k)
                with torch.no_grad():
                    mended = (drawn + network(crops[None])[0]).clamp(0, 1)
                errors = [float((part - truth).square().mean()) for part in (drawn, mended)]
                sharp = [gradient(part) / gradient(truth) for part in (drawn, mended)]
                found.append([*map(peak_ratio, errors), *sharp])
            before, after, blunt, sharp = np.mean(found, 0)
            all_rows.append((before, after))
            yield f"| {name} | {before:.2f} | {after:.2f} | {after - before:+.2f} | {blunt:.2f} | {sharp:.2f} |"
    before, after = np.mean(all_rows, 0)
    yield f"| mean | {before:.2f} | {after:.2f} | {after - before:+.2f} | | |"


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in table(Path(sys.argv[1])):
        print(line, flush=True)
