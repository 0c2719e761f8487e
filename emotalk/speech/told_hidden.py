"""The hidden layer that the speech encoder would have for phones that are told, without listening.

The motion network reads lips best off the encoder's hidden layer; without one they move, but by a third less. Its part
that phones tell of is nearly linear in them: row = [phones, articulation, voicing, energy, 1] @ table. On sentences and
a voice that the table was not made of, the jaw then follows that of the real layer with r = .963 (without
any layer: .911), see benchmarks/results/live_streams.md.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np

from emotalk.core import checkpoint
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import SpeechFeatures
from emotalk.speech.feature_rows import ROW_SIZE, speech_rows

RIDGE = 3.0


class ToldHidden:
    """`ToldHidden.load()(features)`: features with the hidden layer [T, C] that goes with their phones."""

    def __init__(self, table: np.ndarray, encoder: str = "") -> None:
        """`table` [ROW_SIZE + 1, C]; `encoder`: the `SpeechEncoder.digest` of the one whose layer it stands in for."""
        self.table, self.encoder = np.asarray(table, np.float32), encoder

    @classmethod
    @functools.cache
    def load(cls) -> ToldHidden:
        """The table for the shipped encoder; CheckpointError where its file is missing or damaged."""
        path = CHECKPOINTS / "told.safetensors"
        with checkpoint.explained(f"The table {path}", checkpoint.remake("fit_told")):
            stored = checkpoint.read(path, "np")
            table = stored.tensors["table"]
            if table.ndim != 2 or len(table) != ROW_SIZE + 1 or not np.isfinite(table).all():
                raise ValueError(f"a table of shape {list(table.shape)}")
        return cls(table, stored.notes.get("encoder", ""))

    @classmethod
    def fit(cls, examples: list[SpeechFeatures], encoder: str = "") -> ToldHidden:
        """From features with known phones (`known_phones`) and the hidden layer of the encoder with that digest."""
        seen = np.concatenate([_seen(features) for features in examples]).astype(np.float64)
        hidden = np.concatenate([features.features for features in examples]).astype(np.float64)
        return cls(np.linalg.solve(seen.T @ seen + RIDGE * np.eye(seen.shape[1]), seen.T @ hidden), encoder)

    def save(self, path: Path) -> None:
        """Writes a safetensors file in half precision."""
        checkpoint.save(path, {"table": self.table.astype(np.float16)}, {"encoder": self.encoder})

    def __call__(self, features: SpeechFeatures) -> SpeechFeatures:
        """The features with the hidden layer [T, C] of their phones in place of their own."""
        return replace(features, features=_seen(features) @ self.table)


def _seen(features: SpeechFeatures) -> np.ndarray:
    return np.concatenate([speech_rows(features), np.ones((len(features), 1), np.float32)], 1)
