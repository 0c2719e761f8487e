"""The second look at a fitted video: poses from the skin's texture, then expressions that go with them.

A face detector swings the nose too far when the head turns, and lets the forehead lag when it nods; a fit to its
landmarks turns too much and nods too little. Once the pose is known from the picture itself, how far each landmark
is off with the turn can be learned from the video, and taken out before expressions are fitted again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from emotalk.core.landmarks import PAIRS
from emotalk.head import HeadModel
from emotalk.tracking.fit import Fit, calmed
from emotalk.tracking.pose_alignment import Aligned, SkinAligner
from emotalk.tracking.rig import axis_angle, rotation_matrix
from emotalk.tracking.skin import Skin, rim_pixels, rim_points
from emotalk.tracking.solve import Face, Frames, fit_frames

KEY_FRAMES = 40
"""From which the skin's texture is averaged."""
LEAST_FRAMES = 8
FARTHEST = np.array([0.25, 0.25, 0.12, 0.012, 0.012, 0.08])
"""Turns (rad) and shifts (m) from the landmarks' pose beyond which an aligned pose is not trusted."""
WORST = 2.5
"""Times the usual difference from the skin's texture at which a frame is not trusted either: a hand, a blur."""
TURN_BIAS = 0.5
"""Eye distances per radian: standard deviation of a landmark's bias with turns of the head."""


@dataclass(frozen=True)
class TurnBias:
    """The landmarks' bias that goes with the head's turn: how far each moves beside the head's own points."""

    middle: np.ndarray  # [3] axis-angle of the usual turn
    slopes: np.ndarray  # [3, 478, 2] pixels per radian

    def of(self, rotation: np.ndarray) -> np.ndarray:
        """Pixels [m, 478, 2] under head rotations `rotation` [m, 3, 3]."""
        return np.einsum("mk,klc->mlc", axis_angle(rotation) - self.middle, self.slopes)


def refine(
    head: HeadModel,
    fit: Fit,
    points: np.ndarray,  # [T, 478, 2 or more] px, those that were fitted; NaN rows where no face
    picture: Callable[[int], np.ndarray],  # t -> square grey picture uint8
    labels: Callable[[int], np.ndarray],  # t -> [size, size] uint8, see `masks`
    size: int,  # pixels that landmarks and lens refer to
    learn_from: np.ndarray,  # [L] frames from which the skin's texture may be taken
    tell: Callable[[float], None] = lambda share: None,
) -> Fit:
    """The fit with head poses from the picture and calm expressions to match. Frames that cannot be aligned, and
    videos with too few frames to learn from, keep the landmarks' poses."""
    there = np.flatnonzero(np.isfinite(points).all((1, 2)))
    keys = texture_frames(fit, np.intersect1d(learn_from, there))
    if len(keys) < LEAST_FRAMES:
        return _filled(fit.face, calmed(fit.face, fit.frames[there], points[there][..., :2], there), points, there)
    start, lens = fit.frames, fit.face.lens
    skin = Skin.of(head, fit.face.rig.identity)
    turn = axis_angle(start.rotation[keys])
    usual = keys[np.linalg.norm(turn - np.median(turn, 0), axis=1).argmin()]
    rim = rim_pixels(labels(usual), points[usual, :, :2])
    skin = skin.with_rim(rim_points(rim, lens, start.rotation[usual], start.place[usual], skin.depth))
    aligner = SkinAligner(skin, lens, size)
    aligner.learn((picture(t) for t in keys), start.rotation[keys], start.place[keys], start.controls[keys])
    found = []
    for k, t in enumerate(there):
        found.append(aligner.align(picture(t), start.rotation[t], start.place[t], start.controls[t]))
        if k % 5 == 0:
            tell(0.9 * k / len(there))
    frames = trusted(start[there], found, skin.neutral.mean(0).astype(np.float64))
    seen = points[there][..., :2]
    frames, turn_bias = refit(fit.face, frames, seen, there)
    return _filled(fit.face, frames, points, there, turn_bias)


