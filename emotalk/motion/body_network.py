"""Head and brows of a talking or listening person, as a small network plays them from noise and the rhythm of speech.

    noise bank (smooth Gaussian courses of five speeds) ─┬─ linear ────────────────────────┐
    traces of the rhythm (what was said when, fading) ───┴─ 2 layers of tanh ─ linear ─────┴─ head [6], brows [3]

What speech does not determine comes from the noise, so that every seed moves in another way and nothing averages to
stillness; what it does, from the traces. Nothing it has said comes back into it: it cannot drift away, and it moves
alike after an hour. Plain numpy, one frame at a time: the same bits however a talk is cut. It learns from filmed people
in `learning.body_training`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from emotalk.core import checkpoint
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.rates import FPS
from emotalk.motion.rhythm import Rhythm

FORMAT = "emotalk-body-1"
COURSES = ("pitch", "yaw", "roll", "sideways", "up", "forward", "browInnerUp", "browOuterUpLeft", "browOuterUpRight")
"""What the network says of a frame: axis-angle (radians) and shift (metres) as in `HeadMotion.head_pose`, then brows:
how far they are raised (> 0) or lowered, in ARKit weights."""
NOISE_HERTZ = (0.06, 0.16, 0.4, 1.0, 2.2)
"""Corners of the noises' low-pass filters. What films of 3 s show lies above about 0.2 Hz."""
NOISE_RATES = -2 * math.pi * np.array(NOISE_HERTZ) / FPS
"""Natural logarithm of what a filter keeps from frame to frame."""
ORDER = 3  # of the filters: spectra of recorded heads fall as steeply
_FADING = (0.12, 0.4, 1.2)  # seconds in which what happened in speech is forgotten
_SMOOTH = 0.12  # seconds: a head does not follow a beat within a frame
TRACES = 3 * len(_FADING) + 5


def _step_matrix(hertz: float) -> np.ndarray:
    """[3, 3] of one filter's states from frame to frame: each follows the one before, the first is driven by noise."""
    keep = math.exp(-2 * math.pi * hertz / FPS)
    matrix = keep * np.eye(ORDER)
    for row in range(1, ORDER):
        # A stage sees the one before as it is after the step.
        matrix[row] += (1 - keep) * matrix[row - 1]
    return matrix


@cache
def noise_filters() -> tuple[np.ndarray, np.ndarray]:
    """(spreads of the last stages [S], square roots of the stationary covariances [S, 3, 3]) of NOISE_HERTZ."""
    spreads, roots = [], []
    for hertz in NOISE_HERTZ:
        keep = math.exp(-2 * math.pi * hertz / FPS)
        entry = np.array([(1 - keep) ** stage for stage in range(ORDER)]) * math.sqrt(1 - keep * keep)
        covariance = solve_discrete_lyapunov(_step_matrix(hertz), np.outer(entry, entry))
        spreads.append(math.sqrt(covariance[-1, -1]))
        roots.append(np.linalg.cholesky(covariance + 1e-12 * np.eye(ORDER)))
    return np.array(spreads), np.stack(roots)


class NoiseBank:
    """Smooth noises of unit spread, of `shape` people and courses, at each speed of NOISE_HERTZ. They start as if they
    had run for ever."""

    def __init__(self, random: np.random.Generator, shape: tuple[int, ...] = (len(COURSES),)) -> None:
        self._random = random
        self._shape = shape
        spreads, roots = noise_filters()
        white = random.standard_normal((*shape, len(NOISE_HERTZ), ORDER))
        state = np.einsum("sij,...sj->...si", roots, white)
        self._stages = [state[..., stage] for stage in range(ORDER)]
        self._spreads = spreads
        self._rates = NOISE_RATES

    def step(self, speed: float | np.ndarray = 1.0) -> np.ndarray:
        """[*shape, S] at the next frame, while time goes `speed` times as fast (one number or [*shape, S])."""
        keep = np.exp(speed * self._rates)
        white = self._random.standard_normal((*self._shape, len(self._rates)))
        value = keep * self._stages[0] + np.sqrt(1 - keep * keep) * white
        self._stages[0] = value
        for stage in range(1, ORDER):
            value = self._stages[stage] + (1 - keep) * (value - self._stages[stage])
            self._stages[stage] = value
        return value / self._spreads


