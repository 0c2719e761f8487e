"""Training batches: mel rows under random lines and noises, with phones and articulation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotalk.core.atomic import replacing
from emotalk.core.rates import FEATURE_RATE
from emotalk.core.speech import ARTICULATION_NAMES, PHONES
from emotalk.speech.coarticulation import articulation_targets
from emotalk.speech.inference import NetworkConfig
from emotalk.speech.mel import BANDS, HOP, MelStream, SpectralLeveller, loudness_of, speech_weight
from scripts.speech_corpus.build import Utterance, load_shard, validation_sentence

log = logging.getLogger(__name__)

_SILENT = float(np.log(1e-6))  # a mel band of digital silence
_NATS = np.log(10) / 10  # for each dB
_THROATS = (-0.1, 0.2)
"""Nats by which a voice's resonances move. Further up than down: children, and everyone who shouts, jaw wide open."""


def mel_rows(samples: np.ndarray) -> np.ndarray:
    """Log-mel rows [ceil(N / 320), 128] of a whole sound."""
    rows = -(-len(samples) // HOP)
    return MelStream().push(np.pad(samples, (0, (rows + 1) * HOP - len(samples))))[:rows]


def phone_rows(segments: np.ndarray, rows: int) -> np.ndarray:
    """The phone index [rows] at the centre of every row."""
    centres = (np.arange(rows) + 0.5) / FEATURE_RATE
    phones = np.zeros(rows, np.uint8)
    for start, end, phone in segments:
        phones[(centres >= start) & (centres < end)] = int(phone)
    return phones


def articulation_rows(segments: np.ndarray, rows: int) -> np.ndarray:
    """Articulation targets [rows, 6] of segments [S, 3]."""
    named = [(float(start), float(end), PHONES[int(phone)]) for start, end, phone in segments]
    return articulation_targets(named, rows)


@dataclass(frozen=True)
class VoiceRows:
    """All that one voice says, one utterance after the other with up to half a second of silence between."""

    clean: np.ndarray  # [R, 128] float16 log-mel
    distorted: np.ndarray  # [R, 128]
    phones: np.ndarray  # [R] uint8
    articulation: np.ndarray  # [R, 6] float16


def voice_rows(folder: Path, shard: Path) -> VoiceRows:
    """The training sentences of a shard as rows, kept in `folder` for the next run."""
    path = folder / f"{shard.stem}.rows.npz"
    if not path.exists():
        columns = _rows_of([u for u in load_shard(shard) if not validation_sentence(u.text)])
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **columns)
    with np.load(path) as columns:
        return VoiceRows(**{name: columns[name] for name in columns.files})


