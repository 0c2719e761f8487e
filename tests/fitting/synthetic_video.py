"""A video of a shipped synthetic person whose truth is known, tracked perfectly: what fits are tested on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from emotalk.avatar import GaussianAvatar, load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.camera import Camera, project
from emotalk.core.gaussians import GaussianCloud
from emotalk.core.motion import HeadMotion
from emotalk.fitting.shoulders import neck_point
from emotalk.rendering import portrait_camera, rasterize
from emotalk.tracking import TrackedVideo, TrackQuality

SPOKEN = {"jawOpen": 0.35, "mouthPucker": 0.3, "mouthSmileLeft": 0.3, "mouthSmileRight": 0.3, "mouthClose": 0.1,
          "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3,
          "browInnerUp": 0.4, "mouthStretchLeft": 0.2, "mouthStretchRight": 0.2}  # fmt: skip
"""Shape -> how far it goes at most."""
FACE = ("face", "lips", "mouth", "teeth", "tongue", "eyes", "lids", "lashes", "brows", "ears", "gums")


def waves(frames: int, width: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random curves [frames, width] between -1 and 1 that swing about once in so many seconds."""
    time = np.arange(frames)[:, None] / 25
    rates, phases = rng.uniform(0.6, 1.4, (3, 1, width)) / seconds, rng.uniform(0, 2 * np.pi, (3, 1, width))
    return sum(np.sin(2 * np.pi * rate * time + phase) for rate, phase in zip(rates, phases, strict=True)) / 3


def talking_motion(frames: int, seed: int = 0, turn: float = 0.15, shift: float = 0.008) -> HeadMotion:
    """Speech-like expression, blinks, gaze and a head that turns up to `turn` radians and shifts by metres."""
    rng = np.random.default_rng(seed)
    expression = np.zeros((frames, 52), np.float32)
    for name, most in SPOKEN.items():
        expression[:, ARKIT_INDEX[name]] = most * np.clip(0.5 + waves(frames, 1, 0.5, rng)[:, 0], 0, 1)
    eyelids = np.repeat(np.clip(6 * waves(frames, 1, 1.2, rng) - 4, 0, 1), 2, axis=1)
    pose = np.concatenate([turn * waves(frames, 3, 2.0, rng), shift * waves(frames, 3, 3.0, rng)], 1)
    gaze = 0.2 * waves(frames, 2, 1.5, rng)
    return HeadMotion(expression, np.zeros((frames, 3)), gaze, eyelids, pose)


