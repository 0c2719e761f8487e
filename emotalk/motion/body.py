"""Gaze, lids and head around a speaking, feeling face: one person's body over time."""

from __future__ import annotations

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.emotion.expression import behaviour, split_eyes
from emotalk.motion.eye_statistics import EyeStatistics
from emotalk.motion.eyes import BlinkGenerator, GazeGenerator, lids
from emotalk.motion.headpose import HeadGenerator
from emotalk.motion.rhythm import Rhythm
from emotalk.motion.style import MotionStyle
from emotalk.motion.visemes import JAW_SWING

_WIDE = [ARKIT_INDEX["eyeWideLeft"], ARKIT_INDEX["eyeWideRight"]]
_JAW = ARKIT_INDEX["jawOpen"]


class Body:
    """`play` what comes next, any number of frames at a time; the same seed moves in the same way."""

    def __init__(self, eyes: EyeStatistics, style: MotionStyle, seed: int) -> None:
        gaze, blink, head = (np.random.default_rng([seed, part]) for part in range(3))
        self._eyes = eyes
        self._style = style
        self._gaze = GazeGenerator(gaze, eyes, style.gaze_wander)
        self._blink = BlinkGenerator(blink, eyes, style.blink_rate)
        self._head = HeadGenerator(head, style.head_energy)

    def play(
        self,
        face: np.ndarray,  # [T, 52]
        rhythm: list[Rhythm],
        va: np.ndarray,  # [T, 2]
    ) -> HeadMotion:
        """HeadMotion of T frames from faces [T, 52] (whose eyeBlink*/eyeLook* are the emotion's lids and gaze), the
        rhythm of their speech and their valence and arousal [T, 2]."""
        expression, drooping, lowered = split_eyes(face)
        mood = behaviour(va)
        frames = len(face)
        head, gaze, eyelids = np.zeros((frames, 6)), np.zeros((frames, 2)), np.zeros((frames, 2))
        for i, now in enumerate(rhythm):
            head[i] = self._head.step(now, mood, i)
            gaze[i], jump = self._gaze.step(now, mood, i, head[i])
            gaze[i] += lowered[i]
            blink = self._blink.step(now, mood, i, jump)
            eyelids[i] = lids(blink, drooping[i], gaze[i, 1], self._eyes)
            expression[i, _WIDE] *= 1 - blink  # a shut eye is not wide
        jaw = np.zeros((frames, 3))
        jaw[:, 1] = JAW_SWING * self._style.sideways * expression[:, _JAW]
        return HeadMotion(expression, jaw, gaze, eyelids, head)
