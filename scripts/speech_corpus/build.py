"""The training corpus: which voices say how much, and the shards they are kept in.

A voice is a shard `<folder>/<voice>.npz` of 16 kHz sound (clean and distorted) with its phone times. Shards that
exist are kept, so an interrupted run goes on where it stopped; every shard depends only on its voice's name.
"""

from __future__ import annotations

import functools
import logging
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.signal

from emotalk.core.atomic import replacing
from emotalk.core.rates import SAMPLE_RATE
from emotalk.speech.kokoro.voices import PEOPLE
from scripts.speech_corpus.distort import distort
from scripts.speech_corpus.kokoro import HELD_OUT as KOKORO_HELD_OUT
from scripts.speech_corpus.kokoro import Kokoro
from scripts.speech_corpus.text import sentences
from scripts.speech_corpus.voices import Espeak, Spoken, festival, flite

log = logging.getLogger(__name__)

HELD_OUT = (
    "flite:kal16", "festival:voice_kal_diphone", "espeak:en-us+m7", "espeak:en-us+f3", "espeak:en-us+Annie",
    "espeak:en-us+Michael", "espeak:en-us+klatt4", "espeak:en-us+belinda",
    *(f"kokoro:{voice}" for voice in KOKORO_HELD_OUT),
)  # fmt: skip
"""Voices never trained on. kal16 and kal_diphone are one speaker, whom no training voice repeats."""

_ESPEAK_US = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m8", "f1", "f2", "f4", "f5", "Alicia", "Andrea", "Gene", "klatt", "klatt2",
    "klatt3", "linda", "steph", "adam", "Alex", "Andy", "antonio", "boris", "benjamin", "victor", "zac", "caleb",
    "Denis", "edward", "whisper", "whisperf",
)  # fmt: skip
_ESPEAK_OTHER = ("gmw/en+f2", "gmw/en-GB-x-rp+m3", "gmw/en-GB-scotland", "gmw/en-029+f4", "gmw/en-US-nyc")

MINUTES: dict[str, float] = {
    "flite:rms": 60, "flite:slt": 50, "flite:awb": 45,
    "festival:voice_cmu_us_slt_arctic_hts": 35, "festival:voice_ked_diphone": 35,
    **{f"espeak:en-us+{variant}": 1.6 for variant in _ESPEAK_US},
    **{f"espeak:{voice}": 1.6 for voice in _ESPEAK_OTHER},
    **{f"kokoro:{voice}": 5.0 if person.language.startswith("en") else 3.0 for voice, person in PEOPLE.items()},
    **{voice: 3.0 if "kal" in voice else 1.2 if voice.startswith("kokoro") else 0.8 for voice in HELD_OUT},
}  # fmt: skip
"""Minutes of sound by voice: 440 to train on (156 of them by Kokoro), 17 held out."""


def validation_sentence(text: str) -> bool:
    """True for the twentieth of all sentences that no voice is trained on."""
    return zlib.crc32(text.encode()) % 20 == 0


@dataclass(frozen=True)
class Utterance:
    """One sentence: clean and distorted sound [N] at 16 kHz and its phones (start, end, index) in seconds."""

    voice: str
    text: str
    clean: np.ndarray
    distorted: np.ndarray
    segments: np.ndarray  # [S, 3]


def build_voices(folder: Path, voices: Iterable[str] = tuple(MINUTES), kokoro: Path | None = None) -> None:
    """Make the missing shards of `voices` in `folder`: about 7 minutes on one core for all but Kokoro's, whose speech
    takes 1.2 times as long as it lasts.

    `kokoro` is the folder `package` of the npm package kokoro-js 1.2.1: without it, Kokoro has only shipped voices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = sentences()
    for voice in voices:
        minutes, path = MINUTES[voice], shard_path(folder, voice)
        if not path.exists():
            rng = np.random.default_rng(zlib.crc32(voice.encode()))
            utterances = with_distortion(resampled(_speak(voice, texts, rng, kokoro), rng), minutes, voice, rng)
            save_shard(path, list(utterances))
            log.info("%s: %.1f min", voice, minutes)


def shard_path(folder: Path, voice: str) -> Path:
    return folder / (voice.replace(":", "_").replace("/", "-") + ".npz")


def save_shard(path: Path, utterances: list[Utterance]) -> None:
    """Write utterances to one npz (16-bit sound, no pickles), moved into place when complete."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            voice=np.array([u.voice for u in utterances]),
            text=np.array([u.text for u in utterances]),
            clean=np.concatenate([_to_int16(u.clean) for u in utterances]),
            distorted=np.concatenate([_to_int16(u.distorted) for u in utterances]),
            lengths=np.array([len(u.clean) for u in utterances]),
            segments=np.concatenate([u.segments for u in utterances]).astype(np.float32),
            counts=np.array([len(u.segments) for u in utterances]),
        )


