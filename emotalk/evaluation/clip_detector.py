"""Detects the face in the pictures of a clip one by one and keeps what was found."""

from __future__ import annotations

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.landmarks import LANDMARKS
from emotalk.core.pictures import eight_bit
from emotalk.evaluation.detections import Detections


class ClipDetector:
    """Detects the face of one clip: `detect` in its pictures in order, then take the `detections`.

    Landmarks are followed from picture to picture, as tracking does, so that recorded and rendered clips are measured
    alike. Blendshapes are judged where `tracking.landmarks.task_file` finds the model they need, in every picture anew.
    Use it in a `with` statement.
    """

    def __enter__(self) -> ClipDetector:
        from emotalk.tracking.landmarks import FaceLandmarks, TaskLandmarks, task_file  # brings mediapipe along

        self._finder = FaceLandmarks()
        model = task_file()
        self._judge = None if model is None else TaskLandmarks(model)
        self._landmarks: list[np.ndarray] = []
        self._blendshapes: list[np.ndarray] = []
        return self

    def __exit__(self, *_: object) -> None:
        self._finder.__exit__()
        if self._judge is not None:
            self._judge.__exit__()

    def detect(self, picture: np.ndarray) -> np.ndarray:
        """[478, 2] pixels in a picture [H, W, 3] (uint8 or floats in [0, 1]); NaN where there is no face."""
        picture = eight_bit(picture)
        found = self._finder.find(picture)
        points = np.full((LANDMARKS, 2), np.nan, np.float32) if found is None else found[:, :2].astype(np.float32)
        self._landmarks.append(points)
        if self._judge is not None:
            known = self._judge.find(picture) is not None
            unknown = np.full(len(ARKIT_NAMES), np.nan, np.float32)
            self._blendshapes.append(self._judge.blendshapes if known else unknown)
        return points

    def detections(self) -> Detections:
        """Everything found so far."""
        landmarks = np.array(self._landmarks, np.float32).reshape(-1, LANDMARKS, 2)
        return Detections(landmarks, np.array(self._blendshapes) if self._judge is not None else None)
