"""Landmarks of any face -> head motion for any avatar.

    landmarks at 25 fps ─► 478 places ─► lips and lids that meet ─► person, pose and shapes (as a video is tracked)
    ─► told from this person's own face and usual pose ─► HeadMotion

Who the points are of is fitted and then left out: an avatar plays what that face does, not what it is. 68 points show
neither irises nor cheeks; what they do not show stays at rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.errors import TrackingError
from emotalk.core.landmarks import EYE_CORNERS, FIRM, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.tracking.fit import Fit, fit_person, fit_video, key_frames, lens_for, start_frames
from emotalk.tracking.landmark_bias import without_bias
from emotalk.tracking.landmark_file import read_landmarks
from emotalk.tracking.landmark_layouts import HAS_IRISES, LandmarkTrack, among_478, check_face, known_landmarks
from emotalk.tracking.rig import (
    CONTROLS,
    EXPRESSIONS,
    PITCH,
    YAW,
    FaceRig,
    axis_angle,
    motion_of,
    rotation_matrix,
)
from emotalk.tracking.solve import Face, Lens, Weights, plain_price

CROP = 5.0
"""Eye distances across the square that the lens is thought for, as large as tracking's crops usually are."""
WORST = 0.06
"""Median distance of the points seen and fitted, in eye distances, above which they are not those of a face."""
FARTHEST = np.radians((25.0, 35.0, 20.0))
"""Radians about x, y and z (nod, turn, tilt) that a head leaves its usual pose at most: beyond, avatars show sides that
they do not have."""
AWAY = np.array((0.03, 0.02, 0.03))
"""Metres that the shoulders move along x, y and z at most."""
LOOK = np.array((0.5, 0.4))
"""Radians that the eyes turn sideways, and up or down, at most."""
VIEWER = np.radians(12.0)
"""Eyes that usually look no farther aside than that are taken for looking at the viewer."""
STANDING = 0.15
"""A shape that is never below this is meant; one that always stays a little on is how the face was taken for another
one."""
_PARTING = ("jaw", "mouthClose", "mouthLower", "mouthUpper", "mouthRoll", "mouthShrug", "mouthFunnel")
_OPENING = np.array([ARKIT_NAMES[i].startswith(_PARTING) for i in EXPRESSIONS])
"""Of EXPRESSIONS, what parts the lips: never taken for the face, as lips that meet in the points must meet here."""
_DENSE, _SPARSE = Weights(ridge=60.0), Weights(ridge=30.0, price=2.0)
"""Of 478 or 468 points, and of 68, which weigh less against a price. The ridge is higher than tracking's: on another
person's face several shapes that are half on look better than one that is on alone, and cost 0.2 % of the mouth."""
_GAZE_UNKNOWN = 1e7  # prior precision (1/rad²) that leaves the eyes ahead: lids alone would mistake a blink for a look
_BLIND = {"gaze": _GAZE_UNKNOWN}
_NO_EXPRESSION = Weights(ridge=1e7, price=0.0, gaze=_GAZE_UNKNOWN, swing=1e7, person=6.0)
"""Of the fit to one face at rest; the prior of the person is that of one photo (`portrait.one_view`)."""
_STEADY = 0.5  # share of the head's turns that eyes which nobody saw make up for, to stay with whom they talk to


@dataclass(frozen=True)
class LandmarkDrive:
    """What a face does, told from its landmarks."""

    motion: HeadMotion  # [T] at 25 fps
    identity: np.ndarray  # [I] whose face it was taken for
    error: float  # median distance of the points seen and fitted, in eye distances


def read_landmark_motion(
    path: str | Path, *, fps: float | None = None, size: tuple[int, int] | None = None
) -> HeadMotion:
    """The motion of a file of landmarks, [T] at 25 fps, for any avatar: `landmark_motion(read_landmarks(path)).motion`.

    Raises InputError for a file that cannot be used, TrackingError for points that are not a face's.
    """
    return landmark_motion(read_landmarks(path, fps=fps, size=size)).motion


