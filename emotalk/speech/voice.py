"""What a text-to-speech engine and a voice are; the engines are in `kokoro`, `coqui`, `flite` and `espeak`."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.loudness import SILENCE_DB, loudness, normalise, soft_limit
from emotalk.speech.resampling import Resampler

if TYPE_CHECKING:
    from emotalk.speech.manner import Manner

_LETTERS_PER_SECOND = 15.0
"""About what voices say at their usual rate: how much of a mood falls into a phrase is judged by it."""


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


LIMITS = {
    "rate": (0.4, 2.5),
    "pitch": (0.5, 2.0),
    "pitch_range": (0.0, 3.0),
    "gain_db": (-12.0, 12.0),
    "pauses": (0.2, 5.0),
    "tilt_db": (-12.0, 12.0),
}
"""Least and most of every part of a style."""


@dataclass(frozen=True)
class Style:
    """How to say it, relative to the voice's own manner. An engine does what it can of it."""

    rate: float = 1.0  # 2 is twice as fast
    pitch: float = 1.0  # factor on the mean pitch
    pitch_range: float = 1.0  # factor on the movement of the pitch around its mean
    gain_db: float = 0.0  # louder or softer than normal
    pauses: float = 1.0  # factor on the length of pauses, beside the rate
    tilt_db: float = 0.0  # more (effort) or less above 1 kHz than below, the loudness kept; Kokoro alone

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:  # also catches NaN
                raise InputError(f"{name} must lie in {low}..{high}, found {value}.")


class Engine(Protocol):
    """A text-to-speech engine with its voices."""

    name: str

    def voices(self) -> list[VoiceInfo]:
        """All its voices, best first, also those that are not installed (then with how to get them). Never raises."""

    def prepare(self) -> None:
        """Load what all its voices share. Raises VoiceError where that cannot be."""

    def stream(self, text: str, voice: str, manner: Manner, start: float = 0.0) -> Iterator[Speech]:
        """One phrase (a `text.Phrase`'s text) at 16 kHz in pieces, with phones and words where the engine knows their
        times. The phrase begins `start` seconds into what `manner` is about.

        `voice` is a name from `voices()`. Raises VoiceError where the voice is missing or fails.
        """


class PhraseEngine(abc.ABC):
    """An engine that says a whole phrase at once, in one style: the mean of the moods it falls into."""

    def prepare(self) -> None:  # noqa: B027 - most have nothing to load
        """Nothing is shared by all voices of these engines, or it is loaded when the first of them speaks."""

    @abc.abstractmethod
    def speak(self, text: str, voice: str, style: Style) -> Speech:
        """One phrase at 16 kHz, as loud as the engine makes it. Raises VoiceError where that cannot be."""

    def stream(self, text: str, voice: str, manner: Manner, start: float = 0.0) -> Iterator[Speech]:
        """The phrase as one piece at normal loudness; none where it has no sound (a lone letter some rules skip)."""
        style = manner.over(start, len(text) / _LETTERS_PER_SECOND / manner.rate, len(text))
        said = self.speak(text, voice, style)
        if loudness(said.samples) < SILENCE_DB:
            return
        samples = normalise(said.samples)
        if style.gain_db:  # no tilt: these voices are dull, and at low arousal fewer of flite's words were understood
            samples = soft_limit(samples * 10 ** (style.gain_db / 20))
        yield replace(said, samples=samples)


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mono samples [N] at `rate` brought to 16 kHz."""
    resampler = Resampler(rate)
    return np.concatenate([resampler.push(np.asarray(samples, np.float32)), resampler.finish()])


def pitch_by_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """16 kHz samples [N] played `factor` times as fast: higher and shorter by it, formants included.

    For engines that change the rate but not the pitch: speak slower by `factor` first.
    """
    return samples if abs(factor - 1) < 1e-3 else resampled(samples, round(SAMPLE_RATE * factor))