def _filled(
    face: Face, frames: Frames, points: np.ndarray, there: np.ndarray, turn_bias: TurnBias | None = None
) -> Fit:
    """A fit of all frames from those in which there is a face: others take over their neighbours' values."""
    predicted = face.predict(frames)
    if turn_bias is not None:
        predicted = predicted + turn_bias.of(frames.rotation)
    error = np.full(len(points), np.nan)
    error[there] = np.linalg.norm(predicted - points[there][..., :2], axis=-1).mean(1)
    rows = np.rint(np.interp(np.arange(len(points)), there, np.arange(len(there)))).astype(int)
    return Fit(face, frames[rows], error)


def texture_frames(fit: Fit, rows: np.ndarray, count: int = KEY_FRAMES) -> np.ndarray:
    """At most `count` of the `rows` [m], without the worst fits: half spread over time, half with the most
    varied turns."""
    if len(rows):
        rows = rows[fit.error[rows] <= 1.5 * np.median(fit.error[rows])]
    if len(rows) <= count:
        return rows
    turn = axis_angle(fit.frames.rotation[rows])
    chosen = np.unique(np.linspace(0, len(rows) - 1, count // 2).astype(int)).tolist()
    apart = np.linalg.norm(turn[:, None] - turn[chosen], axis=-1).min(1)
    while len(chosen) < count:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(turn - turn[chosen[-1]], axis=-1))
    return rows[np.unique(chosen)]


def trusted(start: Frames, found: list[Aligned], middle: np.ndarray) -> Frames:
    """`start` with the poses that were found, but for outliers: those differ from the landmarks' pose as
    their neighbours do. `middle` [3] is the point of the head whose place is compared."""
    rotation = np.stack([one.rotation for one in found])
    place = np.stack([one.place for one in found])
    error = np.array([one.error for one in found])
    shift = place + rotation @ middle - start.place - start.rotation @ middle
    apart = np.concatenate([axis_angle(rotation @ start.rotation.transpose(0, 2, 1)), shift], 1)
    # What all frames have in common is the landmarks' fault.
    good = (np.abs(apart - np.median(apart, 0)) < FARTHEST).all(1) & (error < WORST * np.median(error))
    if not good.any():
        return start
    at = np.arange(len(found))
    filled = np.stack([np.interp(at, at[good], apart[good, k]) for k in range(6)], 1)
    turned = rotation_matrix(filled[:, :3]) @ start.rotation
    moved = start.place + start.rotation @ middle + filled[:, 3:] - turned @ middle
    return replace(
        start,
        rotation=np.where(good[:, None, None], rotation, turned),
        place=np.where(good[:, None], place, moved),
    )


def refit(face: Face, frames: Frames, seen: np.ndarray, at: np.ndarray) -> tuple[Frames, TurnBias]:
    """Controls that explain the landmarks `seen` [m, 478, 2] under poses that are kept, and their bias with the
    head's turn. `at` [m] are the frames' numbers."""
    turn_bias = learn_turn_bias(face, frames, seen)
    frames = fit_frames(face, frames, seen - turn_bias.of(frames.rotation), rounds=1, pose=False)
    turn_bias = learn_turn_bias(face, frames, seen)
    return calmed(face, frames, seen - turn_bias.of(frames.rotation), at), turn_bias


def learn_turn_bias(face: Face, frames: Frames, seen: np.ndarray) -> TurnBias:
    """A robust ridge regression of what landmarks `seen` [m, 478, 2] lie beside the fit on the head's turn."""
    turn = axis_angle(frames.rotation)
    middle = turn.mean(0)
    off = seen - face.predict(frames)
    noise = face.weights.noise * face.scale
    robust = 1 / (1 + (off**2).sum(-1) / (face.weights.outlier * noise) ** 2)
    features = np.concatenate([np.ones((len(turn), 1)), turn - middle], 1)
    matrix = np.einsum("ml,ma,mb->lab", robust, features, features)
    matrix += np.diag([1e-9, *[(noise / (TURN_BIAS * face.scale)) ** 2] * 3])
    right = np.einsum("ml,ma,mlc->lac", robust, features, off)
    slopes = np.linalg.solve(matrix, right)[:, 1:]
    # As with fixed offsets: what both lips or lids do alike is bias, what they do apart is an opening.
    upper, lower = np.array(PAIRS).T
    slopes[upper] = slopes[lower] = 0.5 * (slopes[upper] + slopes[lower])
    return TurnBias(middle, slopes.transpose(1, 0, 2))
