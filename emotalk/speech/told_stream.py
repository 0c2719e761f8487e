"""Features of speech whose phones the voice tells: nothing has to be heard but its prosody."""

from __future__ import annotations

import numpy as np

from emotalk.core.speech import ARTICULATION_NAMES, PHONES, SpeechFeatures
from emotalk.speech.pitch import ProsodyFrames, ProsodyStream


class ToldStream:
    """Stands in for an `EncoderStream` where `KnownPhones.correct` fills in phones and articulation: it measures pitch,
    voicing and loudness, has no hidden layer (one column of zeros), and takes everything for silence."""

    def __init__(self) -> None:
        self._prosody = ProsodyStream()

    def push(self, samples: np.ndarray) -> SpeechFeatures | None:
        """Takes the next samples [N] (mono, 16 kHz, any N); returns the rows they completed, None where none. Raises
        InputError for what is no sound, or once it is finished."""
        return _features(self._prosody.push(samples))

    def finish(self) -> SpeechFeatures | None:
        """The rows still held back; silence is taken to follow. None where nothing was pushed."""
        return _features(self._prosody.finish())


def _features(prosody: ProsodyFrames) -> SpeechFeatures | None:
    rows = len(prosody.energy)
    if not rows:
        return None
    phones = np.zeros((rows, len(PHONES)), np.float32)
    phones[:, PHONES.index("sil")] = 1
    return SpeechFeatures(
        np.zeros((rows, 1), np.float32), phones, np.zeros((rows, len(ARTICULATION_NAMES)), np.float32),
        prosody.voicing, prosody.energy, prosody.f0,
    )  # fmt: skip
