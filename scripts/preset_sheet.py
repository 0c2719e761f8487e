"""A contact sheet of an avatar in the poses that show faults: `python -m scripts.preset_sheet NAME`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.rendering import portrait_camera, rasterize
from scripts.preset_pictures import motion_of

BACKGROUND = (0.80, 0.83, 0.87)


def both(**weights: float) -> dict[str, float]:
    """Weights of shapes that exist left and right."""
    return {name + side: weight for name, weight in weights.items() for side in ("Left", "Right")}


SMILE = {**both(mouthSmile=1.0, cheekSquint=0.6, mouthUpperUp=0.5, mouthLowerDown=0.3, eyeSquint=0.2), "jawOpen": 0.12}
POSES: dict[str, tuple[dict, float]] = {
    "neutral": ({"expression": {}}, 0.0),
    "aa": ({"expression": {"jawOpen": 0.65, **both(mouthLowerDown=0.3, mouthUpperUp=0.2)}}, 0.0),
    "oo": ({"expression": {"mouthPucker": 0.8, "mouthFunnel": 0.45, "jawOpen": 0.15}}, 0.0),
    "mbp": ({"expression": {"jawOpen": 0.1, "mouthClose": 0.1, **both(mouthPress=0.35)}}, 0.0),
    "f/v": ({"expression": {"mouthRollLower": 0.55, "jawOpen": 0.12, **both(mouthUpperUp=0.35)}}, 0.0),
    "wide smile": ({"expression": SMILE}, 0.0),
    "anger": (
        {"expression": {"mouthShrugLower": 0.3, **both(browDown=1, noseSneer=0.7, eyeSquint=0.5, mouthFrown=0.5)}},
        0.0,
    ),
    "sadness": ({"expression": {"browInnerUp": 1, "mouthShrugLower": 0.5, **both(mouthFrown=1, eyeSquint=0.3)}}, 0.0),
    "surprise": ({"expression": {"browInnerUp": 1, "jawOpen": 0.4, **both(browOuterUp=1, eyeWide=0.9)}}, 0.0),
    "eyes closed": ({"expression": {}, "eyelids": [1, 1]}, 0.0),
    "gaze left": ({"expression": {}, "gaze": [0.45, 0]}, 0.0),
    "gaze right": ({"expression": {}, "gaze": [-0.45, 0]}, 0.0),
    "gaze up": ({"expression": {}, "gaze": [0, 0.35]}, 0.0),
    "jaw, tongue": ({"expression": {"jawOpen": 1, "tongueOut": 0.5}}, 0.0),
    "yaw +30": ({"expression": {}, "head_pose": [0, math.radians(30), 0, 0, 0, 0]}, 0.0),
    "yaw -30": ({"expression": SMILE, "head_pose": [0, -math.radians(30), 0, 0, 0, 0]}, 0.0),
    "pitch +12": ({"expression": {}, "head_pose": [math.radians(12), 0, 0, 0, 0, 0]}, 0.0),
    "pitch -12": ({"expression": {}, "head_pose": [-math.radians(12), 0, 0, 0, 0, 0]}, 0.0),
    "view 40": ({"expression": {}}, math.radians(40)),
    "view -40": ({"expression": {"jawOpen": 0.5}}, -math.radians(40)),
}
"""Name -> (motion, yaw of the camera in radians)."""


@torch.no_grad()
def contact_sheet(avatar: GaussianAvatar, side: int = 320, zoom: float = 1.3, columns: int = 5) -> Image.Image:
    """All POSES of an avatar, `side` pixels each."""
    rows = -(-len(POSES) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side))
    draw = ImageDraw.Draw(sheet)
    for k, (name, (motion, yaw)) in enumerate(POSES.items()):
        camera = portrait_camera(side, yaw=yaw, zoom=zoom)
        image = rasterize(avatar.pose(motion_of(**motion), 0, camera), camera, BACKGROUND).image.clamp(0, 1)
        place = (side * (k % columns), side * (k // columns))
        sheet.paste(Image.fromarray(np.ascontiguousarray((image * 255).round().byte().numpy())), place)
        draw.text((place[0] + 6, place[1] + 4), name, fill=(40, 40, 60))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="gallery name or folder of an avatar")
    parser.add_argument("picture", type=Path, help="where to write the sheet")
    parser.add_argument("--zoom", type=float, default=1.3)
    options = parser.parse_args()
    contact_sheet(load_avatar(options.name), zoom=options.zoom).save(options.picture)


if __name__ == "__main__":
    main()
