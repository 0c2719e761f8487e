"""The speech encoder: from sound to phones, articulation and prosody at 50 Hz, in one go or as it arrives."""

from __future__ import annotations

import copy
import functools
import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emotalk.core import checkpoint
from emotalk.core.errors import InputError
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.speech.inference import NetworkConfig, NetworkStream, Weights, check_weights, read_out
from emotalk.speech.mel import GROUP, HOP, LOOK_AHEAD_SAMPLES, MelStream, SpectralLeveller
from emotalk.speech.pitch import LOOK_AHEAD_SAMPLES as PROSODY_LOOK_AHEAD_SAMPLES
from emotalk.speech.pitch import ProsodyStream

if TYPE_CHECKING:
    from emotalk.speech.pitch import ProsodyFrames

Columns = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Features [n, C], phone probabilities [n, 40], articulation [n, 6]."""
_PIECE = 10 * SAMPLE_RATE  # samples that `encode` works on at a time


class SpeechEncoder:
    """What a mouth must do to say a sound.

    It knows the network's weights and nothing else; every sound has its own `EncoderStream`. Made by `load` or
    `from_pretrained`.
    """

    def __init__(self, config: NetworkConfig, weights: Weights) -> None:
        """`weights` as `network.to_numpy` gives them, with the `prior` [64] of the SpectralLeveller; any float type."""
        self.config = config
        self._weights = {name: np.asarray(array, np.float32) for name, array in weights.items()}
        check_weights(config, self._weights)

    @classmethod
    def load(cls, path: str | Path | None = None) -> SpeechEncoder:
        """The shipped encoder, or that of `path`: a .safetensors file with its .json beside it.

        Raises CheckpointError where either is missing or damaged.
        """
        path = CHECKPOINTS / "speech.safetensors" if path is None else Path(path)
        return cls._read(path, path.with_suffix(".json"), checkpoint.remake("train_speech"))

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, refresh: bool = False) -> SpeechEncoder:
        """The encoder that `save_pretrained` wrote, in a folder or on the Hub (`hub.models.model_folder`).

        `refresh` looks for something newer than an earlier download. Raises CheckpointError or HubError.
        """
        # Imported here: the Hub's client only where an address is given.
        from emotalk.hub.models import model_folder

        config, model = model_folder(name_or_path, refresh)
        return cls._read(model, config, checkpoint.SAVE_AGAIN)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors (half precision) into `folder`, made if needed."""
        target = checkpoint.write_config(folder, asdict(self.config))
        checkpoint.save(target, {name: array.astype(np.float16) for name, array in self._weights.items()})

    @classmethod
    def _read(cls, model: Path, config: Path, remedy: str) -> SpeechEncoder:
        with checkpoint.explained(f"The speech encoder {model}", remedy):
            weights = checkpoint.read(model, "np").tensors
            fields = checkpoint.read_config(config, remedy)
            taps = tuple(tuple(int(tap) for tap in block) for block in fields["taps"])
            shape = NetworkConfig(int(fields["width"]), int(fields["hidden"]), taps)
        return cls(shape, weights)

    @property
    def feature_size(self) -> int:
        """C of `SpeechFeatures.features` [T, C]."""
        return self.config.width

    @functools.cached_property
    def digest(self) -> str:
        """A name of these weights: other ones have another, in hexadecimal."""
        content = hashlib.sha256()
        for name in sorted(self._weights):
            content.update(name.encode() + np.ascontiguousarray(self._weights[name]).tobytes())
        return content.hexdigest()

    @property
    def parameters(self) -> int:
        """How many numbers were trained."""
        return sum(array.size for name, array in self._weights.items() if name != "prior")

    @property
    def look_ahead(self) -> float:
        """Seconds of sound behind the end of a row that a stream waits for before it gives the row (< 0.25)."""
        network = self.config.future * HOP + LOOK_AHEAD_SAMPLES
        return max(network, PROSODY_LOOK_AHEAD_SAMPLES) / SAMPLE_RATE

    def encode(self, speech: Speech) -> SpeechFeatures:
        """All rows of a sound: T = ceil(N / 320), row i covering seconds [i / 50, (i + 1) / 50).

        The result is that of a stream. Raises InputError for a sound without samples.
        """
        if not len(speech.samples):
            raise InputError("There is no sound to encode (0 samples); pass at least one sample.")
        stream = self.stream()
        parts = [stream.push(speech.samples[i : i + _PIECE]) for i in range(0, len(speech.samples), _PIECE)]
        parts.append(stream.finish())
        return SpeechFeatures.concatenate([part for part in parts if part is not None])

    def stream(self, group: int = GROUP) -> EncoderStream:
        """A new stream; any number may run side by side. `group` is the number of rows (20 ms) that are multiplied
        at once (`mel.SMALL_GROUP` for a stream among many); streams of the same group give the same bits."""
        return EncoderStream(self.rows(group))

    def rows(self, group: int = GROUP) -> NetworkRows:
        """The half of a new stream that is mel and network, without prosody."""
        return NetworkRows(self.config, self._weights, group)

    def read_out(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Phone probabilities [n, 40] and articulation [n, 6] of features [n, C]: what the network's last layers say of
        them, whoever made them."""
        return read_out(self._weights, features)

    def last_layers(self) -> Weights:
        """Weights [C, n] and biases [n] of those layers: phones (40) and articulation (6)."""
        return {name: array.copy() for name, array in self._weights.items() if name.startswith(("phones", "artic"))}


class SoundRows(Protocol):
    """What hears a sound that arrives in pieces, all but its prosody."""

    def push(self, samples: np.ndarray) -> Columns:
        """Features [n, C], phones [n, 40] and articulation [n, 6] of the rows that the next samples [N] completed."""

    def finish(self) -> Columns:
        """Those of the rows that remain, one for every 20 ms begun; silence is taken to follow."""

    def fork(self) -> SoundRows:
        """A copy that goes its own way; state that both have is replaced, never written to."""


class NetworkRows:
    """The embedded network as SoundRows: samples ─► mel ─► level ─► network."""

    def __init__(self, config: NetworkConfig, weights: Weights, group: int = GROUP) -> None:
        self._config = config
        self._mel = MelStream(group)
        self._leveller = SpectralLeveller(weights["prior"])
        self._network = NetworkStream(config, weights, group)
        self._heard = 0  # samples of the sound
        # The network's first output looks back on `past` rows: let silence precede the sound.
        self._hear(np.zeros(config.past * HOP, np.float32))

    def push(self, samples: np.ndarray) -> Columns:
        """See SoundRows; samples [N]."""
        self._heard += len(samples)
        return self._hear(samples)

    def finish(self) -> Columns:
        """See SoundRows."""
        rows = -(-self._heard // HOP)
        missing = (rows + self._config.future) * HOP + LOOK_AHEAD_SAMPLES - self._heard
        return self._hear(np.zeros(missing, np.float32))

    def _hear(self, samples: np.ndarray) -> Columns:
        rows = self._mel.push(samples)
        return self._network.push(self._leveller.push(rows[None])[0])

    def fork(self) -> NetworkRows:
        """See SoundRows."""
        other = copy.copy(self)
        for part in ("_mel", "_leveller", "_network"):
            setattr(other, part, getattr(self, part).fork())
        return other


class EncoderStream:
    """The encoder at work on a sound that arrives in pieces of any length; memory does not grow with it.

        samples ─► SoundRows ─► features, phones, articulation ─┐
              └──► prosody ─► voicing, energy, f0 ──────────────┴─► rows that both have finished

    A row comes out the encoder's `look_ahead` seconds after its end was pushed.
    """

    def __init__(self, rows: SoundRows) -> None:
        self._rows = rows
        self._prosody = ProsodyStream()
        self._finished = False
        self._waiting: list[np.ndarray] | None = None  # columns of rows that the other half has not finished

    def push(self, samples: np.ndarray) -> SpeechFeatures | None:
        """Takes the next samples [N] (mono, 16 kHz, any N); returns the rows they completed, None where none."""
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1 or not np.isfinite(samples).all():
            found = f"shape {list(samples.shape)}" if samples.ndim != 1 else "NaN or infinite values"
            raise InputError(f"The encoder needs mono samples of shape [N], all finite; found {found}.")
        if self._finished:
            raise InputError("This encoder stream is finished; start a new one for another sound.")
        return self._join(self._rows.push(samples), self._prosody.push(samples))

    def finish(self) -> SpeechFeatures | None:
        """The rows still held back; silence is taken to follow the sound. None where nothing was pushed."""
        if self._finished:
            raise InputError("This encoder stream is finished; start a new one for another sound.")
        self._finished = True
        return self._join(self._rows.finish(), self._prosody.finish())

    def peek(self) -> SpeechFeatures | None:
        """What `finish` would give now; the stream goes on as if nobody had asked. Costs as much as 0.3 s of sound."""
        return self._fork().finish()

    def _fork(self) -> EncoderStream:
        """A copy that goes its own way; what both have heard is shared, as state is replaced and never written to."""
        other = copy.copy(self)
        other._rows, other._prosody = self._rows.fork(), self._prosody.fork()
        return other

    def _join(self, encoded: Columns, prosody: ProsodyFrames) -> SpeechFeatures | None:
        columns = [*encoded, prosody.voicing, prosody.energy, prosody.f0]
        if self._waiting is not None:
            columns = [np.concatenate(pair) for pair in zip(self._waiting, columns, strict=True)]
        count = min(len(column) for column in columns)
        self._waiting = [column[count:].copy() for column in columns]
        return SpeechFeatures(*(column[:count] for column in columns)) if count else None
