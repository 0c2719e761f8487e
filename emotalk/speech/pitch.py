"""Pitch, voicing and energy of a sound at 50 Hz, in one pass that never looks far ahead.

The pitch candidates are the peaks of the autocorrelation of a windowed frame divided by that of the window
(Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound", IFA Proceedings 17, 1993); Viterbi's algorithm picks one candidate, or none, for each row with
the costs of that paper. Each row is decided `DECISION_ROWS` rows later, always exactly then, so that the
result does not depend on how the sound was cut into chunks.

    samples ─► frames of 45 ms, one each 20 ms ─► autocorrelation ─► candidates ─► Viterbi, fixed lag ─► f0
                                             └─► energy
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.rates import FEATURE_RATE, SAMPLE_RATE

HOP = SAMPLE_RATE // FEATURE_RATE
"""Samples for each row: row i covers samples [i * HOP, (i + 1) * HOP)."""
PITCH_RANGE = (65.0, 600.0)
"""Lowest and highest pitch in Hz that is looked for: a deep male voice to a shout."""
DECISION_ROWS = 8
"""Rows heard after a row before its pitch is decided (160 ms)."""
SILENCE_DB = -100.0
"""The energy reported for digital silence, in dB relative to full scale."""

_WINDOW = 720  # 45 ms, centred on the row: three periods at the lowest pitch
_BEFORE = (_WINDOW - HOP) // 2  # samples of the window that lie before the row
_FFT = 1024  # >= window + longest lag, so that the circular autocorrelation does not wrap
_LAGS = np.arange(int(SAMPLE_RATE / PITCH_RANGE[1]), int(SAMPLE_RATE / PITCH_RANGE[0]) + 2)
_TWICE = 2 * _LAGS[2 * _LAGS + 1 <= SAMPLE_RATE // 100] - _LAGS[0]  # columns of the doubled lags, above 200 Hz
_CANDIDATES = 6  # voiced candidates for each row; the last state of a row is "unvoiced"
_BLOCK = 256  # rows analysed at a time: bounds the memory
_ROW_MULTIPLE = 16  # see _correlations

# Boersma's costs, for steps of 10 ms; a step here is 20 ms, which halves the price of a jump. That of voicing is
# kept: at half of it single rows of frication came out voiced.
_OCTAVE_COST = 0.01
_OCTAVE_JUMP_COST = 0.35 / 2
_VOICING_CHANGE_COST = 0.14
_VOICING_THRESHOLD = 0.45
_QUIET_DB = -48.0  # below this a row grows unvoiced; speech is normalised to -23 dB, see audio.py
_QUIET_RANGE_DB = 12.0

# Harmonics above make correlation peaks narrower than a sample, and frication is no help: fade them out.
_LOW_PASS = np.interp(np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE), [1500, 3000], [1, 0]).astype(np.float32)
_HANN = np.hanning(_WINDOW + 2)[1:-1].astype(np.float32)
_HANN_POWER = float((_HANN.astype(np.float64) ** 2).sum())

LOOK_AHEAD_SAMPLES = _WINDOW - HOP - _BEFORE + DECISION_ROWS * HOP
"""Samples that must follow the end of a row before the row comes out of a stream (172.5 ms)."""


class ProsodyFrames(NamedTuple):
    """Prosody at 50 Hz; unpacks as `f0, voicing, energy`."""

    f0: np.ndarray  # [T] Hz, 0 where unvoiced
    voicing: np.ndarray  # [T] in [0, 1]; >= 0.5 exactly where f0 > 0
    energy: np.ndarray  # [T] dB relative to full scale (RMS), >= SILENCE_DB


def row_count(samples: int) -> int:
    """Rows at 50 Hz that cover `samples` samples (the last may be partly silent)."""
    return -(-samples // HOP)


def prosody_frames(samples: np.ndarray) -> ProsodyFrames:
    """Pitch, voicing and energy of mono 16 kHz samples [N], one row for each 20 ms: T = ceil(N / 320).

    Bit for bit what `ProsodyStream` gives for the same sound in any chunks. 10 s take about 25 ms on one core.
    Raises InputError for anything but one row of finite numbers.
    """
    stream = ProsodyStream()
    return _join([stream.push(samples), stream.finish()])


class ProsodyStream:
    """`prosody_frames` for a sound that arrives in pieces; memory does not grow with its length.

    A row comes out once LOOK_AHEAD_SAMPLES after its end have been pushed, or at `finish`.
    """

    def __init__(self) -> None:
        self._tail = np.zeros(_BEFORE, np.float32)  # samples not yet analysed, with what the next window needs
        self._heard = 0  # samples pushed
        self._analysed = 0  # rows analysed
        self._decoder = _Viterbi()
        self._finished = False

    def push(self, samples: np.ndarray) -> ProsodyFrames:
        """Takes the next samples [N] (any N, also 0); returns the rows they completed, possibly none."""
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1 or not np.isfinite(samples).all():
            found = f"shape {list(samples.shape)}" if samples.ndim != 1 else "NaN or infinite values"
            raise InputError(f"Prosody needs mono samples of shape [N], all finite; found {found}.")
        if self._finished:
            raise InputError("This prosody stream is finished; start a new ProsodyStream for another sound.")
        self._heard += len(samples)
        self._tail = np.concatenate([self._tail, samples])
        return self._analyse((len(self._tail) - _WINDOW) // HOP + 1)

    def finish(self) -> ProsodyFrames:
        """The rows still held back; silence is taken to follow the sound."""
        missing = row_count(self._heard) - self._analysed
        self._finished = True
        self._tail = np.concatenate([self._tail, np.zeros(_WINDOW, np.float32)])
        return _join([self._analyse(missing), self._decoder.finish()])

    def fork(self) -> ProsodyStream:
        """A copy that goes its own way; the state of both is replaced, never written to, so nothing is copied."""
        other = copy.copy(self)
        other._decoder = copy.copy(self._decoder)
        return other

    def _analyse(self, rows: int) -> ProsodyFrames:
        parts = []
        while rows > 0:
            block = min(rows, _BLOCK)
            frames = np.lib.stride_tricks.sliding_window_view(self._tail, _WINDOW)[: block * HOP : HOP]
            parts.append(self._decoder.push(*_candidates(frames)))
            self._tail = self._tail[block * HOP :]
            self._analysed += block
            rows -= block
        self._tail = self._tail.copy()  # or a view would keep a long sound alive
        return _join(parts)


def _join(parts: list[ProsodyFrames]) -> ProsodyFrames:
    if not parts:
        return ProsodyFrames(*(np.zeros(0, np.float32) for _ in range(3)))
    return ProsodyFrames(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _correlations(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normalised autocorrelation [T, lags] over _LAGS and energy in dB [T] of frames [T, 720]."""
    # numpy's FFT transforms several rows at once in SIMD lanes and the rest one by one, which may round
    # differently: whole groups only, or a row's value would depend on its neighbours' number.
    rows = len(frames)
    padded = np.zeros((-(-rows // _ROW_MULTIPLE) * _ROW_MULTIPLE, _WINDOW), np.float32)
    padded[:rows] = frames
    padded -= padded.mean(1, keepdims=True)
    padded *= _HANN
    spectrum = np.fft.rfft(padded, _FFT, axis=1)
    power = spectrum.real**2 + spectrum.imag**2  # [T, bins]; every inner bin stands for two
    energy = (2 * power.sum(1) - power[:, 0] - power[:, -1]) / (_FFT * _HANN_POWER)
    energy = np.maximum(10 * np.log10(np.maximum(energy, 1e-12)), SILENCE_DB)
    correlation = np.fft.irfft(power * _LOW_PASS, _FFT, axis=1)
    ratio = correlation[:, _LAGS[0] - 1 : _LAGS[-1] + 2] / np.maximum(correlation[:, :1], 1e-9)
    normalised = ratio / _WINDOW_CORRELATION
    return normalised[:rows].astype(np.float32), energy[:rows].astype(np.float32)


def _window_correlation() -> np.ndarray:
    spectrum = np.fft.rfft(_HANN.astype(np.float64), 2 * _WINDOW)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * _WINDOW)
    return (correlation / correlation[0])[_LAGS[0] - 1 : _LAGS[-1] + 2].astype(np.float32)


_WINDOW_CORRELATION = _window_correlation()  # one lag more on either side, for the parabola through a peak


def _candidates(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pitch in octaves above 1 Hz and strength of every state [T, _CANDIDATES + 1], and energy [T].

    A state that is no candidate has strength -inf; the last state is "unvoiced".
    """
    correlation, energy = _correlations(frames)
    left, middle, right = correlation[:, :-2], correlation[:, 1:-1], correlation[:, 2:]
    peak = (middle > left) & (middle >= right) & (middle > 0)
    slope, curvature = left - right, np.minimum(left - 2 * middle + right, -1e-6)
    offset = 0.5 * slope / curvature  # the parabola through three points, its vertex and height
    strength = np.where(peak, middle - 0.25 * slope * offset, -np.inf)
    # Band-limited noise peaks at short lags too, but only a tone peaks again at twice the lag.
    echo = np.maximum(np.maximum(middle[:, _TWICE - 1], middle[:, _TWICE]), middle[:, _TWICE + 1])
    strength[:, : len(_TWICE)] = np.minimum(strength[:, : len(_TWICE)], (strength[:, : len(_TWICE)] + echo) / 2)
    # A peak at a longer lag is as high for a perfect tone; the octave cost prefers the shorter.
    strength -= (_OCTAVE_COST * np.log2(PITCH_RANGE[0] * _LAGS / SAMPLE_RATE)).astype(np.float32)
    chosen = np.argpartition(-strength, _CANDIDATES, axis=1)[:, :_CANDIDATES]
    chosen.sort(axis=1)  # argpartition leaves the order open
    strengths = np.take_along_axis(strength, chosen, 1)
    offsets = np.clip(np.take_along_axis(offset, chosen, 1), -0.5, 0.5)
    octaves = np.log2(SAMPLE_RATE / (_LAGS[chosen] + offsets))
    quiet = np.clip((_QUIET_DB - energy) / _QUIET_RANGE_DB, 0, 1)
    unvoiced = _VOICING_THRESHOLD + quiet  # at full quiet no candidate can win: strengths end at 1
    return (
        np.concatenate([octaves, np.zeros((len(frames), 1))], 1),
        np.concatenate([strengths, unvoiced[:, None]], 1).astype(np.float64),
        energy,
    )


class _Viterbi:
    """The best path through the candidates, decided DECISION_ROWS rows behind the newest row."""

    def __init__(self) -> None:
        self._score: np.ndarray | None = None  # [states] best score of a path that ends in each state
        self._octaves = np.zeros((0, _CANDIDATES + 1))  # rows not yet decided, and the one before a new row
        self._strength = np.zeros((0, _CANDIDATES + 1))
        self._energy = np.zeros(0, np.float32)
        self._back = np.zeros((0, _CANDIDATES + 1), np.int64)  # best predecessor of each state
        self._best = np.zeros(0, np.int64)  # state in which the best path ends at each row

    def push(self, octaves: np.ndarray, strength: np.ndarray, energy: np.ndarray) -> ProsodyFrames:
        old = len(self._octaves)
        self._octaves = np.concatenate([self._octaves, octaves])
        self._strength = np.concatenate([self._strength, strength])
        self._energy = np.concatenate([self._energy, energy])
        back = np.zeros((len(octaves), _CANDIDATES + 1), np.int64)
        best = np.zeros(len(octaves), np.int64)
        if old:
            change = _transition_costs(self._octaves[old - 1 : -1], octaves)
        else:
            change = np.concatenate([np.zeros((1, *back.shape[1:] * 2)), _transition_costs(octaves[:-1], octaves[1:])])
        score = np.zeros(_CANDIDATES + 1) if self._score is None else self._score
        for t in range(len(octaves)):
            paths = score[:, None] - change[t]  # [from, to]
            back[t] = paths.argmax(0)
            score = paths.max(0) + strength[t]
            best[t] = score.argmax()
            score = score - score[best[t]]  # or it would grow without bound over hours
        self._score = score
        self._back = np.concatenate([self._back, back])
        self._best = np.concatenate([self._best, best])
        ready = len(self._best) - DECISION_ROWS
        if ready <= 0:
            return _join([])
        state = self._best[DECISION_ROWS:]
        for step in range(DECISION_ROWS):  # all rows go back one step at a time, together
            state = self._back[np.arange(DECISION_ROWS - step, len(self._best) - step), state]
        return self._emit(state)

    def finish(self) -> ProsodyFrames:
        state = np.zeros(len(self._best), np.int64)
        if len(state):
            state[-1] = self._best[-1]
            for t in range(len(state) - 1, 0, -1):
                state[t - 1] = self._back[t, state[t]]
        return self._emit(state)

    def _emit(self, state: np.ndarray) -> ProsodyFrames:
        rows = np.arange(len(state))
        voiced = state < _CANDIDATES
        f0 = np.where(voiced, 2.0 ** self._octaves[rows, state], 0.0)
        # How far the best candidate stands above the threshold, squeezed into [0, 1]; the path has the last word.
        margin = self._strength[rows, :-1].max(1) - self._strength[rows, -1]
        voicing = 1 / (1 + np.exp(-8 * np.clip(margin, -1.5, 1.5)))
        voicing = np.where(voiced, np.maximum(voicing, 0.5), np.minimum(voicing, 0.49))
        energy = self._energy[: len(state)]
        for name in ("_octaves", "_strength", "_energy", "_back", "_best"):
            setattr(self, name, getattr(self, name)[len(state) :].copy())
        return ProsodyFrames(f0.astype(np.float32), voicing.astype(np.float32), energy.copy())


def _transition_costs(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Price [T, from, to] of going from each state of one row to each of the next."""
    cost = _OCTAVE_JUMP_COST * np.abs(before[:, :, None] - after[:, None, :])
    cost[:, :-1, -1] = _VOICING_CHANGE_COST
    cost[:, -1, :-1] = _VOICING_CHANGE_COST
    cost[:, -1, -1] = 0
    return cost
