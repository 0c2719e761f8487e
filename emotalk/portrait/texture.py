"""The texture branch: a small network that mends the mouth of a frame that the motion branch made.

It sees the mouth as it is drawn, how much of that the photo shows, how far it has moved, and the mouth of the photo,
and answers with what to add. Beyond its crop nothing changes.

After the texture branch of one-shot geometry-aware emotional faces (arXiv 2205.01155, section 3.3), reduced to what the
Gaussians leave open.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core import checkpoint
from emotalk.core.camera import Camera
from emotalk.core.landmarks import EYE_CORNERS, OUTER_LIPS
from emotalk.portrait.flow import projected

WIDTH, HEIGHT = 128, 96
"""Pixels of a crop."""
ACROSS = 1.05
"""Eye distances that it is wide: lips, chin and the folds beside the mouth."""
LOWER = 0.06
"""Eye distances that its middle is below the lips'."""
CHANNELS = 11
FADE = 10
"""Pixels at the border of a crop over which what is added fades in."""
COARSEST = 2.0
"""Pixels (standard deviation) that what is added is blurred by: it corrects colours and shapes, the finest detail stays
the photo's. Free to add any detail, the network blurs what is there."""
FORMAT = "emotalk-texture-2"


@dataclass(frozen=True)
class TextureConfig:
    """Sizes of the network."""

    width: int = 40
    dilations: tuple[int, ...] = (1, 2, 4, 2, 1)
    """One residual block for each; at half of the crop's resolution, so that the last ones see all of the mouth."""


class TextureNetwork(nn.Module):
    """Input [B, CHANNELS, HEIGHT, WIDTH] of `crop_inputs` -> what to add to the colours [B, 3, HEIGHT, WIDTH]. Adds
    nothing before it is trained."""

    def __init__(self, config: TextureConfig | None = None) -> None:
        super().__init__()
        self.config = config = config if config is not None else TextureConfig()
        self.enter = nn.Conv2d(4 * CHANNELS, config.width, 1)
        self.blocks = nn.ModuleList(
            nn.Conv2d(config.width, config.width, 3, padding=step, dilation=step) for step in config.dilations
        )
        self.leave = nn.Conv2d(config.width, 12, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("window", _window(), persistent=False)
        self.register_buffer("blur", _gaussian(COARSEST).expand(3, 1, -1).contiguous(), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """[B, CHANNELS, HEIGHT, WIDTH] -> [B, 3, HEIGHT, WIDTH]."""
        hidden = self.enter(nn.functional.pixel_unshuffle(crops, 2))
        for block in self.blocks:
            hidden = hidden + block(nn.functional.silu(hidden))
        added = nn.functional.pixel_shuffle(self.leave(nn.functional.silu(hidden)), 2)
        half = self.blur.shape[-1] // 2
        added = nn.functional.conv2d(added, self.blur[..., None], padding=(half, 0), groups=3)
        added = nn.functional.conv2d(added, self.blur[..., None, :], padding=(0, half), groups=3)
        return added * self.window


@dataclass(frozen=True)
class Crop:
    """Where a mouth is in a picture: a rectangle that may be turned."""

    middle: np.ndarray  # [2] pixels
    across: np.ndarray  # [2] pixels of the picture for one of the crop, to the right

    @classmethod
    def around(cls, vertices: Tensor, head: nn.Module, camera: Camera) -> Crop:
        """The mouth of a head with vertices [V, 3], as a camera sees it."""
        with torch.no_grad():
            points, _ = projected(head.landmarks(vertices[None])[0], camera)
        points = points.double().cpu().numpy()
        left, right = points[EYE_CORNERS[0]], points[EYE_CORNERS[3]]
        if left[0] > right[0]:
            left, right = right, left
        across = (right - left) * (ACROSS / WIDTH)
        down = np.array([-across[1], across[0]]) * (WIDTH / ACROSS)
        return cls(points[list(OUTER_LIPS)].mean(0) + LOWER * down, across)

    @property
    def matrix(self) -> np.ndarray:
        """[2, 3]: pixels of the crop (the first one's middle is .5) to those of the picture."""
        turn = np.stack([self.across, [-self.across[1], self.across[0]]], 1)
        return np.concatenate([turn, (self.middle - turn @ [WIDTH / 2, HEIGHT / 2])[:, None]], 1)

    def of(self, planes: Tensor, scale: tuple[float, float] = (1.0, 1.0)) -> Tensor:
        """The `planes` [C, H, W] of a picture cut out: [C, HEIGHT, WIDTH]. `scale`: pixels of theirs for one of the
        picture's."""
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
        places = np.stack([x, y, np.ones_like(x)], -1) @ self.matrix.T * scale
        grid = 2 * places / [planes.shape[2], planes.shape[1]] - 1
        grid = torch.from_numpy(grid.astype(np.float32))[None]
        return nn.functional.grid_sample(planes[None], grid, align_corners=False, padding_mode="border")[0]


def moved_away(flow: Tensor, shown: Tensor, crop: Crop) -> Tensor:
    """How far a mouth is from its place in the photo, [2, HEIGHT, WIDTH]: that of each pixel beside the mean, in tenths
    of an eye distance, where the photo shows it; of a flow [2] and of what is shown [1], both cut out."""
    eyes = float(np.linalg.norm(crop.across)) * WIDTH / ACROSS
    away = flow * shown
    return ((away - away.mean((1, 2), keepdim=True)) * (10 / eyes)).clamp(-4, 4)


def network_input(drawn: Tensor, photo: Tensor, shown: Tensor, away: Tensor) -> Tensor:
    """What the network sees [CHANNELS, HEIGHT, WIDTH]: a mouth as `drawn` [3] and in the `photo` [3] (colours in
    [0, 1]), how much of it is `shown` [1] by the photo, how far it moved `away` [2], and where each pixel is [2]."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, HEIGHT), torch.linspace(-1, 1, WIDTH), indexing="ij")
    return torch.cat([2 * drawn - 1, 2 * photo - 1, shown, away, x[None], y[None]])


def save_texture(network: TextureNetwork, path: Path, facts: dict | None = None) -> None:
    """One safetensors file with the network's sizes in its header."""
    checkpoint.save_network(path, network, FORMAT, dataclasses.asdict(network.config), facts)


def load_texture(path: Path, table: dict | None = None) -> TextureNetwork:
    """The network of a file that `save_texture` wrote; CheckpointError where it is none. `table`: the content of a
    config.json that has to agree with it."""

    def build(config: dict, _weights: dict) -> TextureNetwork:
        return TextureNetwork(TextureConfig(**{**config, "dilations": tuple(config["dilations"])}))

    remedy = checkpoint.remake("train_texture")
    return checkpoint.load_network(path, build, FORMAT, "texture network", remedy, table)


def _gaussian(deviation: float) -> Tensor:
    steps = torch.arange(-int(3 * deviation + 0.5), int(3 * deviation + 0.5) + 1)
    weights = torch.exp(-0.5 * (steps / deviation) ** 2)
    return weights / weights.sum()


def _window() -> Tensor:
    def side(length: int) -> Tensor:
        away = torch.minimum(torch.arange(length) + 0.5, length - 0.5 - torch.arange(length))
        return (away / FADE).clamp(0, 1)

    return side(HEIGHT)[:, None] * side(WIDTH)
