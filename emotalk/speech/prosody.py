"""How something was said: pitch, loudness, speech rate, pauses and the syllables that stand out.

`prosody_frames` and `ProsodyStream` (from `pitch`) give rows at 50 Hz; `prosody` describes a whole sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotalk.core.rates import FEATURE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.pitch import ProsodyFrames, ProsodyStream, prosody_frames, row_count

__all__ = ["Prosody", "ProsodyFrames", "ProsodyStream", "Stress", "prosody", "prosody_frames", "row_count"]

# de Jong & Wempe, "Praat script to detect syllable nuclei and measure speech rate automatically", Behavior
# Research Methods 41, 2009: a voiced loudness peak within 25 dB of the loudest, at least 2 dB above the dip before it.
_SPEECH_RANGE_DB = 25.0
_SYLLABLE_DIP_DB = 2.0
_SYLLABLE_GAP = 4  # rows (80 ms): nobody utters more than 12 syllables a second
_SHORTEST_PAUSE = 0.2  # seconds; shorter gaps are the closures of plosives
_STRESS_GAP = 0.3  # seconds between two stresses at least: the nod for the first must be over


@dataclass(frozen=True)
class Stress:
    """A syllable that stands out from those around it by loudness, pitch and length."""

    second: float
    strength: float  # in (0, 1]; 0.5 is one standard deviation above the speaker's mean syllable


@dataclass(frozen=True)
class Prosody:
    """The prosody of one sound."""

    frames: ProsodyFrames  # at 50 Hz
    syllables: tuple[float, ...]  # seconds of the syllable nuclei
    pauses: tuple[tuple[float, float], ...]  # (start, end) seconds of silences of 0.2 s and more
    stresses: tuple[Stress, ...]

    @property
    def seconds(self) -> float:
        return len(self.frames.f0) / FEATURE_RATE

    @property
    def articulation_rate(self) -> float:
        """Syllables per second of speech, pauses not counted; 0 where nothing is said."""
        spoken = self.seconds - sum(end - start for start, end in self.pauses)
        return len(self.syllables) / spoken if self.syllables else 0.0

    @property
    def median_pitch(self) -> float:
        """Hz over the voiced rows, 0 where nothing is voiced."""
        voiced = self.frames.f0[self.frames.f0 > 0]
        return float(np.median(voiced)) if len(voiced) else 0.0


def prosody(speech: Speech) -> Prosody:
    """Pitch, energy, syllables, pauses and stresses of a whole sound (about 3 ms for each second of it)."""
    frames = prosody_frames(speech.samples)
    nuclei = _syllable_nuclei(frames)
    return Prosody(
        frames=frames,
        syllables=tuple(float((row + 0.5) / FEATURE_RATE) for row in nuclei),
        pauses=_pauses(frames),
        stresses=_stresses(frames, nuclei),
    )


def _speech_floor(frames: ProsodyFrames) -> float:
    """The energy in dB below which a row is background; the 99th percentile stands for the loudest row."""
    return float(np.percentile(frames.energy, 99)) - _SPEECH_RANGE_DB


def _syllable_nuclei(frames: ProsodyFrames) -> np.ndarray:
    if len(frames.f0) < 3 or not frames.f0.any():
        return np.zeros(0, np.int64)
    from scipy.signal import find_peaks  # takes a second to import: not at start-up

    padded = np.concatenate([[-120.0], frames.energy, [-120.0]])  # a peak may lie at either end
    rows, _ = find_peaks(
        padded, height=_speech_floor(frames), prominence=_SYLLABLE_DIP_DB, distance=_SYLLABLE_GAP, plateau_size=1
    )
    rows = rows - 1
    return rows[frames.f0[rows] > 0]


def _pauses(frames: ProsodyFrames) -> tuple[tuple[float, float], ...]:
    if not len(frames.f0):
        return ()
    # Speech in a sound without any is not to be found relative to its own loudest row.
    quiet = (frames.energy < max(_speech_floor(frames), -60.0)) & (frames.f0 == 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    spans = edges.reshape(-1, 2) / FEATURE_RATE
    return tuple((float(a), float(b)) for a, b in spans if b - a >= _SHORTEST_PAUSE)


def _stresses(frames: ProsodyFrames, nuclei: np.ndarray) -> tuple[Stress, ...]:
    if len(nuclei) < 3:  # "stands out" means nothing among one or two syllables
        return ()
    from scipy.signal import find_peaks

    pitch = 12 * np.log2(np.maximum(frames.f0[nuclei], 1.0))
    # Length: voiced rows around the nucleus, up to halfway to its neighbours.
    halfway = np.concatenate([[0], (nuclei[1:] + nuclei[:-1] + 1) // 2, [len(frames.f0)]])
    voiced = np.concatenate([[0], np.cumsum(frames.f0 > 0)])
    length = np.log(np.maximum(voiced[halfway[1:]] - voiced[halfway[:-1]], 1))
    # Loudness and pitch are heard against the phrase, which sinks towards its end: subtract a running mean.
    score = sum(
        weight * _standardised(_against_phrase(cue, nuclei))
        for weight, cue in ((0.4, frames.energy[nuclei]), (0.4, pitch), (0.3, length))
    )
    score = _standardised(score)
    peaks, _ = find_peaks(np.concatenate([[-9.0], score, [-9.0]]), height=0.5)
    found: list[Stress] = []
    for i in sorted(peaks - 1, key=lambda i: -score[i]):  # the strongest first; a weaker neighbour gives way
        second = float((nuclei[i] + 0.5) / FEATURE_RATE)
        if all(abs(second - other.second) >= _STRESS_GAP for other in found):
            found.append(Stress(second, float(min(score[i] / 2, 1.0))))
    return tuple(sorted(found, key=lambda stress: stress.second))


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-3)


def _against_phrase(values: np.ndarray, nuclei: np.ndarray) -> np.ndarray:
    """Values minus a Gaussian-weighted mean over the syllables within about 1.5 s."""
    weights = np.exp(-0.5 * ((nuclei[:, None] - nuclei[None, :]) / (0.75 * FEATURE_RATE)) ** 2)
    return values - weights @ values / weights.sum(1)
