"""Gaze and blinks, generated frame by frame with the rhythm of the speech and the emotion.

Gaze shifts are drawn from the statistics of recorded eyes (`eye_statistics`). Where people look follows conversation
studies: they look away as they begin a turn or search for words and back at the listener as they end it (Kendon 1967,
"Some functions of gaze-direction in social interaction"; Lee, Badler & Badler 2002, "Eyes Alive", from which comes
the mix of mutual gaze and aversion while talking). Between jumps the eyes hold their point in the world while the
head moves (vestibulo-ocular reflex). Blinks come after log-normal intervals, more often where a phrase ends and with
large gaze shifts (Evinger et al. 1994; Nakano & Kitazawa 2010).
"""

from __future__ import annotations

import math

import numpy as np

from emotalk.core.rates import FPS
from emotalk.emotion.expression import Behaviour
from emotalk.motion.eye_statistics import EyeStatistics
from emotalk.motion.rhythm import Rhythm

ON_LISTENER = 0.55  # share of gaze shifts of a talking person that end on the listener's face
HOLD = 0.5  # share of further looks at the listener that stay on the same point of the face
FACE_DEGREES = 2.2  # eyes, nose and mouth of the listener lie within about +-2 degrees at 1.5 m
REACH = math.radians(22.0)  # beyond it people turn the head instead
SHUT = 0.97
"""Closure at the top of a full blink. Phones report .5 on average (they sample at 30 Hz and saturate late), but on the
head model anything less leaves a visible slit."""


class GazeGenerator:
    """One person's gaze: `step` gives yaw and pitch (radians, in the head) of the next frame and the size of a gaze
    shift that starts with it (0 if none)."""

    def __init__(self, random: np.random.Generator, statistics: EyeStatistics, wander: float = 1.0) -> None:
        self._random = random
        self._statistics = statistics
        self._wander = wander
        self._target = np.zeros(2)  # in the world
        self._path: list[np.ndarray] = []  # where a running saccade still passes
        self._point = np.zeros(2)  # in the world
        self._left = self._fixation()
        self._away = False
        self._drift = np.zeros(2)

    def _fixation(self) -> float:
        s = self._statistics
        # Detected shifts are one degree and more; the median fixation between them sets the clock.
        mean = math.log(s.fixation) + 0.8
        return float(np.clip(math.exp(mean + 0.78 * s.fixation_spread * self._random.standard_normal()), 0.12, 4.0))

    def step(self, rhythm: Rhythm, mood: Behaviour, row: int, head: np.ndarray) -> tuple[np.ndarray, float]:
        """`mood` at `row`, `head` [3] axis-angle of the head at this frame."""
        random = self._random
        draws = random.random(3)  # always the same number of draws: one event more never shifts all that follow
        self._left -= float(mood.saccade_rate[row]) * self._wander**0.5 / FPS
        if rhythm.phrase_start and draws[0] < 0.45:
            self._left, self._away = 0.0, True
        elif rhythm.phrase_end and draws[0] < 0.7:
            self._left, self._away = 0.0, False
        elif self._left <= 0:
            away = draws[1] > ON_LISTENER
            if not away and not self._away and draws[2] < HOLD:
                self._left = self._fixation()  # still at the same point of the listener's face
            self._away = away
        jump = 0.0
        if self._left <= 0:
            jump = self._shift(float(mood.gaze_spread[row]))
            self._left = self._fixation()
        # Slow drift of a fixating eye, far below a saccade's speed.
        self._drift += 0.12 * (math.radians(0.35) * random.standard_normal(2) - self._drift)
        self._point = self._path.pop(0) if self._path else self._target
        in_head = self._point + self._drift - [head[1], -head[0]]
        return np.clip(in_head, -1.2 * REACH, 1.2 * REACH), jump

    def _shift(self, spread: float) -> float:
        s, random = self._statistics, self._random
        size = math.log(s.saccade_degrees) + 0.8 * s.saccade_degrees_spread * float(random.standard_normal())
        angle, around = random.uniform(0, 2 * math.pi), random.standard_normal(2)
        old = self._target
        if self._away:
            away = math.radians(max(math.exp(size), 3.0)) * 2.3 * spread * max(self._wander, 0.2)
            # Recorded eyes move about 1.7 times as far sideways as up and down.
            offset = np.array([math.cos(angle), 0.6 * math.sin(angle)]) * away
            reach = REACH * np.array([1.0, 0.6])
            self._target = np.clip(offset, -reach, reach)
        else:
            self._target = np.radians(FACE_DEGREES * spread) * np.clip(around, -2, 2) * [1.0, 0.8]
        jump = float(np.linalg.norm(self._target - old))
        # Main sequence (Bahill, Clark & Stark 1975): 21 ms + 2.2 ms per degree; smoothed by the frame's shutter.
        frames = max(1, round((0.021 + 0.0022 * math.degrees(jump)) * FPS + 0.5))
        self._path = [old + (self._target - old) * (0.5 - 0.5 * math.cos(math.pi * (i + 0.5) / (frames + 0.5)))
                      for i in range(frames)]  # fmt: skip
        return jump


class BlinkGenerator:
    """One person's blinks: `step` gives the closure in [0, 1] of both lids at the next frame."""

    def __init__(self, random: np.random.Generator, statistics: EyeStatistics, rate: float = 1.0) -> None:
        self._random = random
        self._statistics = statistics
        self._rate = rate
        self._profile = np.array(statistics.blink_profile)
        self._running: list[float] = []
        self._since = 1.0
        self._left = self._interval() * float(random.random())

    def _interval(self) -> float:
        s = self._statistics
        # Early blinks cut the longest intervals off: what the clock draws must spread wider to leave as much.
        draw = math.exp(1.2 * s.blink_interval_spread * float(self._random.standard_normal()))
        # A fifth of the blinks come early, with phrase ends and gaze shifts: the clock runs that much slower.
        return float(np.clip(1.2 * s.blink_interval * draw, 0.5, 15.0))

    def step(self, rhythm: Rhythm, mood: Behaviour, row: int, gaze_jump: float) -> float:
        """`gaze_jump` is the size in radians of a gaze shift that starts at this frame."""
        draw, size = self._random.random(2)
        self._since += 1 / FPS
        self._left -= self._rate * float(mood.blink_rate[row]) / FPS
        urged = (rhythm.phrase_end and draw < 0.35) or (gaze_jump > math.radians(12) and draw < 0.3)
        if (
            not self._running
            and self._since > 0.5
            and self._rate > 0
            and (self._left <= 0 or (urged and self._since > 1))
        ):
            # One in seven is a half blink.
            top = SHUT if size > 0.15 else 0.55 + 2 * size
            self._running = list(np.clip(top * self._profile, 0, 1))
            self._left = self._interval()
            self._since = 0.0
        return self._running.pop(0) if self._running else 0.0


def lids(blink: float, drooping: np.ndarray, gaze_pitch: float, statistics: EyeStatistics) -> np.ndarray:
    """[2] closure of the left and right lid from a blink, the emotion's drooping lids [2] and lowered gaze, which
    the upper lid follows."""
    # Recorded lids open as far with raised gaze as they sink with lowered gaze. Ours stay where the emotion has them
    # when gaze rises, so that all of it lies below: twice the slope gives the same over both.
    follow = max(0.0, -2 * statistics.lid_per_pitch * gaze_pitch)
    return 1 - (1 - blink) * (1 - np.clip(drooping + follow, 0, 1))
