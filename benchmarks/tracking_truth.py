"""Filmed people whose motion is known: the shipped synthetic avatars, doing a known `HeadMotion`, as video files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.camera import Camera
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.head import HeadModel
from emotalk.rendering import FrameRenderer, portrait_camera
from emotalk.tracking import TrackedVideo
from emotalk.video import VideoWriter

SPOKEN = {
    "mouthFunnel": 0.5, "mouthPucker": 0.6, "mouthLowerDownLeft": 0.6, "mouthLowerDownRight": 0.6,
    "mouthUpperUpLeft": 0.4, "mouthUpperUpRight": 0.4, "mouthStretchLeft": 0.4, "mouthStretchRight": 0.4,
    "mouthRollLower": 0.4, "mouthShrugLower": 0.4,
}  # fmt: skip
FELT = {
    "mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "mouthFrownLeft": 0.4, "mouthFrownRight": 0.4, "browInnerUp": 0.8,
    "browOuterUpLeft": 0.7, "browOuterUpRight": 0.7, "browDownLeft": 0.6, "browDownRight": 0.6,
    "eyeSquintLeft": 0.4, "eyeSquintRight": 0.4,
}  # fmt: skip


def lively_motion(frames: int, seed: int = 0, turn: float = 0.3) -> HeadMotion:
    """A head that talks, feels, blinks, looks about and turns (up to about `turn` radians), smoothly and at random."""
    random = np.random.default_rng(seed)

    def course(width: float) -> np.ndarray:
        """Smooth noise of standard deviation 1, `width` frames wide."""
        noise = gaussian_filter1d(random.normal(size=frames + int(8 * width)), width)[int(4 * width) :][:frames]
        return noise * np.sqrt(2 * width * np.sqrt(np.pi))

    expression = np.zeros((frames, len(ARKIT_NAMES)))
    expression[:, ARKIT_INDEX["jawOpen"]] = np.clip(0.18 + 0.2 * course(2.2), 0, 0.8)
    pairs: dict[str, np.ndarray] = {}
    for table, width, share in ((SPOKEN, 2.5, 0.35), (FELT, 12.0, 0.3)):
        for name, most in table.items():
            both = name.removesuffix("Left").removesuffix("Right")
            drive = pairs.setdefault(both, course(width))
            expression[:, ARKIT_INDEX[name]] = most * np.clip(share * drive - 0.1, 0, 1)
    lids = np.zeros(frames)
    for at in np.cumsum(random.uniform(25, 80, size=frames // 25 + 1)).astype(int):
        for step, closure in enumerate((0.5, 1.0, 0.85, 0.4)):
            if at + step < frames:
                lids[at + step] = closure
    gaze = np.stack([0.12 * course(6), 0.07 * course(6)], 1)
    turns = np.stack([0.4 * turn * course(14), 0.5 * turn * course(16), 0.2 * turn * course(16)], 1)
    place = 0.006 * np.stack([course(15), course(15), course(15)], 1)
    jaw = np.zeros((frames, 3))
    jaw[:, 1] = 0.02 * course(5)
    return HeadMotion(expression, jaw, gaze, np.stack([lids, lids], 1), np.concatenate([turns, place], 1))


@dataclass(frozen=True)
class Film:
    """A video file with its truth."""

    path: Path
    avatar: GaussianAvatar
    motion: HeadMotion
    camera: Camera


def film(
    path: Path, name: str, motion: HeadMotion, *, size: int = 512, zoom: float = 1.1, sound: np.ndarray | None = None
) -> Film:
    """The preset `name` doing `motion`, in an H.264 file at 25 fps with `sound` [N] at 16 kHz (default: silence)."""
    avatar = load_avatar(name)
    camera = portrait_camera(size, zoom=zoom)
    renderer = FrameRenderer(size, size, background=(0.62, 0.66, 0.7))
    clouds = (avatar.pose(motion, t, camera) for t in range(len(motion)))
    step = SAMPLE_RATE // FPS
    samples = np.zeros(len(motion) * step, np.float32) if sound is None else np.asarray(sound, np.float32)
    with VideoWriter(path, size, size) as writer:
        for t, picture in enumerate(renderer.frames(clouds, camera)):
            writer.write(picture, samples[t * step : (t + 1) * step])
    return Film(path, avatar, motion, camera)


@dataclass(frozen=True)
class Truth:
    """How far a tracked film is from what was done."""

    rotation: float  # degrees, mean angle between tracked and true head rotation
    rotation_motion: float  # the same with the constant part of the difference taken out
    expression: float  # mean difference of the ARKit coefficients
    active: float  # mean difference over the coefficients that the film uses
    correlation: float  # mean Pearson r over those
    jaw: float  # r of jawOpen
    lids: float  # r of the lids' closure
    gaze: float  # degrees, mean absolute difference, constant part taken out
    identity: float  # mm, mean distance of the resting faces after aligning position, turn and size


def compare(tracked: TrackedVideo, made: Film, head: HeadModel) -> Truth:
    """Tracked against true, over the frames that were seen."""
    rows = np.flatnonzero(tracked.seen)
    true = HeadMotion(**{k: getattr(made.motion, k)[rows] for k in vars(made.motion)})
    mine = HeadMotion(**{k: getattr(tracked.motion, k)[rows] for k in vars(tracked.motion)})
    a, b = (Rotation.from_rotvec(m.head_pose[:, :3]) for m in (true, mine))
    between = a.inv() * b
    level = between.mean().inv() * between
    wanted, found = true.to_arkit(), mine.to_arkit()
    used = [i for i in np.flatnonzero(wanted.std(0) > 0.02) if not ARKIT_NAMES[i].startswith("eyeLook")]
    r = [_r(wanted[:, i], found[:, i]) for i in used]
    gaze = mine.gaze - true.gaze
    return Truth(
        rotation=float(np.degrees(between.magnitude().mean())),
        rotation_motion=float(np.degrees(level.magnitude().mean())),
        expression=float(np.abs(wanted - found).mean()),
        active=float(np.abs(wanted - found)[:, used].mean()),
        correlation=float(np.mean(r)),
        jaw=_r(wanted[:, ARKIT_INDEX["jawOpen"]], found[:, ARKIT_INDEX["jawOpen"]]),
        lids=_r(true.eyelids.mean(1), mine.eyelids.mean(1)),
        gaze=float(np.degrees(np.abs(gaze - gaze.mean(0)).mean())),
        identity=identity_error(head, made.avatar.identity.numpy(), tracked.identity),
    )


def identity_error(head: HeadModel, true: np.ndarray, found: np.ndarray) -> float:
    """Millimetres between the resting faces of two identities, best aligned by a similarity (Umeyama 1991)."""
    with torch.no_grad():
        shapes = [head(identity=torch.as_tensor(i, dtype=torch.float32)).vertices[0].double() for i in (true, found)]
    face = head.regions["face"] | head.regions["lips"] | head.regions["lids"]
    a, b = (shape[face].numpy() for shape in shapes)
    a, b = a - a.mean(0), b - b.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    scale = s.sum() / (b**2).sum()
    return float(1000 * np.linalg.norm(scale * b @ turn - a, axis=1).mean())


def _r(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 where one of the two never moves."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-9 and b.std() > 1e-9 else 0.0
