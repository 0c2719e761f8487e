"""An avatar against a recording: drive it as the person moved, or by the sound alone, draw, and compare.

TrackedVideo ─┬─ its motion ──────────────────┐
              └─ its sound ─► motion model ───┴─► avatar ─► pictures ─► against the recorded frames
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.core.camera import project
from emotalk.core.errors import AudioError, Cancelled, InputError
from emotalk.core.image_metrics import psnr, ssim
from emotalk.core.landmarks import EYES
from emotalk.core.motion import HeadMotion
from emotalk.core.pictures import eight_bit
from emotalk.core.progress import Progress, ProgressCallback
from emotalk.emotion import EmotionCurve
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.evaluation.detections import Detections
from emotalk.evaluation.faces import blendshape_error, landmark_distance, lid_agreement, lip_agreement
from emotalk.evaluation.mood import mood_scores
from emotalk.evaluation.report import LPIPS_NOTE, EvaluationReport, Example
from emotalk.fitting.personalize import PersonalizeConfig
from emotalk.fitting.starting_avatar import reference_frame
from emotalk.fitting.video_frames import VideoFrames, box_mask, head_box, held_out, usable_rows, varied
from emotalk.motion import MotionModel
from emotalk.rendering import FrameRenderer
from emotalk.speech import SpeechEncoder
from emotalk.sync.lip_measures import measures_of_landmarks
from emotalk.sync.network import SyncModel
from emotalk.tracking.shoulder_alignment import shoulder_shifts

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.core.camera import Camera
    from emotalk.core.gaussians import GaussianCloud
    from emotalk.core.speech import Speech, SpeechFeatures
    from emotalk.sync.network import Offset
    from emotalk.tracking import TrackedVideo

DRIVES = ("motion", "audio")
FACE_LABELS = (2, 3)
"""Labels of a tracked frame that count as hair and face."""
SYNC_FRAMES = 25
"""A sync score of less than a second says nothing."""


def evaluate(
    avatar: GaussianAvatar,
    tracked: TrackedVideo,
    drive: str = "motion",
    *,
    name: str = "",
    video: str = "",
    sound: Speech | None = None,
    torso: torch.Tensor | None = None,  # [T, 3] or [T, 3, 4], as for `GaussianAvatar.pose`
    moods: bool = False,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> EvaluationReport:
    """Compare an avatar with a tracked video of the same person, frame by frame.

    drive: "motion": everything moves as tracked. "audio": lips and face come from the sound alone; head, gaze and
    lids move as recorded, as in the papers, so that the pictures can be compared. sound: another recording in place
    of the video's own (with "audio"): lips are then judged against that sound and nothing against the pictures.
    torso: how the shoulders moved (`shoulder_shifts`); None leaves them where the head's motion has them.
    moods: also ask for nine moods along with the sound, and judge the motion. Frames that tracking marks as bad are
    left out of the comparison. Raises InputError where there is nothing to compare or to hear.

    Sets torch to one thread, as `Studio` does: beside other work a second one made a frame 15 times slower.
    """
    torch.set_num_threads(1)
    if drive not in DRIVES:
        raise InputError(f"An avatar is driven by {' or '.join(DRIVES)}, found {drive!r}.")
    if not len(tracked) or not tracked.seen.any():
        raise InputError("No frame of this video shows a face that could be tracked; there is nothing to compare.")
    if sound is not None and drive != "audio":
        raise InputError('Another sound can only drive the avatar with drive="audio".')
    foreign = sound is not None
    heard = _hear(sound if foreign else sound_of(tracked))
    if drive == "audio" and heard is None:
        raise InputError("This video has no sound; drive the avatar by its motion.")
    seen = _Comparison(avatar, tracked, torso, foreign, progress or (lambda _: None), cancelled or (lambda: False))
    lag = 0
    if heard is not None and not foreign and drive == "audio":
        offset = _offset(heard, Detections(tracked.landmarks))
        # Where the recording's sound is early or late, the generated lips must not be held against it.
        lag = offset.frames if offset is not None and abs(offset.frames) <= 5 else 0
    motion = tracked.motion if drive == "motion" else _from_sound(avatar, heard, tracked.motion, lag)
    seen.run(motion)
    scores = seen.scores()
    notes = [LPIPS_NOTE, *seen.notes]
    if lag:
        notes.append(f"The recording's lips are {lag} frames behind its sound; generated lips were shifted as much.")
    if heard is not None:
        judged = _offset(heard, seen.rendered)
        own = None if foreign else _offset(heard, seen.recorded)
        if judged is not None:
            scores |= {"sync": judged.score_at(0), "sync_confidence": judged.confidence, "sync_offset": judged.frames}
        if own is not None:
            scores |= {"recorded_sync": own.score_at(0), "recorded_offset": own.frames}
    else:
        notes.append("The video has no sound: lip sync is not measured.")
    if moods and heard is not None:
        found, note = mood_scores(heard)
        scores |= found
        notes.append(note)
    return EvaluationReport(
        avatar=name or avatar.card.name,
        video=video,
        drive="other audio" if foreign else drive,
        frames=seen.compared,
        skipped=int((~tracked.seen).sum()),
        size=tracked.size,
        scores=scores,
        by_frame=seen.by_frame,
        examples=seen.examples(motion),
        notes=tuple(notes),
    )


def sound_of(tracked: TrackedVideo) -> Speech | None:
    """The sound of a tracked video; None where there is none, only silence, or less than a second."""
    try:
        sound = tracked.audio()
    except AudioError:
        return None
    return sound if sound is not None and sound.frames >= SYNC_FRAMES else None


def shoulders(tracked: TrackedVideo) -> torch.Tensor:
    """[T, 3, 4] for `evaluate`'s torso: how the shoulders moved in this video, hung where an avatar that was
    fitted to all of it hangs them."""

    config = PersonalizeConfig()
    train, _ = held_out(usable_rows(tracked), config.hold_out)
    frames = VideoFrames(tracked, varied(tracked, train, config.frames))
    return shoulder_shifts(tracked, int(frames.rows[reference_frame(frames)]))


def _hear(sound: Speech | None) -> SpeechFeatures | None:

    return None if sound is None else SpeechEncoder.load().encode(sound)


def _from_sound(avatar: GaussianAvatar, features: SpeechFeatures, recorded: HeadMotion, lag: int) -> HeadMotion:
    """The recorded motion with expression and jaw as the motion model makes them of the sound, `lag` frames later; as
    this person speaks, where the avatar knows that."""

    model = MotionModel.load().adapted(getattr(avatar, "motion", None))
    spoken = model(features, EmotionCurve.constant(0.0, 0.0))
    rows = np.clip(np.arange(len(recorded)) - lag, 0, len(spoken) - 1)
    return dataclasses.replace(recorded, expression=spoken.expression[rows], jaw=spoken.jaw[rows])


@dataclass(frozen=True)
class _Sync:
    """An `Offset` with the score of any offset at hand."""

    offset: Offset

    @property
    def frames(self) -> int:
        return self.offset.frames

    @property
    def confidence(self) -> float:
        return self.offset.confidence

    def score_at(self, frames: int) -> float:
        return float(self.offset.scores[len(self.offset.scores) // 2 + frames])


def _offset(features: SpeechFeatures, detections: Detections) -> _Sync | None:
    """Lip sync of a face that was seen; None where it was seen for less than a second."""

    if detections.found.sum() < SYNC_FRAMES:
        return None
    measures = measures_of_landmarks(detections.landmarks)
    if min(len(measures), len(features) // 2) < SYNC_FRAMES:
        return None
    return _Sync(SyncModel.load_judge().offset(features, measures))


class _Comparison:
    """Draws every frame once, compares it with the recorded one, and keeps numbers only: memory does not grow."""

    def __init__(
        self,
        avatar: GaussianAvatar,
        tracked: TrackedVideo,
        torso: torch.Tensor | None,
        foreign: bool,
        progress: ProgressCallback,
        cancelled: Callable[[], bool],
    ) -> None:

        self.avatar, self.tracked, self.torso, self.foreign = avatar, tracked, torso, foreign
        self.progress, self.cancelled = progress, cancelled
        self.notes: list[str] = []
        self.compared = 0
        self.by_frame: dict[str, np.ndarray] = {}
        # A plate shows what was behind the person from one camera; from another one it proves nothing.
        self.whole = avatar.background.ndim == 3 and _same_view(getattr(avatar, "camera", None), tracked.camera)
        if not self.whole:
            self.notes.append("The whole picture is not compared: the avatar's background is not that of this video.")
        self._renderer = FrameRenderer(
            tracked.size, tracked.size, background=_fitted(avatar.background, tracked.size), buffers=3
        )
        self._head = box_mask(head_box(tracked), tracked.size)
        self._drawing = 0.0  # seconds
        self._drawn = 0

    def run(self, motion: HeadMotion) -> None:
        tracked, started = self.tracked, time.perf_counter()
        rows: list[dict[str, float]] = []
        with ClipDetector() as ours, ClipDetector() as theirs:
            for t in range(len(tracked)):
                if self.cancelled():
                    raise Cancelled("Stopped: nothing was written.")
                picture = self._draw(motion, t)
                ours.detect(picture)
                recorded = tracked.frame(t)
                theirs.detect(recorded)
                rows.append(self._compare(picture, recorded, t) if tracked.seen[t] and not self.foreign else {})
                self.progress(Progress("comparing", t + 1, len(tracked), time.perf_counter() - started))
            self.rendered, self.recorded = ours.detections(), theirs.detections()
        names = dict.fromkeys(name for row in rows for name in row)
        self.by_frame = {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
        self.compared = sum(bool(row) for row in rows) if not self.foreign else len(rows)
        self._rig = self._rig_error(motion)

    def scores(self) -> dict[str, float]:
        """Means over the frames, and what needs the clip as a whole."""
        scores = {name: float(np.nanmean(values)) for name, values in self.by_frame.items()}
        good = self.tracked.seen
        ours = Detections(
            _only(self.rendered.landmarks, good),
            None if self.rendered.blendshapes is None else _only(self.rendered.blendshapes, good),
        )
        if not self.foreign:
            mouth, face = landmark_distance(ours, self.recorded)
            if np.isfinite(mouth).any():
                self.by_frame |= {"lmd_mouth": mouth, "lmd_face": face}
                scores |= {"lmd_mouth": float(np.nanmean(mouth)), "lmd_face": float(np.nanmean(face))}
            lips = lip_agreement(ours, self.recorded)
            if lips is not None:
                scores |= {
                    "lip_correlation": lips.correlation,
                    "lip_slope": lips.slope,
                    "width_correlation": lips.width_correlation,
                }
            lids = lid_agreement(ours, self.recorded)
            if lids is not None:
                scores |= {"lid_correlation": lids[0], "lid_slope": lids[1]}
            shapes = blendshape_error(ours, self.recorded)
            if shapes is not None:
                scores |= {"upper_face": shapes[0], "lower_face": shapes[1]}
            else:
                self.notes.append(
                    "Blendshape errors are not measured: they need the face landmarker's model file, which is not here "
                    "(docs/evaluation.md tells where to put it)."
                )
        scores["faces_found"] = 100 * float(self.rendered.found[good].mean())
        if np.isfinite(self._rig).any():
            scores["rig_error"] = float(np.nanmean(self._rig))
        scores["fps"] = self._drawn / max(self._drawing, 1e-9)
        return scores

    def examples(self, motion: HeadMotion) -> tuple[Example, ...]:
        """The worst, the median and the best frame by head PSNR; without recorded frames three across the clip."""
        quality = self.by_frame.get("psnr_head")
        if quality is None:
            frames = np.linspace(0, len(self.tracked) - 1, 3).astype(int)
            return tuple(
                Example(title, int(t), float("nan"), None, self._draw(motion, int(t)).copy())
                for title, t in zip(("first", "middle", "last"), frames, strict=True)
            )
        order = np.argsort(quality)  # NaN last
        known = order[: int(np.isfinite(quality).sum())]
        chosen = (("worst", known[0]), ("median", known[len(known) // 2]), ("best", known[-1]))
        frame = self.tracked.frame
        return tuple(
            Example(title, int(t), float(quality[t]), eight_bit(frame(int(t))), self._draw(motion, t).copy())
            for title, t in chosen
        )

    def _draw(self, motion: HeadMotion, t: int) -> np.ndarray:
        started = time.perf_counter()
        picture = self._renderer.draw(self._cloud(motion, int(t)), self.tracked.camera)
        if t > 0:  # the first picture may have to compile the renderer
            self._drawing += time.perf_counter() - started
            self._drawn += 1
        return picture

    def _cloud(self, motion: HeadMotion, t: int) -> GaussianCloud:
        return self.avatar.pose(motion, t, self.tracked.camera, None if self.torso is None else self.torso[t])

    def _compare(self, picture: np.ndarray, recorded: np.ndarray, t: int) -> dict[str, float]:
        face = np.isin(self.tracked.labels(t), FACE_LABELS)
        image = picture.astype(np.float32) / 255
        row = {"psnr_head": psnr(image, recorded, self._head), "ssim_head": ssim(image, recorded, self._head)}
        if face.any():
            row |= {"psnr_face": psnr(image, recorded, face), "ssim_face": ssim(image, recorded, face)}
        if self.whole:
            row |= {"psnr_full": psnr(image, recorded), "ssim_full": ssim(image, recorded)}
        return row

    def _rig_error(self, motion: HeadMotion) -> np.ndarray:
        """[T] mean distance between the landmarks seen in the drawn face and those of the head that was driven."""
        head, camera, error = self.avatar.head, self.tracked.camera, np.full(len(motion), np.nan)
        for start, vertices in _meshes(self.avatar, motion):
            points, _ = project(head.landmarks(vertices, "mediapipe478"), camera)
            seen = self.rendered.landmarks[start : start + len(points), : points.shape[1]]
            unit = np.linalg.norm(points[:, EYES[0]] - points[:, EYES[1]], axis=-1) / 100
            error[start : start + len(points)] = np.linalg.norm(seen - points, axis=-1).mean(-1) / unit
        return error


def _meshes(avatar: GaussianAvatar, motion: HeadMotion) -> Iterator[tuple[int, torch.Tensor]]:
    for start in range(0, len(motion), 16):
        with torch.no_grad():
            yield start, avatar.mesh(motion[start : start + 16])[0]


def _only(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.where(rows.reshape(-1, *(1,) * (values.ndim - 1)), values, np.nan)


def _same_view(one: Camera | None, other: Camera) -> bool:
    """Whether two cameras show the same picture: within half a percent of its width at the head."""
    if one is None:
        return False
    probes = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]])
    a, b = (project(probes, view)[0] / view.width for view in (one, other))
    return bool(np.abs(a - b).max() < 0.005)


def _fitted(background: torch.Tensor, size: int) -> torch.Tensor:
    """A plate [H, W, 3] at another size; a colour [3] as it is."""
    plain = background.float().cpu()
    if plain.ndim == 1 or plain.shape[:2] == (size, size):
        return plain
    planes = plain.permute(2, 0, 1)[None]
    fitted = torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    return fitted[0].permute(1, 2, 0).clamp(0, 1).contiguous()