def plate(size: int) -> torch.Tensor:
    """A wall with a window: a background picture [size, size, 3]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    picture = torch.stack([0.55 + 0.3 * x, 0.6 + 0.1 * y, 0.5 + 0.2 * (1 - x)], -1)
    window = (x > 0.05) & (x < 0.3) & (y > 0.08) & (y < 0.35)
    picture[window] = torch.tensor([0.85, 0.92, 0.98])
    return picture


def camera_of(size: int) -> Camera:
    return portrait_camera(size, zoom=1.15)


def labels_of(person: GaussianAvatar, motion: HeadMotion, t: int, camera: Camera, torso: torch.Tensor) -> np.ndarray:
    """Classes [size, size] of a frame as `TrackedVideo.labels` has them."""
    cloud = person.pose(motion, t, camera, torso)
    region = person.gaussians.region
    hair = (region == REGION_INDEX["hair"]) | (region == REGION_INDEX["scalp"])
    face = torch.isin(region, torch.tensor([REGION_INDEX[name] for name in FACE]))
    kind = torch.stack([~hair & ~face, hair, face], 1).float()
    painted = GaussianCloud(cloud.means, cloud.scales, cloud.quats, cloud.opacities, kind)
    render = rasterize(painted, camera, (0.0, 0.0, 0.0))
    return torch.where(render.alpha > 0.5, render.image.argmax(-1) + 1, 0).byte().numpy()


def make_video(
    folder: Path,
    preset: str = "mira",
    frames: int = 60,
    size: int = 256,
    seed: int = 0,
    noise: float = 0.0,
) -> tuple[TrackedVideo, GaussianAvatar]:
    """A tracked video of a preset with shoulders that sway on their own, in `folder`; and the person it shows.

    noise: standard deviation that is added to the true motion, in units of a typical tracker's error.
    """
    person = load_avatar(preset)
    camera = camera_of(size)
    person = person.replace(camera=camera, background=plate(size))
    truth = talking_motion(frames, seed)
    rng = np.random.default_rng(seed + 1)
    sway = (0.006 * waves(frames, 3, 3.0, rng)).astype(np.float64)
    sway -= sway[0]
    for name in ("frames", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shifts = sway - (truth.head_pose[:, 3:] - truth.head_pose[0, 3:])
    landmarks = np.zeros((frames, 478, 2), np.float32)
    with torch.no_grad():
        for t in range(frames):
            shift = torch.from_numpy(shifts[t].astype(np.float32))
            image = rasterize(person.pose(truth, t, camera, shift), camera, person.background).image.clamp(0, 1)
            picture = (image * 255).round().byte().contiguous().numpy()
            Image.fromarray(picture).save(folder / "frames" / f"{t:06d}.jpg", quality=95)
            Image.fromarray(labels_of(person, truth, t, camera, shift)).save(folder / "masks" / f"{t:06d}.png")
            points = person.head.landmarks(person.mesh(truth[t : t + 1])[0])[0].double().numpy()
            landmarks[t] = project(points, camera)[0]
    video = TrackedVideo(
        folder=folder, size=size, identity=person.identity.numpy(), motion=truth, camera=camera,
        torso=np.zeros((frames, 3), np.float32), landmarks=landmarks, seen=np.ones(frames, bool),
        error=np.full(frames, 0.5, np.float32), blendshapes=None, quality=quality(frames),
    )  # fmt: skip
    tracked = {"torso": _similarity(video, sway)}
    if noise:
        scale = {"expression": 0.02, "jaw": 0.0, "gaze": 0.02, "eyelids": 0.02, "head_pose": 0.004}
        channels = {n: v + noise * scale[n] * rng.standard_normal(v.shape) for n, v in vars(truth).items()}
        channels["head_pose"][:, 3:] = truth.head_pose[:, 3:] + noise * 0.0006 * rng.standard_normal((frames, 3))
        tracked["motion"] = HeadMotion(**channels)
    import dataclasses

    return dataclasses.replace(video, **tracked), person


def make_cloth(seed: int = 0, size: int = 256) -> np.ndarray:
    """A picture [size, size, 3] uint8 of folds and a pattern."""
    rng = np.random.default_rng(seed)
    coarse, fine = (gaussian_filter(rng.standard_normal((size, size)), sigma) for sigma in (9, 3))
    grey = 0.45 + 0.12 * coarse / coarse.std() + 0.05 * fine / fine.std()
    return (np.repeat(grey[..., None], 3, 2).clip(0, 1) * 255).astype(np.uint8)


def moved(picture: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """The picture as a map [6] (`cloth_motion.ClothMotion`) takes it elsewhere."""
    size, half = len(picture), len(picture) / 2
    linear = np.eye(2) + np.stack([flat[2:4], flat[4:6]], 1) / half
    rows, columns = np.indices((size, size)) + 0.5
    to = np.stack([columns - half - flat[0], rows - half - flat[1]]).reshape(2, -1)
    x, y = np.linalg.solve(linear, to) + half - 0.5
    planes = [map_coordinates(picture[..., k].astype(float), [y, x], order=1, mode="nearest") for k in range(3)]
    return np.stack(planes, -1).reshape(picture.shape).round().clip(0, 255).astype(np.uint8)


def quality(frames: int) -> TrackQuality:
    return TrackQuality(
        verdict="good", sentences=(), seconds=frames / 25, seen=1.0, error=0.5, relative_error=0.005, yaw=(-8.0, 8.0),
        pitch=(-8.0, 8.0), mouth=(0.0, 0.3), blinks=3, sharpness=1.0, face_height=200.0,
    )  # fmt: skip


def _similarity(video: TrackedVideo, sway: np.ndarray) -> np.ndarray:
    """What moving the shoulders by `sway` [T, 3] metres looks like about the picture's centre [T, 3]."""
    base = neck_point(video) + video.motion.head_pose[0, 3:]
    pixels, depth = project(base + sway, video.camera)
    grow = depth[0] / depth
    middle = np.array([video.size / 2, video.size / 2])
    shift = pixels - middle - grow[:, None] * (pixels[0] - middle)
    return np.concatenate([shift, np.log(grow)[:, None]], 1).astype(np.float32)
