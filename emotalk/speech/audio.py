"""Any sound a person may hand in, as the mono 16 kHz speech that the rest of the package works on.

    file, bytes ─► decoding ─┐
                             ├─► one channel ─► resampling to 16 kHz ─► loudness ─► Speech
    array + rate ────────────┘

`load_audio` and `stream_audio` run the same steps: the chunks of a stream, joined, are the loaded sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emotalk.core.errors import AudioError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.decoding import open_sound, sound_name
from emotalk.speech.loudness import Leveller
from emotalk.speech.resampling import Resampler

MAX_SECONDS = 1200.0
"""The longest sound that `load_audio` keeps in memory; `stream_audio` takes longer ones."""
MAX_STREAM_SECONDS = 6 * 3600.0
MIN_SECONDS = 0.1
MAX_CHANNELS = 64

_CANCELLING = 0.1  # the mean of the channels holds less than this part of what unrelated channels would leave


def load_audio(
    source: str | Path | bytes | np.ndarray, rate: int | None = None, *, max_seconds: float = MAX_SECONDS
) -> Speech:
    """A sound from a file, the bytes of one, or an array with its `rate`, at 16 kHz mono and -23 dB loudness.

    Takes every format ffmpeg reads, any rate, channels and bit depth. An array is [N] or [N, channels] ([channels, N]
    where that is plainly meant), float in [-1, 1] or integers over their whole range. Channels are averaged, unless
    they cancel each other: then the loudest is taken. Raises AudioError for what cannot be used: no such file, not
    audio, no sound track, no samples, shorter than 0.1 s, longer than `max_seconds`, silent, NaN.
    """
    name = "The array" if isinstance(source, np.ndarray) else sound_name(source)
    parts, samples = [], 0
    for block in _levelled(source, rate, name, max_seconds):
        parts.append(block)
        samples += len(block)
    return Speech(np.concatenate(parts), source="array" if isinstance(source, np.ndarray) else name)


def stream_audio(
    source: str | Path | bytes, seconds_per_chunk: float = 10.0, *, max_seconds: float = MAX_STREAM_SECONDS
) -> Iterator[Speech]:
    """The same sound as `load_audio` in chunks of `seconds_per_chunk` (the last one shorter), in constant memory.

    The first chunk comes after a minute of the sound is decoded (about 0.2 s of work), because its loudness sets the
    gain of all. Raises AudioError like `load_audio`; for faults late in a file, when they are met.
    """
    if not seconds_per_chunk >= 0.02:
        raise AudioError(f"seconds_per_chunk must be at least 0.02, found {seconds_per_chunk}.")
    size = round(seconds_per_chunk * SAMPLE_RATE)
    name = sound_name(source)
    waiting, samples = [], 0
    for block in _levelled(source, None, name, max_seconds):
        waiting.append(block)
        samples += len(block)
        if samples >= size:
            joined = np.concatenate(waiting)
            whole = samples // size * size
            for start in range(0, whole, size):
                yield Speech(joined[start : start + size].copy(), source=name)
            waiting, samples = [joined[whole:].copy()], samples - whole
    if samples:
        yield Speech(np.concatenate(waiting), source=name)


def _levelled(source, rate: int | None, name: str, max_seconds: float) -> Iterator[np.ndarray]:
    """Blocks at 16 kHz with their final loudness; checks everything on the way."""
    if isinstance(source, np.ndarray):
        if rate is None:
            raise AudioError("An array needs its sampling rate: load_audio(samples, rate=44100).")
        yield from _process(_array_blocks(source, rate), rate, name, max_seconds)
        return
    with open_sound(source) as sound:
        yield from _process(sound.blocks, sound.rate, name, max_seconds)


def _process(blocks: Iterator[np.ndarray], rate: int, name: str, max_seconds: float) -> Iterator[np.ndarray]:
    resampler, leveller, mixer = Resampler(rate), Leveller(), _Mixer()
    heard = 0
    for block in blocks:
        if not np.isfinite(block).all():
            raise AudioError(
                f"{name} holds samples that are not numbers (NaN or infinity) near second {heard / rate:.0f}. "
                "Export it again as 16- or 24-bit WAV."
            )
        heard += len(block)
        if heard > max_seconds * rate:
            raise AudioError(
                f"{name} is longer than {_duration(max_seconds)}, the most that is taken here. "
                "Cut it into shorter parts."
            )
        yield leveller.push(resampler.push(mixer.mix(block)))
    if heard < MIN_SECONDS * rate:
        found = "no samples" if not heard else f"only {1000 * heard / rate:.0f} ms of sound"
        raise AudioError(f"{name} holds {found}; at least {1000 * MIN_SECONDS:.0f} ms are needed. Record it again.")
    yield leveller.push(resampler.finish())
    yield leveller.finish()
    if not leveller.heard_sound:
        raise AudioError(
            f"{name} is silent over its {_duration(heard / rate)}. Check that the microphone was on, "
            "or choose a file in which somebody speaks."
        )


class _Mixer:
    """Many channels into one; decides once, at the first block with sound, whether they may be averaged."""

    def __init__(self) -> None:
        self._channel: int | None = None
        self._decided = False

    def mix(self, block: np.ndarray) -> np.ndarray:
        """[n, channels] into [n]."""
        channels = block.shape[1]
        if channels == 1:
            return block[:, 0]
        if not self._decided:
            powers = np.mean(block.astype(np.float64) ** 2, axis=0)
            if powers.max() > 1e-7:
                self._decided = True
                mixed = np.mean(block.mean(1, dtype=np.float64) ** 2)
                if mixed < _CANCELLING * powers.mean() / channels:
                    self._channel = int(powers.argmax())
        return block[:, self._channel].copy() if self._channel is not None else block.mean(1)


def _array_blocks(samples: np.ndarray, rate: int) -> Iterator[np.ndarray]:
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fiu":
        raise AudioError(
            f"Audio must be an array of numbers [N] or [N, channels], found {samples.dtype} {list(samples.shape)}."
        )
    if samples.ndim == 1:
        samples = samples[:, None]
    elif samples.shape[0] <= MAX_CHANNELS < samples.shape[1]:
        samples = samples.T
    if not 1 <= samples.shape[1] <= MAX_CHANNELS:
        raise AudioError(f"Audio has 1 to {MAX_CHANNELS} channels, found {samples.shape[1]}.")
    for start in range(0, len(samples), max(int(rate), 1)):
        yield _as_float(samples[start : start + int(rate)])


def _as_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        # Half-scale integers stored as float are common; they are still loud, and loudness is set later.
        return np.asarray(samples, np.float32)
    limits = np.iinfo(samples.dtype)
    middle = (limits.max + limits.min + 1) // 2  # unsigned samples swing around the middle
    return ((samples.astype(np.float64) - middle) / (limits.max - middle + 1)).astype(np.float32)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds" if seconds >= 10 else f"{seconds:.1f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
