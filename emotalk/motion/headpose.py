"""Head and brows of a talking person, frame by frame.

Course, which axes go together, and what of them goes with the rhythm of speech come from the body network, which
learned from filmed readers (`body_network`). What those films do not show is added from published findings:

- how large and how quick movements are (`SPREAD`, `TEMPO`): readers before a screen hardly turn the head;
- nods and flashes of the brows on stressed syllables (Hadar et al. 1983, "Head movement correlates of juncture and
  stress at sentence level"; Graf et al. 2002, "Visual prosody"; Munhall et al. 2004; Cave et al. 1996; Krahmer & Swerts
  2007);
- what emotion does to size, tempo and posture (`emotion.expression.behaviour`).

`Manner` is how one person does all this.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emotalk.core.rates import FPS
from emotalk.emotion.expression import Behaviour
from emotalk.motion.body_network import COURSES, NOISE_HERTZ, BodyWeights, NoiseBank, RhythmTraces
from emotalk.motion.rhythm import Rhythm

SPREAD = np.array([*np.radians([2.8, 3.0, 2.0]), 0.0035, 0.0015, 0.004, 0.03, 0.03, 0.03])
"""Standard deviation of each of `body_network.COURSES` within half a minute of a calm person's speech: radians, metres,
ARKit weights (those of the brows about as in the films).

Busso et al. 2007 ("Rigid head motion in expressive speech animation") found 3.3 degrees of pitch within sentences of
neutral speech, a range of 9.5 in the mean; here nods come on top. Their actor read to a camera and turned and tilted by
.9 and .8 only; people who talk to others turn about as far as they nod, so yaw and roll are ours, and lie low in the
ranges of six filmed talks (1.1 to 9.8 and .7 to 4.2), which serve as a check and were not fitted to."""
TEMPO = np.ones((len(COURSES), len(NOISE_HERTZ)))
TEMPO[:6] = 6.0, 5.0, 3.2, 1.7, 1.1
"""How many times faster than in the films time goes for two thirds of the noises; the others keep the films' tempo. The
network mixes all of them into every course, so head and brows have some of either.

A film of 3 s shows nothing slower than .2 Hz, and its reader holds the head for the whole of it. Talking people move
theirs in nine frames of ten (Hadar et al. 1983, "Kinematics of head movements accompanying speech during conversation",
whose class of slow movements has .2 to 1.8 Hz) and change its posture at the boundaries of phrases (Hadar et al. 1984,
"The timing of shifts of head postures during conversation"), every one to two seconds. So these slowest noises turn
about every two seconds, and the fastest, which the films do show, hardly change. Faster heads would let the eyes, which
hold their point against them, jump more often than recorded eyes do."""
NOD = math.radians(3.2)  # downward stroke on the strongest stress
OMEGA = 2 * math.pi * 1.1  # of the nod's spring
FLASH = np.array([0.22, 0.2, 0.2])  # of inner, left and right outer brow on the strongest stress
SILENT = 0.28  # size of a silent person's movements: these move in one frame of eight (Hadar et al. 1983)
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


@dataclass(frozen=True)
class Manner:
    """How one person moves head and brows; the average person's by default. Plain numbers, as a browser takes them."""

    energy: tuple[float, ...] = (1.0,) * 6  # factors on the size of `COURSES` of the head, nods included
    tempo: float = 1.0  # factor on the speed of all but nods and flashes
    brows: float = 1.0  # factor on brows
    flash: float = 1.0  # factor on their flashes, on top
    pose: tuple[float, ...] = (0.0,) * 3  # radians: pitch, yaw, roll that the head rests at


class HeadGenerator:
    """One person's head and brows: `step` gives those of the next frame."""

    def __init__(self, random: np.random.Generator, network: BodyWeights, manner: Manner | None = None) -> None:
        self._random = random
        self._network = network
        self._manner = manner or Manner()
        self._noise = NoiseBank(random)
        self._traces = RhythmTraces()
        self._nods = Nods()
        self._size = SILENT

    def step(self, rhythm: Rhythm, mood: Behaviour, row: int) -> tuple[np.ndarray, np.ndarray]:
        """(`HeadMotion.head_pose` [6], axis-angle in radians and shift in metres; brows [3], raised (> 0) or lowered,
        in ARKit weights) of the next frame; `mood` at `row`."""
        manner = self._manner
        aside = self._random.standard_normal(2)
        speed = manner.tempo * float(mood.head_speed[row])
        courses = self._network.play(self._noise.step(speed * TEMPO), self._traces.step(rhythm))
        energy = float(mood.head_energy[row])
        # A silent head is calmer than a talking one; the change takes about half a second.
        self._size += 0.08 * ((SILENT + (1 - SILENT) * rhythm.speaking) - self._size)
        courses[:3] = self._size * courses[:3] + self._nods.step(rhythm.nod, aside)
        pose = energy * np.array(manner.energy) * courses[:6]
        pose[0] -= float(mood.head_pitch[row])  # turning about +x lowers the face
        pose[:3] = REACH * np.tanh(pose[:3] / REACH) + manner.pose
        brows = math.sqrt(energy) * manner.brows * (courses[6:] + manner.flash * rhythm.stress * FLASH)
        return pose, brows


assert len(SPREAD) == len(COURSES)
