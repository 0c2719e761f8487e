"""Draws contact sheets of the head with a software z-buffer, to look at shapes before anything is fitted.

python -m scripts.head_sheet --out sheet.png
python -m scripts.head_sheet --out eyes.png --only neutral blink half_blink --zoom eyes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image, ImageDraw

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.head import HeadModel
from scripts.head.zbuffer import shade

COLORS = {
    "lips": (0.72, 0.40, 0.38), "inner_mouth": (0.35, 0.10, 0.10), "gums": (0.75, 0.38, 0.38),
    "teeth": (0.95, 0.92, 0.85), "tongue": (0.80, 0.42, 0.42), "eyes": (0.97, 0.97, 0.97), "iris": (0.30, 0.45, 0.55),
    "pupil": (0.03, 0.03, 0.03), "lashes": (0.15, 0.10, 0.08),
}  # fmt: skip
BOTH = ("Left", "Right")


def both(**amounts: float) -> dict[str, float]:
    return {f"{name}{side}": value for name, value in amounts.items() for side in BOTH}


POSES: dict[str, dict] = {
    "neutral": {},
    "aa": {"jawOpen": 0.6, **both(mouthLowerDown=0.2, mouthUpperUp=0.15)},
    "oo": {"mouthPucker": 0.8, "mouthFunnel": 0.3, "jawOpen": 0.1},
    "ee": {**both(mouthStretch=0.4, mouthSmile=0.3, mouthLowerDown=0.35, mouthUpperUp=0.3), "jawOpen": 0.1},
    "mbp": {"jawOpen": 0.1, "mouthClose": 0.1, "mouthRollLower": 0.2, "mouthRollUpper": 0.15, **both(mouthPress=0.35)},
    "fv": {"jawOpen": 0.06, "mouthRollLower": 0.55, **both(mouthUpperUp=0.3)},
    "closed_jaw": {"jawOpen": 1.0, "mouthClose": 1.0},
    "smile": both(mouthSmile=0.8, cheekSquint=0.5),
    "grin": {**both(mouthSmile=0.9, mouthUpperUp=0.5, mouthLowerDown=0.35, cheekSquint=0.6), "jawOpen": 0.03},
    "frown": {**both(mouthFrown=0.9), "mouthShrugLower": 0.4},
    "anger": both(browDown=1.0, noseSneer=0.6, eyeSquint=0.4, mouthPress=0.4),
    "surprise": {**both(browOuterUp=0.9, eyeWide=0.9), "browInnerUp": 1.0, "jawOpen": 0.4},
    "sad": {**both(mouthFrown=0.8, eyeSquint=0.3), "browInnerUp": 1.0},
    "half_blink": {"eyelids": [0.5, 0.5]},
    "blink": {"eyelids": [1.0, 1.0]},
    "wink": {"eyelids": [1.0, 0.0]},
    "left": {"gaze": [0.45, 0.0]},
    "right": {"gaze": [-0.45, 0.0]},
    "up": {"gaze": [0.0, 0.35]},
    "down": {"gaze": [0.0, -0.4]},
    "tongue": {"jawOpen": 1.0, "tongueOut": 1.0},
    "jaw_turn": {"jaw": [0.35, 0.0, 0.0]},
    "jaw_side": {"jaw": [0.1, 0.12, 0.0]},
    "yaw": {"head_pose": [0.0, 0.52, 0.0, 0.0, 0.0, 0.0]},
    "pitch": {"head_pose": [0.35, 0.0, 0.0, 0.0, 0.0, 0.0]},
}  # fmt: skip
ZOOMS = {
    "bust": ((0.0, -0.05, 0.0), 0.55), "face": ((0.0, 0.0, 0.05), 0.26), "eyes": ((0.031, 0.041, 0.1), 0.06),
    "mouth": ((0.0, -0.042, 0.1), 0.08),
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What to draw."""

    out: Path = Path("head_sheet.png")
    only: tuple[str, ...] = ()
    """Names of poses; all by default."""
    zoom: str = "face"
    yaw: float = 0.0
    """View angle in radians."""
    size: int = 256
    identity_seed: int = -1
    """A random person instead of the average one."""
    head: Path | None = None


def pose_inputs(pose: dict) -> dict[str, torch.Tensor]:
    """`HeadModel` inputs [1, .] of a pose given by ARKit names and channels."""
    expression = torch.zeros(1, len(ARKIT_INDEX))
    inputs = {"expression": expression}
    for name, value in pose.items():
        if name in ARKIT_INDEX:
            expression[0, ARKIT_INDEX[name]] = value
        else:
            inputs[name] = torch.tensor([value], dtype=torch.float32)
    return inputs


def vertex_colors(head: HeadModel) -> np.ndarray:
    colors = np.full((len(head.template), 3), (0.85, 0.68, 0.58))
    for name, color in COLORS.items():
        if name in head.regions:
            colors[head.regions[name].numpy()] = color
    return colors


def main(options: Options) -> None:
    head = HeadModel.load(options.head)
    if options.identity_seed >= 0:
        generator = torch.Generator().manual_seed(options.identity_seed)
        head = head.with_identity(torch.randn(head.components, generator=generator))
    centre, span = ZOOMS[options.zoom]
    colors, triangles = vertex_colors(head), head.triangles.numpy()
    names = options.only or tuple(POSES)
    tiles = []
    for name in names:
        with torch.no_grad():
            vertices = head(**pose_inputs(POSES[name])).vertices[0].numpy().astype(float)
        picture = shade(vertices, triangles, colors, options.size, yaw=options.yaw, centre=centre, span=span)
        tile = Image.fromarray((picture * 255).astype(np.uint8))
        ImageDraw.Draw(tile).text((4, 2), name, fill=(0, 0, 0))
        tiles.append(tile)
    columns = min(len(tiles), max(1, 1536 // options.size))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * options.size, rows * options.size), "white")
    for k, tile in enumerate(tiles):
        sheet.paste(tile, (k % columns * options.size, k // columns * options.size))
    sheet.save(options.out)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
