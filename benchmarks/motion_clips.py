"""Generated lips and the sync network beside the filmed lips of real clips, driven by the clips' own sound."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from emotalk.core.atomic import replacing
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.core.speech import SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.head import HeadModel
from emotalk.motion import MotionModel, MotionStyle
from emotalk.speech import load_audio
from emotalk.speech.encoder import SpeechEncoder
from emotalk.sync.lip_measures import MEASURES, measures_of_landmarks, quick
from emotalk.sync.network import SyncModel, best_offset

CLIPS = (
    "dfrf_cnn2_25fps", "edtalk_uncrop_Obama", "mimictalk_German20s", "sadtalker_AOC", "sadtalker_RD_Radio2",
    "styletalk_andrew_clip_2",
)  # fmt: skip
"""The clips whose sound is the filmed person's speech."""
REACH = 8  # frames of lag that are searched
WINDOW, STEP, SPAN = 50, 12, 12  # two-second windows, every half second, offsets of +-12 frames
INNER, WIDTH = MEASURES.index("inner"), MEASURES.index("width")
_FIRM = (33, 133, 263, 362, 168, 6, 197, 5, 4, 2, 10, 109, 338, 127, 356, 234, 454, 9)
"""Points of the face mesh that expressions hardly move: corners of the eyes, nose, forehead, temples."""


