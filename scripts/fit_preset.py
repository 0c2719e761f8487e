"""Fit a shipped avatar to a rendered preset: `python -m scripts.fit_preset FOLDER` (about ten minutes of one core).

FOLDER is what `scripts.make_preset` writes: images, views.json, identity.npy, hair.npz, look.json. The result goes to
checkpoints/avatars/NAME, held-out pictures and a contact sheet to docs/presets/NAME. A killed run goes on where it was.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
from pathlib import Path

import numpy as np
import torch

from emotalk.avatar import AvatarCard, BoundGaussians, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.plain import PlainLook, build_plain_avatar, triangle_regions
from emotalk.avatar.strands import hang, pieces, stick
from emotalk.avatar.thumbnail import render_thumbnail
from emotalk.head import HeadModel
from emotalk.paths import CHECKPOINTS
from emotalk.training.photometric import FitConfig, FitProgress, PhotometricFit, score
from scripts.check_presets import FOLDER
from scripts.preset_pictures import keep_held_out, load_data_set
from scripts.preset_sheet import contact_sheet

log = logging.getLogger(__name__)
LICENCE = "CC0-1.0"
HELD_OUT = 12
STRANDS = {"hair": (1500, 8), "brows": (700, 2), "lashes": (340, 2), "beard": (1500, 2), "stubble": (1500, 1)}
"""Groom -> strands that are kept and Gaussians along each."""
SKIN_GROOMS = {"brows": "brows", "lashes": "lashes", "beard": "beard", "stubble": "beard"}
"""Grooms that ride on the skin -> region of their Gaussians."""


def srgb(linear: np.ndarray) -> np.ndarray:
    """Display values of linear light."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def starting_avatar(folder: Path, head: HeadModel, count: int, seed: int = 0) -> GaussianAvatar:
    """The preset's head in the colours of its sheet, with its own strands."""
    look = json.loads((folder / "look.json").read_text())
    identity = torch.from_numpy(np.load(folder / "identity.npy", allow_pickle=False)).float()
    skin = look.get("skin", {})
    colors = {
        "skin": skin.get("base"), "lips": skin.get("lips"), "iris": look.get("iris"),
        "clothes": look.get("garment", {}).get("color"), "hair": look.get("hair", {}).get("color"),
    }  # fmt: skip
    plain = {name: tuple(float(x) for x in srgb(np.array(color))) for name, color in colors.items() if color}
    avatar = build_plain_avatar(head, identity, PlainLook(**plain), count, hair=False, seed=seed)
    parts, rng = [avatar.gaussians], np.random.default_rng(seed)
    vertices = avatar.mesh(neutral())[0][0].numpy()
    triangles, regions = head.triangles.numpy(), triangle_regions(head)
    for groom, arrays in load_strands(folder / "hair.npz").items():
        strands, per_strand = STRANDS[groom]
        points, spans, lengths, widths, color = pieces(*arrays, strands, per_strand, rng)
        color = srgb(color)
        if groom in SKIN_GROOMS:
            names = ("lashes",) if groom == "lashes" else ("face", "lids", "neck", "ears")
            allowed = np.isin(regions, [REGION_INDEX[name] for name in names])
            parts.append(stick(points, spans, lengths, widths, color, vertices, triangles, allowed, SKIN_GROOMS[groom]))
        else:
            weights = np.tile([0.0, 0.0, 1.0], (len(points), 1))
            parts.append(hang(points, spans, lengths, widths, color, weights, "hair"))
    return avatar.replace(gaussians=BoundGaussians.concatenate(parts))


def neutral():
    from emotalk.types import HeadMotion

    return HeadMotion.neutral()


def load_strands(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Groom -> points [S, K, 3], radius [S, K], linear colours [S, K, 3]."""
    with np.load(path, allow_pickle=False) as file:
        grooms = {name.rsplit("_", 1)[0] for name in file.files if name.endswith("_points")}
        return {
            g: tuple(file[f"{g}_{part}"].astype(np.float64) for part in ("points", "radius", "color"))
            for g in sorted(grooms)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the rendered preset")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--gaussians", type=int, default=22_000, help="on the mesh at the start")
    parser.add_argument("--budget", type=int, default=40_000, help="in all at the end")
    parser.add_argument("--out", type=Path, default=CHECKPOINTS / "avatars", help="where the avatar's folder goes")
    parser.add_argument("--pictures", type=Path, default=FOLDER, help="where held-out pictures and the sheet go")
    parser.add_argument("--limitations", default="", help="what is not good yet, for the card")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)  # small tensors: threads cost more than they give
    folder: Path = options.folder
    name = folder.name
    splits = load_data_set(folder)
    train, test = splits["train"], splits.get("test", [])
    log.info("%s: %d training and %d held-out pictures", name, len(train), len(test))
    head = HeadModel.load()
    start = starting_avatar(folder, head, options.gaussians)
    log.info("start: %d Gaussians, held out %.2f dB, SSIM %.3f", len(start), *score(start, test))
    fit = PhotometricFit(start, train, FitConfig(steps=options.steps, budget=options.budget))
    state = folder / "fit.safetensors"
    if state.exists():
        fit.load_state(state)
        log.info("going on at step %d", fit.step_count)

    def report(progress: FitProgress) -> None:
        if progress.step % 250 == 0:
            fit.save_state(state)
            quality = score(fit.result(), test[::3]) if test else (0.0, 0.0)
            log.info(
                "step %d, %.0f s, loss %.5f, %d Gaussians, held out %.2f dB, SSIM %.4f",
                progress.step, progress.seconds, progress.loss, progress.gaussians, *quality,
            )  # fmt: skip

    avatar = fit.run(report)
    full = score(avatar, test)
    log.info("held out, full picture: %.2f dB, SSIM %.4f", *full)
    look = json.loads((folder / "look.json").read_text())
    card = AvatarCard(
        name=look.get("title", name.title()),
        licence=LICENCE,
        provenance=f"{look.get('about', '')} Nobody's likeness: rendered from checkpoints/head.npz with the character "
        f"sheet scripts/characters/{name}.json and fitted to {len(train)} pictures by scripts/fit_preset.py.".strip(),
        synthetic=True,
        metrics={"psnr_full": round(full[0], 2), "ssim_full": round(full[1], 4), "steps": fit.step_count,
                 "gaussians": len(avatar), "pictures": len(train)},
        limitations=options.limitations,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    avatar = avatar.replace(card=card, background=torch.tensor([0.80, 0.83, 0.87]))
    avatar.thumbnail = render_thumbnail(avatar)
    avatar.save(options.out / name)
    pictures = options.pictures / name
    chosen = [test[k] for k in np.linspace(0, len(test) - 1, min(HELD_OUT, len(test))).astype(int)]
    keep_held_out(chosen, pictures)
    contact_sheet(avatar).save(pictures / "sheet.jpg", quality=85)


if __name__ == "__main__":
    main()
