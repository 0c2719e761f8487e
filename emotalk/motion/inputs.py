"""From speech features to what the motion network reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emotalk.speech.articulation import articulation_targets
from emotalk.types import ARTICULATION_NAMES, FEATURE_RATE, PHONES, Speech, SpeechFeatures

_QUIET_ROW = np.zeros(len(PHONES) + len(ARTICULATION_NAMES) + 2, np.float32)
_QUIET_ROW[PHONES.index("sil")] = 1.0


def speech_rows(features: SpeechFeatures) -> np.ndarray:
    """[T50, 48] float32: phones, articulation, voicing, and energy as 0 at -60 dB and 1 at 0 dB."""
    energy = np.clip(1 + features.energy / 60, 0, 1.2)
    return np.concatenate(
        [features.phones, features.articulation, features.voicing[:, None], energy[:, None]], 1, dtype=np.float32
    )


def pair_rows(rows: np.ndarray) -> np.ndarray:
    """[2T, 48] -> [T, 96]: the two rows of every video frame side by side."""
    return np.ascontiguousarray(rows).reshape(len(rows) // 2, -1)


def quiet(frames: int) -> np.ndarray:
    """[frames, 96] rows of silence, what lies before and after every clip."""
    return np.tile(_QUIET_ROW, (frames, 2))


def known_phones(features: SpeechFeatures, speech: Speech) -> SpeechFeatures:
    """The features with phones and articulation from the speech's own phone times, where it knows them.

    Text-to-speech tells exactly when it says what; then nothing has to be heard. Speech without phone times comes
    back unchanged.
    """
    if not speech.phones:
        return features
    frames = len(features)
    phones = np.zeros((frames, len(PHONES)), np.float32)
    phones[:, PHONES.index("sil")] = 1
    edges = np.arange(frames + 1) / FEATURE_RATE
    for start, end, name in speech.phones:
        share = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None) * FEATURE_RATE
        phones[:, PHONES.index("sil")] -= share
        phones[:, PHONES.index(name)] += share
    targets = articulation_targets(speech.phones, frames, FEATURE_RATE)
    return replace(features, phones=np.clip(phones, 0, 1), articulation=targets)
