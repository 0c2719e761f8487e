"""Head movements of a talking person, generated frame by frame.

Three sources, as in studies of speech-related head motion: a slow wandering of posture (most power below 1 Hz),
changes of posture where phrases begin, and nods on stressed syllables (Hadar et al. 1983, "Head movement correlates
of juncture and stress at sentence level"; Munhall et al. 2004; Busso et al. 2007, who give rotations of a few degrees
with pitch and yaw ahead of roll). The Live Link captures of this project hold no head rotation (all zeros), so sizes
started from that literature (standard deviations of about 2 degrees in pitch, 3 in yaw and 1.5 in roll when calm) and
were then set by hand so that a calm head moves about as much as those in the filmed clips that the project measures
itself on; nothing of those clips is contained. The comparison in benchmarks/results/motion.md is therefore not blind.
"""

from __future__ import annotations

import math

import numpy as np

from emotalk.core.rates import FPS
from emotalk.emotion.expression import Behaviour
from emotalk.motion.rhythm import Rhythm

_WANDER = np.radians([1.4, 1.8, 1.1])  # standard deviation of pitch, yaw, roll of the slow wandering
_POSTURE = np.radians([1.8, 2.7, 1.9])  # of the posture taken for a phrase
_WANDER_HZ = np.array([0.42, 0.34, 0.30])
_POSTURE_HZ = 0.85
_NOD = math.radians(3.0)  # downward stroke on the strongest stress
_NOD_HZ = 1.1
_SWAY = np.array([0.0035, 0.0015, 0.004])  # metres of the torso
_WANDER_SIZE = np.concatenate([1.35 * _WANDER, _SWAY])
_LEAK = -2 * math.pi * np.concatenate([_WANDER_HZ, [0.15] * 3]) / FPS
_OMEGA = 2 * math.pi * np.array([1.5] * 6 + [_POSTURE_HZ] * 3 + [_NOD_HZ] * 3)
_PACED = np.array([True] * 9 + [False] * 3)  # arousal makes wandering and posture faster; nods follow the syllables


_WANDERING, _HOLDING, _NODDING = slice(0, 6), slice(6, 9), slice(9, 12)
"""Where the three movements lie among the axes of the one spring that smooths them all."""


class _Springs:
    """Critically damped springs: every axis follows its goal smoothly, position and velocity carried."""

    def __init__(self, axes: int) -> None:
        self._position = np.zeros(axes)
        self._velocity = np.zeros(axes)

    def step(self, goal: np.ndarray, omega: np.ndarray, push: np.ndarray) -> np.ndarray:
        """The positions one frame on. `omega` is 2 pi times the hertz, `push` is added to the velocity (per second).
        Exact for a goal that stands still during the frame."""
        decay = np.exp(-omega / FPS)
        off = self._position - goal
        velocity = self._velocity + push
        slope = velocity + omega * off
        self._position = goal + (off + slope / FPS) * decay
        self._velocity = (velocity - omega * slope / FPS) * decay
        return self._position


class HeadGenerator:
    """One person's head: `step` gives [6] axis-angle (radians) and torso metres of the next frame."""

    def __init__(self, random: np.random.Generator, energy: float = 1.0) -> None:
        self._random = random
        self._energy = energy
        self._noise = np.zeros(6)
        self._springs = _Springs(12)
        self._goal = np.zeros(12)
        self._size = 0.4

    def step(self, rhythm: Rhythm, mood: Behaviour, row: int) -> np.ndarray:
        """`HeadMotion.head_pose` [6] of the next frame, axis-angle (radians) and shift (metres); `mood` at `row`."""
        random = self._random
        white, posture = random.standard_normal(6), random.standard_normal(3)
        tilt = random.standard_normal(2)
        energy, speed = float(mood.head_energy[row]) * self._energy, float(mood.head_speed[row])
        # A silent head is calmer than a talking one; the change takes about half a second.
        self._size += 0.08 * ((0.45 + 0.55 * rhythm.speaking) - self._size)
        # White noise through a leaky integrator and a spring: a third-order low-pass, as recorded spectra fall.
        leak = np.exp(speed * _LEAK)
        self._noise = leak * self._noise + np.sqrt(1 - leak**2) * white
        self._goal[_WANDERING] = self._noise * _WANDER_SIZE
        if rhythm.phrase_start or rhythm.phrase_end:
            taken = np.clip(posture, -1.8, 1.8) * (0.6 if rhythm.phrase_end else 1.0)
            self._goal[_HOLDING] = _POSTURE * taken
        push = np.zeros(12)
        if rhythm.nod:
            # The impulse whose response peaks at the wanted stroke: peak = push / (e * omega).
            stroke = _NOD * rhythm.nod * np.array([1.0, 0.35 * tilt[0], 0.2 * tilt[1]])
            push[_NODDING] = stroke * math.e * _OMEGA[_NODDING]
        moved = self._springs.step(self._goal, _OMEGA * np.where(_PACED, speed, 1.0), push)
        wander, held, nod = moved[_WANDERING], moved[_HOLDING], moved[_NODDING]
        scale = energy * self._size
        pose = np.zeros(6)
        pose[:3] = scale * (wander[:3] + held) + energy * nod
        pose[0] -= float(mood.head_pitch[row])  # turning about +x lowers the face
        # A neck cannot follow sums of extremes: fold softly at 17 degrees.
        limit = math.radians(17)
        pose[:3] = limit * np.tanh(pose[:3] / limit)
        pose[3:] = energy * wander[3:]
        return pose
