"""Which emotion does this whole motion show?

The classifier of Emotional Conversation (arXiv 2406.07895) ties expression, gaze and head pose together by having to
recognise the emotion from all of them. Here a small network reads every channel of a HeadMotion and says valence and
arousal. It is a training loss (does the generated face still show its emotion while it talks?) and a metric.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core import checkpoint
from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.emotion.expression import LID_SHAPES, LOOK_SHAPES

FORMAT = "emotalk-consistency-1"
CHANNELS: dict[str, int] = {"expression": len(ARKIT_NAMES), "jaw": 3, "gaze": 2, "eyelids": 2, "head_pose": 6}
# Brings the channels to about the size of expression weights: jaw and gaze radians, head radians and metres.
_SCALES = {"expression": 1.0, "jaw": 5.0, "gaze": 3.0, "eyelids": 1.0, "head_pose": 6.0}
REACH = 25
"""Frames to either side (1 s) over which the impression of a moment is formed."""


def motion_tensor(motion: HeadMotion) -> Tensor:
    """[1, T, 65] of all channels, scaled."""
    parts = [torch.from_numpy(getattr(motion, name)) * _SCALES[name] for name in CHANNELS]
    return torch.cat(parts, -1)[None]


def face_tensor(expression: Tensor) -> Tensor:
    """[B, T, 65] of faces [B, T, 52] alone, eyeBlink* moved to the lids; jaw, gaze and head stay 0. Differentiable."""
    keep = torch.ones(expression.shape[-1], device=expression.device)
    keep[LID_SHAPES + LOOK_SHAPES] = 0
    zeros = expression.new_zeros(*expression.shape[:-1], 11)
    lids = expression[..., LID_SHAPES]
    return torch.cat([expression * keep, zeros[..., :5], lids, zeros[..., :6]], -1)


class RecogniserNetwork(nn.Module):
    """Motion [B, T, 65] -> valence and arousal [B, T, 2] in (-1, 1), each from the second around its frame."""

    def __init__(self, hidden: int = 96) -> None:
        super().__init__()
        self.hidden = hidden
        inputs = sum(CHANNELS.values())
        self.moment = nn.Sequential(nn.Linear(2 * inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU())
        self.judge = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Linear(hidden, 2))

    def forward(self, motion: Tensor) -> Tensor:
        """Valence and arousal [B, T, 2] of a motion [B, T, 65] (`motion_tensor`)."""
        speed = torch.diff(motion, dim=1, prepend=motion[:, :1]) * 5
        seen = self.moment(torch.cat([motion, speed], -1))
        mean = _around(seen)
        spread = (_around(seen * seen) - mean * mean).clamp(min=1e-6).sqrt()
        return torch.tanh(self.judge(torch.cat([mean, spread], -1)))


def _around(x: Tensor) -> Tensor:
    """[B, T, H] mean over the frames within REACH that exist."""
    total = torch.cumsum(nn.functional.pad(x, (0, 0, 1, 0)), 1)
    frames = x.shape[1]
    at = torch.arange(frames, device=x.device)
    first, last = (at - REACH).clamp(min=0), (at + REACH + 1).clamp(max=frames)
    return (total[:, last] - total[:, first]) / (last - first)[:, None]


class EmotionRecogniser:
    """`EmotionRecogniser.load()(motion) -> [T, 2]` valence and arousal that the motion shows."""

    def __init__(self, network: RecogniserNetwork) -> None:
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path | None = None) -> EmotionRecogniser:
        """The shipped network; CheckpointError where its file is missing or damaged."""
        return cls(load_recogniser(Path(path or CHECKPOINTS / "consistency.safetensors")))

    def __call__(self, motion: HeadMotion) -> np.ndarray:
        """[T, 2] valence and arousal in (-1, 1) of each frame."""
        if not len(motion):
            return np.zeros((0, 2), np.float32)
        with torch.inference_mode():
            return self.network(motion_tensor(motion))[0].numpy()


def concordance(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Lin's concordance correlation coefficient (Biometrics 45, 1989) of two courses [N]: 1 is agreement."""
    x, y = np.asarray(predicted, np.float64).ravel(), np.asarray(truth, np.float64).ravel()
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    return float(2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2 + 1e-12))


def save_recogniser(network: RecogniserNetwork, path: Path) -> None:
    """Half-precision weights, moved into place when complete."""
    checkpoint.save_network(path, network, FORMAT, {"hidden": network.hidden})


def load_recogniser(path: Path) -> RecogniserNetwork:
    """The network of a file written by `save_recogniser`, in float32; CheckpointError where it is none."""

    def build(config: dict, _weights: dict) -> RecogniserNetwork:
        return RecogniserNetwork(**config)

    return checkpoint.load_network(path, build, FORMAT, "emotion recogniser", checkpoint.remake("train_motion"))
