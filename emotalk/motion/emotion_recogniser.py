"""Which emotion does this whole motion show?

The classifier of Emotional Conversation (arXiv 2406.07895) ties expression, gaze and head pose together by having to
recognise the emotion from all of them. Here a small network reads every channel of a HeadMotion and says valence and
arousal. It judges the face and the rest of the body apart and says how sure it is of either: what is not there, or says
little, counts little. A face is judged within a second, a body takes several: how much and how fast a head moves, how
often eyes jump and blink, how the head is held.

There are two of them, of other seeds, people and voices: one is a training loss (does the generated face still show its
emotion while it talks?), the other only measures (`EmotionRecogniser.load_judge`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core import checkpoint
from emotalk.core.arkit import ARKIT_NAMES
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.emotion.expression import LID_SHAPES, LOOK_SHAPES

FORMAT = "emotalk-consistency-2"
CHANNELS: dict[str, int] = {"expression": len(ARKIT_NAMES), "jaw": 3, "gaze": 2, "eyelids": 2, "head_pose": 6}
# Brings the channels to about the size of expression weights: jaw and gaze radians, head radians and metres.
_SCALES = {"expression": 1.0, "jaw": 5.0, "gaze": 3.0, "eyelids": 1.0, "head_pose": 6.0}
EYELIDS = slice(57, 59)
"""Columns of `motion_tensor` that hold the lids: both the face and the body are judged by them."""
FACE = [*range(52), *range(57, 59)]
BODY = [*range(52, 65)]
"""Columns of the face (expression, lids) and of the body (jaw swing, gaze, lids, head)."""
FACE_REACH, BODY_REACH = 25, 75
"""Frames to either side (1 s and 3 s) over which the impression of a moment is formed."""
PRIOR = 3.0
"""Precision (one over variance) of moods before anything is seen: those of the square are about that far apart."""
_OPEN_MIND = 0.4
"""Share of it that holds a judgement back towards neutral. All of it gives the least squared error, and judgements of
bodies that are spread less than moods are; none of it gives wild ones. Concordance is highest at r / (1 + r)."""
_QUICK = 6  # frames: what is faster than this is a stroke, not a posture


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


@dataclass(frozen=True)
class Impression:
    """What one part of a motion shows in each of T frames."""

    va: Tensor  # [B, T, 2] valence and arousal in (-1, 1), as likely as can be, wherever moods usually are
    evidence: Tensor  # [B, T, 2] how much that counts, as a precision > 0; about 0: nothing is seen


@dataclass(frozen=True)
class RecogniserConfig:
    """Channels of the two networks."""

    face: int = 80
    body: int = 48
    dropout: float = 0.1


class _Part(nn.Module):
    """Some columns of a motion -> `Impression`, from averages over `reach` frames to either side."""

    def __init__(self, columns: list[int], hidden: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.columns, self.reach = columns, reach
        inputs = len(columns)
        self.moment = nn.Sequential(nn.Linear(2 * inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU())
        self.judge = nn.Sequential(
            nn.Linear(2 * hidden + 4 * inputs, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, 4)
        )

    def forward(self, motion: Tensor) -> Impression:
        seen = motion[..., self.columns]
        speed = torch.diff(seen, dim=1, prepend=seen[:, :1]) * 5
        felt = self.moment(torch.cat([seen, speed], -1))
        stroke = seen - _around(seen, _QUICK)
        # Sizes count by their logarithm: people differ by factors.
        sizes = [self._spread(x, 1e-4).log() + 2 for x in (seen, speed, stroke)]
        means = [_around(x, self.reach) for x in (seen, felt)]
        level, sure = self.judge(torch.cat([*means, self._spread(felt, 1e-3), *sizes], -1)).chunk(2, -1)
        return Impression(torch.tanh(level), torch.exp(sure.clamp(-6, 4.5)))

    def _spread(self, x: Tensor, least: float) -> Tensor:
        mean = _around(x, self.reach)
        return (_around(x * x, self.reach) - mean * mean).clamp(min=least).sqrt()


class RecogniserNetwork(nn.Module):
    """Motion [B, T, 65] -> valence and arousal [B, T, 2] in (-1, 1), from the seconds around each frame."""

    def __init__(self, config: RecogniserConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RecogniserConfig()
        self.face = _Part(FACE, config.face, FACE_REACH, config.dropout)
        self.body = _Part(BODY, config.body, BODY_REACH, config.dropout)

    def impressions(self, motion: Tensor) -> tuple[Impression, Impression]:
        """What face and body of a motion [B, T, 65] show, each by itself."""
        return self.face(motion), self.body(motion)

    def forward(self, motion: Tensor) -> Tensor:
        """Valence and arousal [B, T, 2] of a motion [B, T, 65] (`motion_tensor`)."""
        return together(self.impressions(motion), _OPEN_MIND * PRIOR)[0]


def together(parts: tuple[Impression, ...], prior: float) -> tuple[Tensor, Tensor]:
    """(valence and arousal [B, T, 2], their precision [B, T, 2]) of what several parts of a motion show independently,
    where moods have mean 0 and precision `prior`."""
    precision = prior + sum(part.evidence for part in parts)
    return sum(part.evidence * part.va for part in parts) / precision, precision


def _around(x: Tensor, reach: int) -> Tensor:
    """[B, T, H] mean over the frames within `reach` that exist."""
    total = torch.cumsum(nn.functional.pad(x, (0, 0, 1, 0)), 1)
    frames = x.shape[1]
    at = torch.arange(frames, device=x.device)
    first, last = (at - reach).clamp(min=0), (at + reach + 1).clamp(max=frames)
    return (total[:, last] - total[:, first]) / (last - first)[:, None]


class EmotionRecogniser:
    """`EmotionRecogniser.load()(motion) -> [T, 2]` valence and arousal that the motion shows."""

    def __init__(self, network: RecogniserNetwork) -> None:
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path | None = None) -> EmotionRecogniser:
        """The shipped network that is a training loss; CheckpointError where its file is missing or damaged."""
        return cls(load_recogniser(Path(path or CHECKPOINTS / "consistency.safetensors")))

    @classmethod
    def load_judge(cls) -> EmotionRecogniser:
        """The shipped network that only measures: nothing was trained to please it. CheckpointError as `load`."""
        return cls.load(CHECKPOINTS / "consistency_judge.safetensors")

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


def save_recogniser(network: RecogniserNetwork, path: Path, facts: dict | None = None) -> None:
    """Half-precision weights with any `facts` about their making in the header, moved into place when complete."""
    checkpoint.save_network(path, network, FORMAT, dataclasses.asdict(network.config), facts)


def load_recogniser(path: Path) -> RecogniserNetwork:
    """The network of a file written by `save_recogniser`, in float32; CheckpointError where it is none."""

    def build(config: dict, _weights: dict) -> RecogniserNetwork:
        return RecogniserNetwork(RecogniserConfig(**config))

    return checkpoint.load_network(path, build, FORMAT, "emotion recogniser", checkpoint.remake("train_motion"))
