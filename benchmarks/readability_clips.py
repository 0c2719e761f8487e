"""The acted clips that readability is calibrated on: research footage that is measured and never shown or shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.readability_features import features
from benchmarks.readability_moods import MOODS
from emotalk.tracking.landmarks import FaceLandmarks

_NAMES = {
    "neutral": "neutral_level1", "happy": "happy_level3", "surprise": "surprised_level3", "fear": "fear_level3",
    "anger": "angry_level3", "disgust": "disgusted_level3", "sad": "sad_level3",
}  # fmt: skip
PEOPLE = ("M030", "W009")
_STEP = 3  # every third frame is measured, all are tracked


def changes(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Person -> mood -> what each frame differs from the person's neutral clip [T, F], for those of PEOPLE whose clips
    lie in the `folder`; empty without it."""
    found = {}
    for person in PEOPLE:
        files = {mood: folder / f"dreamtalk_{person}_front_{_NAMES[mood]}_001.mp4" for mood in MOODS}
        if all(file.is_file() for file in files.values()):
            measured = {mood: _measured(file) for mood, file in files.items()}
            rest = np.median(measured["neutral"], 0)
            found[person] = {mood: rows - rest for mood, rows in measured.items()}
    return found


def _measured(file: Path) -> np.ndarray:
    import imageio_ffmpeg

    frames = imageio_ffmpeg.read_frames(str(file))
    width, height = next(frames)["size"]
    rows = []
    with FaceLandmarks() as landmarks:
        for index, data in enumerate(frames):
            frame = np.frombuffer(data, np.uint8).reshape(height, width, 3)
            points = landmarks.find(frame)
            if points is not None and index % _STEP == 0:
                rows.append(features(frame, points))
    return np.array(rows)