def landmark_motion(track: LandmarkTrack, head: HeadModel | None = None) -> LandmarkDrive:
    """What the face of these landmarks does, for any avatar.

    Head poses are told from the usual one, shapes from the face at rest: that of the track's `neutral`, else what is
    always on a little. Where the eyes look in the picture stays; a layout without irises gives eyes that stay with the
    viewer. Raises TrackingError where the points are not those of a face, or where it is away for too long.
    """
    track = track.at_video_rate()
    head = head or HeadModel.load()
    fit = _fitted(head, track)
    error = float(np.nanmedian(fit.error) / fit.face.scale)
    if not error <= WORST:
        raise TrackingError(
            f"These points do not lie as those of a face do: they are {100 * error:.0f} % of the eye distance away "
            f"from the nearest one, and at most {100 * WORST:.0f} % are usual. Check the order of the points and "
            "width and height of the picture."
        )
    return LandmarkDrive(_retargeted(head, fit, HAS_IRISES[track.layout], track), fit.face.rig.identity, error)


def _fitted(head: HeadModel, track: LandmarkTrack) -> Fit:
    """Person and motion of landmarks at 25 fps; errors count the points of their layout only."""
    flat, known = among_478(track.points, track.layout), known_landmarks(track.layout)
    check_face(flat)
    scale = eye_distance(flat)
    lens = _lens(head, flat, scale)
    # Points that nobody saw count for nothing; where they are must only be finite.
    filled = without_bias(np.where(np.isfinite(flat), flat, flat[:, [FIRM[0]]]), scale)
    seen = _with_depth(head, np.where(np.isfinite(flat), filled, np.nan), known)
    rotation = start_frames(FaceRig.of(head, np.zeros(head.components)), lens, seen).rotation
    keys = key_frames(seen, rotation, np.ones(len(seen), bool))
    weights = replace(_SPARSE if track.layout == "ibug68" else _DENSE, **({} if HAS_IRISES[track.layout] else _BLIND))
    if track.neutral is None:
        face, key_fit = fit_person(head, lens, seen, keys, weights, known=known, standing=0.0)
    else:
        face = _at_rest(head, track, lens, known)
        face = replace(face, weights=weights, price=plain_price(weights))
        key_fit = start_frames(face.rig, lens, seen[keys])
    fit = fit_video(face, seen, keys, key_fit)
    apart = np.linalg.norm(face.predict(fit.frames) - seen[..., :2], axis=-1)
    return replace(fit, error=apart[:, known > 0].mean(1))


def _at_rest(head: HeadModel, track: LandmarkTrack, lens: Lens, known: np.ndarray) -> Face:
    """Whose face it is, from how it is seen at rest: all of that is the person, none of it expression."""
    flat = among_478(track.neutral[None], track.layout)
    check_face(flat)
    seen = _with_depth(head, flat, known)
    # The picture of the face at rest may be another one: only its shape counts.
    scale, middle = eye_distance(seen), seen[:, list(EYE_CORNERS), :2].mean((0, 1))
    own = replace(lens, cx=float(middle[0]), cy=float(middle[1]), distance=lens.distance)
    own = replace(own, focal=lens.focal * scale / eye_distance(among_478(track.points, track.layout)))
    face, _ = fit_person(head, own, seen, np.array([0]), _NO_EXPRESSION, known=known)
    return replace(face, lens=lens, scale=eye_distance(among_478(track.points, track.layout)))


