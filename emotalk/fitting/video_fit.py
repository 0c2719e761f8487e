"""A fit to the frames of a tracked video: bounded memory, refined poses, shoulders of their own."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from emotalk.avatar import REGIONS, BoundGaussians, Corrections, GaussianAvatar, binding
from emotalk.avatar.binding import shift_shoulders
from emotalk.avatar.gaussians import REGION_INDEX, signals
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.image_metrics import peak_ratio
from emotalk.core.motion import HeadMotion
from emotalk.core.ssim import ssim
from emotalk.fitting.frame_poses import CHANNELS, FramePoses
from emotalk.fitting.gaussian_fit import FitConfig, GaussianFit
from emotalk.fitting.gaussian_parameters import GAUSSIAN_GROUPS, GroupSettings
from emotalk.fitting.hidden_cloth import MARGIN as CLOTH_MARGIN
from emotalk.fitting.hidden_cloth import HiddenCloth
from emotalk.fitting.lid_prior import LidPrior, blinks_filmed
from emotalk.fitting.locality import neighbourhood
from emotalk.fitting.mouth_rows import MouthRows
from emotalk.fitting.samples import Target, shrink_camera
from emotalk.fitting.video_corrections import (
    TURNING,
    allowed,
    emotion_latents,
    filmed,
    spoken_latents,
    video_corrections,
)
from emotalk.fitting.video_frames import VideoFrames
from emotalk.rendering import rasterize, resolve_device

FREER = {"correction_position": GroupSettings(2.5e-5, 0.15, 4e-6, 0.2)}
"""A video's head turns show what is wrong with the shape that was fitted to it: place follows them 2.5 times as fast as
in a fit to a known shape; +0.2 dB in frames that it never saw."""
SMOOTH_EVERY = 24
"""Steps after which neighbouring corrections are averaged: as good as averaging each gradient, and free."""
SMOOTH = 0.5
"""Share of the average that they take over."""
LEAST_LATENT = 0.08
"""Latents nearer to 0 in a frame learn nothing from it."""
POSES_FROM = 0.06
"""Share of the fit after which poses are refined: before, colours are not yet those of the frames."""
SQUARED_FROM = 0.8
"""Share of the fit after which squared errors count: +0.15 dB in frames that it never saw, at the same SSIM."""
SQUARED = 6.0
RARE = 4
"""Visits of a rare frame for each one of an ordinary frame."""
BOXED = (("hair", "scalp"), ("face", "ears", "neck"), ("lids",))
BOX_REST = 0.05
"""Share of a region's colours at the start that may lie beyond either end: background that got among them."""
BOX_MARGIN = (0.08, 0.02, 0.02, 0.02)
"""Of lightness and tint (red, green, blue)."""
SOLID = {"hair": 1.0, "scalp": 1.0, "neck": 1.0, "lids": 1.5, "face": 0.0, "ears": 0.0, "eyes": 1.0}
"""Least logit of opacity of Gaussians on the mesh. What reaches over the outline is to move in, not to fade: faded, it
leaves holes and wisps that show when the head turns."""
TURNED = 0.7
"""Cosine of a triangle's normal with the direction the face looks, below which hair on it counts as the head's rim."""
RIM = 0.4
"""The same cosine below which a frontal frame shows hair as a few pixels of mixed hair and background. Each Gaussian
alone would learn a light or a dark one of them, a speckle when the head turns: neighbours take each other's colours,
and stay near the usual ones of the hair (0.1 dB)."""
RIM_REST = 0.25
RIM_MARGIN = (0.04, 0.01, 0.01, 0.01)
"""As `BOX_REST` and `BOX_MARGIN`, for them."""
EVEN = {"lids": (0.07, 0.025, 0.025, 0.025), "lips": (0.06, 0.025, 0.025, 0.025)}
"""Of lightness and tint, by which a Gaussian of these may differ from the mean of those around it."""
HELD = {"lids": (8e-4, 1.6), "lashes": (6e-4, 1.6), "lips": (1e-3, 1.6), "mouth": (5e-4, 1.3)}
"""Metres that these may move from where they began, and how many times as large they may become: what wanders from a
lip over the teeth behind it is a spot on them in a smile, from a lid a tear in it when it shuts."""
INNER_LIPS, INNER_REACH, INNER_SIZE = 0.003, 4e-4, 0.25
"""Metres from the lining of the mouth within which a lip's Gaussian is held nearer, how near, and by what logarithm its
axes may change: long ones stand over the teeth like thorns."""
HELD_CHANGE = 1.5e-4
"""Metres that they may move per unit of a latent."""
LIP_REST = 0.12
"""As `BOX_REST`, for lips, whose inner edge shows teeth in some frames: lips that learn those are white when they move.
The lining of the mouth behind them is as light at most, and as colourful or less."""
LIP_LIGHT = (0.45, 1.25)
"""Shares of the usual lightness of lips that each has at least and at most. The line between closed lips is the
lining's: learned by the lips, it is a black band over the teeth as soon as they part, and teeth become a white one."""
LIP_CHANGE = 0.05
"""Colour that an inner lip's Gaussian may change by per unit of a latent."""
RIM_REACH = 0.004
"""Metres that it may move."""
SHRINK = 0.2
"""Logarithm by which Gaussians of that hair may become smaller: smaller ones leave holes when the head turns."""
MOST_ROOM = 2 * 2**30
"""Bytes, see `room_for_targets`: 330 frames of 512 x 512 pixels."""
PAIR_EVERY = 5
"""Steps from one extra pair that is learned from to the next, once corrections learn: evenly, as several in a row pull
them away from what was filmed."""
PAIRS_UNTIL = 0.85
"""Progress from which no pair is learned from: what was filmed has the last word."""
ROUGH = 0.25
"""Pose steps are this much smaller at the end than at the start."""


