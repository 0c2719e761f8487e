"""A "recorded" video whose truth is known: a shipped person, drawn from a given motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.rendering import FrameRenderer, portrait_camera
from emotalk.tracking.tracked import TrackedVideo, TrackQuality

SIZE = 256
CHIN = 185
"""The row down to which the person is labelled as head."""


def chatter(frames: int, seed: int = 0) -> HeadMotion:
    """A mouth that opens and closes, a head that nods, eyes that blink."""
    motion = HeadMotion.neutral(frames)
    t = np.arange(frames)
    opening = np.clip(0.35 + 0.35 * np.sin(0.9 * t + seed) + 0.15 * np.sin(2.3 * t), 0, 1)
    motion.expression[:, ARKIT_INDEX["jawOpen"]] = opening
    motion.expression[:, ARKIT_INDEX["mouthFunnel"]] = 0.3 * (1 + np.sin(0.4 * t)) / 2
    motion.expression[:, ARKIT_INDEX["browInnerUp"]] = 0.5 * (1 + np.sin(0.17 * t)) / 2
    motion.eyelids[t % 40 < 3] = 1.0
    motion.head_pose[:, 1] = 0.12 * np.sin(0.1 * t)
    return motion


def filmed(folder: Path, motion: HeadMotion) -> tuple[TrackedVideo, GaussianAvatar]:
    """The tracked video of a shipped person in this motion, and an avatar that fits it exactly: same camera, same
    plate behind."""
    camera = portrait_camera(SIZE, zoom=0.95)
    plate = torch.linspace(0.3, 0.8, SIZE)[:, None, None].expand(SIZE, SIZE, 3).contiguous()
    avatar = load_avatar("mira").replace(background=plate, camera=camera)
    renderer = FrameRenderer(SIZE, SIZE, background=plate)
    bare = FrameRenderer(SIZE, SIZE, background=(0.0, 1.0, 0.0))
    for name in ("frames", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for t in range(len(motion)):
        cloud = avatar.pose(motion, t, camera)
        Image.fromarray(renderer.draw(cloud, camera)).save(folder / "frames" / f"{t:06d}.jpg", quality=97)
        person = np.abs(bare.draw(cloud, camera).astype(int) - (0, 255, 0)).sum(-1) > 60
        labels = np.where(person, 1, 0)
        labels[:CHIN][person[:CHIN]] = 3
        Image.fromarray(labels.astype(np.uint8)).save(folder / "masks" / f"{t:06d}.png")
    quality = TrackQuality(
        "good", ("Drawn by a test.",), len(motion) / 25, 1.0, 0.0, 0.0, (0, 0), (0, 0), (0, 0.2), 1, 1.0, 200.0
    )  # fmt: skip
    tracked = TrackedVideo(
        folder=folder,
        size=SIZE,
        identity=avatar.identity.numpy(),
        motion=motion,
        camera=camera,
        torso=np.zeros((len(motion), 3), np.float32),
        landmarks=seen_landmarks(folder, len(motion)),
        seen=np.ones(len(motion), bool),
        error=np.zeros(len(motion), np.float32),
        blendshapes=None,
        quality=quality,
    )
    return tracked, avatar


def seen_landmarks(folder: Path, frames: int) -> np.ndarray:
    from emotalk.evaluation.clip_detector import ClipDetector

    with ClipDetector() as detector:
        for t in range(frames):
            detector.detect(np.asarray(Image.open(folder / "frames" / f"{t:06d}.jpg")))
        return detector.detections().landmarks