def _rows_of(utterances: list[Utterance]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    parts: dict[str, list[np.ndarray]] = {"clean": [], "distorted": [], "phones": [], "articulation": []}
    for utterance in utterances:
        clean = mel_rows(utterance.clean)
        level = 0.06 / (np.sqrt(np.mean(utterance.distorted**2)) + 1e-9)
        gap = rng.integers(0, FEATURE_RATE // 2)
        rows = len(clean) + gap
        silence = np.full((gap, 2 * BANDS), _SILENT, np.float32)
        parts["clean"].append(np.concatenate([clean, silence]).astype(np.float16))
        parts["distorted"].append(np.concatenate([mel_rows(utterance.distorted * level), silence]).astype(np.float16))
        parts["phones"].append(phone_rows(utterance.segments, rows))
        parts["articulation"].append(articulation_rows(utterance.segments, rows).astype(np.float16))
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def average_voice(voices: list[VoiceRows]) -> np.ndarray:
    """The mean spectrum [64] of speech relative to its peak loudness: the SpectralLeveller's prior."""
    sums = np.zeros(BANDS + 1)
    for voice in voices:
        pairs = voice.clean[:20_000].astype(np.float32).reshape(-1, 2, BANDS)
        loudness = loudness_of(pairs)
        peak = np.percentile(loudness, 97)
        weight = speech_weight(loudness, peak)
        sums[:BANDS] += weight @ (pairs.mean(1) - peak)
        sums[BANDS] += weight.sum()
    return (sums[:BANDS] / sums[BANDS]).astype(np.float32)


@dataclass(frozen=True)
class Batch:
    rows: np.ndarray  # [B, T + past + future, 128] levelled
    phones: np.ndarray  # [B, T] int64
    articulation: np.ndarray  # [B, T, 6]


class Sampler:
    """Draws batches: `recorded` of them from the recordings, if there are any, the rest from the voices by their
    length times their `weights` (1 where they are left out)."""

    def __init__(
        self, voices: list[VoiceRows], recordings: list[VoiceRows], prior: np.ndarray, config: NetworkConfig,
        batch: int = 24, rows: int = 128, recorded: float = 0.25, seed: int = 0,
        weights: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        odds = np.array([len(voice.phones) for voice in voices], float)
        if weights is not None:
            odds *= weights
        odds /= odds.sum()
        if recordings:
            share = np.array([len(recording.phones) for recording in recordings], float)
            odds = np.concatenate([(1 - recorded) * odds, recorded * share / share.sum()])
        self._sources, self._odds = [*voices, *recordings], odds
        self._prior, self._config, self._batch, self._rows = prior, config, batch, rows
        self._seed = seed
        # Hiss: log power of bands that fluctuate as those of noise do. Drawing it anew took longer than all else.
        self._hiss = np.log(np.random.default_rng(seed).standard_gamma(3.0, (20_000, BANDS)) / 3 + 1e-3)
        self._hiss = self._hiss.astype(np.float32)

    def draw(self, step: int) -> Batch:
        """The batch of a training step: the same for the same seed and step, so a run can be taken up anywhere."""
        self._rng = rng = np.random.default_rng([self._seed, step])
        past, rows = self._config.past, self._rows
        total = past + rows + self._config.future
        mel = np.empty((self._batch, total, 2 * BANDS), np.float32)
        phones = np.empty((self._batch, rows), np.int64)
        articulation = np.empty((self._batch, rows, len(ARTICULATION_NAMES)), np.float32)
        for i in range(self._batch):
            source = self._sources[rng.choice(len(self._sources), p=self._odds)]
            start = rng.integers(len(source.phones) - total)
            mel[i] = (source.distorted if rng.random() < 0.5 else source.clean)[start : start + total]
            inside = slice(start + past, start + past + rows)
            phones[i], articulation[i] = source.phones[inside], source.articulation[inside]
        return Batch(self._levelled(self._disturbed(mel)), phones, articulation)

    def _disturbed(self, mel: np.ndarray) -> np.ndarray:
        """Other throats, lines, levels and noises, made on the log-mel rows [B, R, 128] themselves."""
        rng, (batch, rows, _) = self._rng, mel.shape
        mel = mel.reshape(batch, 2 * rows, BANDS)
        for i in np.flatnonzero(rng.random(batch) < 0.6):  # vocal tract length
            place = np.clip(np.arange(BANDS) * np.exp(-rng.uniform(*_THROATS)), 0, BANDS - 1.001)
            below = place.astype(int)
            part = (place - below).astype(np.float32)
            mel[i] = mel[i][:, below] * (1 - part) + mel[i][:, below + 1] * part
        coloured = rng.random((batch, 1)) < 0.6
        mel = mel + np.where(coloured, self._colour(batch, 0.7), 0)[:, None]
        noisy = rng.random(batch) < 0.5
        if noisy.any():
            sound = np.exp(mel[noisy])
            noise = np.exp(self._noise(mel[noisy]))
            ratio = sound.mean((1, 2)) / noise.mean((1, 2)) * 10 ** (-rng.uniform(3, 40, len(noise)) / 10)
            mel[noisy] = np.log(sound + noise * ratio[:, None, None].astype(np.float32) + 1e-9)
        mel = mel + (rng.uniform(-16, 10, (batch, 1, 1)) * _NATS).astype(np.float32)
        return np.maximum(mel, _SILENT).reshape(batch, rows, 2 * BANDS)

    def _colour(self, batch: int, size: float) -> np.ndarray:
        """Smooth random spectra [B, 64] in nats."""
        waves = np.cos(np.pi * np.arange(1, 6)[:, None] * (np.arange(BANDS) + 0.5) / BANDS)
        return (self._rng.normal(0, size, (batch, 5)) @ waves).astype(np.float32)

    def _noise(self, mel: np.ndarray) -> np.ndarray:
        """Log-mel noises as large as `mel` [B, R, 64]: hiss of every colour, or the batch's other speakers."""
        rng = self._rng
        noise = np.empty_like(mel)
        for i in range(len(mel)):
            if rng.random() < 0.3:
                noise[i] = np.maximum(mel[i - 1], np.roll(mel[i - 2], 40, 0))
            else:
                start = rng.integers(len(self._hiss) - mel.shape[1])
                noise[i] = self._hiss[start : start + mel.shape[1]] + self._colour(1, 1.5)
        return noise

    def _levelled(self, mel: np.ndarray) -> np.ndarray:
        """As SpectralLeveller would: a third of the sounds has just begun, the others have been heard for a while."""
        rng, batch = self._rng, len(mel)
        begun = rng.random(batch) < 0.35
        mel[begun, : self._config.past] = _SILENT
        leveller = SpectralLeveller(self._prior, batch)
        pairs = mel.reshape(batch, -1, 2, BANDS)
        loudness = loudness_of(pairs)
        peak = loudness.max(1)
        weight = speech_weight(loudness, peak[:, None])
        mean = np.einsum("br,brk->bk", weight, pairs.mean(2)) / (weight.sum(1)[:, None] + 1e-9)
        heard = np.exp(rng.uniform(np.log(20), np.log(300), batch))
        warm = ~begun
        leveller.peak[warm] = np.maximum(peak + rng.uniform(-1.0, 1.0, batch), leveller.peak)[warm]
        leveller.sums[warm, :BANDS] = (mean * heard[:, None])[warm]
        leveller.sums[warm, BANDS] = heard[warm]
        levelled = leveller.push(mel)
        for i in range(batch):  # SpecAugment (Park et al. 2019)
            frames = levelled[i].reshape(-1, BANDS)
            for _ in range(2):
                width = rng.integers(0, 7)
                first = rng.integers(0, BANDS - width)
                frames[:, first : first + width] = 0
            if rng.random() < 0.4:
                width = rng.integers(2, 10)
                first = rng.integers(0, len(frames) - width)
                frames[first : first + width] = 0
        return levelled
