"""What makes the shared motion network one recorded person's: a few thousand numbers beside its weights.

After the few-shot stage of EmoTaG (arXiv 2603.21332): the network stays as it is, its AdaIN layers, its base branch and
its lip branch get a person's own offsets. Contacts, gate and emotion are the shared network's.

    lip branch, last layer + `lips` ─► lips and jaw ─────────────────────────┐ (x exp(gain) + rest, too)
    style ─► AdaIN code + `code` ─► blocks ─► h ─┬─ base branch + (h @ down) @ up ─► x exp(gain) + rest ─► speech
                                                 └─ contacts, gate, emotion, lip rules as ever
    habits ─► head, gaze, blinks and brows (`motion.body`)
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core import checkpoint
from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.atomic import write_bytes
from emotalk.core.errors import CheckpointError, InputError
from emotalk.motion.habits import Habits
from emotalk.motion.lip_branch import LIP_COURSES

FORMAT = "emotalk-motion-person-2"
_OLDER = "emotalk-motion-person-1"
"""Before lips were learned from films: such a file is of an older network, which it names, so it is not applied."""
MAX_BYTES = 256 * 1024
"""A person's file takes about 10 kB."""
RANK = 4
HABITS = "habits"
_LARGEST = {"code": 8.0, "down": 50.0, "up": 50.0, "gain": 1.5, "rest": 0.5, "lips": 5.0}
FADING = 0.5
"""Share of the resting face that a full emotion takes the place of."""