class VideoFit(GaussianFit):
    """Responsibilities: as `GaussianFit`, for frames that are read lazily and whose poses are learned as well."""

    cull_share = 1.0  # an avatar of a video is never drawn without a camera
    settings = FREER

    def __init__(
        self,
        avatar: GaussianAvatar,
        frames: VideoFrames,
        torso: Tensor,  # [len(frames), 3] or [len(frames), 3, 4], how the shoulders move in every frame
        config: FitConfig,
        refine: tuple[str, ...] = tuple(CHANNELS),
        shrink: int = 1,  # of the frames, for a fit that is smaller than its video
        device: str | torch.device | None = None,
    ) -> None:
        avatar = avatar.to(avatar.device if device is None else resolve_device(device))
        torso = torso.to(avatar.device)
        self.frames, self.shrink = frames, shrink
        self.poses = FramePoses(frames.motion, torso, refine, frames.times)
        self._leaves: dict[str, Tensor] = {}
        self._behind: dict[int, Tensor] = {}
        self._room = room_for_targets(avatar.device)
        super().__init__(avatar.replace(corrections=self._corrections(avatar, torso)), frames, config)
        self.mouth = self._mouth_rows()
        self.lids = self._lid_prior(avatar)
        self._find_parts()
        self._low, self._high = color_box(avatar.gaussians)
        self._set_lip_box()
        self._rim_box = color_box(avatar.gaussians, RIM_REST, RIM_MARGIN)
        self._hidden_cloth = HiddenCloth(avatar, frames.filmed, torso[: len(frames.rows)])
        self._solid = torch.full((len(REGIONS),), -math.inf, device=self.device)
        for name, logit in SOLID.items():
            self._solid[REGION_INDEX[name]] = logit
        self._hairy = torch.zeros(len(REGIONS), dtype=torch.bool, device=self.device)
        self._hairy[[REGION_INDEX["hair"], REGION_INDEX["scalp"]]] = True
        with torch.no_grad():
            a, b, c = avatar.mesh(HeadMotion.neutral())[0][0][avatar.head.triangles].unbind(1)
        normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=1)
        self._turned, self._rim = normal[:, 2] < TURNED, normal[:, 2] < RIM

    def _corrections(self, avatar: GaussianAvatar, torso: Tensor) -> Corrections:
        """The corrections to begin with: blank ones, in the units of this video."""
        filmed_torso = torso[: len(self.frames.rows)]
        return video_corrections(avatar, self.frames.filmed, filmed_torso, emotions=bool(self.frames.extra))

    def _mouth_rows(self) -> MouthRows | None:
        """What is learned of the inside of the mouth as a whole; None where each of its Gaussians learns alone."""
        return MouthRows(self.avatar, len(self.parameters.corrections.matrix))

    def _lid_prior(self, start: GaussianAvatar) -> LidPrior | None:
        """What shut lids look like where the frames hardly show it; None where it is known."""
        return LidPrior(start, (1 - blinks_filmed(self.frames.filmed)) ** 2)

    def _find_parts(self) -> None:
        for part in (self.mouth, self.lids):
            if part is not None:
                part.find(self.parameters)
        self._find_held()

    @torch.no_grad()
    def _find_held(self) -> None:
        """Which Gaussians are held near where they began, and how near."""
        fixed, index, head = self.parameters.fixed, self.parameters.index, self.avatar.head
        region = fixed.region[: fixed.mesh_count]
        held = torch.isin(region, torch.tensor([REGION_INDEX[name] for name in HELD], device=self.device))
        self._held = held.nonzero()[:, 0]
        reach, larger = (torch.zeros(len(REGIONS), device=self.device) for _ in range(2))
        for name, (metres, times) in HELD.items():
            reach[REGION_INDEX[name]], larger[REGION_INDEX[name]] = metres, math.log(times)
        region, corners = region[self._held], head.triangles[fixed.triangle[self._held]]
        places = (head.template[corners] * fixed.barycentric[self._held][..., None]).sum(1)
        reach = reach[region]
        lips = region == REGION_INDEX["lips"]
        lining = torch.cdist(places[lips], head.template[head.regions["inner_mouth"]]).amin(1)
        reach[lips] = torch.where(lining < INNER_LIPS, INNER_REACH, reach[lips])
        self._inner_lips = self._held[lips][lining < INNER_LIPS]
        begun = self.parameters.start["position"][self._held]
        self._held_low, self._held_high = begun - reach[:, None], begun + reach[:, None]
        self._held_size = self.parameters.start["log_scale"][self._held].amax(1, keepdim=True) + larger[region][:, None]
        slot = torch.full((len(self.parameters),), -1, dtype=torch.int64, device=self.device)
        slot[index] = torch.arange(len(index), device=self.device)
        self._held_slot = slot[self._held][slot[self._held] >= 0]
        self._inner_slot = slot[self._inner_lips][slot[self._inner_lips] >= 0]

    def step(self) -> float:
        """One frame, one improvement of avatar and pose; returns the loss. Now and then an extra pair beside it, which
        does not count as a step: so many steps learn as much of the video with pairs as without."""
        loss = super().step()
        if self.frames.extra and self._correcting and self.progress < PAIRS_UNTIL and not self.step_count % PAIR_EVERY:
            # From numbers of their own: frames come in the order in which they come without pairs.
            turn, number = divmod(self.step_count // PAIR_EVERY, len(self.frames.extra))
            order = np.random.default_rng([self.config.seed, turn]).permutation(len(self.frames.extra))
            self._learn_pair(int(order[number]))
        self._keep_whole()
        self._keep_held()
        if self.step_count % SMOOTH_EVERY == 0:
            self._smooth_corrections()
            self._smooth_rim()
            self._even_colors()
            if self.lids is not None and self._correcting:
                self.lids.hold(self.parameters)
        if self.mouth is not None:
            self.mouth.step(self.progress, self.parameters)
        return loss

    def _learn_pair(self, number: int) -> None:
        """One improvement of the corrections by an extra pair. Nothing else learns of it: the face at rest, how its
        mouth moves and where more Gaussians are needed are told by what was filmed."""
        started = time.perf_counter()
        pair = len(self.frames.rows) + number
        target = self._target(pair, 2 if self.progress < self.config.coarse else 1)
        background, active = self._background(target), self._active(pair)
        active = active[~torch.isin(active, spoken_latents().to(active.device))]
        loss = self.loss(*self.draw(pair, target, background, cull=True), target, background)
        (self._weight(pair) * loss).backward()
        self._keep_local(active)
        if self.mouth is not None:
            self.mouth.leave(self.parameters)
        for name in GAUSSIAN_GROUPS:
            self.parameters.values[name].grad = None
        self.parameters.step(self.progress, active, self.config.frozen)
        self.seconds += time.perf_counter() - started

    def _after_densify(self) -> None:
        super()._after_densify()
        self._find_parts()

    def _mesh(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """As in `GaussianFit`, of the frame's pose as it is refined so far, with gradients while poses are refined."""
        refining = bool(self.poses.channels) and self.progress >= POSES_FROM and torch.is_grad_enabled()
        refining = refining and not self._is_pair(index)
        self._leaves = self.poses.begin(index) if refining else {}
        of = self._source(index)
        leaves = self._leaves or {name: self.poses.values[name][of : of + 1] for name in self.poses.channels}
        with torch.set_grad_enabled(refining):
            channels, torso = self.poses.posed(index, leaves)
            posed = self.avatar.person(**channels)
            mesh = posed.vertices[0], posed.transforms[0, :3, :3, :3], posed.transforms[0, :3, :3, 3]
            return shift_shoulders(*mesh, self.avatar.head.weights[:, 0], torso)

    def _is_pair(self, index: int) -> bool:
        return index >= len(self.frames.rows)

    def _source(self, index: int) -> int:
        """The sample whose refined pose a sample takes: a pair that of the frame that it was made from."""
        if not self._is_pair(index):
            return index
        row = self.frames.extra[index - len(self.frames.rows)].row
        return index if row is None else int(np.searchsorted(self.frames.rows, row))

    def _color(self, mesh: tuple[Tensor, Tensor, Tensor], target: Target) -> Tensor:
        return self.parameters.values["color"]  # one camera: corrections by the head's turn say all of it

    def _set_locality(self) -> None:
        corrections = self.parameters.corrections
        began = dataclasses.replace(self.parameters.fixed, position=self.parameters.start["position"])
        avatar = self.avatar.replace(gaussians=began, corrections=None)
        self._locality = allowed(avatar, corrections, len(emotion_latents()) if self.frames.extra else 0)
        learned = filmed(self.frames.filmed).to(self.device)
        self._locality[: len(learned)] *= learned[:, None]
        self._neighbourhood = neighbourhood(avatar, corrections.index)
        turning = torch.tensor([REGION_INDEX[name] for name in (*TURNING, "lids")], device=self.device)
        self._untinted = torch.isin(avatar.gaussians.region[corrections.index], turning).nonzero()[:, 0]

    def _prepare_motion(self) -> None:
        self._signals = torch.from_numpy(signals(self.frames.motion, self.poses.torso)).to(self.device)

    def _target(self, index: int, shrink: int) -> Target:
        key = (index, shrink)
        if key not in self._targets:
            target = self.frames.target(index, shrink * self.shrink).to(self.device)
            if binding.compiled(self._signals):
                return target  # made again each time: memory stays small
            size = 4 * sum(part.numel() for part in (target.color, target.alpha, target.weights, target.sure))
            if size > self._room:
                return target
            self._room -= size
            self._targets[key] = target
        return self._targets[key]

    def _weight(self, index: int) -> float:
        """A weighted mean over a part of the picture counts as much as that part of a whole one."""
        return self.frames.extra[index - len(self.frames.rows)].share if self._is_pair(index) else 1.0

    def _background(self, target: Target) -> Tensor:
        width = target.camera.width
        if width not in self._behind:
            self._behind[width] = super()._background(target)
        return self._behind[width]

    def _active(self, index: int) -> Tensor:
        if not self._correcting:
            return torch.zeros(0, dtype=torch.int64, device=self.device)
        latents = self.parameters.corrections.latents(self._signals[index])
        return (latents.abs() > LEAST_LATENT).nonzero()[:, 0]

    @torch.no_grad()
    def _share_corrections(self, active: Tensor) -> None:
        """Corrections act where their muscles are; what neighbours learn is averaged now and then."""
        self._keep_local(active)
        if self.mouth is not None:
            self.mouth.take(self.parameters)
            self._statistics[self.mouth.rows] = 0  # they are as dense as they have to be
        if self._leaves:
            self.poses.step(self._last, self._leaves, 1 - (1 - ROUGH) * self.progress)
            self._leaves = {}

    def _keep_local(self, active: Tensor) -> None:
        for name in ("correction_position", "correction_color"):
            gradient = self.parameters.values[name].grad
            if gradient is not None and len(active):
                gradient[active] *= self._locality[active][:, :, None]
                if name == "correction_color":
                    # Light on hair and cloth changes, their tint does not: it would be the background's.
                    gradient[:, self._untinted] = gradient[:, self._untinted].mean(2, keepdim=True)

    @torch.no_grad()
    def _keep_whole(self) -> None:
        region = self.parameters.fixed.region
        color, opacity = (self.parameters.values[name].data for name in ("color", "opacity_logit"))
        color.copy_(within(color, self._low[region], self._high[region]))
        mesh = self.parameters.fixed.mesh_count
        rim = (self._hairy[region[:mesh]] & self._rim[self.parameters.fixed.triangle]).nonzero()[:, 0]
        color[rim] = within(color[rim], *(box[region[rim]] for box in self._rim_box))
        hidden = self._hidden_cloth.rows(self.parameters)
        begun, margin = lightness_and_tint(self.parameters.start["color"][hidden]), color.new_tensor(CLOTH_MARGIN)
        color[hidden] = within(color[hidden], begun - margin, begun + margin)
        torch.maximum(opacity[:mesh], self._solid[region[:mesh]], out=opacity[:mesh])
        # Where hair turns away from the camera no frame shows whether it covers what is behind it.
        turned = self._hairy[region[:mesh]] & self._turned[self.parameters.fixed.triangle]
        scale, begun = self.parameters.values["log_scale"].data[:mesh], self.parameters.start["log_scale"][:mesh]
        torch.maximum(scale, torch.where(turned[:, None], begun - SHRINK, -math.inf), out=scale)
        place, begun = self.parameters.values["position"].data[:mesh], self.parameters.start["position"][:mesh]
        reach = torch.where(turned, RIM_REACH, math.inf)[:, None]
        torch.minimum(torch.maximum(place, begun - reach), begun + reach, out=place)

    @torch.no_grad()
    def _keep_held(self) -> None:
        values = self.parameters.values
        place, scale = values["position"].data, values["log_scale"].data
        place[self._held] = torch.minimum(torch.maximum(place[self._held], self._held_low), self._held_high)
        scale[self._held] = torch.minimum(scale[self._held], self._held_size)
        inner, begun = self._inner_lips, self.parameters.start
        size = begun["log_scale"][inner]
        scale[inner] = torch.minimum(torch.maximum(scale[inner], size - INNER_SIZE), size + INNER_SIZE)
        values["rotation"].data[inner] = begun["rotation"][inner]
        if self._correcting:
            change = values["correction_position"].data
            change[:, self._held_slot] = change[:, self._held_slot].clamp(-HELD_CHANGE, HELD_CHANGE)
            change = values["correction_color"].data
            change[:, self._inner_slot] = change[:, self._inner_slot].clamp(-LIP_CHANGE, LIP_CHANGE)

    def _next(self) -> int:
        if not self._order:
            rare = rare_frames(self.frames.filmed)
            order = torch.cat([torch.arange(len(self.frames.rows)), *[rare] * (RARE - 1)])
            self._order = order[torch.randperm(len(order), generator=self._generator)].tolist()
        self._last = super()._next()
        return self._last

    @torch.no_grad()
    def _smooth_corrections(self) -> None:
        if not self._correcting:
            return
        for name in ("correction_position", "correction_color"):
            value = self.parameters.values[name].data
            latents, count, _ = value.shape
            together = value.permute(1, 0, 2).reshape(count, latents * 3)
            mean = (self._neighbourhood @ together).view(count, latents, 3).permute(1, 0, 2)
            value.lerp_(mean, SMOOTH)

    @torch.no_grad()
    def _smooth_rim(self) -> None:
        fixed, color = self.parameters.fixed, self.parameters.values["color"].data
        index = self.parameters.index
        rim = (index < fixed.mesh_count) & self._hairy[fixed.region[index]]
        rim[rim.clone()] = self._rim[fixed.triangle[index[rim]]]
        mean = self._neighbourhood @ color[index]
        color[index[rim]] = torch.lerp(color[index[rim]], mean[rim], SMOOTH)

    def _set_lip_box(self) -> None:
        lips = color_box(self.avatar.gaussians, LIP_REST, names=(("lips",),))
        of, lining = REGION_INDEX["lips"], REGION_INDEX["mouth"]
        for box, ends, limit in zip((self._low, self._high), lips, (torch.minimum, torch.maximum), strict=True):
            box[of] = ends[of]
            box[lining, 1:] = limit(ends[of, 1:], torch.zeros_like(ends[of, 1:]))
        light = self.avatar.gaussians.color[self.avatar.gaussians.region == of].mean(1)
        if len(light):
            self._low[of, 0] = torch.maximum(self._low[of, 0], LIP_LIGHT[0] * light.median())
            self._high[of, 0] = torch.minimum(self._high[of, 0], LIP_LIGHT[1] * light.median())
        self._high[lining, 0] = self._high[of, 0]

    @torch.no_grad()
    def _even_colors(self) -> None:
        """No Gaussian of lids and lips stands out from those around it: it would be a speck when they move."""
        fixed, color, index = self.parameters.fixed, self.parameters.values["color"].data, self.parameters.index
        mean = lightness_and_tint(self._neighbourhood @ color[index])
        for name, margin in EVEN.items():
            own = (fixed.region[index] == REGION_INDEX[name]).nonzero()[:, 0]
            around, most = mean[own], color.new_tensor(margin)
            color[index[own]] = within(color[index[own]], around - most, around + most)

    def _extra_state(self) -> dict[str, Tensor]:
        return self.poses.state() | (self.mouth.state() if self.mouth is not None else {})

    def _load_extra(self, state: dict[str, Tensor]) -> None:
        self.poses.load(state)
        self._find_parts()
        if self.mouth is not None:
            self.mouth.load(state)

    def loss(
        self,
        image: Tensor,  # [H, W, 3] as drawn
        alpha: Tensor,  # [H, W] as drawn
        target: Target,
        background: Tensor,  # [3] or [H, W, 3] that it was drawn over
    ) -> Tensor:
        """As in `GaussianFit`; near the end with the squared error as well, which large errors dominate; a scalar."""
        loss = super().loss(image, alpha, target, background)
        if self.progress < SQUARED_FROM:
            return loss
        weights = target.weights[..., None]
        squares = ((image - target.over(background)).square() * weights).mean() / weights.mean()
        return 0.5 * loss + SQUARED * squares


def room_for_targets(device: torch.device) -> int:
    """Bytes of a GPU's memory that frames may fill which are ready to be compared with: to make one ready takes the CPU
    longer than a step takes a GPU."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" and torch.cuda.is_available() else MOST_ROOM
    return min(MOST_ROOM, free // 4)


def color_box(
    gaussians: BoundGaussians,
    rest: float = BOX_REST,
    margin: tuple[float, ...] = BOX_MARGIN,
    names: tuple[tuple[str, ...], ...] = BOXED,
) -> tuple[Tensor, Tensor]:
    """Least and largest lightness and tint [REGIONS, 4] (`lightness_and_tint`) that Gaussians of a region may take.

    Hair and skin stay within what the video shows of them. Without that, those on the outline learn the colour of the
    background that shines through there, and carry it along as a fringe when the head turns.
    """
    device = gaussians.region.device
    low, high = (torch.full((len(REGIONS), 4), end, device=device) for end in (-math.inf, math.inf))
    for together in names:
        members = torch.isin(gaussians.region, torch.tensor([REGION_INDEX[name] for name in together], device=device))
        if int(members.sum()) < 20:
            continue
        color = lightness_and_tint(gaussians.color[members])
        for name in together:
            low[REGION_INDEX[name]] = color.quantile(rest, dim=0) - color.new_tensor(margin)
            high[REGION_INDEX[name]] = color.quantile(1 - rest, dim=0) + color.new_tensor(margin)
    return low, high


def lightness_and_tint(color: Tensor) -> Tensor:
    """Mean of red, green and blue, and what each has beyond it, [N, 4] of colours [N, 3]. A box of red, green and blue
    alone that holds greys of all lightness holds every other dark colour as well."""
    light = color.mean(1, keepdim=True)
    return torch.cat([light, color - light], 1)


def within(
    color: Tensor,  # [N, 3]
    low: Tensor,  # [N, 4]
    high: Tensor,  # [N, 4]
) -> Tensor:
    """The nearest colours [N, 3] whose lightness and tint lie between `low` and `high` [N, 4]."""
    kept = torch.maximum(torch.minimum(lightness_and_tint(color), high), low)
    return kept[:, :1] + kept[:, 1:]


def rare_frames(motion: HeadMotion) -> Tensor:
    """Frames [R] with shut eyes or the mouth wide open: few, and what they show is seen in no other."""
    jaw = motion.expression[:, ARKIT_INDEX["jawOpen"]]
    shut = motion.eyelids.min(1) > 0.45
    wide = jaw > max(0.12, float(np.quantile(jaw, 0.95)))
    rows = np.flatnonzero(shut | wide)
    # Where they are not few they need no help.
    return torch.from_numpy(rows if len(rows) < 0.12 * len(motion) else rows[:0])


def draw_frame(
    avatar: GaussianAvatar,
    motion: HeadMotion,
    t: int,
    torso: Tensor | None = None,  # [3] or [3, 4], as for `GaussianAvatar.pose`
    shrink: int = 1,
) -> np.ndarray:
    """The avatar through its own camera and before its own background: [H, W, 3] float32 in [0, 1]."""
    return _drawn(avatar, motion, t, torso, shrink).contiguous().cpu().numpy()


@torch.no_grad()
def _drawn(avatar: GaussianAvatar, motion: HeadMotion, t: int, torso: Tensor | None = None, shrink: int = 1) -> Tensor:
    """The picture of `draw_frame` [H, W, 3] on the avatar's device."""
    camera, background = shrink_camera(avatar.camera, shrink), avatar.background
    if background.ndim == 3 and background.shape[:2] != (camera.height, camera.width):
        planes = background.permute(2, 0, 1)[None]
        fitted = torch.nn.functional.interpolate(planes, (camera.height, camera.width), mode="area")
        background = fitted[0].permute(1, 2, 0)
    return rasterize(avatar.pose(motion, t, camera, torso), camera, background).image.clamp(0, 1)


def scores(
    avatar: GaussianAvatar,
    motion: HeadMotion,
    torso: Tensor,  # [T, 3] or [T, 3, 4]
    picture: Callable[[int], np.ndarray],  # t -> [H, W, 3] uint8
    rows: np.ndarray,  # [R] frame numbers
    mask: Tensor,  # [H, W] bool, the head
) -> dict[str, float]:
    """Mean PSNR (dB) and SSIM over the full picture and within the mask, of the rows of a motion, on the avatar's
    device."""
    mask, results = mask.to(avatar.device), []
    for t in rows:
        image = _drawn(avatar, motion, int(t), torso[int(t)])
        wanted = torch.from_numpy(picture(int(t))).to(avatar.device).float() / 255
        squares = (image - wanted).square()
        results.append(
            (
                peak_ratio(float(squares.mean())), float(ssim(image, wanted)),
                peak_ratio(float(squares[mask].mean())), float(ssim(image, wanted, mask.float())),
            )
        )  # fmt: skip
    names = ("psnr_full", "ssim_full", "psnr_head", "ssim_head")
    return dict(zip(names, np.mean(results, axis=0).tolist(), strict=True))
