"""How the shoulders move in the picture, from their texture (Lucas & Kanade 1981)."""

from __future__ import annotations

import cv2
import numpy as np

_POINTS = 120
_LEAST = 12
_WINDOW = {"winSize": (21, 21), "maxLevel": 3, "criteria": (3, 15, 0.02)}


class ShoulderTracker:
    """Tracks the shoulders by their clothes from the first frame on: every frame is compared with the first one, so
    nothing drifts."""

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._start: np.ndarray | None = None  # [n, 1, 2]
        self._last: np.ndarray | None = None

    @property
    def started(self) -> bool:
        """Whether there is a frame to compare with."""
        return self._start is not None

    def begin(self, grey: np.ndarray, clothes: np.ndarray) -> bool:
        """Take `grey` [size, size] uint8 as the frame to compare with; `clothes` [size, size] bool says where to
        look."""
        inner = cv2.erode(clothes.astype(np.uint8), np.ones((9, 9), np.uint8))
        points = cv2.goodFeaturesToTrack(grey, _POINTS, 0.01, 7, mask=inner)
        if points is None or len(points) < _LEAST:
            return False
        self._first, self._start, self._last = grey.copy(), points, points.copy()
        return True

    def follow(self, grey: np.ndarray) -> np.ndarray | None:
        """[3] (dx px, dy px, log scale) of a frame `grey` [size, size] against the first, None where it cannot be
        told."""
        for guess in (self._last, self._start):  # what was lost may be back where it began
            found = self._follow(grey, guess)
            if found is not None:
                return found
        return None

    def _follow(self, grey: np.ndarray, guess: np.ndarray) -> np.ndarray | None:
        now, found, _ = cv2.calcOpticalFlowPyrLK(
            self._first, grey, self._start, guess.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **_WINDOW
        )
        good = found[:, 0] == 1
        if good.sum() < _LEAST:
            return None
        matrix, inlier = cv2.estimateAffinePartial2D(
            self._start[good], now[good], ransacReprojThreshold=2.0, maxIters=200
        )
        if matrix is None or inlier.sum() < max(_LEAST, 0.3 * len(self._start)):
            return None
        predicted = self._start @ matrix[:, :2].T + matrix[:, 2]
        self._last = predicted.astype(np.float32)
        centre = np.full(2, len(grey) / 2)
        shift = matrix[:, :2] @ centre + matrix[:, 2] - centre
        return np.array([*shift, np.log(np.hypot(matrix[0, 0], matrix[1, 0]))])
