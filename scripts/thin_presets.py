"""Make shipped avatars lighter: `python -m scripts.thin_presets [NAME ...]` (five minutes of one core each).

More than half of a preset's Gaussians hardly show (emotalk/fitting/thinning.py), and through its eyes shows what is
behind them (emotalk/fitting/eye_backing.py). New presets are mended by their fit; this is for avatars that were fitted
before. Needs neither Blender nor its pictures: the avatar is its own model, in moods and views drawn at random. Its
card gets new figures, the thumbnail stays, and thinned ones are left alone.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import torch
import tyro

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.avatar.fold_detail import with_finer_folds
from emotalk.avatar.gallery import avatar_folders
from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.camera import Camera
from emotalk.core.motion import HeadMotion
from emotalk.core.progress import FitCallback, FitProgress
from emotalk.fitting.eye_backing import with_backed_eyes
from emotalk.fitting.gaussian_fit import score
from emotalk.fitting.thinning import picture, thinned
from emotalk.live.visibility import shown_faces
from emotalk.rendering import portrait_camera
from emotalk.talk.scene import still_motion
from scripts.check_presets import FOLDER, check

log = logging.getLogger(__name__)
SHARE, STEPS = 0.5, 800
"""Chosen on mira and jun (benchmarks/results/thinned_presets.md)."""
LEARNED, HELD_OUT = 300, 40
"""Views to learn from, and others to be measured by."""
SIZE = 512
ZOOMS = (0.6, 1.0, 1.25, 1.25, 1.25, 1.7, 2.2)
"""Most as the page shows a portrait; hems and hair's ends are seen from far away, pores from near."""
MOST_TURNED = 0.5
"""Radians that a head turns away from the camera: as far as talks do."""
WHOLE = "gaussians_before"
"""The entry of a card's metrics that says how many there were."""


def random_face(rng: np.random.Generator, known: HeadMotion) -> HeadMotion:
    """One frame: in a quarter of the cases one of the `known` ones, else a mood with a mouth, eyes and a head that do
    something else, the two halves of the face alike."""
    if rng.random() < 0.25:
        t = int(rng.integers(len(known)))
        return known[t : t + 1]
    mood = still_motion(*rng.uniform(-1, 1, 2)) if rng.random() < 0.75 else still_motion(0.0, 0.0)
    expression = mood.expression * rng.uniform(0.3, 1)
    expression[0, ARKIT_INDEX["jawOpen"]] = max(0.0, rng.normal(0.1, 0.2))
    for i in rng.integers(0, len(ARKIT_NAMES), rng.integers(1, 5)):
        amount, name = rng.uniform(0, 0.8), ARKIT_NAMES[i]
        for side, other in (("Left", "Right"), ("Right", "Left"), ("", "")):
            if name.endswith(side):
                for one in (i, ARKIT_INDEX[name.removesuffix(side) + other]):
                    expression[0, one] = max(expression[0, one], amount)
                break
    lids = rng.uniform(0, 1) if rng.random() < 0.3 else 0.0
    head = np.float32([[*rng.normal(0, (0.1, 0.2, 0.05)), 0, 0, 0]])
    gaze = np.float32(rng.uniform(-0.3, 0.3, (1, 2)))
    return HeadMotion(np.float32(expression.clip(0, 1)), mood.jaw, gaze, np.float32([[lids, lids]]), head)


def random_view(rng: np.random.Generator, known: HeadMotion) -> tuple[HeadMotion, Camera]:
    """A face and one of the cameras that a `talk.request.Look` allows. Half of them look from the front; in a fifth the
    face turns away from a camera at its side, so that the back of the head is seen."""
    motion, kind = random_face(rng, known), rng.random()
    if kind < 0.5:
        yaw, pitch = rng.normal(0, (22, 10))
    elif kind < 0.8:
        yaw, pitch = rng.uniform(-1, 1, 2) * (62, 32)
    else:
        side = rng.choice((-1, 1))
        yaw, pitch = side * rng.uniform(45, 62), rng.uniform(-20, 20)
        head = motion.head_pose.copy()
        head[0, 1] = -side * rng.uniform(0, MOST_TURNED)
        motion = dataclasses.replace(motion, head_pose=head)
    yaw, pitch = np.radians(np.clip((yaw, pitch), (-62, -32), (62, 32)))
    return motion, portrait_camera(SIZE, float(yaw), float(pitch), float(rng.choice(ZOOMS)))


def random_views(count: int, seed: int) -> list[tuple[HeadMotion, Camera]]:
    """Frames of motion, each with a camera."""
    rng, known = np.random.default_rng(seed), shown_faces()
    return [random_view(rng, known) for _ in range(count)]


def lighter(
    avatar: GaussianAvatar, share: float = SHARE, steps: int = STEPS, report: FitCallback | None = None
) -> GaussianAvatar:
    """The avatar with backed eyes, then that share of its Gaussians, and some more where it folds; its card tells how
    many there were."""
    whole = with_backed_eyes(avatar)
    thin = with_finer_folds(thinned(whole, random_views(LEARNED, seed=0), share, steps, report=report))
    return _noted(thin, gaussians=len(thin), **{WHOLE: len(avatar)})


def likeness(thin: GaussianAvatar, whole: GaussianAvatar) -> tuple[float, float]:
    """PSNR (dB) and SSIM of the one against the other, in views that it did not learn from, both without folds."""
    bare, other = (one.replace(card=dataclasses.replace(one.card, folds={})) for one in (whole, thin))
    return score(other, [picture(bare, *view) for view in random_views(HELD_OUT, seed=1)])


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = (), out: Path | None = None, share: float = SHARE, steps: int = STEPS
) -> None:
    """names: shipped avatars (all). out: folder of avatar folders to write to (default: where they lie)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)  # small tensors: threads cost more than they give
    shipped = avatar_folders()[0][0]

    def report(progress: FitProgress) -> None:
        log.info("step %d, %.0f s, loss %.5f", progress.done, progress.seconds, progress.loss)

    for name in names or sorted(path.name for path in shipped.iterdir() if path.is_dir()):
        whole = load_avatar(shipped / name)
        if WHOLE in whole.card.metrics:
            log.info("%s: it was thinned before", name)
            continue
        thin = lighter(whole, share, steps, report)
        alike = likeness(thin, with_backed_eyes(whole))
        log.info("%s: %d Gaussians of %d, %.2f dB, SSIM %.4f", name, len(thin), len(whole), *alike)
        if (FOLDER / name / "views.json").is_file():
            psnr, ssim = check(thin, FOLDER / name)[0].mean(0)[4:]
            thin = _noted(thin, psnr_full=round(float(psnr), 2), ssim_full=round(float(ssim), 4))
        thin.save((out or shipped) / name)


def _noted(avatar: GaussianAvatar, **metrics: float) -> GaussianAvatar:
    card = dataclasses.replace(avatar.card, metrics=avatar.card.metrics | metrics)
    return avatar.replace(card=card)


if __name__ == "__main__":
    tyro.cli(main)
