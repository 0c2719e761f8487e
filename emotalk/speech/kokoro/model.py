"""Kokoro's two networks on ONNX Runtime: symbols to prosody, prosody to sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotalk.core.kernels.workers import thread_count
from emotalk.speech.kokoro.graph import PROSODY, WAVEFORM

RATE = 24_000
"""Samples per second of what the waveform network makes."""
FRAME = 600
"""Samples of one frame of the prosody: 25 ms."""
FRAME_SECONDS = FRAME / RATE


@dataclass(frozen=True)
class Prosody:
    """How symbols will be said. T frames of 25 ms; pitch and energy have two values in each."""

    durations: np.ndarray  # [N] frames of every token, both ends included; they add up to T
    content: np.ndarray  # [512, T] what the waveform network needs to know of the sounds
    f0: np.ndarray  # [2T] Hz; below VOICED Hz the frame has no voice
    energy: np.ndarray  # [2T] log energy

    def __len__(self) -> int:
        return self.content.shape[1]

    def cut(self, start: int, end: int) -> Prosody:
        """The frames from `start` up to `end`; durations are left as they are."""
        return Prosody(
            self.durations,
            self.content[:, start:end],
            self.f0[2 * start : 2 * end],
            self.energy[2 * start : 2 * end],
        )


VOICED = 40.0
"""Hz. The network gives 5 to 20 where there is no voice and more than 60 where there is."""


class KokoroModel:
    """Both networks of a folder that `weights.prepared` made. Safe to use from threads."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait would take the cores from those that draw.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._prosody, self._waveform = (
            onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
            for name in (PROSODY, WAVEFORM)
        )

    def prosody(self, tokens: list[int], style: np.ndarray) -> Prosody:
        """How N tokens are said in a style [256], as fast as the voice does."""
        durations, content, f0, energy = self._prosody.run(
            ["durations", "content", "f0", "energy"],
            {
                "tokens": np.array([tokens], np.int64),
                "style": style[None].astype(np.float32),
                "speed": np.ones((1, len(tokens)), np.float32),
            },
        )
        return Prosody(durations[0].round().astype(int), content[0], f0[0], energy[0])

    def waveform(self, prosody: Prosody, style: np.ndarray) -> np.ndarray:
        """Samples [600 T] at RATE of T frames in a style [256]."""
        (audio,) = self._waveform.run(
            ["audio"],
            {
                "content": prosody.content[None],
                "f0": prosody.f0[None].astype(np.float32),
                "energy": prosody.energy[None].astype(np.float32),
                "style": style[None].astype(np.float32),
            },
        )
        return audio
