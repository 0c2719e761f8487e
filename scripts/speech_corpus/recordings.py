"""Recordings of people: shards of aligned speech to train on and to measure with.

GRID's first speaker is trained on (CC BY 4.0), its other speakers are kept to be measured with. Of LJSpeech only what
its reader can have said would be trained on, one recording in ten is measured with.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from emotalk.core.rates import SAMPLE_RATE
from emotalk.speech.audio import load_audio
from emotalk.speech.pitch import prosody_frames
from scripts.speech_corpus.align import align
from scripts.speech_corpus.build import resampled, save_shard, shard_path, with_distortion
from scripts.speech_corpus.voices import Spoken

log = logging.getLogger(__name__)

TRAINED = ("grid", "ljspeech")
"""Shards of recordings that are trained on where they exist."""
GRID_HELD_OUT, LJSPEECH_HELD_OUT = "grid-held-out", "ljspeech-held-out"
READER_LOWEST_HZ = 150.0
"""LJSpeech's reader is a woman, who speaks around 200 Hz. A recording whose median pitch lies below this is not hers,
whatever its label says, and its licence is not known. (141 of 141 in shared/data are a man's, 97 to 123 Hz.)"""
COPIES = 4  # of every recording, as if by larger and smaller speakers
_GRID_WORDS: tuple[dict[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    dict(zip("z123456789", "zero one two three four five six seven eight nine".split(), strict=True)),  # noqa: SIM905
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)  # fmt: skip


def build_recordings(folder: Path, ljspeech: Path, grid: Path) -> None:
    """Make the missing shards of recordings in `folder`: of LJSpeech (`metadata.csv` and FLAC files in `ljspeech`) and
    of GRID (videos in `grid`/s1 and `grid`/others). A corpus that is not there is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    if ljspeech.is_dir() and not shard_path(folder, LJSPEECH_HELD_OUT).exists():
        _save(folder, "ljspeech", LJSPEECH_HELD_OUT, *_ljspeech(ljspeech))
    if grid.is_dir() and not shard_path(folder, GRID_HELD_OUT).exists():
        _save(folder, "grid", GRID_HELD_OUT, _grid(grid / "s1"), _grid(grid / "others"))


def by_reader(samples: np.ndarray) -> bool:
    """Whether samples [N] at 16 kHz can be by LJSpeech's reader, as far as their pitch tells."""
    f0 = prosody_frames(samples).f0
    return bool((f0 > 0).any()) and float(np.median(f0[f0 > 0])) >= READER_LOWEST_HZ


def grid_sentence(name: str) -> str:
    """The six words of a GRID sentence from the code that ends its name: `bbal8p` is "bin blue at l eight please".

    ValueError for a name that ends in no such code.
    """
    code = name.rpartition("_")[2].lower()
    try:
        return " ".join(words[letter] for words, letter in zip(_GRID_WORDS, code, strict=True))
    except (KeyError, ValueError) as error:
        raise ValueError(f"{name!r} ends in no code of a GRID sentence.") from error


def _ljspeech(source: Path) -> tuple[list[Spoken], list[Spoken]]:
    train: list[Spoken] = []
    held_out: list[Spoken] = []
    others = 0
    for line in (source / "metadata.csv").read_text(encoding="utf-8").splitlines():
        name, *_, text = line.split("|")
        samples, _ = soundfile.read(source / f"{name}.flac", dtype="float32")
        measured = zlib.crc32(name.encode()) % 10 == 0
        if not measured and not by_reader(samples):
            others += 1
        elif spoken := _aligned(name, samples, text):
            (held_out if measured else train).append(spoken)
    log.info("LJSpeech: %d left out, not by its reader", others)
    return train, held_out


def _grid(source: Path) -> list[Spoken]:
    videos = [(path, _sound(path)) for path in sorted(source.glob("*.mp4"))]
    said = [_aligned(path.stem, samples, grid_sentence(path.stem)) for path, samples in videos]
    return [spoken for spoken in said if spoken]


def _sound(path: Path) -> np.ndarray:
    return load_audio(path).samples


def _aligned(name: str, samples: np.ndarray, text: str) -> Spoken | None:
    segments = align(samples, text)
    if segments is None:
        log.warning("%s: pocketsphinx could not align it, left out", name)
        return None
    return Spoken(samples, SAMPLE_RATE, segments, text)


def _save(folder: Path, name: str, held_out_name: str, train: list[Spoken], held_out: list[Spoken]) -> None:
    rng = np.random.default_rng(0)
    copies: Iterator[Spoken] = resampled((spoken for spoken in train for _ in range(COPIES)), rng)
    for voice, utterances in ((name, copies), (held_out_name, iter(held_out))):
        if said := list(with_distortion(utterances, np.inf, voice, rng)):
            save_shard(shard_path(folder, voice), said)
    log.info("%s: %d recordings, %d held out", name, len(train), len(held_out))
