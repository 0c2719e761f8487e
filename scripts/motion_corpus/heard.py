"""What the speech encoder hears beside filmed lips: shards -> clips that the motion network learns from."""

from __future__ import annotations

import logging
import zlib

import numpy as np

from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.learning.filmed_lips import FilmedClip, filmed_clip
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.network import SyncModel
from scripts.motion_corpus.shards import FilmedSentence
from scripts.speech_corpus.distort import distort

log = logging.getLogger(__name__)

REACH = 8
"""Frames of A/V offset that are looked for."""


def heard_films(films: list[FilmedSentence], encoder: SpeechEncoder, sync: SyncModel) -> list[FilmedClip]:
    """Clips of all films of one source, heard clean and through a simulated microphone or room. The source's A/V
    offset (one for all: the same recorder) is taken out."""
    heard = [_versions(film, encoder) for film in films]
    lag = source_lag([versions[0] for versions in heard], [film.measures for film in films], sync)
    log.info("%d films; their pictures are %+d frames behind the sound", len(films), lag)
    return [
        filmed_clip(film.speaker, versions, film.measures, lag) for film, versions in zip(films, heard, strict=True)
    ]


def _versions(film: FilmedSentence, encoder: SpeechEncoder) -> list[SpeechFeatures]:
    random = np.random.default_rng(zlib.crc32(film.name.encode()))
    sounds = (film.samples, distort(film.samples, np.zeros(0), random))
    return [encoder.encode(Speech(sound, source=film.name)) for sound in sounds]


def source_lag(heard: list[SpeechFeatures], measures: list[np.ndarray], sync: SyncModel) -> int:
    """Frames by which the pictures of a source are behind their sound: the offset of the highest mean sync score over
    all its films (a film of 3 s alone tells it badly)."""
    scores = [sync.offset(sound, lips, REACH).scores for sound, lips in zip(heard, measures, strict=True)]
    return int(np.mean(scores, 0).argmax()) - REACH
