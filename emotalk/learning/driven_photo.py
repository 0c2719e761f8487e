"""One frame of a film as the photo, the rest of the film as the truth: the photo's avatar with the person's own filmed
motion."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from emotalk.avatar import Consent, GaussianAvatar
from emotalk.core.camera import Camera
from emotalk.core.landmarks import eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.head.mesh import JOINT_NAMES
from emotalk.portrait.make import make_portrait
from emotalk.portrait.one_view import fit_one_view
from emotalk.tracking import TrackedVideo
from emotalk.tracking.fit import Fit, fit_video
from emotalk.tracking.landmark_bias import without_bias
from emotalk.tracking.pose_refinement import refine
from emotalk.tracking.rig import axis_angle, motion_of
from emotalk.tracking.shoulder_alignment import shoulder_shifts
from emotalk.tracking.solve import Face, Lens


@dataclass(frozen=True)
class DrivenPhoto:
    """An avatar of one frame, and the motion of all frames of its film."""

    avatar: GaussianAvatar
    motion: HeadMotion  # told from the pose of the photo, which is the avatar's rest
    torso: torch.Tensor  # [T, 3, 4] how the shoulders move beside it, for `GaussianAvatar.pose`
    face: Face  # as fitted to the one frame
    row: int  # of the photo


def neutral_row(tracked: TrackedVideo) -> int:
    """The frame that somebody would choose as a neutral photo: calm, eyes open, facing the camera."""
    motion = tracked.motion
    turned = np.linalg.norm(motion.head_pose[:, :3], axis=1)
    cost = np.square(motion.expression).sum(1) + 6 * turned + 4 * motion.eyelids.max(1) + 2 * np.abs(motion.gaze).sum(1)
    return int(np.where(tracked.seen, cost, np.inf).argmin())


def driven_photo(
    tracked: TrackedVideo,
    points: np.ndarray,  # [T, 478, 3] landmarks as they were seen, px
    row: int,
    rows: Iterable[int] = (),  # frames whose shoulders are aligned with the picture; others move with the landmarks
    consent: Consent | None = None,
) -> DrivenPhoto:
    """The avatar of frame `row` alone: identity, lens and look come from it. The motion of the others is fitted to that
    face and aligned with the pictures, as that of any video is."""
    head, size = HeadModel.load(), tracked.size
    points = without_bias(points.astype(np.float64), eye_distance(points))
    fit = fit_one_view(head, size, points[row], None if tracked.blendshapes is None else tracked.blendshapes[row])
    camera = camera_of(fit.face.lens, size)
    identity = fit.face.rig.identity.astype(np.float32)
    photo = dataclasses.replace(tracked.part(row, row + 1), identity=identity, motion=_motion(fit), camera=camera)
    avatar = make_portrait(photo, name="measured", consent=consent or MEASURING)
    every = fit_video(fit.face, points, np.array([row]), fit.frames, None, calm=False)
    grey = str(tracked.folder / "frames" / "{:06d}.jpg")
    every = refine(
        head, every, points, lambda t: cv2.imread(grey.format(t), cv2.IMREAD_REDUCED_GRAYSCALE_2), tracked.labels, size,
        np.flatnonzero(tracked.seen),
    )  # fmt: skip
    motion = _motion(every)
    motion = from_rest(avatar, motion[row : row + 1], motion)
    at_rest = dataclasses.replace(tracked, identity=identity, camera=avatar.camera, motion=motion)
    return DrivenPhoto(avatar, motion, shoulder_shifts(at_rest, row, [row, *rows]), fit.face, row)


MEASURING = Consent("For measuring and learning only: this avatar is not kept.", "2026-01-01T00:00:00+00:00")


def camera_of(lens: Lens, size: int) -> Camera:
    """The camera of a fitted lens."""
    pose = torch.eye(4)
    pose[1, 1] = pose[2, 2] = -1.0
    pose[2, 3] = lens.distance
    return Camera(pose, lens.focal, lens.focal, lens.cx, lens.cy, size, size)


def from_rest(avatar: GaussianAvatar, photo: HeadMotion, motion: HeadMotion) -> HeadMotion:
    """A motion told from the pose of the photo (one frame), which is the avatar's rest."""
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


def _motion(fit: Fit) -> HeadMotion:
    return motion_of(fit.face.rig, fit.frames.rotation, fit.frames.place, fit.frames.controls)
