"""Head and brows of a talking person, frame by frame.

Tempo, course and what of them goes with the rhythm of speech come from the body network, which learned from filmed
readers (`body_network`). Three things those films do not show are added from published findings:

- how large movements are: readers before a screen hardly turn the head. `SPREAD` holds the sizes of calm conversation
  (Busso et al. 2007, "Rigid head motion in expressive speech animation": a few degrees, pitch and yaw ahead of roll);
- nods and flashes of the brows on stressed syllables (Hadar et al. 1983, "Head movement correlates of juncture and
  stress at sentence level"; Munhall et al. 2004; Cave et al. 1996; Krahmer & Swerts 2007);
- what emotion does to size, tempo and posture (`emotion.expression.behaviour`).
"""

from __future__ import annotations

import math

import numpy as np

from emotalk.core.rates import FPS
from emotalk.emotion.expression import Behaviour
from emotalk.motion.body_network import COURSES, BodyWeights, NoiseBank, RhythmTraces
from emotalk.motion.rhythm import Rhythm

SPREAD = np.array([*np.radians([2.0, 2.2, 1.5]), 0.0035, 0.0015, 0.004, 0.03, 0.03, 0.03])
"""Standard deviation of each of `body_network.COURSES` within half a minute of a calm person's speech: radians, metres,
ARKit weights (those of the brows about as in the films)."""
NOD = math.radians(3.0)  # downward stroke on the strongest stress
OMEGA = 2 * math.pi * 1.1  # of the nod's spring
FLASH = np.array([0.22, 0.2, 0.2])  # of inner, left and right outer brow on the strongest stress
SILENT = 0.45  # size of a silent person's movements
REACH = math.radians(17.0)  # a neck cannot follow sums of extremes


class Nods:
    """Strokes of the head on stressed syllables: a critically damped spring for pitch, yaw and roll, pushed by each."""

    def __init__(self) -> None:
        self._position = np.zeros(3)
        self._velocity = np.zeros(3)

    def step(self, nod: float, aside: np.ndarray) -> np.ndarray:
        """[3] radians one frame on; `nod` in [0, 1] is a stroke that begins now, `aside` [2] its yaw and roll."""
        # The impulse whose response peaks at the wanted stroke: peak = push / (e * omega).
        push = NOD * nod * math.e * OMEGA * np.array([1.0, 0.35 * aside[0], 0.2 * aside[1]])
        slope = self._velocity + push + OMEGA * self._position
        decay = math.exp(-OMEGA / FPS)
        self._velocity = (self._velocity + push - OMEGA * slope / FPS) * decay
        self._position = (self._position + slope / FPS) * decay
        return self._position


class HeadGenerator:
    """One person's head and brows: `step` gives those of the next frame."""

    def __init__(
        self, random: np.random.Generator, network: BodyWeights, energy: float = 1.0, flash: float = 1.0
    ) -> None:
        self._random = random
        self._network = network
        self._energy = energy
        self._flash = flash
        self._noise = NoiseBank(random)
        self._traces = RhythmTraces()
        self._nods = Nods()
        self._size = SILENT

    def step(self, rhythm: Rhythm, mood: Behaviour, row: int) -> tuple[np.ndarray, np.ndarray]:
        """(`HeadMotion.head_pose` [6], axis-angle in radians and shift in metres; brows [3], raised (> 0) or lowered,
        in ARKit weights) of the next frame; `mood` at `row`."""
        aside = self._random.standard_normal(2)
        courses = self._network.play(self._noise.step(float(mood.head_speed[row])), self._traces.step(rhythm))
        energy = float(mood.head_energy[row])
        # A silent head is calmer than a talking one; the change takes about half a second.
        self._size += 0.08 * ((SILENT + (1 - SILENT) * rhythm.speaking) - self._size)
        courses[:3] *= self._size
        pose = self._energy * energy * courses[:6]
        pose[:3] += self._energy * energy * self._nods.step(rhythm.nod, aside)
        pose[0] -= float(mood.head_pitch[row])  # turning about +x lowers the face
        pose[:3] = REACH * np.tanh(pose[:3] / REACH)
        brows = math.sqrt(energy) * (courses[6:] + self._flash * rhythm.stress * FLASH)
        return pose, brows


assert len(SPREAD) == len(COURSES)