class RhythmTraces:
    """What of the rhythm is still felt: beats, beginnings and ends of phrases, fading at three speeds, and how long
    speech, stress and loudness have lasted."""

    KEEP = np.exp(-1 / (FPS * np.array(_FADING)))
    SOFT = math.exp(-1 / (FPS * _SMOOTH))

    def __init__(self) -> None:
        self._raw = np.zeros((3, len(_FADING)))
        self._soft = np.zeros((3, len(_FADING)))
        self._level = np.zeros(5)

    def step(self, rhythm: Rhythm) -> np.ndarray:
        """[TRACES] at the next frame."""
        happens = np.array([rhythm.nod, float(rhythm.phrase_start), float(rhythm.phrase_end)])
        self._raw = self.KEEP * self._raw + happens[:, None]
        self._soft = self._raw + self.SOFT * (self._soft - self._raw)
        now = np.array([rhythm.speaking, rhythm.speaking, rhythm.stress, rhythm.loudness, rhythm.loudness])
        keep = np.array([self.KEEP[0], self.KEEP[2], self.SOFT, self.KEEP[0], self.KEEP[2]])
        self._level = now + keep * (self._level - now)
        return np.concatenate([self._soft.ravel(), self._level])


@dataclass(frozen=True)
class BodyWeights:
    """A trained body network; S noises and C courses, H channels."""

    first: np.ndarray  # [H, C * S + TRACES]
    first_bias: np.ndarray  # [H]
    second: np.ndarray  # [H, H]
    second_bias: np.ndarray  # [H]
    last: np.ndarray  # [C, H]
    direct: np.ndarray  # [C, C * S] of the noise
    rest: np.ndarray  # [C] mean of the courses while people talk, taken off
    size: np.ndarray  # [C] what one unit of a course is, in its own unit

    def play(self, noise: np.ndarray, traces: np.ndarray) -> np.ndarray:
        """[C] courses of a frame from its noise [C, S] and its traces [TRACES]."""
        flat = noise.ravel()
        hidden = np.tanh(self.first @ np.concatenate([flat, traces]) + self.first_bias)
        hidden = np.tanh(self.second @ hidden + self.second_bias)
        return self.size * (self.last @ hidden + self.direct @ flat - self.rest)


def save_body(weights: BodyWeights, path: Path, facts: dict | None = None) -> None:
    """Half-precision weights with any `facts` about their making in the header, moved into place when complete."""
    arrays = {
        name: array.astype(np.float32 if name in ("rest", "size") else np.float16)
        for name, array in vars(weights).items()
    }
    checkpoint.save(path, arrays, {"format": FORMAT, "facts": json.dumps(facts or {})})


def load_body(path: Path | None = None) -> BodyWeights:
    """The shipped network (`checkpoints/body.safetensors`), or that of `path`; CheckpointError where it is none."""
    path = path or CHECKPOINTS / "body.safetensors"
    with checkpoint.explained(f"The body network {path}", checkpoint.remake("train_body")):
        stored = checkpoint.read(path, "np")
        if stored.notes.get("format") != FORMAT:
            raise ValueError(f"format {stored.notes.get('format')!r:.60}, expected {FORMAT!r}")
        weights = BodyWeights(**{f.name: stored.tensors[f.name].astype(float) for f in dataclasses.fields(BodyWeights)})
        courses, hidden, noises = len(COURSES), len(weights.first), len(COURSES) * len(NOISE_HERTZ)
        wanted = {
            "first": (hidden, noises + TRACES), "first_bias": (hidden,), "second": (hidden, hidden),
            "second_bias": (hidden,), "last": (courses, hidden), "direct": (courses, noises), "rest": (courses,),
            "size": (courses,),
        }  # fmt: skip
        for name, shape in wanted.items():
            array = getattr(weights, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} is not an array {list(shape)} of finite numbers")
        return weights
