"""What a face landmarker sees in pictures: the ruler that recorded and rendered faces are both held against.

The points are those of the FaceMesh that mediapipe's wheel brings along; the 52 blendshapes need the face landmarker's
model file (`observer.landmarker_model`) and are left out without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

POINTS = 478
EYE_CORNERS = (33, 263)
"""The outer corners of the eyes: their distance is the unit of all errors."""
MOUTH = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
)  # fmt: skip
"""The outer and the inner line of the lips."""


@dataclass(frozen=True)
class Sightings:
    """What was seen in the pictures of a clip."""

    landmarks: np.ndarray  # [T, 478, 2] pixels, NaN where no face was found
    blendshapes: np.ndarray | None = None  # [T, 52] in the order of ARKIT_NAMES, NaN where no face was found

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def found(self) -> np.ndarray:
        """[T] whether there was a face."""
        return np.isfinite(self.landmarks).all((1, 2))
