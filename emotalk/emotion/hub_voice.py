"""Valence and arousal heard by a wav2vec 2.0 network from the Hugging Face Hub: opt-in, never loaded by itself.

The default is audeering's model of Wagner et al., "Dawn of the Transformer Era in Speech Emotion Recognition: Closing
the Valence Gap", IEEE TPAMI 2023. Licence: CC BY-NC-SA 4.0, not for commercial use; 660 MB.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Model, Wav2Vec2PreTrainedModel

from emotalk.emotion.voice import VoiceEmotion
from emotalk.errors import CheckpointError
from emotalk.types import FPS, SAMPLE_RATE, Speech

DEFAULT_MODEL = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"
LICENCE = "CC BY-NC-SA 4.0 (not for commercial use)"

_WINDOW, _HOP = 4 * SAMPLE_RATE, SAMPLE_RATE  # the network was trained on sentences of a few seconds
_SHORTEST = SAMPLE_RATE // 2
_EXPECTED_CORRELATION = 0.64  # the paper's CCC for valence on unseen podcast speakers; arousal's is 0.74
_QUIET_DB = -50.0  # a window below holds no speech (speech lies at -23 dB)


class _Head(nn.Module):
    """The published model's regression head; the names are those of its weights."""

    def __init__(self, config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.out_proj(torch.tanh(self.dense(hidden)))


class DimensionalModel(Wav2Vec2PreTrainedModel):
    """wav2vec 2.0, mean over time, head: [B, N] samples to [B, 3] arousal, dominance, valence, each about 0..1."""

    def __init__(self, config) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = _Head(config)
        self.post_init()

    def forward(self, samples: Tensor) -> Tensor:
        return self.classifier(self.wav2vec2(samples).last_hidden_state.mean(1))


class HubVoiceEmotion:
    """Hears valence and arousal with a downloaded network; the same result type as the prosody formula's."""

    def __init__(self, model: nn.Module, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self._model = model.to(self.device).eval()

    @classmethod
    def load(
        cls, name: str | Path = DEFAULT_MODEL, device: str | torch.device = "cpu", revision: str | None = None
    ) -> HubVoiceEmotion:
        """The network from the Hub (downloaded at first use, see LICENCE) or from a folder; safetensors only.

        Raises CheckpointError where it cannot be had or has other outputs than arousal, dominance and valence.
        """
        try:
            model, report = DimensionalModel.from_pretrained(
                str(name), revision=revision, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"The voice emotion model {str(name)!r} could not be loaded ({error}). Check the name and the "
                "connection, or use the prosody formula, which needs no download."
            ) from error
        missing = [key for key in report["missing_keys"] if key.startswith("classifier")]
        if missing or model.config.num_labels != 3:
            raise CheckpointError(
                f"{str(name)!r} is not a network for arousal, dominance and valence (it has {model.config.num_labels} "
                f"outputs; missing: {', '.join(missing) or 'nothing'}). Use {DEFAULT_MODEL}."
            )
        return cls(model, device)

    @torch.no_grad()
    def listen(self, speech: Speech) -> VoiceEmotion:
        """Valence and arousal at 25 fps from windows of 4 s, one each second; confidence 0 where nobody speaks."""
        frames = speech.frames
        if len(speech.samples) < _SHORTEST:
            return VoiceEmotion(np.zeros((frames, 2), np.float32), np.zeros(frames, np.float32))
        starts = range(0, max(len(speech.samples) - _WINDOW, 0) + 1, _HOP)
        centres, heard, sure = [], [], []
        for start in starts:
            window = speech.samples[start : start + _WINDOW]
            level = 10 * np.log10(np.mean(window.astype(np.float64) ** 2) + 1e-12)
            centres.append((start + len(window) / 2) / SAMPLE_RATE)
            sure.append(_EXPECTED_CORRELATION if level > _QUIET_DB else 0.0)
            if not sure[-1]:
                heard.append(heard[-1] if heard else (0.0, 0.0))
                continue
            standardised = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
            arousal, _, valence = self._model(torch.from_numpy(standardised)[None].to(self.device))[0].cpu().tolist()
            heard.append((2 * valence - 1, 2 * arousal - 1))
        video = (np.arange(frames) + 0.5) / FPS
        columns = [np.interp(video, centres, column) for column in np.clip(np.array(heard), -1, 1).T]
        return VoiceEmotion(
            np.stack(columns, axis=1).astype(np.float32), np.interp(video, centres, sure).astype(np.float32)
        )
