"""The numbers a fit learns, their optimiser, and what keeps them sensible.

Rates and epsilons were measured in fits of real clips on two cores. An epsilon per group, near the gradients that
really occur, matters: with Adam's usual 1e-8 (or 1e-15) Gaussians that are hidden most of the time drift freely.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from emotalk.avatar.binding import compiled
from emotalk.avatar.gaussians import REGION_INDEX, BoundGaussians, Corrections

GAUSSIAN_GROUPS = ("position", "rotation", "log_scale", "opacity_logit", "color", "view_color")
GROUPS = (*GAUSSIAN_GROUPS, "correction_position", "correction_color")


@dataclass(frozen=True)
class GroupSettings:
    """How one group of numbers learns."""

    rate: float  # Adam's step
    final: float  # share of the rate that is left at the end
    epsilon: float  # Adam's epsilon
    pull: float = 0.0  # gradient per unit of distance from where the number began


SETTINGS: dict[str, GroupSettings] = {
    "position": GroupSettings(6e-5, 0.10, 2e-6, 0.03),
    "rotation": GroupSettings(2e-3, 0.20, 5e-8),
    "log_scale": GroupSettings(6e-3, 0.20, 5e-8, 1e-7),
    "opacity_logit": GroupSettings(2e-2, 0.20, 3e-8, 1e-7),
    "color": GroupSettings(4e-3, 0.15, 2e-7),
    "view_color": GroupSettings(2e-3, 0.15, 2e-7, 2e-7),
    "correction_position": GroupSettings(1e-5, 0.15, 4e-6, 0.4),
    "correction_color": GroupSettings(1.2e-3, 0.15, 4e-7, 4e-6),
}

REACH = {
    "hair": 0.010, "clothes": 0.008, "shoulders": 0.015, "beard": 0.003, "neck": 0.004, "scalp": 0.005,
    "glasses": 0.0015, "eyes": 0.0006, "lids": 0.0015, "lips": 0.002, "teeth": 0.001, "gums": 0.001,
}  # fmt: skip
"""Metres a Gaussian may move away from where it began, by region; all others get `FACE_REACH`. What lies behind
lids and lips is kept short: an eyeball that may bulge shines through the lid when it closes."""
FACE_REACH = 0.0025
NORMAL_SHARE = 0.6
"""Share of the reach along the normal: off their surface Gaussians show as speckle when the face turns."""
SCALE_LIMITS = (2e-4, 4.0)
"""Smallest standard deviation in metres, and the largest as a multiple of the initial one."""
OPACITY_LOGIT_LIMIT = 6.0


class GaussianParameters:
    """Responsibilities: hold the learnable numbers of one avatar, and take optimiser steps within bounds."""

    def __init__(self, gaussians: BoundGaussians, corrections: Corrections, settings: dict | None = None) -> None:
        self.settings = SETTINGS | (settings or {})
        self.fixed = gaussians.detach()
        self.latent_mean, self.latent_matrix = corrections.mean, corrections.matrix
        self.index = corrections.index
        values = {name: getattr(gaussians, name) for name in GAUSSIAN_GROUPS}
        values |= {"correction_position": corrections.position, "correction_color": corrections.color}
        self.values = {name: value.detach().clone().requires_grad_() for name, value in values.items()}
        self.start = {name: value.detach().clone() for name, value in self.values.items()}
        self.first = {name: torch.zeros_like(value) for name, value in self.start.items()}
        self.second = {name: torch.zeros_like(value) for name, value in self.start.items()}
        self.steps = 0
        self._set_bounds()

    def __len__(self) -> int:
        return len(self.values["position"])

    @property
    def gaussians(self) -> BoundGaussians:
        """The Gaussians with the learnable numbers in them (gradients flow)."""
        return dataclasses.replace(self.fixed, **{name: self.values[name] for name in GAUSSIAN_GROUPS})

    @property
    def corrections(self) -> Corrections:
        """The corrections with the learnable numbers in them (gradients flow)."""
        return Corrections(
            self.latent_mean, self.latent_matrix, self.index,
            self.values["correction_position"], self.values["correction_color"],
        )  # fmt: skip

    @torch.no_grad()
    def step(self, progress: float, active: Tensor, frozen: tuple[str, ...] = ()) -> None:
        """One Adam step (Kingma & Ba 2015) with the gradients at hand; `progress` in [0, 1] sets the rates.

        Only the corrections of the `active` latents [A] (indices) move: the others took no part in the picture.
        """
        self.steps += 1
        unbias = 1 - 0.999**self.steps
        together = []
        for name, value in self.values.items():
            gradient, value.grad = value.grad, None
            if gradient is None or name in frozen or not value.numel():
                continue
            s = self.settings[name]
            rate = s.rate * s.final ** min(progress, 1.0) / (1 - 0.9**self.steps)
            parts = (value.data, gradient, self.start[name], self.first[name], self.second[name])
            rows = None if name in GAUSSIAN_GROUPS else active
            if not compiled(value):
                together.append((parts, rows, rate, s))
            elif rows is None:
                _adam(*parts, rate, s, unbias)
            else:
                for row in rows.tolist():
                    _adam(*(part[row] for part in parts), rate, s, unbias)
        if together:
            _adam_together(together, unbias)
        self._keep_in_bounds()

    @torch.no_grad()
    def rearrange(self, rows: Tensor, fresh: Tensor) -> None:
        """Keep the Gaussians `rows` [N'] (repeats allowed; mesh-bound ones first), with an empty memory where
        `fresh` [N'] is true."""
        mesh = self.fixed.mesh_count
        kept_mesh = rows[rows < mesh]
        joint_rows = rows[rows >= mesh] - mesh
        slot = torch.full((len(self),), -1, dtype=torch.int64, device=rows.device)
        slot[self.index] = torch.arange(len(self.index), device=rows.device)
        new_slot = slot[rows]
        self.index = (new_slot >= 0).nonzero()[:, 0]
        correction_rows = new_slot[self.index]
        self.fixed = BoundGaussians(
            triangle=self.fixed.triangle[kept_mesh],
            barycentric=self.fixed.barycentric[kept_mesh],
            joint_weights=self.fixed.joint_weights[joint_rows],
            region=self.fixed.region[rows],
            **{name: self.values[name].detach()[rows] for name in GAUSSIAN_GROUPS},
        )
        for name in GROUPS:
            if name in GAUSSIAN_GROUPS:
                pick, new = rows, fresh
            else:
                pick, new = (slice(None), correction_rows), (slice(None), fresh[self.index])
            self.values[name] = self.values[name].detach()[pick].requires_grad_()
            self.start[name] = self.start[name][pick]
            for memory in (self.first, self.second):
                memory[name] = memory[name][pick]
                memory[name][new] = 0
        self._set_bounds()

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on later, as plain tensors by name, in the shapes [N, ...] that they have here."""
        state = {f"fixed.{f.name}": getattr(self.fixed, f.name) for f in dataclasses.fields(self.fixed)}
        for part in ("values", "start", "first", "second"):
            state |= {f"{part}.{name}": value.detach() for name, value in getattr(self, part).items()}
        state |= {"index": self.index, "latent_mean": self.latent_mean, "latent_matrix": self.latent_matrix}
        state["steps"] = torch.tensor(self.steps)
        # safetensors refuses tensors that share memory
        return {name: value.clone().contiguous() for name, value in state.items()}

    @classmethod
    def from_state(
        cls, state: dict[str, Tensor], settings: dict | None = None, device: str | torch.device = "cpu"
    ) -> GaussianParameters:
        """The inverse of `state`, on a device."""
        state = {name: value.to(device) for name, value in state.items()}
        names = [f.name for f in dataclasses.fields(BoundGaussians)]
        fixed = BoundGaussians(**{name: state[f"fixed.{name}"] for name in names})
        corrections = Corrections(
            state["latent_mean"], state["latent_matrix"], state["index"],
            state["values.correction_position"], state["values.correction_color"],
        )  # fmt: skip
        self = cls(
            dataclasses.replace(fixed, **{n: state[f"values.{n}"] for n in GAUSSIAN_GROUPS}), corrections, settings
        )
        for part in ("start", "first", "second"):
            setattr(self, part, {name: state[f"{part}.{name}"] for name in GROUPS})
        self.steps = int(state["steps"])
        self._set_bounds()
        return self

    def _set_bounds(self) -> None:
        device = self.fixed.region.device
        reach = torch.full((len(REGION_INDEX),), FACE_REACH)
        for name, metres in REACH.items():
            reach[REGION_INDEX[name]] = metres
        reach = reach.to(device)[self.fixed.region][:, None].repeat(1, 3)
        reach[: self.fixed.mesh_count, 2] *= NORMAL_SHARE
        self._low, self._high = self.start["position"] - reach, self.start["position"] + reach
        largest = self.start["log_scale"].amax(1, keepdim=True) + torch.tensor(SCALE_LIMITS[1]).log().to(device)
        smallest = torch.tensor(SCALE_LIMITS[0]).log().to(device)
        self._scale_low = torch.minimum(smallest, self.start["log_scale"].amin(1, keepdim=True))
        self._scale_high = largest

    def _keep_in_bounds(self) -> None:
        values = {name: value.data for name, value in self.values.items()}
        torch.clamp(values["position"], self._low, self._high, out=values["position"])
        torch.clamp(values["log_scale"], self._scale_low, self._scale_high, out=values["log_scale"])
        values["opacity_logit"].clamp_(-OPACITY_LOGIT_LIMIT, OPACITY_LOGIT_LIMIT)
        values["color"].clamp_(-0.2, 1.3)


def _adam(
    value: Tensor, gradient: Tensor, start: Tensor, first: Tensor, second: Tensor, rate: float, s: GroupSettings,
    unbias: float,
) -> None:  # fmt: skip
    if s.pull:
        gradient = gradient.add(value, alpha=s.pull).sub_(start, alpha=s.pull)
    first.lerp_(gradient, 0.1)
    second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
    value.addcdiv_(first, (second / unbias).sqrt_().add_(s.epsilon), value=-rate)


def _adam_together(groups: list[tuple], unbias: float) -> None:
    """`_adam` of several groups, for a GPU, which computes in less time than it takes to be asked for each of them.
    Each group: its parts, the rows of them that move (None: all), rate and settings."""
    picked = [parts if rows is None else tuple(part[rows] for part in parts) for parts, rows, _, _ in groups]
    rates, settings = [-rate for _, _, rate, _ in groups], [s for _, _, _, s in groups]
    gradients = [
        gradient.add(value, alpha=s.pull).sub_(start, alpha=s.pull) if s.pull else gradient
        for (value, gradient, start, _, _), s in zip(picked, settings, strict=True)
    ]
    values, firsts, seconds = ([parts[k] for parts in picked] for k in (0, 3, 4))
    torch._foreach_lerp_(firsts, gradients, 0.1)
    torch._foreach_mul_(seconds, 0.999)
    torch._foreach_addcmul_(seconds, gradients, gradients, 0.001)
    roots = torch._foreach_div(seconds, unbias)
    torch._foreach_sqrt_(roots)
    torch._foreach_add_(roots, [s.epsilon for s in settings])
    torch._foreach_addcdiv_(values, firsts, roots, rates)
    for (parts, rows, _, _), changed in zip(groups, picked, strict=True):
        if rows is not None:
            for k in (0, 3, 4):
                parts[k][rows] = changed[k]
