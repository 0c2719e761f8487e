"""Face landmarks over time in the layouts that other programs write, and how they lie among MediaPipe's 478."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from emotalk.core.errors import TrackingError
from emotalk.core.landmarks import (
    CHIN,
    EYE_CORNERS,
    EYES,
    IBUG68,
    IRISES,
    LANDMARKS,
    LEFT_EYE_PAIRS,
    MOUTH_PAIRS,
    NOSE_BASE,
    RIGHT_EYE_PAIRS,
)
from emotalk.core.rates import FPS

LAYOUTS = {"mediapipe478": 478, "mediapipe468": 468, "ibug68": 68}
"""Name of a layout and its number of points: MediaPipe's with and without irises, and that of iBUG and dlib."""
LONGEST_GAP = 0.5
"""Seconds without a face that are bridged: what a head does in a longer gap would be invented."""
SMALLEST = 8.0
"""Pixels between the outer corners of the eyes below which a coordinate's rounding is larger than speech."""
_LIDS = ((33, RIGHT_EYE_PAIRS, 133), (263, LEFT_EYE_PAIRS, 362))


@dataclass(frozen=True)
class LandmarkTrack:
    """One face's landmarks over time, in pixels with y downwards. Made by `landmark_file.read_landmarks`."""

    points: np.ndarray  # [T, N, 2] float64 px; a frame without a face is all NaN
    layout: str  # one of LAYOUTS
    fps: float
    size: tuple[int, int] | None = None  # width and height of the picture, where known
    neutral: np.ndarray | None = None  # [N, 2] px: the same face at rest, where known

    def __len__(self) -> int:
        return len(self.points)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.points) / self.fps

    def at_video_rate(self) -> LandmarkTrack:
        """The same at 25 fps with gaps bridged. Raises TrackingError where the face is away for more than
        LONGEST_GAP seconds, or always."""
        there = np.flatnonzero(np.isfinite(self.points).all((1, 2)))
        if not len(there):
            raise TrackingError("No frame of these landmarks shows a face.")
        ends = np.r_[-1, there, len(self.points)]
        for before, behind in pairwise(ends.tolist()):
            if (behind - before - 1) / self.fps > LONGEST_GAP + 1e-9:
                raise TrackingError(
                    f"From second {(before + 1) / self.fps:.1f} to {behind / self.fps:.1f} there are no landmarks; at "
                    f"most {LONGEST_GAP} s are bridged. Cut that part out, or write two files."
                )
        frames = max(1, round(len(self.points) / self.fps * FPS))
        known, wanted = (there + 0.5) / self.fps, (np.arange(frames) + 0.5) / FPS
        flat = self.points[there].reshape(len(there), -1)
        columns = [np.interp(wanted, known, column) for column in flat.T]
        points = np.stack(columns, -1).reshape(frames, -1, 2)
        return dataclasses.replace(self, points=points, fps=float(FPS))

    def as_ibug68(self) -> LandmarkTrack:
        """The same as the 68 landmarks of iBUG and dlib."""
        if self.layout == "ibug68":
            return self
        chosen = list(IBUG68)
        neutral = None if self.neutral is None else self.neutral[chosen]
        return dataclasses.replace(self, points=self.points[:, chosen], layout="ibug68", neutral=neutral)


def known_landmarks(layout: str) -> np.ndarray:
    """[478] 1 where a layout has a landmark, else 0."""
    known = np.zeros(LANDMARKS)
    known[list(IBUG68) if layout == "ibug68" else slice(LAYOUTS[layout])] = 1.0
    return known


def among_478(points: np.ndarray, layout: str) -> np.ndarray:
    """Points [T, N, 2] of a layout at their places among MediaPipe's [T, 478, 2]. Those that it lacks are NaN, but for
    lips and lids, whose missing points lie between the others, so that openings can be measured."""
    whole = np.full((len(points), LANDMARKS, 2), np.nan)
    if layout != "ibug68":
        whole[:, : points.shape[1]] = points
        return whole
    whole[:, list(IBUG68)] = points
    for outer, pairs, inner in _LIDS:
        for row in (0, 1):
            _between(whole, (outer, *(pair[row] for pair in pairs), inner))
    for row in (0, 1):
        _between(whole, (78, *(pair[row] for pair in MOUTH_PAIRS), 308))
    return whole


def _between(points: np.ndarray, line: tuple[int, ...]) -> None:
    """Fills the points [T, 478, 2] of a line that are not known from their neighbours on it, in place."""
    known = [k for k, index in enumerate(line) if index in IBUG68]
    for first, last in pairwise(known):
        for k in range(first + 1, last):
            share = (k - first) / (last - first)
            points[:, line[k]] = (1 - share) * points[:, line[first]] + share * points[:, line[last]]


def check_face(points: np.ndarray) -> None:
    """Raise TrackingError where landmarks [T, 478, 2] in pixels cannot be a face as a camera sees it: too small, upside
    down, mirrored or all on one spot."""
    eyes = points[:, list(EYES)]
    apart = float(np.median(np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=-1)))
    if apart < SMALLEST:
        raise TrackingError(
            f"The outer corners of the eyes are {apart:.3g} pixels apart; at least {SMALLEST:.0f} are needed. If the "
            "coordinates are shares of the picture, say its size."
        )
    down = points[:, CHIN] - points[:, list(EYE_CORNERS)].mean(1)
    nose = points[:, NOSE_BASE] - points[:, list(EYE_CORNERS)].mean(1)
    across = eyes[:, 1] - eyes[:, 0]
    if np.median((down * nose).sum(-1)) <= 0:
        raise TrackingError(
            "The chin does not lie on the nose's side of the eyes: these points are not in the order of their layout."
        )
    if np.median(down[:, 1]) < 0 and np.median(across[:, 0]) > 0:
        raise TrackingError("The chin lies above the eyes: y must grow downwards. Write the height minus y.")
    if np.median(across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]) < 0:
        raise TrackingError(
            "The face is mirrored: the person's right eye, whose points come first, must lie left in the picture. "
            "Write the width minus x."
        )


HAS_IRISES = {name: count > IRISES[0] for name, count in LAYOUTS.items()}
"""Whether a layout shows where the eyes look."""
