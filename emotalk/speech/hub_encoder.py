"""wav2vec 2.0 and HuBERT in place of the embedded features.

Only `SpeechFeatures.features` changes: they come from a transformer of `transformers`, brought to the wanted size by a
linear adapter. Phones, articulation and prosody stay the embedded encoder's, so that everything trained or measured
on them stays comparable.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emotalk.core import checkpoint
from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.rates import FEATURE_RATE, SAMPLE_RATE
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.speech.encoder import SpeechEncoder

_HOP = SAMPLE_RATE // FEATURE_RATE
_RECEPTIVE_FIELD = 400  # samples that the convolutions of wav2vec 2.0 and HuBERT see for one row
_PIECE = 20 * FEATURE_RATE  # rows at a time: attention grows with the square of the length
_CONTEXT = 2 * FEATURE_RATE  # rows on either side of a piece that are heard but not kept


class LinearAdapter(nn.Module):
    """Brings transformer features [.., hidden] to the embedded encoder's size: LayerNorm, then Linear."""

    def __init__(self, hidden: int, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.linear = nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """Features [..., size] of transformer features [..., hidden]."""
        return self.linear(self.norm(x))

    def fit(self, hidden: Tensor, wanted: Tensor, damping: float = 1e-2) -> LinearAdapter:
        """Sets the linear layer by ridge regression from `hidden` [T, hidden] to `wanted` [T, size]; returns self.

        With rows of both encoders for the same sounds, features can be exchanged without retraining what reads them.
        """
        if hidden.ndim != 2 or wanted.ndim != 2 or len(hidden) != len(wanted) or len(hidden) < 2:
            raise InputError(
                "The adapter is fitted to as many rows of hidden as of wanted features, two at least; found shapes "
                f"{list(hidden.shape)} and {list(wanted.shape)}."
            )
        with torch.no_grad():
            x = self.norm(hidden).double()
            mean_x, mean_y = x.mean(0), wanted.double().mean(0)
            x, y = x - mean_x, wanted.double() - mean_y
            gram = x.T @ x
            gram += damping * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            weight = torch.linalg.solve(gram, x.T @ y).T
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(mean_y - weight @ mean_x)
        return self


class HubSpeechEncoder:
    """A speech encoder whose features come from a wav2vec 2.0 or HuBERT model.

    Whole sounds only: these transformers listen to both sides. Use `SpeechEncoder.stream` for live sound.
    """

    def __init__(
        self, model: nn.Module, embedded: SpeechEncoder, adapter: LinearAdapter | None = None,
        normalise: bool = True, device: str | torch.device = "cpu",
    ) -> None:  # fmt: skip
        """`model` is a transformers model with 20 ms rows; without an `adapter` the features are the model's own.

        `normalise` brings each sound to zero mean and unit variance first, as the base models were trained.
        Raises CheckpointError for a model with other rows than 20 ms.
        """
        stride = math.prod(getattr(model.config, "conv_stride", (0,)))
        if stride != _HOP:
            raise CheckpointError(
                f"{type(model).__name__} gives a row every {stride} samples, but speech features need one every "
                f"{_HOP}; use a wav2vec 2.0 or HuBERT model."
            )
        self.device = torch.device(device)
        self.embedded = embedded
        self.adapter = adapter.to(self.device).eval() if adapter is not None else None
        self._model = model.to(self.device).eval()
        self._normalise = normalise

    @classmethod
    def load(
        cls, name: str = "facebook/wav2vec2-base-960h", adapter: str | Path | None = None,
        device: str | torch.device = "cpu", revision: str | None = None, refresh: bool = False,
    ) -> HubSpeechEncoder:  # fmt: skip
        """A model from a folder or the Hugging Face Hub (`hub.models.transformer_folder`, downloaded at first use)
        and, where given, the adapter that `save_adapter` wrote. Only safetensors weights are read.

        `refresh` looks for something newer than an earlier download. Raises CheckpointError or HubError.
        """
        # Imported here: the Hub's client only where an address is given.
        from emotalk.hub.models import transformer_folder

        folder = transformer_folder(name, revision, refresh)
        from transformers import AutoFeatureExtractor, AutoModel

        try:
            model = AutoModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"The speech model {name!r} could not be loaded ({error}); check the name and the connection, pass a "
                "folder with a safetensors file, or use the embedded encoder."
            ) from error
        try:
            normalise = bool(AutoFeatureExtractor.from_pretrained(folder, local_files_only=True).do_normalize)
        except (OSError, ValueError, AttributeError):
            normalise = True  # the base models' own default
        embedded = SpeechEncoder.load()
        layer = None
        if adapter is not None:
            layer = LinearAdapter(model.config.hidden_size, embedded.feature_size)
            try:
                layer.load_state_dict(checkpoint.read(adapter).tensors)
            except (OSError, RuntimeError, ValueError) as error:
                raise CheckpointError(
                    f"The adapter {adapter} does not fit {name!r} ({error}); fit one with LinearAdapter.fit."
                ) from error
        return cls(model, embedded, layer, normalise, device)

    @property
    def feature_size(self) -> int:
        """C of `SpeechFeatures.features` [T, C]."""
        return self.adapter.linear.out_features if self.adapter is not None else self._model.config.hidden_size

    def encode(self, speech: Speech) -> SpeechFeatures:
        """The embedded encoder's rows with this model's features; T = ceil(N / 320)."""
        rows = self.embedded.encode(speech)
        with torch.no_grad():
            features = self.hidden(speech)
            if self.adapter is not None:
                features = self.adapter(features)
        return SpeechFeatures(
            features.float().cpu().numpy(), rows.phones, rows.articulation, rows.voicing, rows.energy, rows.f0
        )

    def hidden(self, speech: Speech) -> Tensor:
        """The model's last hidden states [T, hidden], row i centred on second (i + 0.5) / 50.

        Long sounds are heard in pieces of 20 s with 2 s around them, so memory stays bounded.
        """
        samples = speech.samples.astype(np.float32)
        if self._normalise:
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        total = -(-len(samples) // _HOP)
        # A row's window of 400 samples is centred on the row: 40 samples before it, 40 behind it.
        side = (_RECEPTIVE_FIELD - _HOP) // 2
        padded = np.pad(samples, (side, total * _HOP - len(samples) + side))
        parts = []
        for start in range(0, total, _PIECE):
            stop = min(start + _PIECE, total)
            first, last = max(start - _CONTEXT, 0), min(stop + _CONTEXT, total)
            piece = torch.from_numpy(padded[first * _HOP : last * _HOP + 2 * side]).to(self.device)
            with torch.no_grad():
                states = self._model(piece[None]).last_hidden_state[0]
            parts.append(states[start - first : stop - first])
        return torch.cat(parts)

    def save_adapter(self, path: str | Path) -> None:
        """Writes the adapter's weights (safetensors), moved into place."""
        if self.adapter is None:
            raise InputError("This encoder has no adapter to save; make one with LinearAdapter and fit it.")
        checkpoint.save(path, self.adapter.state_dict())
