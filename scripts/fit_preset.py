"""Fit a shipped avatar to a rendered preset: `python -m scripts.fit_preset FOLDER` (some 15 minutes of one core).

FOLDER is what `scripts.make_preset` writes (scripts/preset_scene/dataset.py describes it). The result goes to
checkpoints/avatars/NAME, held-out pictures and a contact sheet to docs/presets/NAME. A killed run goes on where it was.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from scipy.spatial import cKDTree

from emotalk.avatar import AvatarCard, BoundGaussians, GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.mesh_gaussians import triangle_regions
from emotalk.avatar.thumbnail import render_thumbnail
from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.progress import FitProgress
from emotalk.fitting.eye_backing import with_backed_eyes
from emotalk.fitting.gaussian_fit import FitConfig, GaussianFit, score
from emotalk.fitting.thinning import thinned
from emotalk.head import HeadModel
from scripts.check_presets import FOLDER
from scripts.fold_presets import folded
from scripts.preset_fit.mouth import MENDED, mend_mouth
from scripts.preset_fit.plain import PlainLook, build_plain_avatar
from scripts.preset_fit.strands import drape, hang, pieces, stick
from scripts.preset_pictures import keep_held_out, load_data_set
from scripts.preset_sheet import contact_sheet
from scripts.thin_presets import LEARNED, SHARE, STEPS, WHOLE, random_views

log = logging.getLogger(__name__)
LICENCE = "CC0-1.0"
HELD_OUT = 12
SHEETS = Path(__file__).resolve().parent / "characters"
STRANDS = {"hair": (2000, 8), "brows": (760, 2), "lashes": (340, 2), "beard": (3500, 1), "glasses": (100, 39)}
"""Groom -> strands that are kept and Gaussians along each."""
ON_SKIN = {"brows": ("face", "lids"), "lashes": ("lashes", "lids"), "beard": ("face", "neck", "lips")}
"""Grooms that ride on the skin -> regions of the triangles they are bound to."""
CLOTH = 5000
"""Gaussians of the garment."""
NEAR_ROOTS = 0.005
"""Metres: scalp nearer than this to a root of hair begins in the colour of the hair."""
SHARPEN = 0.75
"""Share of the steps after which structure counts more."""
UNDER_CLOTH = 0.011
"""Metres: skin nearer than this to the garment, and under it, gets no Gaussians."""


def starting_avatar(folder: Path, head: HeadModel, count: int, seed: int = 0) -> GaussianAvatar:
    """The preset's head in the colours of its sheet, with its own strands and garment."""
    look = json.loads((folder / "look.json").read_text())
    identity = torch.from_numpy(np.load(folder / "identity.npy", allow_pickle=False)).float()
    colors = {name: tuple(color) for name, color in look.items() if name in REGION_INDEX}
    colors["scalp"] = colors["face"]  # up to the hairline; where hair grows is coloured below
    plain = PlainLook(colors["face"], colors["lips"], tuple(look["iris"]), colors["hair"], brows=False, extra=colors)
    avatar = build_plain_avatar(head, identity, plain, count, hair=False, seed=seed)
    rng = np.random.default_rng(seed)
    vertices = avatar.mesh(HeadMotion.neutral())[0][0].numpy()
    triangles, regions = head.triangles.numpy(), triangle_regions(head)
    with np.load(folder / "garment.npz", allow_pickle=False) as file:
        garment = {name: file[name] for name in file.files}
    grooms = load_strands(folder / "hair.npz")
    keep = ~under_cloth(avatar, garment["vertices"])
    if "lashes" in grooms:
        keep &= avatar.gaussians.region != REGION_INDEX["lashes"]
    if "hair" in grooms:
        points = avatar.pose(HeadMotion.neutral(), 0).means.numpy()
        covered = torch.from_numpy(cKDTree(grooms["hair"][0][:, 0]).query(points)[0] < NEAR_ROOTS)
        scalp = (avatar.gaussians.region == REGION_INDEX["scalp"]) & covered
        avatar.gaussians.color[scalp] = torch.tensor(look["hair"])
    parts = [avatar.gaussians.select(keep)]
    weights = garment["weights"]
    weights = np.stack([weights[:, 0], weights[:, 1], weights[:, 2:].sum(1)], 1)
    parts.append(drape(garment["vertices"], garment["triangles"], weights, np.array(look["clothes"]), CLOTH, rng))
    for groom, arrays in grooms.items():
        made = pieces(*arrays, *STRANDS[groom], rng)
        if groom in ON_SKIN:
            allowed = np.isin(regions, [REGION_INDEX[name] for name in ON_SKIN[groom]])
            parts.append(stick(*made, vertices, triangles, allowed, groom))
        else:
            parts.append(hang(*made, np.tile([0.0, 0.0, 1.0], (len(made[0]), 1)), groom))
    return avatar.replace(gaussians=BoundGaussians.concatenate(parts))


