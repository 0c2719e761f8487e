"""What each training frame's pose is beyond what the tracker said, learned from the picture itself.

A tracker is a pixel off here and there; left alone, that blurs everything learned from the frame. Only frames that are
learned from are refined: a frame that is judged keeps its tracked motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emotalk.core.motion import HeadMotion


@dataclass(frozen=True)
class ChannelSettings:
    """How one channel of the pose is refined."""

    width: int
    rate: float  # Adam's step
    limit: float  # at most so far from the tracker
    pull: float  # gradient per unit of distance from it


CHANNELS = {
    "turn": ChannelSettings(3, 8e-4, 0.05, 2e-3),  # radians about the middle of the head
    "place": ChannelSettings(3, 3e-4, 0.012, 2e-1),  # metres of that middle
    "torso": ChannelSettings(3, 4e-4, 0.02, 2e-2),  # metres
    "expression": ChannelSettings(52, 6e-3, 0.12, 4e-4),
    "eyelids": ChannelSettings(2, 1e-2, 0.15, 2e-4),
    "gaze": ChannelSettings(2, 4e-3, 0.10, 2e-4),
}
"""Rates were set so that a frame seen six times can make up for a pixel at 512."""
DECAY = (0.8, 0.95)
"""Adam's, short: a frame is seen a handful of times."""
EPSILON = 1e-9
NEAR = 1.0
"""Frames: standard deviation in time within which neighbours take part in what a frame learns. A tracker's error lasts
for several frames (correlation from one to the next: 0.6 to 0.8), and a frame alone is seen a handful of times."""
REACH = 2
"""Neighbours on either side."""
LEVER = (0.0, 0.135, 0.06)
"""Metres from the neck joint to the middle of the head: a turn about that middle moves the root the other way."""


class FramePoses:
    """Responsibilities: hold the refinements of all training frames, apply them, take optimiser steps on them."""

    def __init__(
        self,
        motion: HeadMotion,
        torso: Tensor,  # [T, 3] or [T, 3, 4], how the shoulders move in every frame
        channels: tuple[str, ...] = tuple(CHANNELS),
        times: np.ndarray | None = None,  # [T] frame numbers, ascending; None: frames have no neighbours
    ) -> None:
        self.motion, self.torso, self.channels, self.times = motion, torso, channels, times
        frames, device = len(motion), torso.device
        self._tracked = {name: torch.from_numpy(value).to(device) for name, value in vars(motion).items()}
        self._lever = torch.tensor([LEVER], device=device)
        self.values, self.first, self.second = (
            {name: torch.zeros(frames, s.width, device=device) for name, s in CHANNELS.items()} for _ in range(3)
        )
        self.visits = torch.zeros(frames, dtype=torch.int64)  # asked for on the CPU at every step

    def begin(self, k: int) -> dict[str, Tensor]:
        """The refinements of frame k as leaves [1, width] that gather gradients."""
        return {name: self.values[name][k : k + 1].clone().requires_grad_() for name in self.channels}

    def posed(self, k: int, leaves: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """Inputs of the head model [1, width] for frame k as refined, and how the torso moves ([3] or [3, 4], as
        given)."""
        row = {name: value[k : k + 1] for name, value in self._tracked.items()}
        torso = self.torso[k]
        for name in ("expression", "eyelids", "gaze"):
            if name in leaves:
                row[name] = row[name] + leaves[name]
        pose = row["head_pose"]
        if "turn" in leaves:
            turn = leaves["turn"]
            counter = -torch.linalg.cross(turn, self._lever)
            pose = pose + torch.cat([turn, counter], 1)
            torso = _shifted(torso, -counter[0])  # shoulders stay where the video has them
        if "place" in leaves:
            pose = pose + torch.cat([torch.zeros_like(leaves["place"]), leaves["place"]], 1)
            torso = _shifted(torso, -leaves["place"][0])
        if "torso" in leaves:
            torso = _shifted(torso, leaves["torso"][0])
        return row | {"head_pose": pose}, torso

    @torch.no_grad()
    def step(self, k: int, leaves: dict[str, Tensor], rate: float = 1.0) -> None:
        """One Adam step on frame k with the gradients of its leaves."""
        self.visits[k] += 1
        visits = int(self.visits[k])
        rows, share = self._neighbours(k)
        for name, leaf in leaves.items():
            if leaf.grad is None:
                continue
            s = CHANNELS[name]
            value, first, second = (table[name][k] for table in (self.values, self.first, self.second))
            gradient = leaf.grad[0] + s.pull * value
            first.lerp_(gradient, 1 - DECAY[0])
            second.lerp_(gradient.square(), 1 - DECAY[1])
            direction = (first / (1 - DECAY[0] ** visits)) / ((second / (1 - DECAY[1] ** visits)).sqrt() + EPSILON)
            moved = self.values[name][rows] - share[:, None] * (rate * s.rate * direction)
            self.values[name][rows] = moved.clamp_(-s.limit, s.limit)

    def _neighbours(self, k: int) -> tuple[slice, Tensor]:
        """Frames near frame k in time, and how much of its step each of them takes: 1 for itself."""
        if self.times is None:
            return slice(k, k + 1), torch.ones(1, device=self.torso.device)
        rows = slice(max(0, k - REACH), min(len(self.times), k + REACH + 1))
        apart = torch.from_numpy((self.times[rows] - self.times[k]).astype(np.float32))
        return rows, torch.exp(-0.5 * (apart / NEAR).square()).to(self.torso.device)

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on later, as plain tensors [T, width] by name."""
        parts = (("values", self.values), ("first", self.first), ("second", self.second))
        state = {f"poses.{part}.{name}": value.clone() for part, table in parts for name, value in table.items()}
        return state | {"poses.visits": self.visits.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; a KeyError or ValueError where it is of other frames."""
        for part in ("values", "first", "second"):
            for name, value in getattr(self, part).items():
                stored = state[f"poses.{part}.{name}"]
                if stored.shape != value.shape:
                    raise ValueError(f"poses of {len(stored)} frames, here are {len(value)}")
                value.copy_(stored)
        self.visits.copy_(state["poses.visits"])


def _shifted(torso: Tensor, by: Tensor) -> Tensor:
    """A torso's motion, [3] or [3, 4] with the shift in its last column, with `by` [3] metres more."""
    return torso + by if torso.ndim == 1 else torch.cat([torso[:, :3], (torso[:, 3] + by)[:, None]], 1)
