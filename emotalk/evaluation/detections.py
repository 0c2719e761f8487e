"""What a face landmarker sees in pictures: what recorded and rendered faces are both measured by.

The points are those of the FaceMesh that mediapipe's wheel brings along; the 52 blendshapes need the face landmarker's
model file (`tracking.landmarks.task_file`) and are left out without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """What was detected in the pictures of a clip."""

    landmarks: np.ndarray  # [T, 478, 2] pixels, NaN where no face was found
    blendshapes: np.ndarray | None = None  # [T, 52] in the order of ARKIT_NAMES, NaN where no face was found

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def found(self) -> np.ndarray:
        """[T] whether there was a face."""
        return np.isfinite(self.landmarks).all((1, 2))