@dataclass(frozen=True)
class FilmedClip:
    """One clip: what is heard and how the lips move."""

    name: str
    features: SpeechFeatures
    measures: np.ndarray  # [T, 4] of the filmed lips at 25 fps, in eye distances
    head: np.ndarray  # [T', 3] pitch, yaw, roll in degrees, at 25 fps

    @property
    def frames(self) -> int:
        return min(len(self.features) // 2, len(self.measures))


def track(video: Path) -> tuple[np.ndarray, float]:
    """(points [T, 478, 3] in pixels, NaN where there is no face; frames per second) by MediaPipe's FaceMesh."""
    import imageio_ffmpeg
    import mediapipe

    frames = imageio_ffmpeg.read_frames(str(video))
    meta = next(frames)
    width, height = meta["size"]
    points = []
    with mediapipe.solutions.face_mesh.FaceMesh(
        max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3, min_tracking_confidence=0.3
    ) as mesh:
        for frame in frames:
            found = mesh.process(np.frombuffer(frame, np.uint8).reshape(height, width, 3)).multi_face_landmarks
            face = np.full((478, 3), np.nan)
            if found:
                face = np.array([[p.x * width, p.y * height, p.z * width] for p in found[0].landmark])
            points.append(face)
    return np.array(points, np.float32), float(meta["fps"])


def head_angles(points: np.ndarray, fps: float, head: HeadModel) -> np.ndarray:
    """[T', 3] pitch, yaw, roll in degrees at 25 fps: the rotation (Kabsch 1976) that lays the head model's firm points
    on the tracked ones. A turn about +x lowers the face, as in `HeadMotion.head_pose`."""
    with torch.inference_mode():
        model = head.landmarks(head(expression=torch.zeros(1, 52)).vertices, "mediapipe478")[0, list(_FIRM)].numpy()
    seen = points[:, list(_FIRM)] * [1.0, -1.0, -1.0]
    known = np.flatnonzero(np.isfinite(seen).all((1, 2)))
    seen = seen[known] - seen[known].mean(1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("tpi,pj->tij", seen, model - model.mean(0)))
    turn = np.ones((len(known), 3))
    turn[:, 2] = np.linalg.det(u @ vt)
    angles = np.degrees(Rotation.from_matrix(u @ (turn[:, :, None] * vt)).as_euler("YXZ"))[:, [1, 0, 2]]
    at = (np.arange(round(len(points) / fps * FPS)) + 0.5) / FPS
    return np.stack([np.interp(at, (known + 0.5) / fps, angle) for angle in angles.T], -1)


def filmed_clips(folder: Path, encoder: SpeechEncoder, head: HeadModel, cache: Path | None = None) -> list[FilmedClip]:
    """All clips that are there; tracked points are kept as `<cache>/<name>.npz` where a cache is given."""
    clips = []
    for name in CLIPS:
        video = folder / f"{name}.mp4"
        if not video.exists():
            continue
        kept = cache / f"{name}.npz" if cache else None
        if kept and kept.exists():
            with np.load(kept) as file:
                points, fps = file["points"], float(file["fps"])
        else:
            points, fps = track(video)
            if kept:
                with replacing(kept) as temporary, temporary.open("wb") as file:
                    np.savez(file, points=points, fps=fps)
        sound = video.with_suffix(".wav")
        features = encoder.encode(load_audio(sound if sound.exists() else video))
        clips.append(FilmedClip(name, features, measures_of_landmarks(points, fps), head_angles(points, fps, head)))
    return clips


def at_lag(made: np.ndarray, filmed: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """The stretches that lie over each other when the picture is `lag` frames behind the sound."""
    frames = min(len(made), len(filmed))
    return made[max(0, -lag) : frames - max(0, lag)], filmed[max(0, lag) : frames - max(0, -lag)]


def correlation(made: np.ndarray, filmed: np.ndarray, lag: int) -> float:
    """Pearson's r at a lag."""
    a, b = at_lag(made, filmed, lag)
    return float(np.corrcoef(a, b)[0, 1])


def best_lag(made: np.ndarray, filmed: np.ndarray) -> int:
    """The lag of the highest correlation."""
    return max(range(-REACH, REACH + 1), key=lambda lag: correlation(made, filmed, lag))


def lip_distance(made: np.ndarray, filmed: np.ndarray, lag: int) -> float:
    """LMD on lip measures: mean Euclidean distance of the four measures' deviations from the clip's mean, in
    hundredths of the eye distance."""
    a, b = at_lag(made, filmed, lag)
    return float(100 * np.linalg.norm((a - a.mean(0)) - (b - b.mean(0)), axis=1).mean())


def energy_jaw(features: SpeechFeatures, like: np.ndarray) -> np.ndarray:
    """The baseline that opens the mouth with loudness: [T, 4] of the same spread as `like`."""
    loud = np.clip(features.at_video_rate().energy, -60, 0)
    loud = (loud - loud.mean()) / max(float(loud.std()), 1e-6)
    direction = np.array([1.0, 1.0, 0.0, 1.0])
    return loud[:, None] * like.std(0) * direction + like.mean(0)


def neutral_motion(model: MotionModel, clip: FilmedClip, style: MotionStyle | None = None) -> HeadMotion:
    """What the model does for the clip's sound, without emotion."""
    return model(clip.features, EmotionCurve.constant(0, 0), style)


def slope(made: np.ndarray, filmed: np.ndarray, lag: int) -> float:
    """How far the made course goes where the filmed one goes by 1: their covariance over the filmed one's variance."""
    a, b = at_lag(made, filmed, lag)
    return float(np.cov(a, b)[0, 1] / np.var(b, ddof=1))


def lips_table(model: MotionModel, sync: SyncModel, clips: list[FilmedClip]) -> Iterator[str]:
    """Mouth opening of generated against filmed lips, beside two baselines, all at the clip's own A/V offset."""
    made = {clip.name: sync.lips(neutral_motion(model, clip)) for clip in clips}
    accurate = MotionStyle(articulation="accurate")
    yield (
        "| clip | seconds | A/V offset (frames) | r motion | r width | slope | spread / filmed | r loudness | "
        "r other clips' sound | LMD motion | LMD accurate articulation | LMD loudness | LMD other sound | "
        "LMD still mouth |"
    )
    yield "|" + "---|" * 14
    rows = []
    for clip in clips:
        lips = made[clip.name]
        filmed, mine = quick(clip.measures[:, INNER]), quick(lips[:, INNER])
        lag = best_lag(mine, filmed)
        loud = energy_jaw(clip.features, lips)
        wrong = [made[other.name] for other in clips if other.name != clip.name]
        # Baselines may choose their own best lag: the comparison is not tilted by an offset fitted to our motion.
        row = [
            clip.frames / FPS,
            lag,
            correlation(mine, filmed, lag),
            correlation(quick(lips[:, WIDTH]), quick(clip.measures[:, WIDTH]), lag),
            slope(mine, filmed, lag),
            float(np.divide(*(course.std() for course in at_lag(mine, filmed, lag)))),
            max(correlation(quick(loud[:, INNER]), filmed, k) for k in range(-REACH, REACH + 1)),
            float(np.mean([correlation(quick(w[:, INNER]), filmed, lag) for w in wrong])),
            lip_distance(quick(lips), quick(clip.measures), lag),
            lip_distance(quick(sync.lips(neutral_motion(model, clip, accurate))), quick(clip.measures), lag),
            lip_distance(quick(loud), quick(clip.measures), lag),
            float(np.mean([lip_distance(quick(w), quick(clip.measures), lag) for w in wrong])),
            lip_distance(0 * lips, quick(clip.measures), lag),
        ]
        rows.append(row)
        yield f"| {clip.name} | {row[0]:.1f} | {row[1]:+d} | " + " | ".join(f"{x:.2f}" for x in row[2:]) + " |"
    mean = np.mean([row[2:] for row in rows], 0)
    yield "| mean | | | " + " | ".join(f"{x:.2f}" for x in mean) + " |"


def auc(true: list[float], false: list[float]) -> float:
    """Probability that a true score lies above a false one."""
    a, b = np.array(true)[:, None], np.array(false)[None]
    return float((a > b).mean() + 0.5 * (a == b).mean())


def windows_right(heard: np.ndarray, seen: np.ndarray, truth: int, window: int = WINDOW) -> list[bool]:
    """For every window, whether its best offset lies within one frame of the truth."""
    right = []
    frames = min(len(heard), len(seen))
    for start in range(SPAN, frames - SPAN - window + 1, STEP):
        scores = [
            (heard[start : start + window] * seen[start + k : start + k + window]).sum(-1).mean()
            for k in range(-SPAN, SPAN + 1)
        ]
        right.append(abs(int(np.argmax(scores)) - SPAN - truth) <= 1)
    return right


def window_scores(heard: np.ndarray, seen: np.ndarray, offset: int, window: int = WINDOW) -> list[float]:
    """Mean cosine of every window at an offset."""
    a, b = at_lag(heard, seen, offset)
    cosines = (a * b).sum(-1)
    return [float(cosines[i : i + window].mean()) for i in range(0, len(cosines) - window + 1, STEP)]


def sync_table(sync: SyncModel, clips: list[FilmedClip]) -> Iterator[str]:
    """Offsets and true against mismatched sound on filmed lips."""
    embedded = {clip.name: sync.embeddings(clip.features, clip.measures) for clip in clips}
    offsets = {name: best_offset(*pair, reach=SPAN) for name, pair in embedded.items()}
    yield "| clip | its offset | score | confidence | 2-s windows within ±1 frame of it | 1-s windows | 3-s windows |"
    yield "|" + "---|" * 7
    totals: dict[int, list[bool]] = {25: [], 50: [], 75: []}
    for name, (heard, seen) in embedded.items():
        found = {window: windows_right(heard, seen, offsets[name].frames, window) for window in totals}
        for window, right in found.items():
            totals[window] += right
        o = offsets[name]
        shares = [f"{np.mean(found[w]):.2f} (n={len(found[w])})" for w in (50, 25, 75)]
        yield f"| {name} | {o.frames:+d} | {o.score:.2f} | {o.confidence:.2f} | " + " | ".join(shares) + " |"
    shares = [f"{np.mean(totals[w]):.3f} (n={len(totals[w])})" for w in (50, 25, 75)]
    yield "| all windows | | | | " + " | ".join(shares) + " |"
    true, false, clip_true, clip_false = [], [], [], []
    for a, b in itertools.product(clips, clips):
        heard, seen = embedded[a.name][0], embedded[b.name][1]
        frames = min(len(heard), len(seen))
        if a.name == b.name:
            true += window_scores(heard, seen, offsets[a.name].frames)
            clip_true.append(offsets[a.name].score)
        else:
            best = best_offset(heard[:frames], seen[:frames], reach=6)
            false += window_scores(heard[:frames], seen[:frames], best.frames)
            clip_false.append(best.score)
    yield (
        f"\nTrue against mismatched sound (each mismatch at its own best offset within ±6 frames): AUC of 2-s windows "
        f"{auc(true, false):.3f} ({len(true)} true, {len(false)} mismatched), of whole clips "
        f"{auc(clip_true, clip_false):.3f}."
    )
