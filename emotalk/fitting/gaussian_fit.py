"""Fit a `GaussianAvatar` to pictures of a person through the renderer that will draw it.

    sample (picture, camera, motion) ─► head mesh ─► bound Gaussians ─► rasterize ─► L1 + D-SSIM + alpha ─► Adam

Used for the shipped synthetic people and for a user's own video: give samples and a starting avatar, take steps until
time or steps run out, take the avatar. Stopping and going on again from `save_state` gives the same numbers.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import binding
from emotalk.avatar.gaussians import REGION_INDEX, Corrections, signals, view_direction
from emotalk.avatar.latents import default_latents
from emotalk.avatar.model import GaussianAvatar
from emotalk.core import checkpoint
from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.gaussians import GaussianCloud
from emotalk.core.image_metrics import peak_ratio
from emotalk.core.motion import HeadMotion
from emotalk.core.progress import FitCallback, FitProgress
from emotalk.core.ssim import ssim
from emotalk.fitting.densify import densify
from emotalk.fitting.gaussian_parameters import GaussianParameters, GroupSettings
from emotalk.fitting.locality import locality, neighbourhood
from emotalk.fitting.losses import photometric_loss
from emotalk.fitting.pose_gradient import follow
from emotalk.fitting.samples import FitSample, Target, target_of
from emotalk.rendering import rasterize, resolve_device

CORRECTED_REGIONS = (
    "lips",
    "mouth",
    "gums",
    "teeth",
    "tongue",
    "lids",
    "eyes",
    "lashes",
    "brows",
    "face",
    "beard",
    "neck",
)
"""Regions whose Gaussians get expression-dependent corrections (where an avatar brings none along)."""
CULL_SHARE = 0.5
"""Share of the steps drawn without the far side. Half and half gives a picture that is right with and without."""


@dataclass(frozen=True)
class FitConfig:
    """How long and how to fit."""

    steps: int = 3000
    minutes: float = math.inf  # of wall clock, over all resumed parts
    coarse: float = 0.25  # share of the steps at half resolution
    ssim: float = 0.2  # share of D-SSIM in the picture's loss (Kerbl et al. 2023)
    alpha: float = 0.1  # weight of the L1 distance of the coverage
    budget: int = 40_000  # Gaussians at most
    densify_every: int = 150  # steps; 0 for never
    densify_until: float = 0.6  # share of the steps
    corrections: bool = True
    corrections_from: float = 0.1  # share of the steps after which corrections learn
    frozen: tuple[str, ...] = ()  # groups of GaussianParameters that stay as they are
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.minutes <= 0:
            raise InputError(f"A fit needs steps >= 1 and minutes > 0, found {self.steps} and {self.minutes}.")
        for name in ("coarse", "ssim", "densify_until", "corrections_from"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"FitConfig.{name} is a share in [0, 1], found {getattr(self, name)}.")


class GaussianFit:
    """Responsibilities: draw an avatar under its samples' motion, compare, and improve it step by step.

    Everything is on one device: `device` ("auto", "cpu", "cuda"), or where the avatar is. The same seed gives the same
    avatar on the CPU; a GPU adds in another order every time.
    """

    cull_share = CULL_SHARE
    settings: dict[str, GroupSettings] | None = None
    """Groups of numbers that learn otherwise than `gaussian_parameters.SETTINGS` says."""

    def __init__(
        self,
        avatar: GaussianAvatar,
        samples: Sequence[FitSample],
        config: FitConfig | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        if not samples:
            raise InputError("A fit needs at least one sample, found none.")
        self.device = avatar.device if device is None else resolve_device(device)
        self.avatar = avatar = avatar.to(self.device)
        self.samples = samples
        self.config = config if config is not None else FitConfig()
        corrections = avatar.corrections
        if self.config.corrections and not len(corrections.matrix):
            corrections = blank_corrections(avatar)
        self.parameters = GaussianParameters(avatar.gaussians, corrections, self.settings)
        self.one_sided = avatar.one_sided
        self.step_count, self.seconds, self.skipped = 0, 0.0, 0.0
        self._order: list[int] = []
        self._generator = torch.Generator().manual_seed(self.config.seed)
        self._statistics = torch.zeros(len(self.parameters), 2, device=self.device)
        self._losses: list[float] = []
        self._targets: dict[tuple[int, int], Target] = {}
        self._prepare_motion()
        self._set_locality()

    def _prepare_motion(self) -> None:
        motion = HeadMotion.concatenate([sample.motion for sample in self.samples])
        with torch.no_grad():
            parts = [self.avatar.mesh(motion[i : i + 16]) for i in range(0, len(motion), 16)]
        self._meshes = tuple(torch.cat([part[k] for part in parts]) for k in range(3))
        self._signals = torch.from_numpy(signals(motion)).to(self.device)

    @property
    def progress(self) -> float:
        """Share of the fit that is done: the further one of steps and time, and what was skipped."""
        done = max(self.step_count / self.config.steps, self.seconds / (60 * self.config.minutes))
        return min(1.0, self.skipped + done)

    def skip_to(self, progress: float) -> None:
        """Leave out what lies between here and `progress`: what follows has the small steps of a fit's end."""
        self.skipped += max(0.0, progress - self.progress)

    def run(self, report: FitCallback | None = None, every: int = 50, until: float = 1.0) -> GaussianAvatar:
        """Take steps until `progress` reaches `until`; `report` is called every so many steps and may raise
        `Cancelled`. Returns the avatar as it is then."""
        while self.progress < until:
            self.step()
            if report is not None and self.step_count % every == 0:
                done = max(self.progress, 1e-6)
                recent = float(np.mean(self._losses[-every:]))
                remaining = self.seconds * (1 - done) / done
                report(
                    FitProgress(
                        "fit", self.step_count, self.config.steps, self.seconds, remaining,
                        loss=recent, gaussians=len(self.parameters),
                    )
                )  # fmt: skip
        return self.result()

    def step(self) -> float:
        """One picture, one improvement; returns the loss."""
        started = time.perf_counter()
        config, parameters = self.config, self.parameters
        index = self._next()
        target = self._target(index, 2 if self.progress < config.coarse else 1)
        background = self._background(target)
        densifying = config.densify_every > 0 and self.progress < config.densify_until
        active = self._active(index)
        cull = bool(torch.rand((), generator=self._generator) >= 1 - self.cull_share)
        image, alpha = self.draw(index, target, background, cull, self._statistics if densifying else None)
        loss = self._weight(index) * self.loss(image, alpha, target, background)
        loss.backward()
        self._share_corrections(active)
        parameters.step(self.progress, active, config.frozen)
        self.step_count += 1
        if densifying and self.step_count % config.densify_every == 0:
            densify(parameters, self._statistics, config.budget)
            self._after_densify()
        self._losses = [*self._losses[-999:], float(loss.detach())]
        self.seconds += time.perf_counter() - started
        return self._losses[-1]

    def draw(
        self,
        index: int,
        target: Target,
        background: Tensor,  # [3] or [H, W, 3] in [0, 1]
        cull: bool,
        statistics: Tensor | None = None,  # [N, 2], `screen_gradients` of `rasterize`
    ) -> tuple[Tensor, Tensor]:
        """The avatar as it is now under sample `index`: image [H, W, 3] and alpha [H, W], with gradients."""
        parameters, triangles = self.parameters, self.avatar.head.triangles
        mesh = self._mesh(index)
        still = [part.detach() for part in mesh]
        frames = binding.binding_frames(parameters.fixed, still[0], triangles, self.avatar.neutral_sizes, *still[1:])
        values, corrections = parameters.values, parameters.corrections
        if self._correcting:
            latents = corrections.latents(self._signals[index])
        else:
            latents = torch.zeros(len(corrections.matrix), device=self.device)
        means, quats, scales, colors = binding.apply_frames(
            frames, values["position"], values["rotation"], values["log_scale"].exp(), self._color(mesh, target),
            parameters.index, *corrections.offsets(latents),
        )  # fmt: skip
        if mesh[0].requires_grad:
            means = follow(means, parameters.fixed, values["position"], triangles, *mesh)
        opacities = values["opacity_logit"].sigmoid()
        if cull:
            opacities = opacities * binding.facing(frames, means, target.camera, self.one_sided)
        cloud = GaussianCloud(means, scales, quats, opacities, colors)
        render = rasterize(cloud, target.camera, background, screen_gradients=statistics)
        return render.image, render.alpha

    def loss(
        self,
        image: Tensor,  # [H, W, 3] as drawn
        alpha: Tensor,  # [H, W] as drawn
        target: Target,
        background: Tensor,  # [3] or [H, W, 3] that it was drawn over
    ) -> Tensor:
        """(1 - s) L1 + s (1 - SSIM) + a L1(alpha) of one picture, a scalar."""
        wanted = target.over(background)
        loss = photometric_loss(image, wanted, target.weights, ssim_share=self.config.ssim)
        if target.alpha is not None and self.config.alpha > 0:
            apart = (alpha - target.alpha).abs()
            apart = apart.mean() if target.sure is None else (apart * target.sure).mean()
            loss = loss + self.config.alpha * apart
        return loss

    def result(self) -> GaussianAvatar:
        """The avatar with what was learned so far."""
        corrections = self.parameters.corrections
        learned = Corrections(
            **{f.name: getattr(corrections, f.name).detach().clone() for f in dataclasses.fields(corrections)}
        )
        gaussians = self.parameters.gaussians.detach()
        copied = type(gaussians)(**{f.name: getattr(gaussians, f.name).clone() for f in dataclasses.fields(gaussians)})
        return self.avatar.replace(gaussians=copied, corrections=learned)

    def save_state(self, path: str | Path) -> None:
        """Write everything needed to go on (safetensors), all or nothing."""
        state = (
            self.parameters.state()
            | {
                "fit.statistics": self._statistics.clone(),
                "fit.order": torch.tensor(self._order, dtype=torch.int64),
                "fit.random": self._generator.get_state(),
                "fit.losses": torch.tensor(self._losses, dtype=torch.float64),
            }
            | self._extra_state()
        )
        notes = {
            "step": self.step_count,
            "seconds": self.seconds,
            "samples": len(self.samples),
            "skipped": self.skipped,
        }
        checkpoint.save(path, state, {"fit": json.dumps(notes)})

    def load_state(self, path: str | Path, grown: bool = False) -> None:
        """Go on where `save_state` was called; a CheckpointError where the file is damaged or of another fit.

        grown: more samples have been appended since; what was learned is kept.
        """
        with checkpoint.explained(f"The state of the fit in {path}", "start afresh"):
            stored = checkpoint.read(path)
            state, notes = stored.tensors, json.loads(stored.notes["fit"])
            if notes["samples"] > len(self.samples) or (notes["samples"] < len(self.samples) and not grown):
                raise CheckpointError(
                    f"{path} is of a fit to {notes['samples']} pictures, here are {len(self.samples)}; start afresh."
                )
            self.parameters = GaussianParameters.from_state(state, self.settings, self.device)
            self._statistics = state["fit.statistics"].to(self.device)
            self._order = state["fit.order"].tolist()
            self._losses = state["fit.losses"].tolist()
            self._load_extra(state)
            self._generator.set_state(state["fit.random"])
            self.step_count, self.seconds = int(notes["step"]), float(notes["seconds"])
            self.skipped = float(notes.get("skipped", 0.0))
        self._set_sides()
        self._set_locality()

    def _extra_state(self) -> dict[str, Tensor]:
        """What else a kind of fit has to keep to go on."""
        return {}

    def _load_extra(self, state: dict[str, Tensor]) -> None:
        """The inverse of `_extra_state`."""

    def _mesh(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Vertices [V, 3], joint rotations [3, 3, 3] and translations [3, 3] of sample `index`; where they require
        gradients, the picture's error pulls at them."""
        return tuple(part[index] for part in self._meshes)

    def _color(self, mesh: tuple[Tensor, Tensor, Tensor], target: Target) -> Tensor:
        """Colours [N, 3] before corrections, as this target's camera sees them."""
        view = view_direction(mesh[1][2], mesh[2][2], target.camera)
        return self.parameters.values["color"] + torch.einsum("d,ndc->nc", view, self.parameters.values["view_color"])

    @property
    def _correcting(self) -> bool:
        return self.progress >= self.config.corrections_from and len(self.parameters.corrections.matrix) > 0

    def _weight(self, index: int) -> float:
        return self.samples[index].weight

    def _next(self) -> int:
        if not self._order:
            self._order = torch.randperm(len(self.samples), generator=self._generator).tolist()
        return self._order.pop()

    def _target(self, index: int, shrink: int) -> Target:
        key = (index, shrink)
        if key not in self._targets:
            if len(self._targets) >= 128:  # bounded memory for long videos
                self._targets.pop(next(iter(self._targets)))
            self._targets[key] = target_of(self.samples[index], shrink).to(self.device)
        return self._targets[key]

    def _background(self, target: Target) -> Tensor:
        if target.cut_out:
            return torch.rand(3, generator=self._generator).to(self.device)
        background = self.avatar.background
        size = (target.camera.height, target.camera.width)
        if background.ndim == 3 and background.shape[:2] != size:
            planes = background.permute(2, 0, 1)[None]
            background = torch.nn.functional.interpolate(planes, size, mode="area")[0].permute(1, 2, 0)
        return background

    def _active(self, index: int) -> Tensor:
        """Latents [A] whose corrections learn from sample `index`."""
        if not self._correcting:
            return torch.zeros(0, dtype=torch.int64, device=self.device)
        corrections = self.parameters.corrections
        return corrections.latents(self._signals[index]).nonzero()[:, 0]

    @torch.no_grad()
    def _share_corrections(self, active: Tensor) -> None:
        """Keep the gradients of corrections to where they may act, and let neighbours learn together."""
        for name in ("correction_position", "correction_color"):
            gradient = self.parameters.values[name].grad
            if gradient is None:
                continue
            for k in active.tolist():
                gradient[k] = (self._neighbourhood @ gradient[k]) * self._locality[k][:, None]

    def _after_densify(self) -> None:
        self._statistics = torch.zeros(len(self.parameters), 2, device=self.device)
        self._set_sides()
        self._set_locality()

    def _set_locality(self) -> None:
        corrections = self.parameters.corrections
        # From where the Gaussians began, so that a resumed fit finds the same neighbours.
        began = dataclasses.replace(self.parameters.fixed, position=self.parameters.start["position"])
        avatar = self.avatar.replace(gaussians=began, corrections=None)
        self._locality = locality(avatar, corrections)
        self._neighbourhood = neighbourhood(avatar, corrections.index)

    def _set_sides(self) -> None:
        fixed = self.parameters.fixed
        self.one_sided = binding.one_sided(fixed)


def blank_corrections(avatar: GaussianAvatar, names: tuple[str, ...] = CORRECTED_REGIONS) -> Corrections:
    """Corrections that change nothing yet, for all Gaussians of these regions."""
    mean, matrix = (part.to(avatar.device) for part in default_latents())
    regions = torch.tensor([REGION_INDEX[name] for name in names], device=avatar.device)
    index = torch.isin(avatar.gaussians.region, regions).nonzero()[:, 0]
    blank = torch.zeros(len(matrix), len(index), 3, device=avatar.device)
    return Corrections(mean, matrix, index, blank, blank.clone())


@torch.no_grad()
def score(
    avatar: GaussianAvatar, samples: Sequence[FitSample], region: Sequence[Tensor] | None = None
) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM of an avatar on samples, drawn where it is; RGBA ones over mid-grey, and within `region`
    masks [H, W]."""
    results = []
    for k, sample in enumerate(samples):
        target = target_of(sample).to(avatar.device)
        background = torch.full((3,), 0.5, device=avatar.device) if target.cut_out else avatar.background
        image = rasterize(avatar.pose(sample.motion, 0, sample.camera), sample.camera, background).image.clamp(0, 1)
        wanted = target.over(background)
        inside = region[k] if region is not None else torch.ones(image.shape[:2], dtype=torch.bool)
        inside = inside.to(image.device)
        error = float((image - wanted)[inside].square().mean())
        results.append((peak_ratio(error), float(ssim(image, wanted, inside.float()))))
    return tuple(float(x) for x in np.mean(results, axis=0))
