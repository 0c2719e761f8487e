"""From speech features to what the motion network reads."""

from __future__ import annotations

import numpy as np

from emotalk.core.speech import ARTICULATION_NAMES, PHONES, SpeechFeatures

ROW_SIZE = len(PHONES) + len(ARTICULATION_NAMES) + 2
"""Numbers of a 50-Hz speech row that the network reads: phones, articulation, voicing, energy."""
_QUIET_ROW = np.zeros(len(PHONES) + len(ARTICULATION_NAMES) + 2, np.float32)
_SILENCE = PHONES.index("sil")
_QUIET_ROW[_SILENCE] = 1.0


def speech_rows(features: SpeechFeatures) -> np.ndarray:
    """[T50, 48] float32: phones, articulation, voicing, and energy as 0 at -60 dB and 1 at 0 dB."""
    energy = np.clip(1 + features.energy / 60, 0, 1.2)
    return np.concatenate(
        [features.phones, features.articulation, features.voicing[:, None], energy[:, None]], 1, dtype=np.float32
    )


def pair_rows(rows: np.ndarray) -> np.ndarray:
    """[2T, 48] -> [T, 96]: the two rows of every video frame side by side."""
    return np.ascontiguousarray(rows).reshape(len(rows) // 2, 2 * rows.shape[1])


def frame_rows(features: SpeechFeatures, hidden: int) -> np.ndarray:
    """[T, 96 + 2 * hidden] float32: `pair_rows` of `speech_rows`, then the hidden layer of the frame's two rows.

    `features` hold an even number of rows, 2T. A hidden layer of another size than `hidden` (an encoder that the
    network was not trained with) is left out: zeros, which the network knows as a layer that is not there.
    """
    paired = pair_rows(speech_rows(features))
    if features.features.shape[1] != hidden:
        return np.concatenate([paired, np.zeros((len(paired), 2 * hidden), np.float32)], 1)
    return np.concatenate([paired, pair_rows(features.features)], 1, dtype=np.float32)


def quiet(frames: int, hidden: int = 0) -> np.ndarray:
    """[frames, 96 + 2 * hidden] rows of silence, what lies before and after every clip; no hidden layer is there."""
    rows = np.tile(_QUIET_ROW, (frames, 2))
    return np.concatenate([rows, np.zeros((frames, 2 * hidden), np.float32)], 1) if hidden else rows
