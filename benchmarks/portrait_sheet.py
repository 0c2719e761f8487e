"""A contact sheet of an avatar made of a photo: moods, sounds, lids and turns, in which its faults show.

`python -m benchmarks.portrait_sheet NAME sheet.png`
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.core.motion import HeadMotion
from emotalk.emotion import expression_field, named_emotion
from emotalk.rendering import rasterize
from emotalk.talk import Look
from emotalk.talk.scene import background_of, camera_of
from scripts.preset_pictures import motion_of
from scripts.preset_sheet import POSES

MOODS = ("neutral", "happy", "excited", "surprised", "afraid", "angry", "sad", "calm")
SOUNDS = ("aa", "mbp", "wide smile", "eyes closed")
TURNS = {"yaw +12": (0, 12), "yaw -12": (0, -12), "pitch +8": (8, 0), "pitch -8": (-8, 0)}
"""Degrees of pitch and yaw."""
COLUMNS = 4


def sheet_motions() -> dict[str, HeadMotion]:
    """Name -> one frame of motion: 8 moods at full intensity, "aa", "mbp", a smile, shut eyes, four turns."""
    motions = {}
    for mood in MOODS:
        motion = HeadMotion.neutral()
        motion.expression[:] = expression_field(*named_emotion(mood))
        motions[mood] = motion
    for sound in SOUNDS:
        motions[sound] = motion_of(**POSES[sound][0])
    for name, (pitch, yaw) in TURNS.items():
        motions[name] = motion_of({}, head_pose=[math.radians(pitch), math.radians(yaw), 0, 0, 0, 0])
    return motions


@torch.no_grad()
def portrait_sheet(avatar: GaussianAvatar, side: int = 320) -> Image.Image:
    """All `sheet_motions` of an avatar, as a talk shows it, `side` pixels each."""
    look = Look(side)
    camera, background = camera_of(avatar, look), background_of(avatar, look)
    motions = sheet_motions()
    sheet = Image.new("RGB", (COLUMNS * side, -(-len(motions) // COLUMNS) * side))
    draw = ImageDraw.Draw(sheet)
    for k, (name, motion) in enumerate(motions.items()):
        image = rasterize(avatar.pose(motion, 0, camera), camera, background).image.clamp(0, 1)
        place = (side * (k % COLUMNS), side * (k // COLUMNS))
        sheet.paste(Image.fromarray(np.ascontiguousarray((image * 255).round().byte().numpy())), place)
        draw.text((place[0] + 6, place[1] + 4), name, fill=(255, 255, 255), stroke_width=2, stroke_fill=(30, 30, 40))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="gallery name or folder of an avatar")
    parser.add_argument("picture", type=Path, help="where to write the sheet")
    options = parser.parse_args()
    portrait_sheet(load_avatar(options.name)).save(options.picture)


if __name__ == "__main__":
    main()
