"""Log-mel frames at 100 Hz, levelled on the way: what the speech network hears.

    samples ─► 25 ms Hann windows each 10 ms ─► power ─► 64 mel bands ─► log ─► minus a running mean of speech

All of it runs in a stream that gives the same rows for any cutting of the sound. Frames come in pairs: row i of a
`MelStream` holds the two frames centred 5 and 15 ms after second i / 50.
"""

from __future__ import annotations

import copy

import numpy as np

from emotalk.core.rates import FEATURE_RATE, SAMPLE_RATE

BANDS = 64
HOP = SAMPLE_RATE // FEATURE_RATE  # samples for each row
LOOK_AHEAD_SAMPLES = 120
"""Samples behind the end of a row that its second window still reaches."""

_WINDOW = 400
_FFT = 512
_FREQUENCIES = (50.0, 7600.0)  # Hz, of the outermost bands' feet
_FLOOR = 1e-6  # added to the band power: the noise of 16-bit sound, about -75 dB relative to full scale
_BEFORE = 120  # samples of a row's first window that lie before the row
_FFT_GROUP = 16  # see MelStream._frames
_BLOCK = 512  # rows at a time: bounds the memory

# The running mean: speech is what lies within about 15 dB of the recent peak. Constants in nats of power.
_PEAK_DECAY = 0.25 / FEATURE_RATE  # 1.1 dB for each second without speech
_PEAK_START = 3.0  # the loudness of speech at -37 dB: what is much softer before the first word is background
_PEAK_FLOOR = 1.0  # that of speech at -45 dB: no silence is so long that its hiss becomes speech
_SPEECH_DEPTH = 3.5
_SPEECH_SOFTNESS = 0.7
_MEMORY = float(np.exp(-1 / (10 * FEATURE_RATE)))  # the mean forgets in 10 s
_PRIOR_ROWS = 25.0  # the average voice counts as much as half a second of this one
_CLIP = 7.0  # nats (30 dB); what is further from the mean is silence or a click
_SCALE = 0.4  # brings the result to about unit variance


def mel_filters() -> np.ndarray:
    """Triangles [257, 64] that sum FFT power into mel bands (Slaney's scale: linear to 1 kHz, then logarithmic)."""
    low, high = (_to_mel(frequency) for frequency in _FREQUENCIES)
    corners = _from_mel(np.linspace(low, high, BANDS + 2))
    bins = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)[:, None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)


def _to_mel(frequency: float) -> float:
    return frequency / 200 * 3 if frequency < 1000 else 15 + 27 * np.log(frequency / 1000) / np.log(6.4)


