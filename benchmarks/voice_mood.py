"""What a mood does to pitch, rate and loudness, and whether it is heard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.voice_said import said
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.loudness import loudness, normalise
from emotalk.speech.pitch import prosody_frames
from emotalk.speech.voice_arousal import VoiceArousal, voice_emotion

VOICES = ("kokoro:af_heart", "kokoro:bf_emma", "kokoro:am_fenrir", "kokoro:am_puck")
SENTENCES = (
    "I will see you tomorrow morning.",
    "We were waiting in the other room.",
    "She told me the whole story.",
)
"""Without question, exclamation, or a mood in their words."""
VALENCES = (-1.0, 0.0, 1.0)
AROUSALS = (-1.0, -0.5, 0.0, 0.5, 1.0)
_GAP = np.zeros(round(0.3 * SAMPLE_RATE), np.float32)


class Manner(NamedTuple):
    """How three sentences were said."""

    median: float  # Hz
    low: float  # Hz, 10th percentile
    high: float  # Hz, 90th
    middle: float  # semitones between the 25th and the 75th
    rate: float  # phones in a second, pauses left out
    level: float  # dB relative to full scale

    @property
    def semitones(self) -> float:
        """Between the 10th and the 90th percentile of the pitch."""
        return float(12 * np.log2(self.high / self.low))


def manner(voice: str, valence: float, arousal: float) -> Manner:
    """Measured on the sound, but for the phones, whose times are the voice's own."""
    lines = [said(voice, text, valence, arousal) for text in SENTENCES]
    f0 = np.concatenate([prosody_frames(line.samples).f0 for line in lines])
    low, quarter, median, three_quarters, high = np.percentile(f0[f0 > 0], [10, 25, 50, 75, 90])
    middle = float(12 * np.log2(three_quarters / quarter))
    lengths = [end - start for line in lines for start, end, phone in line.phones if phone != "sil"]
    level = loudness(np.concatenate([line.samples for line in lines]))
    return Manner(float(median), float(low), float(high), middle, len(lengths) / sum(lengths), level)


def heard_alone(voice: str, valence: float) -> np.ndarray:
    """[5] arousal heard in three sentences of a voice that was never heard before, at each of AROUSALS; the loudness
    is made equal, as in every recording that is played to the program."""
    return np.array([voice_emotion(Speech(normalise(_joined(voice, valence, a)))).arousal.mean() for a in AROUSALS])


def heard_together(voice: str, valence: float, seed: int = 0) -> np.ndarray:
    """[5] the same within one recording that has all of AROUSALS in random order, and its loudness as it is."""
    order = np.random.default_rng(seed).permutation(len(AROUSALS))
    parts = [_joined(voice, valence, AROUSALS[i]) for i in order]
    heard = VoiceArousal().listen(Speech(normalise(np.concatenate(parts)))).arousal
    ends = np.cumsum([len(part) for part in parts]) / SAMPLE_RATE * FPS
    found = np.zeros(len(AROUSALS))
    for i, start, end in zip(order, [0, *ends], ends, strict=False):
        found[i] = heard[round(start) : round(end)].mean()
    return found


def table() -> Iterator[str]:
    """Markdown."""
    yield (
        "Three sentences each. Pitch: `emotalk.speech.pitch` on the sound, median and percentiles (the 10th lies "
        "an octave low where a voice creaks at the ends of sentences: there the middle half says more); "
        "rate: phones a second without pauses; loudness in dB relative to full scale; in brackets the change "
        "against the voice at rest.\n"
    )
    yield (
        "| voice | valence | arousal | pitch (Hz) | p10-p90 (Hz) | p10-p90 (semitones) | p25-p75 | phones/s | "
        "loudness (dB) |"
    )
    yield "|" + "---|" * 9
    for voice in VOICES:
        rest = manner(voice, 0.0, 0.0)
        for valence in VALENCES:
            for arousal in (-1.0, 0.0, 1.0):
                yield _row(voice, valence, arousal, manner(voice, valence, arousal), rest)
    yield from _heard()


def _row(voice: str, valence: float, arousal: float, found: Manner, rest: Manner) -> str:
    cells = [
        voice, f"{valence:+.0f}", f"{arousal:+.0f}",
        f"{found.median:.0f} ({12 * np.log2(found.median / rest.median):+.1f} st)",
        f"{found.low:.0f}-{found.high:.0f}",
        f"{found.semitones:.1f} (x{found.semitones / rest.semitones:.2f})",
        f"{found.middle:.1f} (x{found.middle / rest.middle:.2f})",
        f"{found.rate:.1f} (x{found.rate / rest.rate:.2f})",
        f"{found.level:.1f} ({found.level - rest.level:+.1f})",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _heard() -> Iterator[str]:
    yield (
        "\nArousal as `emotalk.speech.voice_arousal` hears it (fixed formulas, fitted to no voice of this program): "
        "three sentences at each setting of the slider, by a voice it does not know (alone) or in a "
        "recording of all five "
        "settings in random order (together). A step is from one setting to the next.\n"
    )
    yield "| heard | voice | valence | " + " | ".join(f"{a:+.1f}" for a in AROUSALS) + " | rising steps |"
    yield "|" + "---|" * (len(AROUSALS) + 4)
    for name, hear in (("alone", heard_alone), ("together", heard_together)):
        means, rising = [], 0
        for voice in VOICES:
            for valence in VALENCES:
                found = hear(voice, valence)
                up = int((np.diff(found) > 0).sum())
                means.append(found)
                rising += up
                yield (
                    f"| {name} | {voice} | {valence:+.0f} | "
                    + " | ".join(f"{x:+.2f}" for x in found)
                    + f" | {up} of {len(AROUSALS) - 1} |"
                )
        steps = len(means) * (len(AROUSALS) - 1)
        mean = " | ".join(f"{x:+.2f}" for x in np.mean(means, axis=0))
        yield f"| {name} | all | all | {mean} | {rising} of {steps} |"


def _joined(voice: str, valence: float, arousal: float) -> np.ndarray:
    """[N] the three sentences with short silences."""
    return np.concatenate([part for text in SENTENCES for part in (said(voice, text, valence, arousal).samples, _GAP)])
