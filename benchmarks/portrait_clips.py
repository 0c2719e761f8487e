"""One frame of a real clip as the photo, the rest of the clip as the truth: the portrait driven by the person's own
filmed motion, beside the still photo, and a neutral photo driven by the same person's acted emotions.

The clips are research material outside of the repository; EMOTALK_TRACKS names the folder where they stay tracked.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from emotalk.avatar import Consent, GaussianAvatar
from emotalk.core.camera import Camera
from emotalk.core.image_metrics import peak_ratio
from emotalk.core.landmarks import OUTER_LIPS, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.core.ssim import ssim
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.evaluation.faces import landmark_distance, lip_agreement
from emotalk.fitting.video_fit import draw_frame
from emotalk.fitting.video_frames import box_mask, head_box
from emotalk.head import HeadModel
from emotalk.head.mesh import JOINT_NAMES
from emotalk.portrait.make import make_portrait
from emotalk.portrait.one_view import fit_one_view
from emotalk.tracking import TrackedVideo, track_video
from emotalk.tracking.fit import fit_video, lens_for, start_frames
from emotalk.tracking.landmark_bias import without_bias
from emotalk.tracking.reading import Shots
from emotalk.tracking.rig import axis_angle, motion_of
from emotalk.tracking.solve import Face, Lens

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"
TRACKS = "EMOTALK_TRACKS"
SECONDS = 8.0
FRAMES = 30
"""Of each clip are compared."""
OWN = {
    "German": "mimictalk_German20s.mp4",
    "Obama": "edtalk_uncrop_Obama.mp4",
    "W009": "mead/dreamtalk_W009_front_neutral_level1_001.mp4",
    "M030": "mead/dreamtalk_M030_front_neutral_level1_001.mp4",
}
ACTED = tuple((who, mood) for who in ("M030", "W009") for mood in ("happy", "angry", "sad", "surprised"))
CONSENT = Consent("For measuring only: this avatar is not kept.", "2026-01-01T00:00:00+00:00")


@dataclass(frozen=True)
class Clip:
    """A tracked clip and its landmarks."""

    tracked: TrackedVideo
    points: np.ndarray  # [T, 478, 3] px as they were seen


def table() -> Iterator[str]:
    """Markdown."""
    if not CLIPS.is_dir():
        yield "The clips are not on this machine."
        return
    yield (
        "Over the head's box; LMD of the mouth in percent of the eye distance; lip r of its opening; sharpness: mean "
        "gradient around the mouth in that of the recording. Identity, pose and lens come from the one frame.\n"
    )
    yield "| clip | shown | PSNR, dB | SSIM | LMD | lip r | sharpness |\n|---|---|---|---|---|---|---|"
    torch.set_num_threads(1)
    kept = os.environ.get(TRACKS)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(kept or folder)
        photos: dict[str, tuple[GaussianAvatar, Face]] = {}
        for name, file in OWN.items():
            clip = tracked_clip(CLIPS / file, work)
            row = neutral_row(clip.tracked)
            avatar, driven, face = portrait_of(clip, row)
            photos[name] = avatar, face
            still = clip.tracked.frame(row)
            rows, torso = compared(clip.tracked, row), shoulders(avatar, clip.tracked, driven, row)
            yield line(name, "the photo", clip.tracked, rows, lambda _, still=still: still)
            yield line(
                name, "portrait", clip.tracked, rows,
                lambda t, a=avatar, d=driven, s=torso: draw_frame(a, d, t, s[t]),
            )  # fmt: skip
        yield "\nThe neutral photo driven by the same person's acted emotions (other clips):\n"
        yield "| clip | mood | LMD | lip r | slope |\n|---|---|---|---|---|"
        for who, mood in ACTED:
            avatar, face = photos[who]
            clip = tracked_clip(CLIPS / f"mead/dreamtalk_{who}_front_{mood}_level3_001.mp4", work)
            filmed, driven = driven_by(avatar, face, clip)
            yield acted_line(who, mood, clip.tracked, lambda t, a=filmed, d=driven: draw_frame(a, d, t))


def tracked_clip(video: Path, work: Path) -> Clip:
    """The clip, tracked once."""
    folder = work / video.stem
    tracked = track_video(video, folder, seconds=SECONDS)
    with np.load(folder / "landmarks.npz") as file:
        shots = Shots(**{name: file[name] for name in file.files if name != "version"})
    return Clip(tracked, shots.points)


def neutral_row(tracked: TrackedVideo) -> int:
    """The frame that somebody would choose as a neutral photo: calm, eyes open, facing the camera."""
    motion = tracked.motion
    turned = np.linalg.norm(motion.head_pose[:, :3], axis=1)
    cost = np.square(motion.expression).sum(1) + 6 * turned + 4 * motion.eyelids.max(1) + 2 * np.abs(motion.gaze).sum(1)
    return int(np.where(tracked.seen, cost, np.inf).argmin())


def compared(tracked: TrackedVideo, row: int) -> np.ndarray:
    """Numbers [R] of the frames that are compared: spread over the clip, not next to the photo."""
    rows = np.flatnonzero(tracked.seen)
    rows = rows[np.abs(rows - row) > 3]
    return rows[np.linspace(0, len(rows) - 1, min(FRAMES, len(rows))).astype(int)]


def portrait_of(clip: Clip, row: int) -> tuple[GaussianAvatar, HeadMotion, Face]:
    """The avatar of one frame, the clip's motion for it, told from the pose of that frame, and the face as fitted."""
    tracked = clip.tracked
    head = HeadModel.load()
    points = without_bias(clip.points.astype(np.float64), eye_distance(clip.points))
    shapes = None if tracked.blendshapes is None else tracked.blendshapes[row]
    fit = fit_one_view(head, tracked.size, points[row], shapes)
    one = motion_of(fit.face.rig, fit.frames.rotation, fit.frames.place, fit.frames.controls)
    camera = camera_of(fit.face.lens, tracked.size)
    photo = dataclasses.replace(
        tracked.part(row, row + 1), identity=fit.face.rig.identity.astype(np.float32), motion=one, camera=camera
    )
    avatar = make_portrait(photo, name="measured", consent=CONSENT)
    every = fit_video(fit.face, points, np.array([row]), fit.frames, None, calm=False)
    motion = motion_of(fit.face.rig, every.frames.rotation, every.frames.place, every.frames.controls)
    return avatar, from_rest(avatar, one, motion), fit.face