def _from_mel(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


_FILTERS = mel_filters()
_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


GROUP = 48
SMALL_GROUP = 4
"""For streams that come in small pieces or share their cores with others: fewer empty places are multiplied, and the
cost does not depend on how many threads BLAS has and how busy the cores are. CPU seconds on a second of sound, with
this and with GROUP, in pieces of a second: .006 and .011 (one thread), .006 and .015 (two), .005 and .024 (two, cores
busy); of an eighth: .013 and .034, .015 and .043, .014 and .16."""


class GroupedProduct:
    """Rows of a stream times a matrix [in, out], each row's result independent of how the stream was cut.

    BLAS picks its kernels by the number of rows, and inside one kernel rows at different places round differently.
    So row i of the stream always sits at place i % `group` in a product of `group` rows; empty places hold zeros.
    """

    def __init__(self, matrix: np.ndarray, group: int = GROUP) -> None:
        self._matrix, self._group = matrix, group
        self._done = 0

    def fork(self) -> GroupedProduct:
        """A copy that goes its own way."""
        return copy.copy(self)

    def push(self, x: np.ndarray) -> np.ndarray:
        """The next rows [R, in] -> [R, out]."""
        before, rows = self._done % self._group, len(x)
        self._done += rows
        padded = np.zeros((-(-(before + rows) // self._group), self._group, x.shape[1]), np.float32)
        padded.reshape(-1, x.shape[1])[before : before + rows] = x
        return (padded @ self._matrix).reshape(-1, self._matrix.shape[1])[before : before + rows]


class MelStream:
    """Log-mel power of a sound that arrives in pieces; silence is taken to come before it."""

    def __init__(self, group: int = GROUP) -> None:
        self._tail = np.zeros(_BEFORE, np.float32)
        self._bands = GroupedProduct(_FILTERS, group)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Takes samples [N] (any N); returns the rows [R, 2 * 64] they completed, R maybe 0.

        A row is complete `LOOK_AHEAD_SAMPLES` after its end.
        """
        self._tail = np.concatenate([self._tail, np.asarray(samples, np.float32)])
        rows = max((len(self._tail) - _BEFORE - LOOK_AHEAD_SAMPLES) // HOP, 0)
        parts = []
        for start in range(0, rows, _BLOCK):
            count = min(_BLOCK, rows - start)
            windows = np.lib.stride_tricks.sliding_window_view(self._tail[start * HOP :], _WINDOW)
            parts.append(self._frames(windows[: 2 * count * HOP // 2 : HOP // 2]).reshape(count, 2 * BANDS))
        self._tail = self._tail[rows * HOP :].copy()  # or a view would keep a long sound alive
        return np.concatenate(parts) if parts else np.zeros((0, 2 * BANDS), np.float32)

    def fork(self) -> MelStream:
        """A copy that goes its own way; the state of both is replaced, never written to, so nothing is copied."""
        other = copy.copy(self)
        other._bands = self._bands.fork()
        return other

    def _frames(self, windows: np.ndarray) -> np.ndarray:
        """Log band power [n, 64] of windows [n, 400]."""
        # numpy transforms several rows at once in SIMD lanes and the rest one by one, which may round differently.
        padded = np.zeros((-(-len(windows) // _FFT_GROUP) * _FFT_GROUP, _WINDOW), np.float32)
        padded[: len(windows)] = windows
        spectrum = np.fft.rfft(padded * _HANN, _FFT, axis=1)[: len(windows)]
        power = spectrum.real**2 + spectrum.imag**2
        return np.log(self._bands.push(power) + _FLOOR)


class SpectralLeveller:
    """Subtracts from every mel row what speech of this voice over this line sounds like on average so far.

    The mean runs over the rows that are loud enough to be speech, with a memory of 10 s, and starts from the average
    voice of the training set, `prior` [64] (nats relative to the peak loudness). It makes microphone, distance
    and gain matter little. State is kept for a batch of streams, so that training runs the same code.
    """

    def __init__(self, prior: np.ndarray, batch: int = 1) -> None:
        self._prior = np.asarray(prior, np.float64)
        self.sums = np.zeros((batch, BANDS + 1))  # weighted sum of the bands, and of the weights
        self.peak = np.full(batch, _PEAK_START)  # of loudness, in nats

    def push(self, rows: np.ndarray) -> np.ndarray:
        """Rows [B, R, 128] of log-mel power, the next of each stream -> the levelled rows [B, R, 128]."""
        batch, count = rows.shape[:2]
        pairs = rows.reshape(batch, count, 2, BANDS)
        loudness = loudness_of(pairs).astype(np.float64).T  # [R, B]
        peak, sums = self._peaks(loudness)[:, :, None], np.empty((count, batch, BANDS + 1))
        weight = speech_weight(loudness[:, :, None], peak)
        np.multiply(weight, pairs.mean(2, dtype=np.float64).transpose(1, 0, 2), out=sums[:, :, :BANDS])
        sums[:, :, BANDS:] = weight
        for row in sums:  # what is left of the rows before, and this one
            row += self.sums * _MEMORY
            self.sums = row
        self.sums = self.sums.copy()  # or a view would keep all rows alive
        levelled = sums[:, :, :BANDS] + _PRIOR_ROWS * (self._prior + peak)
        levelled /= sums[:, :, BANDS:] + _PRIOR_ROWS
        difference = pairs - levelled.transpose(1, 0, 2)[:, :, None].astype(np.float32)
        np.clip(difference, -_CLIP, _CLIP, out=difference)
        difference *= np.float32(_SCALE)
        return difference.reshape(batch, count, 2 * BANDS)

    def fork(self) -> SpectralLeveller:
        """A copy that goes its own way."""
        return copy.copy(self)

    def _peaks(self, loudness: np.ndarray) -> np.ndarray:
        """The recent peak [R, B] at each row of loudness [R, B]: it falls slowly until something is louder."""
        peaks = np.maximum(loudness, _PEAK_FLOOR)
        for row in peaks:
            self.peak = np.maximum(row, self.peak - _PEAK_DECAY, out=row)
        self.peak = self.peak.copy()
        return peaks


def loudness_of(pairs: np.ndarray) -> np.ndarray:
    """Loudness [...] in nats of pairs of log-mel frames [..., 2, 64]: the log of the power of both over all bands."""
    return np.log(np.exp(pairs).sum((-1, -2)))


def speech_weight(loudness: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """How much rows [...] count as speech, in (0, 1), from their `loudness` [...] and the loudest level so far, `peak`
    [...], in the same unit."""
    return 1 / (1 + np.exp((peak - _SPEECH_DEPTH - loudness) / _SPEECH_SOFTNESS))