@dataclass(frozen=True)
class MotionAdaptation:
    """One person's numbers; checked when made, so that a file from anywhere may be loaded.

    Raises InputError for wrong shapes, numbers that are not finite or beyond what an adaptation can be.
    """

    code: np.ndarray  # [S] added to the code that AdaIN scales and shifts by
    down: np.ndarray  # [H, R] from the network's hidden channels
    up: np.ndarray  # [R, 52] to its base branch
    gain: np.ndarray  # [52] logarithm of the factor on the shapes of speech, in [-1.5, 1.5]
    rest: np.ndarray  # [52] the resting face, in [-0.5, 0.5]
    lips: np.ndarray  # [L, 5] added to the last layer of the lip branch
    network: str = ""  # `MotionNetwork.fingerprint` of the network that these numbers belong to
    habits: Habits = field(default_factory=Habits)  # of head, eyes and brows
    facts: dict[str, float] = field(default_factory=dict)  # how it was made: seconds, lag, correlations

    def __post_init__(self) -> None:
        shapes = len(ARKIT_NAMES)
        for name, largest in _LARGEST.items():
            array = np.ascontiguousarray(getattr(self, name), np.float32)
            if not np.isfinite(array).all() or np.abs(array).max(initial=0) > largest:
                raise InputError(f"MotionAdaptation.{name} must hold finite numbers within ±{largest:g}.")
            object.__setattr__(self, name, array)
        rank = self.up.shape[0] if self.up.ndim == 2 else 0
        wanted = {"code": (self.code.size,), "down": (self.down.size // max(rank, 1), rank), "up": (rank, shapes),
                  "gain": (shapes,), "rest": (shapes,),
                  "lips": (self.lips.size // LIP_COURSES, LIP_COURSES)}  # fmt: skip
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise InputError(
                    f"MotionAdaptation.{name} must have shape {list(shape)}, found {list(getattr(self, name).shape)}."
                )

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file, moved into place when complete."""
        write_bytes(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The content of the file that `save` writes."""
        arrays = {name: getattr(self, name) for name in _LARGEST} | {HABITS: self.habits.vector}
        about = {"format": FORMAT, "network": self.network, "facts": json.dumps(self.facts)}
        return checkpoint.to_bytes(arrays, about)

    @classmethod
    def load(cls, path: str | Path) -> MotionAdaptation:
        """What `save` wrote, after checking all of it; CheckpointError with a sentence where it is anything else."""
        path = Path(path)
        try:
            with path.open("rb") as file:
                return cls.from_bytes(file.read(MAX_BYTES + 1))
        except OSError as error:
            raise CheckpointError(f"The motion adaptation {path} cannot be read ({error.strerror}).") from error

    @classmethod
    def from_bytes(cls, data: bytes) -> MotionAdaptation:
        """The content of such a file, after checking all of it; CheckpointError where it is anything else."""
        remedy = "make it again from the person's video, or delete it to move the avatar as an average person"
        with checkpoint.explained("This motion adaptation", remedy):
            stored = checkpoint.from_bytes(data, MAX_BYTES)
            arrays, about = dict(stored.tensors), stored.notes
            if about.get("format") == _OLDER:
                arrays = {**arrays, "lips": np.zeros((0, LIP_COURSES), np.float32)}
            elif about.get("format") != FORMAT:
                raise ValueError(f"format {about.get('format')!r:.40}, expected {FORMAT!r}")
            # Files of before habits were measured are those of a person who holds the head as the average does.
            vector = arrays.pop(HABITS, None)
            habits = Habits() if vector is None else Habits.of(vector)
            if set(arrays) != set(_LARGEST):
                raise ValueError(f"it holds {', '.join(sorted(arrays)):.120}")
            facts = {str(name): float(value) for name, value in json.loads(about.get("facts", "{}")).items()}
            return cls(**arrays, network=str(about.get("network", ""))[:64], habits=habits, facts=facts)


class PersonLayer(nn.Module):
    """A `MotionAdaptation` as the network applies it; without one, an adaptation that changes nothing."""

    def __init__(self, style_hidden: int, hidden: int, lips: int, adaptation: MotionAdaptation | None = None) -> None:
        super().__init__()
        shapes = len(ARKIT_NAMES)
        if adaptation is None:
            # As in LoRA (Hu et al. 2022) one factor starts at zero, the other at random.
            down = np.random.default_rng(0).standard_normal((hidden, RANK)) / hidden**0.5
            zero = np.zeros
            adaptation = MotionAdaptation(
                zero(style_hidden), down, zero((RANK, shapes)), zero(shapes), zero(shapes), zero((lips, LIP_COURSES))
            )
        sizes = adaptation.code.size, len(adaptation.down), len(adaptation.lips)
        if sizes != (style_hidden, hidden, lips):
            raise InputError(
                f"This motion adaptation is of a network with {sizes[1]} channels, a code of {sizes[0]} and {sizes[2]} "
                f"channels of lips; the model has {hidden}, {style_hidden} and {lips}. Adapt again."
            )
        for name in _LARGEST:
            setattr(self, name, nn.Parameter(torch.from_numpy(getattr(adaptation, name).copy())))

    def shift(self, hidden: Tensor) -> Tensor:
        """What the base branch is shifted by before its softplus: [B, T, 52] of hidden channels [B, T, H]."""
        return hidden @ self.down @ self.up

    def say(self, near_lips: Tensor) -> Tensor:
        """What the lip branch is shifted by: [B, T, 5] of what its last layer reads, [B, T, L]."""
        return near_lips @ self.lips

    def speak(self, speech: Tensor, va: Tensor) -> Tensor:
        """Shapes of speech [B, T, 52] as this person makes them, on this person's resting face, which gives way to an
        emotion `va` [B, T, 2]."""
        fade = 1 - FADING * va.norm(dim=-1, keepdim=True).clamp(max=1)
        return (speech * self.gain.exp() + fade * self.rest).clamp(min=0)

    def adaptation(self, network: str, facts: dict[str, float], habits: Habits | None = None) -> MotionAdaptation:
        """The numbers as they stand, for the network with that fingerprint, and the person's habits."""
        arrays = {name: getattr(self, name).detach().cpu().numpy() for name in _LARGEST}
        limited = {name: np.clip(array, -_LARGEST[name], _LARGEST[name]) for name, array in arrays.items()}
        return MotionAdaptation(**limited, network=network, habits=habits or Habits(), facts=facts)