def camera_of(lens: Lens, size: int) -> Camera:
    """The camera of a fitted lens."""
    pose = torch.eye(4)
    pose[1, 1] = pose[2, 2] = -1.0
    pose[2, 3] = lens.distance
    return Camera(pose, lens.focal, lens.focal, lens.cx, lens.cy, size, size)


def driven_by(avatar: GaussianAvatar, face: Face, clip: Clip) -> tuple[GaussianAvatar, HeadMotion]:
    """The avatar as the camera of another clip of the same person sees it, and that clip's motion, which is fitted to
    the face of the photo."""
    points, size = clip.points.astype(np.float64), clip.tracked.size
    scale = eye_distance(points)
    lens = lens_for(HeadModel.load(), size, scale, face.rig.identity)
    face = dataclasses.replace(face, lens=lens, scale=scale)
    points = without_bias(points, scale)
    start = start_frames(face.rig, lens, points[:1])
    every = fit_video(face, points, np.array([0]), start, clip.tracked.blendshapes, calm=False)
    motion = motion_of(face.rig, every.frames.rotation, every.frames.place, every.frames.controls)
    return avatar.replace(camera=camera_of(lens, size)), motion


def from_rest(avatar: GaussianAvatar, photo: HeadMotion, motion: HeadMotion) -> HeadMotion:
    """A motion told from the pose of the photo, which is the avatar's rest."""
    head = JOINT_NAMES.index("head")

    def placed(poses: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return avatar.person(head_pose=torch.from_numpy(poses)).transforms[:, head].double().numpy()

    wanted = np.linalg.inv(placed(photo.head_pose))[0] @ placed(motion.head_pose)
    turned = np.zeros_like(motion.head_pose)
    turned[:, :3] = axis_angle(wanted[:, :3, :3])
    turned[:, 3:] = wanted[:, :3, 3] - placed(turned)[:, :3, 3]
    gaze = motion.gaze - photo.gaze
    return HeadMotion(**(vars(motion) | {"head_pose": turned, "gaze": gaze.astype(np.float32)}))


def shoulders(avatar: GaussianAvatar, tracked: TrackedVideo, motion: HeadMotion, row: int) -> torch.Tensor:
    """How the shoulders move against the motion [T, 3] metres, for `GaussianAvatar.pose`: as the clip has them."""
    camera = avatar.camera
    matrix = camera.world_to_camera.double().numpy()
    neck = avatar.person.joints[1].double().numpy()
    depth = float(matrix[2, :3] @ neck + matrix[2, 3])
    moved = tracked.torso.astype(np.float64) - tracked.torso[row]
    seen = np.stack([moved[:, 0], moved[:, 1], camera.fx * (np.exp(-moved[:, 2]) - 1)], 1) * depth / camera.fx
    return torch.from_numpy((seen @ matrix[:3, :3] - motion.head_pose[:, 3:]).astype(np.float32))


def line(name: str, shown: str, tracked: TrackedVideo, rows: np.ndarray, picture: Callable[[int], np.ndarray]) -> str:
    """One row of the table."""
    mask = box_mask(head_box(tracked), tracked.size)
    found = []
    with ClipDetector() as ours, ClipDetector() as theirs:
        for t in rows:
            image, wanted = picture(int(t)), tracked.frame(int(t))
            ours.detect(image)
            theirs.detect(wanted)
            error = float(np.square(image - wanted)[mask.numpy()].mean())
            alike = float(ssim(torch.from_numpy(image), torch.from_numpy(wanted), mask.float()))
            mouth = _around_mouth(tracked, int(t))
            found.append((peak_ratio(error), alike, _gradient(image, mouth) / _gradient(wanted, mouth)))
        distance, _ = landmark_distance(ours.detections(), theirs.detections())
        lips = lip_agreement(ours.detections(), theirs.detections())
    psnr, alike, sharp = np.mean(found, axis=0)
    r = float("nan") if lips is None else lips.correlation
    return f"| {name} | {shown} | {psnr:.2f} | {alike:.3f} | {np.nanmean(distance):.2f} | {r:.2f} | {sharp:.2f} |"


def acted_line(who: str, mood: str, tracked: TrackedVideo, picture: Callable[[int], np.ndarray]) -> str:
    """One row of the second table."""
    rows = np.flatnonzero(tracked.seen)
    rows = rows[np.linspace(0, len(rows) - 1, min(2 * FRAMES, len(rows))).astype(int)]
    with ClipDetector() as ours, ClipDetector() as theirs:
        for t in rows:
            ours.detect(picture(int(t)))
            theirs.detect(tracked.frame(int(t)))
        distance, _ = landmark_distance(ours.detections(), theirs.detections())
        lips = lip_agreement(ours.detections(), theirs.detections())
    r, slope = (float("nan"),) * 2 if lips is None else (lips.correlation, lips.slope)
    return f"| {who} | {mood} | {np.nanmean(distance):.2f} | {r:.2f} | {slope:.2f} |"


def _around_mouth(tracked: TrackedVideo, t: int) -> np.ndarray:
    lips = tracked.landmarks[t][list(OUTER_LIPS)]
    low, high = lips.min(0), lips.max(0)
    (x, y), half = (low + high) / 2, 0.75 * (high[0] - low[0])
    mask = np.zeros((tracked.size, tracked.size), bool)
    mask[max(0, int(y - 0.8 * half)) : int(y + 0.9 * half), max(0, int(x - half)) : int(x + half)] = True
    return mask


def _gradient(image: np.ndarray, mask: np.ndarray) -> float:
    grey = image.mean(-1)
    across, down = np.abs(np.diff(grey, axis=1))[:-1], np.abs(np.diff(grey, axis=0))[:, :-1]
    return float((across + down)[mask[:-1, :-1]].mean())
