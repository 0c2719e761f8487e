"""Pictures of a preset: the rendered data set as fit samples, the kept held-out ones, and what counts as head."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from emotalk.avatar import GaussianAvatar
from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.atomic import write_json
from emotalk.core.camera import Camera
from emotalk.core.motion import HeadMotion
from emotalk.fitting.samples import FitSample

GREY = 0.5
"""Held-out pictures are compared over mid-grey."""
HEAD_REGIONS = ("face", "ears", "scalp")
HEAD_MARGIN = (0.16, 0.06, 0.12)
"""Share of the head's width and height added at the sides, below the chin and above the skull: hair and beard."""


def motion_of(expression: dict[str, float], **channels: list[float]) -> HeadMotion:
    """One frame with named ARKit weights and any of jaw, gaze, eyelids, head_pose."""
    motion = HeadMotion.neutral()
    for name, weight in expression.items():
        motion.expression[0, ARKIT_INDEX[name]] = weight
    for name, values in channels.items():
        getattr(motion, name)[0] = values
    return motion


def camera_of(view: dict) -> Camera:
    """The camera in an entry of views.json."""
    matrix = torch.tensor(view["world_to_camera"], dtype=torch.float32).reshape(4, 4)
    numbers = (float(view[name]) for name in ("fx", "fy", "cx", "cy"))
    return Camera(matrix, *numbers, int(view["width"]), int(view["height"]))


def sample_of(view: dict, image: np.ndarray) -> FitSample:
    """The fit sample of an entry of views.json and its picture."""
    channels = {name: view[name] for name in ("jaw", "gaze", "eyelids", "head_pose") if view.get(name) is not None}
    return FitSample(image, camera_of(view), motion_of(view["expression"], **channels))


def load_data_set(folder: Path) -> dict[str, list[FitSample]]:
    """The samples of a rendered preset by split ("train", "test"); pictures not rendered yet are left out."""
    splits: dict[str, list[FitSample]] = {}
    for view in json.loads((folder / "views.json").read_text()):
        path = folder / view["image"] if "/" in view["image"] else folder / "images" / view["image"]
        if path.is_file():
            with Image.open(path) as picture:
                image = np.array(picture.convert("RGBA"))
            splits.setdefault(view["split"], []).append(sample_of(view, image))
    return splits


def keep_held_out(samples: list[FitSample], folder: Path, columns: int = 4) -> None:
    """Write samples as one lossless WebP of pictures over grey, one PNG of coverages and views.json.

    Lossless, because JPEG's ripples cost 0.003 of SSIM at quality 97 and 0.005 at 93.
    """
    folder.mkdir(parents=True, exist_ok=True)
    side = samples[0].camera.height
    rows = -(-len(samples) // columns)
    colors = np.full((rows * side, columns * side, 3), round(GREY * 255), np.uint8)
    alphas = np.zeros((rows * side, columns * side), np.uint8)
    views = []
    for k, sample in enumerate(samples):
        place = (slice(side * (k // columns), side * (k // columns + 1)),
                 slice(side * (k % columns), side * (k % columns + 1)))  # fmt: skip
        alpha = sample.image[..., 3:].astype(np.float32) / 255
        colors[place] = np.rint(sample.image[..., :3] * alpha + 255 * GREY * (1 - alpha)).astype(np.uint8)
        alphas[place] = sample.image[..., 3]
        camera, motion = sample.camera, sample.motion
        views.append({
            "world_to_camera": [round(x, 7) for x in camera.world_to_camera.flatten().tolist()],
            **{name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy", "width", "height")},
            "expression": {n: round(float(w), 5) for n, w in zip(ARKIT_NAMES, motion.expression[0], strict=True) if w},
            **{n: [round(float(x), 6) for x in getattr(motion, n)[0]] for n in ("jaw", "gaze", "eyelids", "head_pose")},
        })  # fmt: skip
    Image.fromarray(colors).save(folder / "held_out.webp", lossless=True, quality=90, method=6)
    Image.fromarray(alphas).quantize(16).save(folder / "held_out_alpha.png", optimize=True)
    write_json(folder / "views.json", views)


def load_held_out(folder: Path) -> list[tuple[FitSample, Tensor]]:
    """The kept pictures as RGB samples over grey, each with its coverage [H, W] in [0, 1]."""
    views = json.loads((folder / "views.json").read_text())
    with Image.open(folder / "held_out.webp") as picture:
        colors = np.array(picture.convert("RGB"))
    with Image.open(folder / "held_out_alpha.png") as picture:
        alphas = np.asarray(picture.convert("L"))
    columns = colors.shape[1] // views[0]["width"]
    kept = []
    for k, view in enumerate(views):
        height, width = view["height"], view["width"]
        place = (slice(height * (k // columns), height * (k // columns + 1)),
                 slice(width * (k % columns), width * (k % columns + 1)))  # fmt: skip
        alpha = torch.from_numpy(alphas[place].astype(np.float32) / 255)
        kept.append((sample_of(view, np.ascontiguousarray(colors[place])), alpha))
    return kept


@torch.no_grad()
def head_box(avatar: GaussianAvatar, sample: FitSample) -> Tensor:
    """The head region [H, W] (bool) of a picture: the box of the projected head, widened for the hair."""
    camera = sample.camera
    regions = avatar.head.regions
    head = torch.stack([regions[name] for name in HEAD_REGIONS]).any(0)
    points = avatar.mesh(sample.motion)[0][0][head]
    local = points @ camera.world_to_camera[:3, :3].T + camera.world_to_camera[:3, 3]
    u = camera.fx * local[:, 0] / local[:, 2] + camera.cx
    v = camera.fy * local[:, 1] / local[:, 2] + camera.cy
    side, below, above = HEAD_MARGIN
    width, height = u.max() - u.min(), v.max() - v.min()
    rows, columns = torch.arange(camera.height)[:, None] + 0.5, torch.arange(camera.width)[None] + 0.5
    box = (columns > u.min() - side * width) & (columns < u.max() + side * width)
    return box & (rows > v.min() - above * height) & (rows < v.max() + below * height)


def covered(alpha: Tensor) -> Tensor:
    """The pixels [H, W] (bool) that the person covers (`alpha` [H, W] > 0.02), and 3 pixels around them."""
    return torch.nn.functional.max_pool2d((alpha > 0.02).float()[None], 7, 1, 3)[0] > 0
