"""What a text-to-speech engine and a voice are; the engines are in `espeak`, `flite` and `coqui`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.resampling import Resampler


@dataclass(frozen=True)
class VoiceInfo:
    """One voice, installed or not."""

    id: str  # "engine:name", what `say(voice=...)` takes
    language: str  # "en-us", "de", "cmn"...
    quality: int  # 1 (robot) to 5 (close to a person)
    licence: str
    description: str
    installed: bool
    how_to_get: str = ""  # what to do where it is not installed

    @property
    def engine(self) -> str:
        """What speaks with it: the part of `id` before the colon."""
        return self.id.split(":")[0]

    @property
    def name(self) -> str:
        """What the engine calls it: the part of `id` behind the colon."""
        return self.id.split(":", 1)[1]


@dataclass(frozen=True)
class Style:
    """How to say it, relative to the voice's own manner. An engine does what it can of it."""

    rate: float = 1.0  # 2 is twice as fast
    pitch: float = 1.0  # factor on the mean pitch
    pitch_range: float = 1.0  # factor on the movement of the pitch around its mean
    gain_db: float = 0.0  # louder or softer than normal

    def __post_init__(self) -> None:
        for name, low, high in (
            ("rate", 0.4, 2.5),
            ("pitch", 0.5, 2.0),
            ("pitch_range", 0.0, 3.0),
            ("gain_db", -12, 12),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # also catches NaN
                raise InputError(f"{name} must lie in {low}..{high}, found {value}.")


class Engine(Protocol):
    """A text-to-speech engine with its voices."""

    name: str

    def voices(self) -> list[VoiceInfo]:
        """All its voices, best first, also those that are not installed (then with how to get them). Never raises."""

    def speak(self, text: str, voice: str, style: Style) -> Speech:
        """One phrase (a `text.Phrase`'s text) at 16 kHz, with phones and words where the engine knows their times.

        `voice` is a name from `voices()`. Raises VoiceError where the voice is missing or fails.
        """


def style_for_emotion(valence: float, arousal: float) -> Style:
    """How an emotion sounds: arousal makes speech faster, higher, livelier and louder, valence a little higher.

    The directions are those of Schröder, Cowie et al., "Acoustic correlates of emotion dimensions in view of speech
    synthesis", Eurospeech 2001: mean and range of the pitch, intensity and rate rise with activation; valence
    raises the mean pitch slightly. The sizes (at full arousal: 4 semitones, 60 % more range, 25 % faster, 4 dB) keep
    the small voices intelligible.
    """
    for name, value in (("valence", valence), ("arousal", arousal)):
        if not -1 <= value <= 1:
            raise InputError(f"{name} must lie in -1..1, found {value}.")
    return Style(
        rate=1.25**arousal if arousal > 0 else 1.18**arousal,
        pitch=2 ** ((4 * arousal + valence) / 12) if arousal > 0 else 2 ** ((2 * arousal + valence) / 12),
        pitch_range=1.6**arousal * 1.15**valence,
        gain_db=4 * arousal,
    )


def combine(style: Style, rate: float, pitch: float) -> Style:
    """`style` with a person's own choice of rate and pitch on top, kept within what engines can do."""
    asked = Style(rate=rate, pitch=pitch)  # refuses a choice that is out of range by itself
    return Style(
        rate=float(np.clip(style.rate * asked.rate, 0.4, 2.5)),
        pitch=float(np.clip(style.pitch * asked.pitch, 0.5, 2.0)),
        pitch_range=style.pitch_range,
        gain_db=style.gain_db,
    )


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mono samples [N] at `rate` brought to 16 kHz."""
    resampler = Resampler(rate)
    return np.concatenate([resampler.push(np.asarray(samples, np.float32)), resampler.finish()])


def pitch_by_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """16 kHz samples [N] played `factor` times as fast: higher and shorter by it, formants included.

    For engines that change the rate but not the pitch: speak slower by `factor` first.
    """
    return samples if abs(factor - 1) < 1e-3 else resampled(samples, round(SAMPLE_RATE * factor))