def _with_depth(head: HeadModel, flat: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Landmarks [m, 478, 3] of [m, 478, 2] (NaN where unknown): depths, and what is unknown, are those of the mean
    face turned as the firm points are, which is all that `start_frames` needs."""
    rig = FaceRig.of(head, np.zeros(head.components))
    turned = np.einsum("mij,pj->mpi", facing(rig, flat, known), rig.neutral) * (1.0, -1.0, -1.0)
    firm = [index for index in FIRM if known[index]]
    model, seen = turned[:, firm, :2], flat[:, firm]
    middle, mean = model.mean(1, keepdims=True), seen.mean(1, keepdims=True)
    size = np.linalg.norm(seen - mean, axis=-1).mean(1) / np.linalg.norm(model - middle, axis=-1).mean(1)
    turned = turned * size[:, None, None]
    turned[..., :2] += mean - middle * size[:, None, None]
    turned[..., :2] = np.where(np.isfinite(flat), flat, turned[..., :2])
    return turned


def facing(
    rig: FaceRig,
    points: np.ndarray,  # [m, 478, 2] px
    known: np.ndarray,  # [478] 1 where a point was seen
) -> np.ndarray:
    """Rotations [m, 3, 3] of a head whose firm points are seen there, without knowing their depths: the scaled
    orthography nearest to them (DeMenthon & Davis 1995, the first step of POS)."""
    firm = [index for index in FIRM if known[index]]
    model = rig.neutral[firm] - rig.neutral[firm].mean(0)
    seen = points[:, firm] * (1.0, -1.0)
    seen = seen - seen.mean(1, keepdims=True)
    rows = np.linalg.lstsq(model, seen.transpose(1, 0, 2).reshape(len(firm), -1), rcond=None)[0]
    u, _, vt = np.linalg.svd(rows.reshape(3, len(points), 2).transpose(1, 2, 0), full_matrices=False)
    across, up = np.moveaxis(u @ vt, 1, 0)
    return np.stack([across, up, np.cross(across, up)], 1)


def _lens(head: HeadModel, points: np.ndarray, scale: float) -> Lens:
    """The lens of a square around the face's usual place, in points [T, 478, 2] with eyes `scale` pixels apart."""
    x, y = np.median(points[:, list(EYE_CORNERS)].mean(1), 0)
    return replace(lens_for(head, CROP * scale, scale), cx=float(x), cy=float(y))


def _retargeted(head: HeadModel, fit: Fit, irises: bool, track: LandmarkTrack) -> HeadMotion:
    """The fitted motion as another person's."""
    controls = fit.frames.controls.copy()
    shapes = slice(0, len(EXPRESSIONS))
    count = len(track)
    rest = np.zeros(CONTROLS)
    if track.neutral is None:
        always = np.percentile(controls[:, shapes], 10, axis=0)
        rest[shapes] = np.where((always < STANDING) & ~_OPENING, always, 0.0)
    controls = controls[:count] - rest
    controls[:, shapes] = np.clip(controls[:, shapes], 0, 1)
    rotation = fit.frames.rotation[:count]
    vector = axis_angle(rotation)
    usual = np.median(vector, 0)
    turn = axis_angle(rotation_matrix(usual).T @ rotation)
    turn = _within(turn, FARTHEST)
    if irises:
        # Where the eyes look in the picture is head and gaze together, and that stays as it was, told from where they
        # usually look: nearly ahead is at the viewer, for pitch and gaze are known to about so much from landmarks.
        ahead = np.array([usual[1], -usual[0]])
        looks = controls[:, [YAW, PITCH]] + np.stack([vector[:, 1], -vector[:, 0]], 1)
        controls[:, [YAW, PITCH]] += ahead - np.clip(np.median(looks, 0), -VIEWER, VIEWER)
    else:
        controls[:, [YAW, PITCH]] = _STEADY * np.stack([-turn[:, 1], turn[:, 0]], 1)
    controls[:, [YAW, PITCH]] = _within(controls[:, [YAW, PITCH]], LOOK)
    place = fit.frames.place[:count] - np.median(fit.frames.place[:count], 0)
    rig = FaceRig.of(head, np.zeros(head.components))
    motion = motion_of(rig, rotation_matrix(turn), rig.joints[2] + place, controls)
    pose = motion.head_pose.copy()
    pose[:, 3:] = _within(pose[:, 3:] - np.median(pose[:, 3:], 0), AWAY)
    return replace(motion, head_pose=pose)


def _within(values: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Values [T, n] that stay within ±`most` [n] and bend before they get there; small ones stay as they are."""
    return most * np.tanh(values / most)
