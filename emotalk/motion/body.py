"""Gaze, lids, head and brows around a speaking, feeling face: one person's body over time."""

from __future__ import annotations

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.emotion.expression import behaviour, split_eyes
from emotalk.motion.body_network import BodyWeights
from emotalk.motion.eye_network import EyeWeights
from emotalk.motion.eyes import EyeGenerator, lids
from emotalk.motion.habits import Habits, manner_of
from emotalk.motion.headpose import HeadGenerator
from emotalk.motion.rhythm import Rhythm
from emotalk.motion.style import MotionStyle
from emotalk.motion.visemes import JAW_SWING

WIDE = [ARKIT_INDEX["eyeWideLeft"], ARKIT_INDEX["eyeWideRight"]]
JAW = ARKIT_INDEX["jawOpen"]
RAISED = [ARKIT_INDEX[f"brow{name}"] for name in ("InnerUp", "OuterUpLeft", "OuterUpRight")]
LOWERED = [ARKIT_INDEX["browDownLeft"], ARKIT_INDEX["browDownRight"]]


class Body:
    """`play` what comes next, any number of frames at a time; the same seed moves in the same way."""

    def __init__(
        self, eyes: EyeWeights, network: BodyWeights, style: MotionStyle, seed: int, habits: Habits | None = None
    ) -> None:
        habits = habits or Habits()
        gaze, blink, head = (np.random.default_rng([seed, part]) for part in range(3))
        self._style = style
        self._gains = style.gains
        self._rest = np.array(habits.gaze)
        wander, blinks = style.gaze_wander * habits.wander, style.blink_rate * habits.blinks
        self._eyes = EyeGenerator(gaze, blink, eyes, wander, blinks)
        self._lid_slope = float(eyes.lid_slope[0])
        self._head = HeadGenerator(head, network, manner_of(style, habits))

    def play(
        self,
        face: np.ndarray,  # [T, 52]
        rhythm: list[Rhythm],
        va: np.ndarray,  # [T, 2]
    ) -> HeadMotion:
        """HeadMotion of T frames from faces [T, 52] (whose eyeBlink*/eyeLook* are the emotion's lids and gaze, whose
        brows are the emotion's alone), the rhythm of their speech and their valence and arousal [T, 2]."""
        expression, drooping, lowered = split_eyes(face)
        mood = behaviour(va)
        frames = len(face)
        head, gaze, eyelids = np.zeros((frames, 6)), np.zeros((frames, 2)), np.zeros((frames, 2))
        for i, now in enumerate(rhythm):
            head[i], brows = self._head.step(now, mood, i)
            _move_brows(expression[i], brows, self._gains)
            gaze[i], blink = self._eyes.step(now, mood, i, head[i])
            gaze[i] += lowered[i] + self._rest
            eyelids[i] = lids(blink, drooping[i], gaze[i, 1], self._lid_slope)
            expression[i, WIDE] *= 1 - blink  # a shut eye is not wide
        jaw = np.zeros((frames, 3))
        jaw[:, 1] = JAW_SWING * self._style.sideways * expression[:, JAW]
        return HeadMotion(expression, jaw, gaze, eyelids, head)


def _move_brows(face: np.ndarray, brows: np.ndarray, gains: np.ndarray) -> None:
    """Raise or lower the brows of a face [52] by [3] (inner, left outer, right outer) as the person does."""
    face[RAISED] += gains[RAISED] * np.maximum(brows, 0)
    # What is lowered first takes back what an emotion raised; a brow that is up is not down as well.
    sunk = np.maximum(-brows, 0)
    taken = np.minimum(sunk, face[RAISED])
    face[RAISED] -= taken
    face[LOWERED] += gains[LOWERED] * (sunk - taken)[1:]
