"""Examples for the landmark graph network: what is heard, what a motion network makes of it, what a film shows; and the
faces that it is told on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotalk.learning.landmark_transfer import PersonShapes
from emotalk.motion.landmark_graph import CHEEKS, KEYS, MOUTH, ROW

JAW = (58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288)
"""The outline's landmarks that the jaw moves."""
_DEPTH = 0.1  # how much a filmed node's depth counts, which the camera does not show


@dataclass(frozen=True)
class HeardClip:
    """T frames of speech, heard in V versions, and what the motion network does with them."""

    speech: np.ndarray  # [V, T, S] float16 `MotionNetwork.lip_inputs`
    va: np.ndarray  # [T, 2]
    expression: np.ndarray  # [V, T, 52] float32
    speaker: str = ""  # who is filmed; "" for synthetic speech
    moved: np.ndarray | None = None  # [T, N, 3] metres, `landmark_films.SeenFace`
    tracked: np.ndarray | None = None  # [T, 52]

    def __len__(self) -> int:
        return len(self.va)


@dataclass(frozen=True)
class LandmarkData:
    """What is trained on, or measured with."""

    spoken: list[HeardClip]
    filmed: list[HeardClip]
    people: list[PersonShapes]  # random faces with transferred shapes
    speakers: dict[str, PersonShapes]  # the filmed ones, whose shapes are copied

    def without(self, speakers: tuple[str, ...]) -> LandmarkData:
        """The same without the films of these speakers."""
        filmed = [clip for clip in self.filmed if clip.speaker not in speakers]
        return LandmarkData(self.spoken, filmed, self.people, self.speakers)


def node_weights(filmed: bool) -> np.ndarray:
    """[N, 3] how much each node's error counts: lips most; in films only what speech moves, and depth hardly."""
    weights = np.full(len(KEYS), 0.0 if filmed else 1.0)
    weights[[ROW[i] for i in (*CHEEKS, *JAW)]] = 0.5 if filmed else 1.0
    weights[list(MOUTH)] = 3.0
    return weights[:, None] * np.array((1.0, 1.0, _DEPTH if filmed else 1.0))


def copied_motion(expression: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """[..., N, 3] metres that shapes [52, N, 3] move the nodes at `expression` [..., 52]."""
    return np.tensordot(expression, shapes, 1).astype(np.float32)
