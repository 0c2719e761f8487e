"""Arousal from a voice, with the correlation to be expected as its confidence; valence is not in prosody and stays with
the slider.

Two cues are weighed: the height of the pitch and the spectral balance (loud, pressed voices hold more energy above
1 kHz); where much of one recording is heard also the level. Each is compared with what this speaker sounds like at
rest, which is not known: a belief over "pitch at rest" and "balance at rest" starts from published averages and
sharpens as more is heard. Arousal and belief follow by Bayes' rule on a small grid, nothing is trained.

- Pitch at rest: men 119 Hz, women 207 Hz, 2.7 semitones apart from each other within a sex (Traunmüller & Eriksson,
  "The frequency range of the voice fundamental in the speech of male and female adults", 1995).
- How pitch, balance and level follow arousal: rise steeply with activation, fall little below rest (Banse & Scherer,
  "Acoustic profiles in vocal emotion expression", 1996; Juslin & Laukka, 2003; Bone, Lee & Narayanan, "Robust
  unsupervised arousal rating", IEEE Trans. Affective Computing 5(2), 2014, for this choice of cues). The slopes
  go the way these papers report; their sizes are round numbers of ours, chosen with the statistics of EMO-DB and
  RAVDESS in view, so scores on those two corpora are not blind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotalk.core.rates import FEATURE_RATE, FPS, SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.emotion.space import EmotionCurve
from emotalk.speech.pitch import ProsodyFrames, prosody_frames

WINDOW_SECONDS = 2.0
"""Arousal is heard over so much speech at a time."""

_HOP = FEATURE_RATE // 5  # rows between windows
_MIN_VOICED = 12  # rows (0.24 s) of voice in a window to say anything
_AROUSAL = np.linspace(-1, 1, 21)
_PRIOR = np.exp(-0.5 * (_AROUSAL / 0.6) ** 2)
_PRIOR /= _PRIOR.sum()
_IGNORANCE = float((_AROUSAL**2).mean())  # the variance of knowing nothing but the range
_CEILING = 0.8  # prosody says no more: even models trained on a corpus reached r = 0.75-0.89 on its other speakers


def _slopes(up: float, down: float) -> np.ndarray:
    """How far a cue moves from rest at each arousal of the grid."""
    return np.where(_AROUSAL > 0, up, down) * _AROUSAL


_PITCH_SHIFT = _slopes(8.0, 2.0)  # semitones
_BALANCE_SHIFT = _slopes(8.0, 4.0)  # dB
_LEVEL_SHIFT = _slopes(10.0, 5.0)  # dB
_PITCH_SPREAD, _BALANCE_SPREAD, _LEVEL_SPREAD = 2.0, 2.5, 4.0  # of a window around the shift, what is said included
_PITCH_AT_REST = np.arange(-6.0, 18.0)  # semitones above 100 Hz: 71 to 267 Hz
_BALANCE_AT_REST = np.arange(-29.0, 0.0, 2.0)  # dB; neutral speech of twelve voices lay at -23 to -7
_BALANCE_MEAN, _BALANCE_SD = -15.0, 5.0
_LEVEL_NEEDS = 20.0  # seconds of voice until the middle level of a recording says what its speaker's rest is
_GLIDE_SECONDS = 0.4
_SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0])  # over windows: a mood does not flip within 0.2 s as a median does
_ROW = SAMPLE_RATE // FEATURE_RATE
_CONTEXT = round(WINDOW_SECONDS * SAMPLE_RATE)
_INDEPENDENT_SECONDS = 6.0  # moods last: windows closer than this are no independent evidence of the voice at rest


@dataclass(frozen=True)
class VoiceEmotion:
    """What was heard, at 25 fps; `curve` makes an EmotionCurve of it."""

    values: np.ndarray  # [T, 2] valence (0, unknown, unless a Hub model heard it) and arousal in [-1, 1]
    confidence: np.ndarray  # [T] in [0, 1]: the correlation with the truth to be expected, from the posterior's width

    @property
    def arousal(self) -> np.ndarray:
        """[T] in [-1, 1], pulled towards 0 where little is known."""
        return self.values[:, 1]

    def curve(self, valence: float | None = None) -> EmotionCurve:
        """As an EmotionCurve, for `EmotionCurve.blend` or directly, with `valence` (the slider's) where it is given."""
        values = self.values.copy() if len(self.values) else np.zeros((1, 2), np.float32)
        if valence is not None:
            values[:, 0] = valence
        return EmotionCurve.from_frames(values)


def voice_emotion(speech: Speech, frames: ProsodyFrames | None = None) -> VoiceEmotion:
    """The arousal of one recording. `frames` spares the pitch tracking where it is done already.

    Costs about 1/200 of the time the speech lasts on one core, pitch tracking included.
    """
    return VoiceArousal().listen(speech, frames)


class VoiceArousal:
    """The arousal of one speaker over many pieces (a long file in chunks, a conversation), who becomes better known.

    Pieces of half a second to minutes; two seconds of sound are kept from one to the next.
    """

    def __init__(self) -> None:
        men, women = (12 * np.log2(hertz / 100) for hertz in (119.0, 207.0))
        pitch = sum(np.exp(-0.5 * ((_PITCH_AT_REST - mean) / 2.7) ** 2) for mean in (men, women))
        balance = np.exp(-0.5 * ((_BALANCE_AT_REST - _BALANCE_MEAN) / _BALANCE_SD) ** 2)
        self._belief = np.log(pitch)[:, None] + np.log(balance)  # [pitch, balance] log probability of the rest
        self._levels: list[float] = []
        self._context = np.zeros(0, np.float32)  # the end of what was heard, a whole number of rows
        self._heard = 0  # samples
        self._judged = -np.inf  # centre in seconds of the last window that counted
        self._last: np.ndarray | None = None  # arousal and confidence of the last frame given out

    def listen(self, speech: Speech, frames: ProsodyFrames | None = None) -> VoiceEmotion:
        """The arousal of the next piece, judged by all that was heard so far, this piece included.

        Gives the frames that begin in the piece, so that all pieces together have one row for each video frame.
        `frames` is the prosody of the first piece, where it is known; later pieces are tracked with what went before.
        """
        samples = np.concatenate([self._context, speech.samples])
        begin = self._heard - len(self._context)
        first = -(-self._heard * FPS // SAMPLE_RATE)
        self._heard += len(speech.samples)
        video = (np.arange(first, -(-self._heard * FPS // SAMPLE_RATE)) + 0.5) / FPS
        if frames is None or begin or len(self._context):
            frames = prosody_frames(samples)
        centres, cues = _windows(samples, frames)
        centres = centres + begin / SAMPLE_RATE
        keep = min(len(samples), _CONTEXT)
        # The next piece's rows must fall on the same grid as these did.
        self._context = samples[len(samples) - keep + (begin + len(samples) - keep) * -1 % _ROW :].copy()
        rows = self._judge(centres, cues, video) if len(centres) else np.zeros((len(video), 2))
        if not len(video):
            return VoiceEmotion(np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
        if self._last is not None:
            if not len(centres):
                rows[:, 0] = self._last[0]  # nobody speaks: the mood stays, unsure
            # Two pieces judge their border differently; glide from one to the other.
            glide = np.exp(-(np.arange(len(video)) + 1) / (_GLIDE_SECONDS * FPS))
            rows += (self._last - rows[0]) * glide[:, None]
        self._last = rows[-1]
        values = np.zeros((len(video), 2), np.float32)
        values[:, 1] = rows[:, 0]
        return VoiceEmotion(values, rows[:, 1].astype(np.float32))

    def _judge(self, centres: np.ndarray, cues: np.ndarray, video: np.ndarray) -> np.ndarray:
        """Arousal and confidence [T, 2] at the times `video`; what is new among the windows sharpens the belief."""
        new = centres > self._judged + 1e-6
        self._judged = max(self._judged, float(centres[-1]))
        pitch = _likelihood(cues[:, 0, None, None] - _PITCH_AT_REST[:, None], _PITCH_SHIFT, _PITCH_SPREAD)
        balance = _likelihood(cues[:, 1, None, None] - _BALANCE_AT_REST[:, None], _BALANCE_SHIFT, _BALANCE_SPREAD)
        pitch = pitch * (self._level_likelihood(cues[:, 2], new) * _PRIOR)[:, None, :]
        evidence = np.einsum("wpa,wba->wpb", pitch, balance)  # of each window for each rest
        weight = _HOP / FEATURE_RATE / _INDEPENDENT_SECONDS
        self._belief += weight * np.log(evidence[new] + 1e-30).sum(0)
        self._belief -= self._belief.max()
        belief = np.exp(self._belief) / np.exp(self._belief).sum()
        posterior = np.einsum("pb,wpb,wpa,wba->wa", belief, 1 / (evidence + 1e-30), pitch, balance, optimize=True)
        posterior /= posterior.sum(1, keepdims=True)
        mean = posterior @ _AROUSAL
        variance = posterior @ _AROUSAL**2 - mean**2
        confidence = _CEILING * np.sqrt(np.clip(1 - variance / _IGNORANCE, 0, 1))
        # A frame far from any voice keeps the last mood but is no evidence of it.
        fade = np.clip(1.5 - _distance(video, centres) / WINDOW_SECONDS, 0, 1)
        weights = np.convolve(np.ones(len(mean)), _SMOOTHING)[2:-2]
        mean = np.convolve(mean, _SMOOTHING)[2:-2] / weights
        return np.stack([np.interp(video, centres, mean), np.interp(video, centres, confidence) * fade], axis=1)

    def _level_likelihood(self, levels: np.ndarray, new: np.ndarray) -> np.ndarray:
        """[W, arousal]; says nothing until the recording is long enough to have a middle level."""
        self._levels = (self._levels + levels[new].tolist())[-3000:]  # ten minutes are enough to know a level
        if len(self._levels) * _HOP / FEATURE_RATE < _LEVEL_NEEDS:
            return np.ones((len(levels), len(_AROUSAL)))
        return _likelihood(levels[:, None] - np.median(self._levels), _LEVEL_SHIFT, _LEVEL_SPREAD)


def _distance(seconds: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """How far each of `seconds` lies from the nearest of the ascending `centres`."""
    right = np.clip(np.searchsorted(centres, seconds), 1, max(len(centres) - 1, 1))
    left, right = centres[right - 1], centres[np.minimum(right, len(centres) - 1)]
    return np.minimum(np.abs(seconds - left), np.abs(seconds - right))


def _likelihood(deviation: np.ndarray, shift: np.ndarray, spread: float) -> np.ndarray:
    """[..., arousal] of a deviation from rest [..., 1]; far outliers (an octave error) lose their say."""
    return np.exp(-0.5 * ((deviation - shift) / spread) ** 2) + 0.01


def _windows(samples: np.ndarray, frames: ProsodyFrames) -> tuple[np.ndarray, np.ndarray]:
    """Centres [W] in seconds of the windows with enough voice, and their pitch (semitones above 100 Hz), spectral
    balance and level (dB) [W, 3], medians over the voiced rows."""
    voiced = np.flatnonzero(frames.f0 > 0)
    if len(voiced) < _MIN_VOICED:
        return np.zeros(0), np.zeros((0, 3))
    rows = np.stack(
        [12 * np.log2(frames.f0[voiced] / 100), _spectral_balance(samples, voiced), frames.energy[voiced]], axis=1
    )
    half = round(WINDOW_SECONDS * FEATURE_RATE / 2)
    last = max(len(frames.f0) - half, half)
    centres, cues = [], []
    for centre in range(min(half, len(frames.f0) // 2), last + 1, _HOP):
        first, end = np.searchsorted(voiced, (centre - half, centre + half))
        if end - first >= _MIN_VOICED:
            centres.append(centre / FEATURE_RATE)
            cues.append(np.median(rows[first:end], axis=0))
    return np.array(centres), np.array(cues).reshape(-1, 3)


def _spectral_balance(samples: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Energy of 1-5 kHz over that of 50-1000 Hz in dB (the alpha ratio) at rows of 20 ms [R]."""
    size, hop = 640, SAMPLE_RATE // FEATURE_RATE
    padded = np.concatenate([np.zeros((size - hop) // 2, np.float32), samples, np.zeros(size, np.float32)])
    window = np.hanning(size).astype(np.float32)
    frequencies = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    low, high = (frequencies >= 50) & (frequencies < 1000), (frequencies >= 1000) & (frequencies < 5000)
    balance = np.empty(len(rows))
    for start in range(0, len(rows), 512):  # a long recording in blocks
        block = rows[start : start + 512]
        power = np.abs(np.fft.rfft(padded[block[:, None] * hop + np.arange(size)] * window, axis=1)) ** 2
        balance[start : start + 512] = 10 * np.log10((power[:, high].sum(1) + 1e-9) / (power[:, low].sum(1) + 1e-9))
    return balance
