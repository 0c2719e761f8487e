"""Lips of real video against what the encoder says the mouth must do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import mediapipe
import numpy as np

from benchmarks.speech_scores import correlation
from emotalk.core.rates import FPS
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.speech.audio import load_audio
from emotalk.speech.encoder import SpeechEncoder

CLIPS = ("dfrf_cnn2_25fps", "edtalk_uncrop_Obama", "mimictalk_German20s", "sadtalker_AOC", "sadtalker_RD_Radio2",
         "styletalk_andrew_clip_2", "mead/eamm_M030_sad")  # fmt: skip
"""Real talking heads with the sound that belongs to them."""
FARTHEST_LAG = 8  # frames; offsets of public clips are at most three
_UPPER, _LOWER = [82, 13, 312], [87, 14, 317]  # inner lips, FaceMesh
_EYES, _NOSE = [33, 263], [168, 4]


@dataclass(frozen=True)
class Lips:
    """How far the lips of a clip are apart."""

    opening: np.ndarray  # [T] at 25 fps, in units of the face's size, its slow drift removed
    missed: float  # share of the frames without a face


def lip_opening(video: Path) -> Lips:
    """Tracks a clip with MediaPipe's FaceMesh (5-10 ms a frame)."""
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS)
    opening: list[float] = []
    with mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, min_detection_confidence=0.3) as mesh:
        while True:
            there, image = capture.read()
            if not there:
                break
            height, width = image.shape[:2]
            found = mesh.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks
            if not found:
                opening.append(np.nan)
                continue
            points = np.array([[p.x * width, p.y * height] for p in found[0].landmark])
            size = np.linalg.norm(np.diff(points[_EYES], axis=0)) + np.linalg.norm(np.diff(points[_NOSE], axis=0))
            opening.append(float(np.linalg.norm(points[_UPPER] - points[_LOWER], axis=1).mean() / size))
    capture.release()
    course = np.array(opening)
    seen = np.isfinite(course)
    moments = (np.arange(len(course)) + 0.5) / rate
    wanted = (np.arange(int(len(course) / rate * FPS)) + 0.5) / FPS
    return Lips(without_drift(np.interp(wanted, moments[seen], course[seen])), 1 - float(seen.mean()))


def predicted_opening(features: SpeechFeatures) -> np.ndarray:
    """How far apart the articulation wants the lips: [T] at 25 fps, drift removed.

    The jaw opens them and rounding narrows them again; a closure shuts them, teeth on the lip nearly do.
    """
    jaw, _, pucker, closure, labiodental, _ = features.at_video_rate().articulation.T
    return without_drift((0.3 + jaw - 0.3 * pucker) * (1 - closure) * (1 - 0.6 * labiodental))


def jaw_opening(features: SpeechFeatures) -> np.ndarray:
    """The same by jaw and closure alone: jaw - 0.6 closure."""
    jaw, _, _, closure, _, _ = features.at_video_rate().articulation.T
    return without_drift(jaw - 0.6 * closure)


def loudness_opening(features: SpeechFeatures) -> np.ndarray:
    """The energy-only baseline: dB above background."""
    return without_drift(np.maximum(features.at_video_rate().energy, -60))


def without_drift(course: np.ndarray) -> np.ndarray:
    """Minus a Gaussian mean of 0.6 s: expression and head pose open lips too, but slowly."""
    reach = 45
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / 15) ** 2)
    weight = np.convolve(np.ones(len(course)), kernel)[reach:-reach]
    return course - np.convolve(course, kernel)[reach:-reach] / weight


def at_lag(said: np.ndarray, seen: np.ndarray, lag: int) -> float:
    """Correlation with the picture `lag` frames later than the sound."""
    length = min(len(said), len(seen))
    said, seen = said[:length], seen[:length]
    if lag >= 0:
        return correlation(said[: length - lag], seen[lag:])
    return correlation(said[-lag:], seen[: length + lag])


def best_lag(said: np.ndarray, seen: np.ndarray) -> int:
    lags = range(-FARTHEST_LAG, FARTHEST_LAG + 1)
    return max(lags, key=lambda lag: at_lag(said, seen, lag))


def sound_of(video: Path) -> Speech:
    """The sound that belongs to a clip: its own track, or the .wav of the same name."""
    separate = video.with_suffix(".wav")
    return load_audio(separate if separate.exists() else video)


def clips_table(encoder: SpeechEncoder, folder: Path) -> str:
    """Lips of real video against the predicted opening, each clip at its own offset."""
    seen, said, jaw, loud = {}, {}, {}, {}
    for name in CLIPS:
        video = folder / f"{name}.mp4"
        features = encoder.encode(sound_of(video))
        seen[name] = lip_opening(video).opening
        said[name], jaw[name] = predicted_opening(features), jaw_opening(features)
        loud[name] = loudness_opening(features)
    rows, columns = [], []
    for name in CLIPS:
        lag = best_lag(said[name], seen[name])
        others = [said[other] for other in CLIPS if other != name]
        columns.append((
            at_lag(said[name], seen[name], lag),
            np.mean([at_lag(other, seen[name], lag) for other in others]),
            np.mean([_at_best_lag(other, seen[name]) for other in others]),
            _at_best_lag(jaw[name], seen[name]),
            _at_best_lag(loud[name], seen[name]),
        ))  # fmt: skip
        values = " | ".join(f"{value:.2f}" for value in columns[-1])
        rows.append(f"| {name} | {len(seen[name]) / 25:.0f} | {lag:+d} | {values} |")
    rows.append("| mean | | | " + " | ".join(f"{value:.2f}" for value in np.mean(columns, 0)) + " |")
    return (
        "## Lips of real video\n\nCorrelation of the inner lips' distance (FaceMesh, drift slower than 0.6 s removed) "
        "with the opening that the articulation asks for: (0.3 + jaw - 0.3 pucker)(1 - closure)(1 - 0.6 labiodental). "
        "The picture is `offset` frames (40 ms) after the sound, each clip at its best.\n\n"
        "| clip | s | offset | r | r, other clips' sound, same offset | the same, each at its best offset "
        "| r of jaw - 0.6 closure | r of loudness |\n|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def _at_best_lag(said: np.ndarray, seen: np.ndarray) -> float:
    return at_lag(said, seen, best_lag(said, seen))
