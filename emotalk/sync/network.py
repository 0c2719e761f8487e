"""Do these lips belong to this sound, and how far is the one behind the other?

SyncNet's idea (Chung & Zisserman, "Out of time: automated lip sync in the wild", ACCV 2016 workshops) on what the
mouth must do and what it does rather than on spectrograms and pixels: a window of phones and articulations and a
window of lip measures are embedded so that what belongs together points the same way. The score is the mean cosine.
It works on generated motion (ARKit coefficients) and on filmed faces (landmarks), and passes gradients to both.

There are two of them, of other seeds, voices and films: one is a training loss and finds offsets, the other only
measures (`SyncModel.load_judge`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core import checkpoint
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import SpeechFeatures
from emotalk.speech.feature_rows import ROW_SIZE, pair_rows, speech_rows
from emotalk.sync.lip_measures import MEASURES, LipBasis, measures_of_motion

FORMAT = "emotalk-sync-1"
AUDIO_REACH, LIPS_REACH = 4, 3
"""Frames to either side that an embedding sees (160 and 120 ms)."""
_SLOW = 12  # frames: lip measures are taken against a running mean of +-0.5 s, as faces, moods and heads differ


@dataclass(frozen=True)
class SyncConfig:
    """Sizes of the two embedding networks."""

    hidden: int = 192
    size: int = 48
    dropout: float = 0.2


@dataclass(frozen=True)
class Offset:
    """How far the lips are behind the sound."""

    frames: int  # > 0: the lips come later than the sound
    confidence: float  # score there minus the median over all offsets (SyncNet's "Sync-C")
    score: float  # mean cosine at that offset, -1 to 1
    scores: np.ndarray  # [2 reach + 1] mean cosine by offset -reach .. reach


def lip_features(measures: Tensor) -> Tensor:
    """[B, T, 8] of lip measures [B, T, 4]: deviations from a running mean in the clip's own spread, and their change.

    Differentiable. A mouth that does not move gives zeros, not noise blown up.
    """
    kernel = torch.ones(1, 1, 2 * _SLOW + 1, dtype=measures.dtype, device=measures.device) / (2 * _SLOW + 1)
    columns = measures.transpose(1, 2).reshape(-1, 1, measures.shape[1])
    slow = nn.functional.conv1d(nn.functional.pad(columns, (_SLOW, _SLOW), mode="replicate"), kernel)
    quick = (columns - slow).view(len(measures), -1, measures.shape[1]).transpose(1, 2)
    spread = quick.std(1, keepdim=True) + 0.004  # 0.4 % of the eye distance: below that it is landmark noise
    level = (quick / spread).clamp(-4, 4)
    change = torch.diff(level, dim=1, prepend=level[:, :1])
    return torch.cat([level, change], -1)


def _windows(x: Tensor, reach: int) -> Tensor:
    """[B, T, (2 reach + 1) D]: every frame with its neighbours, the ends repeated."""
    padded = torch.cat([x[:, :1].expand(-1, reach, -1), x, x[:, -1:].expand(-1, reach, -1)], 1)
    return torch.cat([padded[:, i : i + x.shape[1]] for i in range(2 * reach + 1)], -1)


class SyncNetwork(nn.Module):
    """Two embedding networks, one for what is heard and one for what the lips do."""

    def __init__(self, basis: LipBasis, config: SyncConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SyncConfig()

        def embed(inputs: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(inputs, config.hidden),
                nn.GELU(),
                nn.Dropout(config.dropout),
                nn.Linear(config.hidden, config.hidden),
                nn.GELU(),
                nn.Dropout(config.dropout),
                nn.Linear(config.hidden, config.size),
            )

        self.hear = embed((2 * AUDIO_REACH + 1) * 2 * ROW_SIZE)
        self.see = embed((2 * LIPS_REACH + 1) * 2 * len(MEASURES))
        self.sharpness = nn.Parameter(torch.tensor(2.3))  # log of the factor on cosines in the contrastive loss
        self.register_buffer("neutral", basis.neutral.float())
        self.register_buffer("shapes", basis.shapes.float())

    @property
    def basis(self) -> LipBasis:
        """Where the lips of the shipped head are and how shapes move them, as this network was trained with it."""
        return LipBasis(self.neutral, self.shapes)

    def embed_sound(self, rows: Tensor) -> Tensor:
        """[B, T, E] unit vectors of paired speech rows [B, T, 96] (`feature_rows.pair_rows`)."""
        return nn.functional.normalize(self.hear(_windows(rows, AUDIO_REACH)), dim=-1)

    def embed_lips(self, measures: Tensor) -> Tensor:
        """[B, T, E] unit vectors of lip measures [B, T, 4]."""
        return nn.functional.normalize(self.see(_windows(lip_features(measures), LIPS_REACH)), dim=-1)

    def loss(self, rows: Tensor, expression: Tensor) -> Tensor:
        """1 - mean cosine, a scalar tensor, of speech `rows` [B, T, 96] and a generated `expression` [B, T, 52]."""
        return 1 - (self.embed_sound(rows) * self.embed_lips(self.basis.measures(expression))).sum(-1).mean()


class SyncModel:
    """`SyncModel.load()`: scores and offsets of whole clips."""

    def __init__(self, network: SyncNetwork) -> None:
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path | None = None) -> SyncModel:
        """The shipped network, or one saved by `save_sync`; CheckpointError where the file is none."""
        return cls(load_sync(Path(path or CHECKPOINTS / "sync.safetensors")))

    @classmethod
    def load_judge(cls) -> SyncModel:
        """The shipped network that only measures: nothing was trained, adapted or shifted to please it.
        CheckpointError as `load`."""
        return cls.load(CHECKPOINTS / "sync_judge.safetensors")

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, refresh: bool = False) -> SyncModel:
        """The network that `save_pretrained` wrote, in a folder or on the Hub (`hub.models.model_folder`).

        `refresh` looks for something newer than an earlier download. Raises CheckpointError or HubError.
        """
        # Imported here: the Hub's client only where an address is given.
        from emotalk.hub.models import model_folder

        config, weights = model_folder(name_or_path, refresh)
        return cls(load_sync(weights, checkpoint.read_config(config)))

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors (half precision, the lip basis in full) into `folder`."""
        sizes = dataclasses.asdict(self.network.config)
        save_sync(self.network, checkpoint.write_config(folder, {"format": FORMAT, "config": sizes}))

    def lips(self, motion: HeadMotion) -> np.ndarray:
        """Lip measures [T, 4] of generated motion (those of filmed faces: `lip_measures.measures_of_landmarks`)."""
        return measures_of_motion(motion, self.network.basis)

    def embeddings(self, features: SpeechFeatures, measures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors [T, E] of the sound and of the lips (`measures` [T', 4]), cut to the shorter of the two."""
        rows = pair_rows(speech_rows(features[: len(features) // 2 * 2]))
        frames = min(len(rows), len(measures))
        if frames < 2 * AUDIO_REACH + 1:
            raise InputError(f"Judging lip sync needs at least {2 * AUDIO_REACH + 1} frames, found {frames}.")
        with torch.inference_mode():
            heard = self.network.embed_sound(torch.from_numpy(rows[:frames])[None])[0]
            seen = self.network.embed_lips(torch.from_numpy(np.float32(measures[:frames]))[None])[0]
        return heard.numpy(), seen.numpy()

    def score(self, features: SpeechFeatures, measures: np.ndarray) -> float:
        """Mean cosine in [-1, 1] of sound and lips (`measures` [T', 4]) as they stand."""
        heard, seen = self.embeddings(features, measures)
        return float((heard * seen).sum(-1).mean())

    def offset(self, features: SpeechFeatures, measures: np.ndarray, reach: int = 15) -> Offset:
        """The offset at which the lips (`measures` [T', 4]) fit the sound best, within +-`reach` frames."""
        return best_offset(*self.embeddings(features, measures), reach)


def best_offset(heard: np.ndarray, seen: np.ndarray, reach: int = 15) -> Offset:
    """`Offset` between the unit vectors `heard` [T, E] of a sound and `seen` [T', E] of lips (`SyncModel.embeddings`).

    At least 9 frames must overlap at every offset; InputError where there are fewer frames.
    """
    reach = min(reach, len(heard) - 9)
    if reach < 0:
        raise InputError(f"An offset needs at least 9 frames, found {len(heard)}.")
    scores = np.array(
        [
            (heard[max(0, -k) : len(heard) - max(0, k)] * seen[max(0, k) : len(seen) - max(0, -k)]).sum(-1).mean()
            for k in range(-reach, reach + 1)
        ]
    )
    best = int(scores.argmax())
    return Offset(best - reach, float(scores[best] - np.median(scores)), float(scores[best]), scores)


def save_sync(network: SyncNetwork, path: Path, facts: dict | None = None) -> None:
    """Half-precision weights (the lip basis in full) with their sizes in the header, moved into place."""
    config = dataclasses.asdict(network.config)
    checkpoint.save_network(path, network, FORMAT, config, facts, full=("neutral", "shapes"))


def load_sync(path: Path, table: dict | None = None) -> SyncNetwork:
    """The network of a file written by `save_sync`, in float32; CheckpointError where it is none.

    `table` is the content of a config.json that speaks for the file: it has to agree with the file's own header.
    """

    def build(config: dict, weights: dict[str, Tensor]) -> SyncNetwork:
        return SyncNetwork(LipBasis(weights["neutral"], weights["shapes"]), SyncConfig(**config))

    return checkpoint.load_network(path, build, FORMAT, "sync network", checkpoint.remake("train_motion"), table)
