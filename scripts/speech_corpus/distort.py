"""What microphones, rooms and lines do to a voice: equaliser, reverb, noise, babble, codec, gain."""

from __future__ import annotations

import io

import numpy as np
import scipy.signal
import soundfile

from emotalk.core.rates import SAMPLE_RATE

# (format, subtype, encoder rate): lossy coders that libsndfile brings along.
_CODECS = (("OGG", "OPUS", 16000), ("OGG", "OPUS", 8000), ("MP3", "MPEG_LAYER_III", 16000), ("WAV", "GSM610", 8000),
           ("WAV", "ULAW", 8000))  # fmt: skip


def distort(samples: np.ndarray, babble: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A recording of `samples` [N] (16 kHz) under random conditions, same length and timing, peak below 1.

    `babble` [M >= N] is unrelated speech. Ranges: equaliser ±10 dB in up to 3 bands, reverberation 0.1-0.6 s,
    signal to noise 3-40 dB, levels -40 to -12 dB RMS.
    """
    sound = _unit(samples)
    if rng.random() < 0.6:
        sound = _equalise(sound, rng)
    if rng.random() < 0.45:
        sound = _reverberate(sound, rng)
    if rng.random() < 0.7:
        noise = _noise(len(sound), babble, rng)
        sound = _unit(sound) + noise * 10 ** (-rng.uniform(3, 40) / 20)
    if rng.random() < 0.15:
        cutoff = rng.uniform(3000, 6500)
        sound = scipy.signal.sosfilt(scipy.signal.butter(6, cutoff, fs=SAMPLE_RATE, output="sos"), sound)
    if rng.random() < 0.15:
        sound = scipy.signal.sosfilt(
            scipy.signal.butter(2, rng.uniform(80, 350), "high", fs=SAMPLE_RATE, output="sos"), sound
        )
    if rng.random() < 0.25:
        sound = _transcode(_unit(sound) * 0.07, rng)
    level = 10 ** (rng.uniform(-40, -12) / 20)
    return np.clip(_unit(sound) * level, -1, 1).astype(np.float32)


def _unit(sound: np.ndarray) -> np.ndarray:
    return sound / (np.sqrt(np.mean(np.square(sound))) + 1e-9)


def _equalise(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three peaking filters (Audio EQ Cookbook, R. Bristow-Johnson)."""
    for _ in range(rng.integers(1, 4)):
        frequency = np.exp(rng.uniform(np.log(80), np.log(7000)))
        amplitude = 10 ** (rng.uniform(-10, 10) / 40)
        omega = 2 * np.pi * frequency / SAMPLE_RATE
        alpha = np.sin(omega) / (2 * rng.uniform(0.3, 1.5))
        b = np.array([1 + alpha * amplitude, -2 * np.cos(omega), 1 - alpha * amplitude])
        a = np.array([1 + alpha / amplitude, -2 * np.cos(omega), 1 - alpha / amplitude])
        sound = scipy.signal.lfilter(b / a[0], a / a[0], sound)
    return sound


def _reverberate(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Direct sound plus an exponentially decaying noise tail, 2-18 dB below it."""
    length = int(rng.uniform(0.1, 0.6) * SAMPLE_RATE)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= 10 ** (rng.uniform(-18, -2) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return scipy.signal.fftconvolve(sound, tail)[: len(sound)]


def _noise(length: int, babble: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.3 and len(babble) > length:
        start = rng.integers(len(babble) - length)
        noise = babble[start : start + length]
    else:
        noise = rng.standard_normal(length)
        if kind < 0.8:
            noise = scipy.signal.lfilter([1.0], [1.0, -rng.uniform(0.7, 0.98)], noise)
        if kind > 0.65:  # a wavering machine rather than a steady one
            knots = np.arange(0, length + 8000, 8000)
            noise = noise * np.interp(np.arange(length), knots, rng.uniform(0.2, 1, len(knots)))
    return _unit(noise)


def _transcode(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    container, subtype, rate = _CODECS[rng.integers(len(_CODECS))]
    narrow = scipy.signal.resample_poly(sound, 1, SAMPLE_RATE // rate)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(narrow, -1, 1), rate, format=container, subtype=subtype)
    buffer.seek(0)
    decoded, found = soundfile.read(buffer)
    decoded = scipy.signal.resample_poly(decoded, SAMPLE_RATE // found, 1) if found != SAMPLE_RATE else decoded
    return _realign(decoded, sound)


def _realign(decoded: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """`decoded` moved to where `sound` is (coders add up to 0.1 s) and cut or padded to its length."""
    length = len(sound)
    reference = np.zeros(length + len(decoded))
    reference[:length] = sound
    correlation = scipy.signal.fftconvolve(decoded, reference[:length][::-1])
    centre = length - 1
    reach = SAMPLE_RATE // 10
    window = correlation[max(centre - reach, 0) : centre + reach + 1]
    delay = int(np.argmax(window)) + max(centre - reach, 0) - centre
    moved = decoded[delay:] if delay >= 0 else np.concatenate([np.zeros(-delay), decoded])
    return np.pad(moved, (0, max(0, length - len(moved))))[:length]
