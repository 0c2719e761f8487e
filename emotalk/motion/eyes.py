"""Gaze and blinks of a talking person, frame by frame.

When eyes jump and blink, where they go and how blinks look comes from the network of eyes, which learned from recorded
ones (`eye_network`). What those recordings do not show is added from published findings:

- whom they look at: captured people have no listener. People look away as they begin a turn or search for words and
  back at the listener as they end it (Kendon 1967, "Some functions of gaze-direction in social interaction"; Lee,
  Badler & Badler 2002, "Eyes Alive");
- blinks where phrases end (Nakano & Kitazawa 2010) and with large jumps (Evinger et al. 1994), which captures hide;
- that a nodding head keeps its gaze (a choice, without which excited eyes jump more often than captured ones);
- what emotion does to rates and reach (`emotion.expression.behaviour`);
- laws: a jump lasts by the main sequence, and between jumps the eyes hold their point in the world while the head moves
  (vestibulo-ocular reflex).
"""

from __future__ import annotations

import math

import numpy as np

from emotalk.core.rates import FPS
from emotalk.emotion.expression import Behaviour
from emotalk.motion.body_network import RhythmTraces
from emotalk.motion.eye_network import BREAKS, EyeWeights, choice_features, event_features, far
from emotalk.motion.rhythm import Rhythm

LISTENER = (0.8, 2.5)  # added to the log-odds of a look at the listener's face: always, and by the trace of an end
ANYWHERE = 3.0  # added to the log-odds of the widest density by the trace of a phrase that began
TURN = 1.6  # added to the logarithm of the rate of jumps by both of these traces
BEGUN, ENDED = 1, 4  # the traces among BREAKS that fade within 0.4 s
STEADY = math.radians(10.0)
"""Radians a second of the head with which jumps come e times as seldom: who nods looks at somebody. Eyes that make up
for a nod are quick enough already."""
END_BLINKS = 1.0  # blinks a second added by the trace of a phrase that ended
JUMP_BLINKS = (math.radians(12.0), 0.3)  # a larger jump brings a blink with this chance
EARLY = 1.0  # seconds after a blink before one is urged by a phrase's end or a jump
REACH = math.radians(22.0)  # beyond it people turn the head instead
SIDEWAYS = 0.6  # reach up and down as a share of it
FOLLOW = 0.12  # share of the way to its noise that a fixating eye drifts within a frame
SHUT = 0.97
"""Closure at the top of a full blink. Phones report .5 on average (they sample at 30 Hz and saturate late), but on the
head model anything less leaves a visible slit."""


class EyeGenerator:
    """One person's eyes: `step` gives yaw and pitch (radians, in the head) and the lids' closure of the next frame."""

    def __init__(
        self,
        gaze: np.random.Generator,
        blink: np.random.Generator,
        weights: EyeWeights,
        wander: float = 1.0,
        blink_rate: float = 1.0,
    ) -> None:
        self._gaze_random, self._blink_random = gaze, blink
        self._weights = weights
        self._wander, self._blink_rate = wander, blink_rate
        self._traces = RhythmTraces()
        self._target = np.zeros(2)  # in the world, seen from where the listener is
        self._path: list[np.ndarray] = []  # where a running jump still passes
        self._drift = np.zeros(2)
        self._head: np.ndarray | None = None  # at the frame before
        self._running: list[float] = []  # what is still to come of a blink
        self._since_jump = 1.0
        self._since_blink = 3 * float(blink.random())

    def step(self, rhythm: Rhythm, mood: Behaviour, row: int, head: np.ndarray) -> tuple[np.ndarray, float]:
        """`mood` at `row`, `head` [3] axis-angle of the head at this frame."""
        traces = self._traces.step(rhythm)[BREAKS]
        self._since_jump += 1 / FPS
        # Who blinks twice as often has a clock twice as fast: chances alone would only shift when in a lull they blink.
        often = self._blink_rate * float(mood.blink_rate[row])
        self._since_blink += often / FPS
        scale = float(mood.gaze_spread[row]) * max(self._wander, 0.2)
        away = far(*(self._target / scale))
        jumps, blinks = self._weights.hazards(event_features(self._since_jump, self._since_blink, away, traces))
        turned = head - (head if self._head is None else self._head)
        haste = TURN * (traces[BEGUN] + traces[ENDED]) - FPS * math.hypot(turned[0], turned[1]) / STEADY
        self._head = head.copy()
        jumps *= math.exp(haste) * float(mood.saccade_rate[row]) * self._wander**0.5
        size = 0.0
        # Always the same number of draws a frame: one event more never shifts all that follow by itself.
        if self._gaze_random.random() < 1 - math.exp(-jumps / FPS) and not self._path:
            size = self._jump(scale, away, traces)
        # Slow drift of a fixating eye, far below a jump's speed.
        self._drift += FOLLOW * (self._weights.drift * self._gaze_random.standard_normal(2) - self._drift)
        point = self._path.pop(0) if self._path else self._target
        in_head = point + self._drift - [head[1], -head[0]]
        blink = self._blink(float(blinks), traces, size, often)
        return np.clip(in_head, -1.2 * REACH, 1.2 * REACH), blink

    def _jump(self, scale: float, away: float, traces: np.ndarray) -> float:
        w, random, old = self._weights, self._gaze_random, self._target
        listener = LISTENER[0] + LISTENER[1] * traces[ENDED]
        chances = w.odds(choice_features(away, traces), listener, ANYWHERE * traces[BEGUN])
        look = int((random.random() > np.cumsum(chances)[:-1]).sum())
        middle = w.pull[look] * old / scale + [0.0, w.rise[look]]
        reach = np.array([REACH, SIDEWAYS * REACH])
        self._target = np.clip(scale * (middle + w.spread[look] * random.standard_normal(2)), -reach, reach)
        way = self._target - old
        size = math.hypot(*way)
        # Main sequence (Bahill, Clark & Stark 1975): 21 ms + 2.2 ms per degree; smoothed by the frame's shutter.
        frames = max(1, round((0.021 + 0.0022 * math.degrees(size)) * FPS + 0.5))
        shares = [0.5 - 0.5 * math.cos(math.pi * (i + 0.5) / (frames + 0.5)) for i in range(frames)]
        self._path = [old + share * way for share in shares]
        self._since_jump = 0.0
        return size

    def _blink(self, rate: float, traces: np.ndarray, jump: float, factor: float) -> float:
        draw, which = self._blink_random.random(2)
        urged = self._since_blink > EARLY and factor > 0
        chance = 1 - math.exp(-factor * (rate + urged * END_BLINKS * traces[ENDED]) / FPS)
        if urged and jump > JUMP_BLINKS[0]:
            chance = max(chance, JUMP_BLINKS[1])
        if draw < chance and not self._running:
            bank = self._weights.blinks
            self._running = (SHUT * bank[int(which * len(bank))]).tolist()
            self._since_blink = 0.0
        return self._running.pop(0) if self._running else 0.0


def lids(blink: float, drooping: np.ndarray, gaze_pitch: float, slope: float) -> np.ndarray:
    """[2] closure of the left and right lid from a blink, the emotion's drooping lids [2] and lowered gaze, which
    the upper lid follows by `EyeWeights.lid_slope`."""
    # Recorded lids open as far with raised gaze as they sink with lowered gaze. Ours stay where the emotion has them
    # when gaze rises, so that all of it lies below: twice the slope gives the same over both.
    follow = max(0.0, -2 * slope * gaze_pitch)
    return 1 - (1 - blink) * (1 - np.clip(drooping + follow, 0, 1))
