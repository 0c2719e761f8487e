"""Looking at the frames of the chosen stretch one after the other: landmarks, shoulders, hands, sharpness."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import cv2
import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.landmarks import LANDMARKS
from emotalk.tracking.landmark_bias import eye_contrast
from emotalk.tracking.landmarks import HandFinder, covered_share, open_landmarks
from emotalk.tracking.masks import PersonSegmenter, small_picture
from emotalk.tracking.quality import sharpness
from emotalk.tracking.shoulder_motion import ShoulderTracker

HANDS_EVERY = 8
"""Frames between looks for hands (10 ms each)."""
COVERED = 0.03
"""Share of the face under a hand from which on a frame is not used."""


@dataclass(frozen=True)
class Shots:
    """What was seen in the frames."""

    points: np.ndarray  # [T, 478, 3] px, NaN where no face
    torso: np.ndarray  # [T, 3], NaN where unknown
    contrast: np.ndarray  # [T] brightness range between the lids, NaN where no face
    covered: np.ndarray  # [T] bool: a hand before the face
    sharp: np.ndarray  # scalar
    delay: np.ndarray  # scalar: frames by which the picture was late against the sound
    blendshapes: np.ndarray  # [T, 52], or [0, 52] where the landmark model knows none


class Reader:
    """Looks at frames one after the other."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._stack = contextlib.ExitStack()
        self._shoulders = ShoulderTracker()
        self.points: list[np.ndarray] = []
        self._shapes: list[np.ndarray] = []
        self._moves: list[np.ndarray] = []
        self._contrast: list[float] = []
        self._sharp: list[float] = []
        self._covered: list[int] = []

    def __enter__(self) -> Reader:
        self._face = self._stack.enter_context(open_landmarks())
        self._hands = self._stack.enter_context(HandFinder())
        self._person = self._stack.enter_context(PersonSegmenter())
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def read(self, picture: np.ndarray) -> None:
        """Take in the next frame [size, size, 3] uint8."""
        t = len(self.points)
        found = self._face.find(picture)
        self.points.append(np.full((LANDMARKS, 3), np.nan, np.float32) if found is None else found)
        if self._face.blendshapes is not None:
            self._shapes.append(self._face.blendshapes)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        self._contrast.append(np.nan if found is None else eye_contrast(grey, found[:, :2]))
        move = None
        if self._shoulders.started:
            move = self._shoulders.follow(grey)
        elif found is not None and t % 10 == 0:
            clothes = _clothes(self._person.find(small_picture(picture)), found, self._size)
            if self._shoulders.begin(grey, clothes):
                move = np.zeros(3)
        self._moves.append(np.full(3, np.nan) if move is None else move)
        if found is not None and t % HANDS_EVERY == 0:
            if covered_share(found, self._hands.find(picture)) > COVERED:
                self._covered.append(t)
            self._sharp.append(sharpness(_face(grey, found)))

    def finish(self, delay: int) -> Shots:
        """Everything that was seen."""
        covered = np.zeros(len(self.points), bool)
        for t in self._covered:
            covered[max(0, t - HANDS_EVERY + 1) : t + HANDS_EVERY] = True
        sharp = float(np.median(self._sharp)) if self._sharp else 0.0
        return Shots(
            points=np.stack(self.points),
            torso=np.stack(self._moves),
            contrast=np.array(self._contrast),
            covered=covered,
            sharp=np.array(sharp),
            delay=np.array(delay),
            blendshapes=np.array(self._shapes, np.float32).reshape(-1, len(ARKIT_NAMES)),
        )


def _clothes(person: np.ndarray, points: np.ndarray, size: int) -> np.ndarray:
    """[size, size] bool: the person well below the chin."""
    someone = cv2.resize(person, (size, size)) > 0.7
    chin = points[152, 1] + 0.1 * (points[152, 1] - points[10, 1])
    someone[: max(0, int(chin))] = False
    return someone


def _face(grey: np.ndarray, points: np.ndarray) -> np.ndarray:
    low = np.clip(points[:, :2].min(0).astype(int), 0, len(grey) - 8)
    high = np.clip(points[:, :2].max(0).astype(int) + 1, low + 8, len(grey))
    return grey[low[1] : high[1], low[0] : high[0]]
