"""Whether lips close at p, b and m of the neural voice in every mood of the voice and the face."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.motion_lips import SENTENCES, SHUT, WITHIN, frames_near, mesh_points
from benchmarks.voice_said import said
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.head import HeadModel
from emotalk.motion import MotionModel
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.known_phones import known_phones
from emotalk.sync.lip_measures import lip_gap

LINES = tuple(
    (voice, text)
    for first, voice in enumerate(("kokoro:af_heart", "kokoro:bf_emma", "kokoro:am_fenrir", "kokoro:am_puck"))
    for text in SENTENCES[first::4]
)
"""Each of the ten sentences full of p b m f v once, spread over four voices."""
GRID = tuple((valence, arousal) for arousal in (1.0, 0.0, -1.0) for valence in (-1.0, 0.0, 1.0))


def smallest_gaps(
    model: MotionModel,
    head: HeadModel,
    speech: Speech,
    features: SpeechFeatures,
    mood: tuple[float, float],
    rest: float,
) -> list[float]:
    """Metres above the resting gap `rest` to which the lips come within 40 ms of the middle of each p, b and m."""
    motion = model(features, EmotionCurve.constant(*mood), seed=1)
    gap = lip_gap(mesh_points(head, motion)[0]).numpy() - rest
    middles = [(start + end) / 2 for start, end, phone in speech.phones if phone in ("p", "b", "m")]
    return [float(gap[near].min()) for middle in middles if (near := frames_near(middle, len(motion)))]


def table() -> Iterator[str]:
    """Markdown."""
    torch.set_num_threads(1)
    encoder, model, head = SpeechEncoder.load(), MotionModel.load(), HeadModel.load()
    with torch.inference_mode():
        neutral = head(expression=torch.zeros(1, 52))
        rest = float(lip_gap(head.landmarks(neutral.vertices, "mediapipe478"))[0])
    yield (
        f"{len(LINES)} sentences full of p b m, spread over four voices, said and played in the same mood. "
        "Lips count as "
        f"closed up to {SHUT * 1e3:.1f} mm above rest, within {WITHIN * 1e3:.0f} ms of the middle of the phone as the "
        "voice times it. Known: the motion is given the voice's own phones, as every talk is. Heard: the encoder "
        "listens to the same sound, as to a recording.\n"
    )
    yield "| valence | arousal | p b m | closed, known | gap p95 (mm) | closed, heard | gap p95 (mm) |"
    yield "|" + "---|" * 7
    everything: list[list[float]] = [[], []]
    for mood in GRID:
        gaps: list[list[float]] = [[], []]
        for voice, text in LINES:
            line = said(voice, text, *mood)
            speech = Speech(np.concatenate([line.samples, np.zeros(SAMPLE_RATE, np.float32)]), phones=line.phones)
            heard = encoder.encode(speech)
            for kind, features in enumerate((known_phones(heard, speech), heard)):
                gaps[kind] += smallest_gaps(model, head, speech, features, mood, rest)
        for kind in (0, 1):
            everything[kind] += gaps[kind]
        yield _row(f"{mood[0]:+.0f}", f"{mood[1]:+.0f}", gaps)
    yield _row("all", "all", everything)


def _row(valence: str, arousal: str, gaps: list[list[float]]) -> str:
    cells = [valence, arousal, str(len(gaps[0]))]
    for kind in gaps:
        cells += [f"{(np.array(kind) <= SHUT).mean():.3f}", f"{np.percentile(kind, 95) * 1e3:.2f}"]
    return "| " + " | ".join(cells) + " |"