def load_shard(path: Path) -> list[Utterance]:
    with np.load(path) as shard:
        clean = np.split(shard["clean"], np.cumsum(shard["lengths"])[:-1])
        distorted = np.split(shard["distorted"], np.cumsum(shard["lengths"])[:-1])
        segments = np.split(shard["segments"], np.cumsum(shard["counts"])[:-1])
        voices, texts = shard["voice"].tolist(), shard["text"].tolist()
    return [
        Utterance(voice, text, a.astype(np.float32) / 32768, b.astype(np.float32) / 32768, rows)
        for voice, text, a, b, rows in zip(voices, texts, clean, distorted, segments, strict=True)
    ]


def _to_int16(sound: np.ndarray) -> np.ndarray:
    return np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)


_espeak: Espeak | None = None
_kokoro = functools.cache(Kokoro)


def _speak(voice: str, texts: list[str], rng: np.random.Generator, kokoro: Path | None) -> Iterator[Spoken]:
    """The voice saying sentences without end, at varied pace."""
    global _espeak
    engine, _, name = voice.partition(":")
    if engine == "kokoro":
        yield from _kokoro(kokoro).speak(name, texts, rng)
        return
    order = iter(rng.permutation(len(texts)))
    if engine == "festival":
        while True:
            batch = [texts[next(order)] for _ in range(25)]
            yield from festival(name, batch, rng.uniform(0.85, 1.25, len(batch)).tolist())
    for i in order:
        if engine == "flite":
            spoken = flite(name, texts[i], rng.uniform(0.8, 1.3))
        else:
            _espeak = _espeak or Espeak()
            spoken = _espeak.say(
                name, texts[i], int(rng.integers(130, 230)), int(rng.integers(25, 75)), int(rng.integers(30, 90))
            )
        if spoken is not None:
            yield spoken


def resampled(spoken: Iterator[Spoken], rng: np.random.Generator) -> Iterator[Spoken]:
    """Sentences at 16 kHz, three in four played up to 25 % faster or slower: a larger or smaller speaker."""
    for item in spoken:
        factor = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25)))) if rng.random() < 0.75 else 1.0
        up, down = round(SAMPLE_RATE / factor / 100), round(item.rate / 100)
        sound = scipy.signal.resample_poly(item.samples, up, down).astype(np.float32)
        stretch = len(sound) / SAMPLE_RATE / (len(item.samples) / item.rate)
        segments = [(a * stretch, b * stretch, phone) for a, b, phone in item.segments]
        yield Spoken(sound, SAMPLE_RATE, segments, item.text)


def with_distortion(
    spoken: Iterator[Spoken], minutes: float, voice: str, rng: np.random.Generator
) -> Iterator[Utterance]:
    """Sentences beside what simulated microphones, rooms and lines make of them, until `minutes` of them are said."""
    babble = np.zeros(0, np.float32)
    total = 0.0
    for item in spoken:
        seconds = len(item.samples) / SAMPLE_RATE
        if not 0.8 < seconds < 20:
            continue
        clean = item.samples * (0.06 / (np.sqrt(np.mean(item.samples**2)) + 1e-9))
        clean = np.clip(clean, -1, 1)
        yield Utterance(voice, item.text, clean, distort(clean, babble, rng), np.array(item.segments, np.float32))
        if len(babble) < 60 * SAMPLE_RATE:
            babble = np.concatenate([babble, clean])
            if len(babble) > 10 * SAMPLE_RATE:  # several people at once
                babble[: len(clean)] += clean
        total += seconds
        if total >= 60 * minutes:
            return
