"""Makes a preset avatar from its character sheet: `python -m scripts.make_preset NAME`.

Renders the training set of scripts/characters/NAME.json with Blender (build-only, in the environment of
requirements-render.txt) and fits the avatar to it. Blender wants numpy 1 and the fit runs where the app does: render
with `--no-fit`, then run `python -m scripts.fit_preset FOLDER --name NAME` there. Rendering goes on where it stopped; a
picture takes 3 to 10 seconds of one CPU core. The app needs nothing of this: the results are in checkpoints/avatars.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro

from emotalk.core.atomic import replacing, write_text
from emotalk.core.errors import InputError
from emotalk.core.paths import CHECKPOINTS, cache_dir
from emotalk.head import HeadModel
from scripts.preset_scene import dataset
from scripts.preset_scene.character import Character, dress
from scripts.preset_scene.head_subject import HeadSubject
from scripts.preset_scene.identity import Sculptor
from scripts.preset_scene.sheet import load_sheet
from scripts.preset_scene.shots import shots

log = logging.getLogger("make_preset")


@dataclass(frozen=True)
class Options:
    """What to make."""

    name: tyro.conf.Positional[str]
    """Character sheet in scripts/characters."""
    folder: Path | None = None
    """Where the training set goes (default: the user's cache)."""
    size: int = 384
    """Pixels of a picture's side."""
    samples: int = 8
    """Samples per pixel before denoising."""
    held_out_samples: int = 32
    """The same for the held-out pictures: few, and what is measured against should be free of noise."""
    threads: int = 1
    """Threads of the renderer."""
    shard: int = 0
    """With --shards N: take every N-th missing picture only, beginning at this one (N processes share a set)."""
    shards: int = 1
    """How many processes share the set."""
    limit: int = 1000
    """At most this many pictures in this run."""
    fit: bool = True
    """Fit the avatar once all pictures exist."""


def character(name: str, folder: Path) -> tuple[Character, np.ndarray, np.ndarray]:
    """The dressed head of a sheet, its identity [K] and the skinning weights [V, 6].

    The projection onto the identity basis is kept in `folder` for as long as head and phenotype stay the same.
    """
    sheet, head = load_sheet(name), HeadModel.load()
    facts = json.dumps(asdict(sheet.phenotype)).encode() + (CHECKPOINTS / "head.npz").read_bytes()
    kept = folder / f"phenotype-{hashlib.sha256(facts).hexdigest()[:12]}.npz"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        sculptor = Sculptor.open()
        identity, misfit = sculptor.identity(sheet.phenotype, head)
        log.info("%s: identity within %.2f mm of the phenotype", name, misfit)
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, identity=identity, base=sculptor.base_positions())
    with np.load(kept) as arrays:
        subject = HeadSubject(head, arrays["identity"], arrays["base"])
    return dress(sheet, subject), subject.identity, head.weights.numpy()


def _same_head(folder: Path) -> None:
    """Refuse to mix pictures of two head files in one set."""
    digest = hashlib.sha256((CHECKPOINTS / "head.npz").read_bytes()).hexdigest()
    note = folder / "head.sha256"
    if note.is_file() and note.read_text() != digest and any((folder / "images").glob("*.png")):
        raise InputError(f"{folder} holds pictures of another head.npz; delete its images folder and run again.")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(note, digest)


def render(options: Options, folder: Path) -> bool:
    """Take the pictures that are missing; True when the set is complete."""
    _same_head(folder)
    who, identity, skinning = character(options.name, folder)
    dataset.describe(folder, who, identity, skinning)
    views = [dataset.view(shot, k, options.size) for k, shot in enumerate(shots())]
    mine = range(options.shard, len(views), options.shards)
    missing = [k for k in mine if not (folder / views[k]["image"]).is_file()]
    # Held-out pictures first: a fit may then begin while the others are still being taken.
    for split, samples in (("test", options.held_out_samples), ("train", options.samples)):
        due = [k for k in missing[: options.limit] if views[k]["split"] == split]
        if not due:
            continue
        from scripts.preset_scene.scene import Scene  # Blender takes seconds to load

        scene = Scene(who, options.size, samples, options.threads)
        for k in due:
            began = time.process_time()
            scene.photograph(shots()[k].pose, np.array(views[k]["world_to_camera"]), views[k]["fx"],
                             folder / views[k]["image"])  # fmt: skip
            done = dataset.refresh(folder, views)
            log.info("%s %s: %.1f CPU seconds, %d of %d", options.name, views[k]["label"],
                     time.process_time() - began, done, len(views))  # fmt: skip
    complete = dataset.refresh(folder, views) == len(views)
    if complete:
        (folder / "DONE").touch()
    return complete


def main(options: Options) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    folder = options.folder if options.folder else cache_dir("presets") / options.name
    complete = render(options, folder)
    if not options.fit:
        return
    if not complete:
        raise InputError(f"{folder} is not complete yet; run the command again without --limit, then it fits.")
    from scripts.fit_preset import fit_preset

    fit_preset(folder, options.name)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
