"""Frames of motion and views on which the browser's picture and Python's are compared.

They are others than those that pruning looks at (`emotalk.live.visibility`), so that what it took away can be missed.
Speech comes from known phones through the viseme rules: no trained network, so that the table means the same whichever
motion network is shipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.core.speech import PHONES
from emotalk.motion.style import MotionStyle
from emotalk.motion.visemes import speech_shapes
from emotalk.speech.coarticulation import articulation_targets
from emotalk.talk.scene import still_motion

SENTENCE = "m ay b r ay t b ow t k ey m b ay t uw f ay v ah n d dh eh n ih t r ey n d"
SECONDS_A_PHONE = 0.09


@dataclass(frozen=True)
class Pose:
    """One frame and where it is seen from (degrees)."""

    kind: str
    motion: HeadMotion  # one frame
    yaw: float = 0.0
    pitch: float = 0.0
    zoom: float = 1.25


def face(
    shapes: dict[str, float] | None = None,
    mood: tuple[float, float] = (0, 0),
    gaze: tuple[float, float] | None = None,
    closed: float | None = None,
    turn: tuple[float, float, float] = (0, 0, 0),
    jaw: tuple[float, float, float] = (0, 0, 0),
) -> HeadMotion:
    """One frame of a face in a mood with some shapes set (a name without Left or Right sets both), the gaze and the
    head's turn in radians, the lids' closure."""
    still = still_motion(*mood)
    expression = still.expression.copy()
    for name, amount in (shapes or {}).items():
        for suffix in ("", "Left", "Right"):
            if name + suffix in ARKIT_INDEX:
                expression[0, ARKIT_INDEX[name + suffix]] = amount
    return HeadMotion(
        expression,
        np.float32([jaw]),
        still.gaze if gaze is None else np.float32([gaze]),
        still.eyelids if closed is None else np.float32([[closed, closed]]),
        np.float32([[*turn, 0.003, -0.002, 0.002]]),
    )


def speech(every: int = 3) -> list[Pose]:
    """Every so many frames of a sentence, in changing moods and with a head that moves."""
    phones = SENTENCE.split()
    frames = int(len(phones) * SECONDS_A_PHONE * 25)
    segments = [(i * SECONDS_A_PHONE, (i + 1) * SECONDS_A_PHONE, phone) for i, phone in enumerate(phones)]
    targets = torch.from_numpy(articulation_targets(segments, frames, 25))
    now = [PHONES.index(phones[min(int(t / 25 / SECONDS_A_PHONE), len(phones) - 1)]) for t in range(frames)]
    said = torch.eye(len(PHONES))[now]
    shapes = speech_shapes(targets, said, torch.zeros(frames), torch.from_numpy(MotionStyle().vector).float())
    found = []
    for t in range(0, frames, every):
        angle = 2 * np.pi * t / frames
        still = still_motion(np.cos(angle), np.sin(angle))
        turn = np.float32([[0.06 * np.sin(3 * angle), 0.1 * np.sin(2 * angle), 0.04 * np.cos(angle), 0, 0, 0]])
        mouth = np.clip(0.5 * still.expression + shapes[t].numpy(), 0, 1)
        found.append(Pose("speech", HeadMotion(mouth, still.jaw, still.gaze, still.eyelids, turn)))
    return found


def extremes() -> list[Pose]:
    """Moods, a wide jaw, the tongue, shut eyes, gaze, turned heads and viewers up to 30 degrees aside."""
    wide = {"jawOpen": 0.9, "mouthStretch": 0.3}
    tongue = {"jawOpen": 0.45, "tongueOut": 0.9}
    teeth = {"jawOpen": 0.2, "mouthSmile": 0.7, "mouthUpperUp": 0.6, "mouthLowerDown": 0.7}
    moods = [(0.8, 0.5), (-0.7, 0.7), (-0.6, -0.5), (0.6, -0.7), (0.1, 0.9), (0.0, 0.0)]
    return [
        *(Pose("moods", face(mood=mood)) for mood in moods),
        *(
            Pose("yaw 30", face(shapes, mood), yaw=yaw)
            for shapes, mood in (({}, (0, 0)), (teeth, (0.5, 0.5)))
            for yaw in (-30, 30)
        ),
        Pose("yaw 30", face(wide, (-0.3, 0.6)), yaw=22, pitch=-6),
        Pose("wide jaw", face(wide)),
        Pose("wide jaw", face({"jawOpen": 1.0, "mouthUpperUp": 0.4}, (-0.5, 0.8), turn=(-0.12, 0.1, 0))),
        Pose("wide jaw", face({"jawOpen": 0.7, "jawLeft": 0.6}, jaw=(0.05, 0.06, 0)), yaw=-12),
        Pose("tongue", face(tongue)),
        Pose("tongue", face({"jawOpen": 0.7, "tongueOut": 0.6}, (0.7, 0.6)), yaw=15),
        Pose("shut eyes", face(closed=1.0)),
        Pose("shut eyes", face(teeth, (0.7, 0.3), closed=0.6, turn=(0.1, -0.15, 0.05))),
        Pose("gaze", face(gaze=(0.45, 0.2))),
        Pose("gaze", face(gaze=(-0.4, -0.3), turn=(0, 0.25, 0)), yaw=10),
    ]


def rows(motion: HeadMotion) -> np.ndarray:
    """A motion as the rows [T, 65] that the browser takes."""
    return np.concatenate([motion.expression, motion.jaw, motion.gaze, motion.eyelids, motion.head_pose], 1)
