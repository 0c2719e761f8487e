"""wav2vec 2.0 and HuBERT in place of the embedded speech network (what EmoTaG hears with).

With an adapter (`scripts.train_adapter`) such a model is an encoder like the embedded one: features, phones and
articulation are its own, in streams too; prosody is measured as ever. Without one its hidden states are the features,
for research, and the other columns the embedded encoder's.
"""

from __future__ import annotations

import functools
import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emotalk.core import checkpoint
from emotalk.core.errors import CheckpointError, InputError
from emotalk.core.rates import FEATURE_RATE, SAMPLE_RATE
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.speech.adapter import LinearAdapter
from emotalk.speech.encoder import Columns, EncoderStream, SpeechEncoder
from emotalk.speech.mel import GROUP
from emotalk.speech.transformer_rows import AHEAD, HOP, RECEPTIVE_FIELD, STEP, WindowedStates

_PIECE = 10 * SAMPLE_RATE  # samples that `encode` works on at a time


class HubSpeechEncoder:
    """A wav2vec 2.0 or HuBERT model as a speech encoder. Safe to use from threads."""

    def __init__(
        self, model: nn.Module, embedded: SpeechEncoder, adapter: LinearAdapter | None = None,
        normalise: bool = True, device: str | torch.device = "cpu", name: str = "", revision: str | None = None,
    ) -> None:  # fmt: skip
        """`model` is a transformers model with 20 ms rows, `name` (and `revision`) where others find it.

        `normalise` brings what it hears to zero mean and unit variance first, as the base models were trained.
        Raises CheckpointError for a model with other rows than 20 ms, or an adapter of another size.
        """
        stride = math.prod(getattr(model.config, "conv_stride", (0,)))
        if stride != HOP:
            raise CheckpointError(
                f"{type(model).__name__} gives a row every {stride} samples, but speech features need one every "
                f"{HOP}; use a wav2vec 2.0 or HuBERT model."
            )
        if adapter is not None and adapter.linear.in_features != model.config.hidden_size:
            raise CheckpointError(
                f"The adapter was made for {adapter.linear.in_features} hidden numbers, {name or type(model).__name__} "
                f"has {model.config.hidden_size}; train one for it with `python -m scripts.train_adapter`."
            )
        self.device = torch.device(device)
        self.embedded, self.name, self.revision = embedded, name, revision
        self.adapter = adapter.to(self.device).eval() if adapter is not None else None
        self._model = model.to(self.device).eval()
        self._normalise = normalise

    @classmethod
    def load(
        cls, name: str = "facebook/wav2vec2-base-960h", adapter: LinearAdapter | None = None,
        device: str | torch.device = "cpu", revision: str | None = None, refresh: bool = False,
    ) -> HubSpeechEncoder:  # fmt: skip
        """A model from a folder or the Hugging Face Hub (`hub.models.transformer_folder`, downloaded at first use),
        with an adapter where one is given. Only safetensors weights are read.

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
        return cls(model, SpeechEncoder.load(), adapter, normalise, device, str(name), revision)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, device: str | torch.device = "cpu", refresh: bool = False, own: bool = True
    ) -> HubSpeechEncoder:
        """The encoder of a folder that `save_pretrained` wrote; its transformer is downloaded at first use. `own`:
        whether the folder is the user's, which may name another folder for it; one that was downloaded may not.

        Raises CheckpointError, also for an adapter to another embedded encoder than the shipped one, or HubError.
        """
        # Imported here: the Hub's client only for models that may come from there.
        from emotalk.hub import HubAddress

        config = checkpoint.read_config(Path(folder) / checkpoint.CONFIG)
        remedy = "train it anew with `python -m scripts.train_adapter`"
        with checkpoint.explained(f"The adapter {folder}", remedy):
            layer = LinearAdapter(int(config["hidden"]), int(config["features"]))
            layer.load_state_dict(checkpoint.read(Path(folder) / checkpoint.WEIGHTS).tensors)
            name, revision = str(config["transformer"]), config.get("revision")
            if revision is not None and not isinstance(revision, str):
                raise ValueError("its revision is no text")
            if not own and (HubAddress.parse(name) is None or Path(name).exists()):
                raise ValueError(f"it names the transformer {name!r:.80}, which is no address on the Hub")
            encoder = cls.load(name, layer, device, revision, refresh)
            if config["embedded"] != encoder.embedded.digest:
                raise ValueError("it was made for the embedded speech encoder of another version")
        return encoder

    def with_adapter(self, adapter: LinearAdapter) -> HubSpeechEncoder:
        """The same transformer with another adapter."""
        return HubSpeechEncoder(
            self._model, self.embedded, adapter, self._normalise, self.device, self.name, self.revision
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors (the adapter alone) into `folder`, made if needed. The transformer
        is named in it and not copied. Raises InputError where there is no adapter."""
        if self.adapter is None:
            raise InputError("This encoder has no adapter to save; train one with `python -m scripts.train_adapter`.")
        sizes = {"hidden": self.adapter.linear.in_features, "features": self.feature_size}
        named = {"transformer": self.name, "revision": self.revision, "embedded": self.embedded.digest}
        target = checkpoint.write_config(folder, named | sizes)
        checkpoint.save(target, self.adapter.state_dict())

    @property
    def feature_size(self) -> int:
        """C of `SpeechFeatures.features` [T, C]."""
        return self.adapter.linear.out_features if self.adapter is not None else self._model.config.hidden_size

    @property
    def look_ahead(self) -> float:
        """Seconds of sound behind the end of a row that a stream waits for at most before it gives the row."""
        return (STEP + AHEAD) / FEATURE_RATE + (RECEPTIVE_FIELD - HOP) / 2 / SAMPLE_RATE

    @functools.cached_property
    def digest(self) -> str:
        """A name of these weights: other ones have another, in hexadecimal."""
        content = hashlib.sha256(self.embedded.digest.encode())
        for part in (self._model, self.adapter):
            for name, tensor in sorted(part.state_dict().items()) if part is not None else ():
                content.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return content.hexdigest()

    def encode(self, speech: Speech) -> SpeechFeatures:
        """All rows of a sound: T = ceil(N / 320), those of a stream. Raises InputError for a sound without samples."""
        if not len(speech.samples):
            raise InputError("There is no sound to encode (0 samples); pass at least one sample.")
        if self.adapter is None:
            rows = self.embedded.encode(speech)
            return SpeechFeatures(
                self.hidden(speech), rows.phones, rows.articulation, rows.voicing, rows.energy, rows.f0
            )
        stream = self.stream()
        parts = [stream.push(speech.samples[i : i + _PIECE]) for i in range(0, len(speech.samples), _PIECE)]
        parts.append(stream.finish())
        return SpeechFeatures.concatenate([part for part in parts if part is not None])

    def stream(self, group: int = GROUP) -> EncoderStream:
        """A new stream; any number may run side by side. `group` is the embedded encoder's and changes nothing here.
        Raises CheckpointError where there is no adapter."""
        if self.adapter is None:
            raise CheckpointError(
                f"{self.name or 'This speech model'} has no adapter, without which it can move nobody; train one with "
                "`python -m scripts.train_adapter`, and name the folder that this writes."
            )
        return EncoderStream(_AdaptedRows(self))

    def hidden(self, speech: Speech) -> np.ndarray:
        """The model's last hidden states [T, hidden] float32, row i centred on second (i + 0.5) / 50, in windows
        (`transformer_rows`), so memory stays bounded."""
        states = self.states()
        parts = [states.push(speech.samples[i : i + _PIECE]) for i in range(0, len(speech.samples), _PIECE)]
        return np.concatenate([*parts, states.finish()])

    def states(self) -> WindowedStates:
        """A new stream of hidden states."""
        return WindowedStates(self._listen, self._model.config.hidden_size, self._normalise)

    def adapted(self, states: np.ndarray) -> Columns:
        """Features, phones and articulation of hidden states [n, hidden]."""
        columns = []
        # As many rows at a time as a window gives: matrix products of another size round differently.
        for start in range(0, max(len(states), 1), STEP):
            rows = states[start : start + STEP]
            padded = np.zeros((STEP, states.shape[1]), np.float32)
            padded[: len(rows)] = rows
            with torch.inference_mode():
                features = self.adapter(torch.from_numpy(padded).to(self.device)).float().cpu().numpy()
            columns.append([column[: len(rows)] for column in (features, *self.embedded.read_out(features))])
        return tuple(map(np.concatenate, zip(*columns, strict=True)))

    def _listen(self, window: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            sound = torch.from_numpy(np.ascontiguousarray(window, np.float32)).to(self.device)
            return self._model(sound[None]).last_hidden_state[0].float().cpu().numpy()


class _AdaptedRows:
    """A transformer and its adapter as `encoder.SoundRows`."""

    def __init__(self, encoder: HubSpeechEncoder) -> None:
        self._encoder, self._states = encoder, encoder.states()

    def push(self, samples: np.ndarray) -> Columns:
        return self._encoder.adapted(self._states.push(samples))

    def finish(self) -> Columns:
        return self._encoder.adapted(self._states.finish())

    def fork(self) -> _AdaptedRows:
        other = _AdaptedRows(self._encoder)
        other._states = self._states.fork()
        return other
