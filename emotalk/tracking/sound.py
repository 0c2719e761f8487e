"""Bringing sound and picture together: recorders and uploads often leave one a few frames behind the other."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from emotalk.core.atomic import replacing
from emotalk.core.errors import EmotalkError
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.speech import load_audio
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.lip_measures import measures_of_landmarks
from emotalk.sync.network import SyncModel

log = logging.getLogger(__name__)

REACH = 10  # frames of offset that are looked for
SURE_SCORE, SURE_CONFIDENCE = 0.3, 0.2
"""Filmed speech with its own sound scores 0.40 to 0.53 (confidence 0.32 to 0.43), other people's sound below 0.25."""
LEAST_DELAY = 2
"""One frame is within the measure's accuracy: left alone."""
LEAST_FRAMES = 75  # 3-second windows find the right offset, shorter ones sometimes not


def picture_delay(landmarks: np.ndarray, sound: Path) -> int:
    """Frames by which the lips of `landmarks` [T, 478, 2] at 25 fps come after the sound; 0 where that is not certain
    (too short, nobody speaking, somebody else speaking)."""
    if np.isfinite(landmarks).all((1, 2)).sum() < LEAST_FRAMES:
        return 0

    try:
        features = SpeechEncoder.load().encode(load_audio(sound))
        found = SyncModel.load().offset(features, measures_of_landmarks(landmarks), reach=REACH)
    except EmotalkError as error:
        # A silent sound track is no reason to refuse a video.
        log.info("sound and picture were not compared: %s", error)
        return 0
    sure = (
        found.score >= SURE_SCORE and found.confidence >= SURE_CONFIDENCE and LEAST_DELAY <= abs(found.frames) < REACH
    )
    return int(found.frames) if sure else 0


def delay_sound(path: Path, frames: int) -> None:
    """Move the sound of a WAV file by `frames` at 25 fps (positive: later), its length unchanged."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="int16")
    shift = round(abs(frames) * rate / FPS)
    moved = np.zeros_like(samples)
    if frames > 0:
        moved[shift:] = samples[: len(samples) - shift]
    else:
        moved[: len(samples) - shift] = samples[shift:]
    with replacing(path) as temporary:
        soundfile.write(temporary, moved, SAMPLE_RATE, format="WAV", subtype="PCM_16")
