"""`python -m scripts.check_presets`: how close the shipped presets come to pictures their fits never saw.

For every avatar in checkpoints/avatars with held-out pictures in docs/presets/NAME: PSNR and SSIM over the head region
(the box around head and hair), over the pixels of it that the person covers (stricter: no background), and over the
full picture; and docs/presets/NAME/compare.jpg (reference above, avatar below).
Exits with status 1 where a preset misses the target.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from emotalk.avatar import GaussianAvatar, list_avatars, load_avatar
from emotalk.core.image_metrics import psnr, ssim
from emotalk.head import HeadModel
from emotalk.rendering import rasterize
from scripts.preset_pictures import GREY, covered, head_box, load_held_out

TARGET_PSNR, TARGET_SSIM = 30.0, 0.93
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "presets"
SHOWN = 6
"""Pictures in the side-by-side picture."""


@torch.no_grad()
def check(avatar: GaussianAvatar, folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Per held-out picture PSNR and SSIM over head, covered part of the head, full picture [P, 6]; pairs [2H, W, 3].

    Without the folds of the card: the skin that was photographed has none.
    """
    avatar = avatar.replace(card=dataclasses.replace(avatar.card, folds={}))
    scores, pairs = [], []
    for sample, alpha in load_held_out(folder):
        wanted = torch.from_numpy(sample.image).float() / 255
        drawn = rasterize(avatar.pose(sample.motion, 0, sample.camera), sample.camera, (GREY,) * 3).image.clamp(0, 1)
        box = head_box(avatar, sample)
        parts = (box, box & covered(alpha), torch.ones_like(box))
        scores.append([x for part in parts for x in (psnr(drawn, wanted, part), ssim(drawn, wanted, part))])
        pairs.append((torch.cat([wanted, drawn]) * 255).round().byte().numpy())
    return np.array(scores), pairs


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="presets to check (default: all)")
    parser.add_argument("--no-pictures", action="store_true", help="leave compare.jpg as it is")
    options = parser.parse_args(arguments)
    head, failed = HeadModel.load(), []
    print(f"{'':<10} {'':>8} {'head':>22} {'covered':>14} {'full':>14}")
    print(
        f"{'preset':<10} {'pictures':>8} {'PSNR':>7} {'worst':>7} {'SSIM':>6}"
        + f" {'PSNR':>7} {'SSIM':>6}" * 2
        + "    MB"
    )
    for info in list_avatars():
        folder = FOLDER / info.name
        if not info.shipped or (options.names and info.name not in options.names):
            continue
        if not (folder / "views.json").is_file():
            print(f"{info.name:<10} has no held-out pictures in docs/presets")
            failed.append(info.name)
            continue
        scores, pairs = check(load_avatar(info.folder, head), folder)
        mean, worst = scores.mean(0), scores[:, 0].min()
        size = sum(path.stat().st_size for path in info.folder.iterdir()) / 1e6
        met = mean[0] >= TARGET_PSNR and mean[1] >= TARGET_SSIM
        failed += [] if met else [info.name]
        print(
            f"{info.name:<10} {len(scores):>8} {mean[0]:>7.2f} {worst:>7.2f} {mean[1]:>6.3f} {mean[2]:>7.2f} "
            f"{mean[3]:>6.3f} {mean[4]:>7.2f} {mean[5]:>6.3f} {size:>5.1f}{'' if met else '  below target'}"
        )
        if not options.no_pictures:
            chosen = np.linspace(0, len(pairs) - 1, min(SHOWN, len(pairs))).astype(int)
            strip = np.concatenate([pairs[k] for k in chosen], 1)
            Image.fromarray(strip).save(folder / "compare.jpg", quality=88)
    print(f"target: head PSNR >= {TARGET_PSNR:.0f} dB and SSIM >= {TARGET_SSIM}; compare.jpg: the reference is above")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
