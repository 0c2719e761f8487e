"""Looks at the pictures of a clip one by one and remembers what a face landmarker saw in them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import CheckpointError
from emotalk.core.paths import cache_dir
from emotalk.core.pictures import eight_bit
from emotalk.core.rates import FPS
from emotalk.evaluation.sightings import POINTS, Sightings


def landmarker_model() -> Path | None:
    """The face landmarker's model file (3.8 MB, Apache-2.0, by Google): the path in EMOTALK_FACE_LANDMARKER, or
    `face_landmarker*.task` in the cache folder `models`; None without one.

    Raises a CheckpointError where the variable names no file.
    """
    named = os.environ.get("EMOTALK_FACE_LANDMARKER")
    if named:
        if not Path(named).is_file():
            raise CheckpointError(f"EMOTALK_FACE_LANDMARKER names {named!r:.200}, which is no file; unset it.")
        return Path(named)
    return next(iter(sorted(cache_dir("models").glob("face_landmarker*.task"))), None)


class Observer:
    """A face landmarker for one clip: `look` at its pictures in order, then take the `sightings`.

    It follows the face from picture to picture, as tracking does, so that recorded and rendered clips are measured
    alike. Blendshapes are seen where `landmarker_model` finds the file they need. Use it in a `with` statement.
    """

    def __enter__(self) -> Observer:
        from emotalk.tracking.landmarks import FaceLandmarks

        self._finder = FaceLandmarks()
        model = landmarker_model()
        self._shapes = None if model is None else _Blendshapes(model)
        self._landmarks: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        return self

    def __exit__(self, *_: object) -> None:
        self._finder.__exit__()
        if self._shapes is not None:
            self._shapes.close()

    def look(self, picture: np.ndarray) -> np.ndarray:
        """[478, 2] pixels in a picture [H, W, 3] (uint8 or floats in [0, 1]); NaN where there is no face."""
        picture = eight_bit(picture)
        found = self._finder.find(picture)
        points = np.full((POINTS, 2), np.nan, np.float32) if found is None else found[:, :2].astype(np.float32)
        self._landmarks.append(points)
        if self._shapes is not None:
            self._faces.append(self._shapes.look(picture))
        return points

    def sightings(self) -> Sightings:
        """Everything seen so far."""
        landmarks = np.array(self._landmarks, np.float32).reshape(-1, POINTS, 2)
        return Sightings(landmarks, np.array(self._faces) if self._shapes is not None else None)


class _Blendshapes:
    """The 52 coefficients by the landmarker's own network."""

    def __init__(self, model: Path) -> None:
        from mediapipe import Image, ImageFormat
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
        )
        self._image = lambda picture: Image(image_format=ImageFormat.SRGB, data=picture)
        self._landmarker = vision.FaceLandmarker.create_from_options(options)
        self._frame = 0

    def look(self, picture: np.ndarray) -> np.ndarray:
        found = self._landmarker.detect_for_video(self._image(picture), self._frame * 1000 // FPS)
        self._frame += 1
        shapes = np.full(len(ARKIT_NAMES), np.nan, np.float32)
        if found.face_blendshapes:
            shapes[:] = 0
            for category in found.face_blendshapes[0]:
                if category.category_name in ARKIT_INDEX:  # "_neutral" is not
                    shapes[ARKIT_INDEX[category.category_name]] = category.score
        return shapes

    def close(self) -> None:
        self._landmarker.close()