def under_cloth(avatar: GaussianAvatar, cloth: np.ndarray) -> torch.Tensor:
    """Which Gaussians [N] (bool) of neck and shoulders lie right under the vertices of a garment [G, 3]."""
    g = avatar.gaussians
    cloud = avatar.pose(HeadMotion.neutral(), 0)
    distance, nearest = cKDTree(cloth).query(cloud.means.numpy())
    skin = torch.isin(g.region, torch.tensor([REGION_INDEX["shoulders"], REGION_INDEX["neck"]]))
    lower = torch.from_numpy(cloth[nearest, 1]) > cloud.means[:, 1] - 0.5 * UNDER_CLOTH
    return skin & (torch.from_numpy(distance) < UNDER_CLOTH) & lower


def load_strands(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Groom -> points [S, K, 3], radius [S, K], display colours [S, K, 3]."""
    with np.load(path, allow_pickle=False) as file:
        grooms = sorted(name.removesuffix("_points") for name in file.files if name.endswith("_points"))
        return {
            groom: tuple(file[f"{groom}_{part}"].astype(np.float64) for part in ("points", "radius", "color"))
            for groom in grooms
        }


@dataclass(frozen=True)
class Options:
    """How to fit a preset."""

    steps: int = 3000
    gaussians: int = 22_000
    """On the mesh at the start."""
    budget: int = 50_000
    """In all at the end, before it is thinned."""
    ssim: float = 0.2
    """Share of D-SSIM in the loss."""
    final_ssim: float = 0.5
    """The same from `SHARPEN` on: it sharpens hair (+0.001 SSIM over the head at the same PSNR)."""
    out: Path = CHECKPOINTS / "avatars"
    """Where the avatar's folder goes."""
    pictures: Path = FOLDER
    """Where held-out pictures and the contact sheet go."""


def fit_preset(folder: Path, name: str, options: Options | None = None) -> GaussianAvatar:
    """Fit the preset rendered in `folder` and write checkpoints/avatars/NAME and docs/presets/NAME."""
    options = options if options is not None else Options()
    torch.set_num_threads(1)  # small tensors: threads cost more than they give
    splits = load_data_set(folder)
    train, test = splits["train"], splits.get("test", [])
    if not test:
        raise InputError(f"{folder} holds no held-out pictures yet; render more of it first.")
    log.info("%s: %d training and %d held-out pictures", name, len(train), len(test))
    head = HeadModel.load()
    start = starting_avatar(folder, head, options.gaussians)
    log.info("start: %d Gaussians, held out %.2f dB, SSIM %.3f", len(start), *score(start, test))
    state = folder / "fit.safetensors"

    def begin() -> GaussianFit:
        fit = GaussianFit(start, train, FitConfig(steps=options.steps, budget=options.budget, ssim=options.ssim))
        if state.exists():
            try:
                fit.load_state(state, grown=True)
            except CheckpointError as error:
                log.info("%s", error)
        return fit

    def report(progress: FitProgress) -> None:
        log.info(
            "step %d, %.0f s, loss %.5f, %d Gaussians, %d pictures",
            progress.done, progress.seconds, progress.loss, progress.gaussians, len(train),
        )  # fmt: skip

    fit = begin()
    avatar = fit.result()
    while fit.progress < 1:
        if fit.progress >= SHARPEN:
            fit.config = dataclasses.replace(fit.config, ssim=options.final_ssim)
        avatar = fit.run(report, every=100, until=min(1.0, fit.progress + 0.1))
        fit.save_state(state)
        log.info("held out %.2f dB, SSIM %.4f", *score(avatar, test))
        splits = load_data_set(folder)  # rendering may have gone on meanwhile
        test = splits["test"]
        if len(splits["train"]) > len(train):
            train = splits["train"]
            fit = begin()

    whole = with_backed_eyes(mend_mouth(avatar))
    avatar = thinned(whole, random_views(LEARNED, seed=0), SHARE, STEPS, report=report)
    full = score(avatar, test)
    log.info("held out, full picture: %.2f dB, SSIM %.4f", *full)
    sheet = json.loads((SHEETS / f"{name}.json").read_text())
    about = f"{sheet.get('about', '')} Nobody's likeness: rendered from checkpoints/head.npz with the character sheet "
    card = AvatarCard(
        name=sheet.get("title", name.title()),
        licence=LICENCE,
        provenance=f"{about.strip()} scripts/characters/{name}.json, fitted to {len(train)} pictures of it; rebuild "
        f"with `python -m scripts.make_preset {name}`.",
        synthetic=True,
        metrics={"psnr_full": round(full[0], 2), "ssim_full": round(full[1], 4), "steps": fit.step_count,
                 "gaussians": len(avatar), WHOLE: len(whole), "pictures": len(train), MENDED: 1},
        limitations=sheet.get("limitations", ""),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    avatar = folded(avatar.replace(card=card, background=torch.tensor([0.80, 0.83, 0.87])), sheet)
    avatar.thumbnail = render_thumbnail(avatar)
    avatar.save(options.out / name)
    pictures = options.pictures / name
    keep_held_out(test[:HELD_OUT], pictures)
    contact_sheet(avatar).save(pictures / "sheet.jpg", quality=85)
    return avatar


DEFAULTS = Options()


def main(
    folder: tyro.conf.Positional[Path], name: str = "", options: tyro.conf.OmitArgPrefixes[Options] = DEFAULTS
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    fit_preset(folder, name or folder.name, options)


if __name__ == "__main__":
    tyro.cli(main)
