"""When eyes jump and blink and where they look next, as a small network says it frame by frame.

    seconds since the last jump and blink, fading ─┐
    how far the eyes are from where they rest ─────┼─ linear ─ exp ─ jumps and blinks a second (hazards)
    traces of the rhythm (`body_network`) ─────────┘
    where the eyes are, traces of the rhythm ──────── mixture of normal densities of where they go

A marked point process: what happens is drawn from its chances. It learns from recorded eyes in `learning.eye_training`
by maximum likelihood. Plain numpy, one frame at a time: the same bits however a talk is cut.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotalk.core import checkpoint
from emotalk.core.paths import CHECKPOINTS

FORMAT = "emotalk-eyes-1"
FADING = (0.15, 0.5, 1.5, 5.0)
"""Seconds in which a jump and a blink are forgotten."""
FAR = math.radians(10.0)
"""From the place of rest; what the network sees of it saturates beyond."""
BREAKS = slice(3, 9)
"""Of the traces of the rhythm: beginnings and ends of phrases at three speeds. What else they tell of a voice is not to
be seen in a face recorded without sound."""
FEATURES = 2 * len(FADING) + 1 + 6
LOOKS = 4
"""Densities of the next look's mixture. The first one is the listener's face, the last one wide."""
CHOICE = 2 + 6
"""What chooses among them: 1, how far the eyes are, beginnings and ends of phrases at three speeds."""
PROFILE = 10
"""Frames of a blink."""


def far(yaw: float, pitch: float) -> float:
    """In [0, 1), how far from where they rest eyes are that look at yaw and pitch (radians)."""
    return math.tanh(math.hypot(yaw, pitch) / FAR)


def event_features(since_jump: float, since_blink: float, away: float, traces: np.ndarray) -> np.ndarray:
    """[FEATURES] of seconds since the last jump and the last blink, `far`, and traces [6] (BREAKS)."""
    fading = [math.exp(-since / fade) for since in (since_jump, since_blink) for fade in FADING]
    return np.array([*fading, away, *traces])


def choice_features(away: float, traces: np.ndarray) -> np.ndarray:
    """[CHOICE] of `far` and of traces [6] (BREAKS)."""
    return np.array([1.0, away, *traces])


@dataclass(frozen=True)
class EyeWeights:
    """A trained network of eyes; N recorded blinks. Angles are radians, yaw and pitch."""

    rates: np.ndarray  # [2, FEATURES] of jumps and blinks: what a feature adds to the logarithm of the rate
    rates_bias: np.ndarray  # [2] logarithm of the rate a second where all features are 0
    choice: np.ndarray  # [LOOKS, CHOICE] log-odds of the densities
    pull: np.ndarray  # [LOOKS, 2] share of where the eyes are that a density's middle keeps
    rise: np.ndarray  # [LOOKS] of a density's middle, added to the pitch
    spread: np.ndarray  # [LOOKS, 2]
    blinks: np.ndarray  # [N, PROFILE] closure in units of the person's full blink, which starts with the first frame
    drift: np.ndarray  # [1] of the noise that a fixating eye follows
    lid_slope: np.ndarray  # [1] closure of the lid for each radian that gaze is lowered

    def hazards(self, features: np.ndarray) -> np.ndarray:
        """[2] jumps and blinks a second of features [FEATURES]."""
        return np.exp(self.rates @ features + self.rates_bias)

    def odds(self, features: np.ndarray, listener: float = 0.0, anywhere: float = 0.0) -> np.ndarray:
        """[LOOKS] chances of the densities of features [CHOICE], their sum being 1; `listener` is added to the log-odds
        of the first one, `anywhere` to those of the last one."""
        logits = self.choice @ features
        logits[0] += listener
        logits[-1] += anywhere
        chances = np.exp(logits - logits.max())
        return chances / chances.sum()


def save_eyes(weights: EyeWeights, path: Path, facts: dict | None = None) -> None:
    """Half-precision weights with any `facts` about their making in the header, moved into place when complete."""
    arrays = {name: array.astype(np.float16) for name, array in vars(weights).items()}
    checkpoint.save(path, arrays, {"format": FORMAT, "facts": json.dumps(facts or {})})


def load_eyes(path: Path | None = None) -> EyeWeights:
    """The shipped network (`checkpoints/eyes.safetensors`), or that of `path`; CheckpointError where it is none."""
    path = path or CHECKPOINTS / "eyes.safetensors"
    with checkpoint.explained(f"The network of eyes {path}", checkpoint.remake("train_eyes")):
        stored = checkpoint.read(path, "np")
        if stored.notes.get("format") != FORMAT:
            raise ValueError(f"format {stored.notes.get('format')!r:.60}, expected {FORMAT!r}")
        weights = EyeWeights(**{f.name: stored.tensors[f.name].astype(float) for f in dataclasses.fields(EyeWeights)})
        wanted = {
            "rates": (2, FEATURES), "rates_bias": (2,), "choice": (LOOKS, CHOICE), "pull": (LOOKS, 2), "rise": (LOOKS,),
            "spread": (LOOKS, 2), "blinks": (max(len(weights.blinks), 1), PROFILE), "drift": (1,), "lid_slope": (1,),
        }  # fmt: skip
        for name, shape in wanted.items():
            array = getattr(weights, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} is not an array {list(shape)} of finite numbers")
        return weights
