"""From a video file to a `TrackedVideo`.

    look over the video ─► stretch, crop ─► frames, landmarks, torso ─► person, motion ─► masks
    ─► poses from the picture ─► quality

Each step leaves its result in the folder, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from emotalk.core.atomic import replacing, write_bytes, write_json
from emotalk.core.camera import Camera
from emotalk.core.errors import Cancelled, TrackingError
from emotalk.core.landmarks import eye_distance
from emotalk.core.progress import Progress, ProgressCallback
from emotalk.core.rates import FPS
from emotalk.head import HeadModel
from emotalk.tracking.fit import Fit, fit_person, fit_video, key_frames, lens_for, start_frames
from emotalk.tracking.landmark_bias import without_bias
from emotalk.tracking.masks import WORK, Colours, PersonSegmenter, Zones, label_frame, small_picture
from emotalk.tracking.pose_refinement import refine
from emotalk.tracking.quality import judge
from emotalk.tracking.reading import Reader, Shots
from emotalk.tracking.rig import FaceRig, axis_angle, motion_of
from emotalk.tracking.sound import delay_sound, picture_delay
from emotalk.tracking.source import Crop, VideoInfo, crop_frames, probe, write_sound
from emotalk.tracking.survey import LEAST_SECONDS, Survey, survey
from emotalk.tracking.tracked import FINISHED, SOUND, TrackedVideo, load_tracked, save_track

log = logging.getLogger(__name__)

_PLAN, _SEEN = "plan.json", "landmarks.npz"
SEEN_VERSION, FIT_VERSION = 3, 4
"""Of what is seen in frames, and of what is fitted to it: a folder with others is worked on again from there."""
_SHARES = {"look": 0.1, "read": 0.4, "fit": 0.15, "masks": 0.2, "poses": 0.15}
"""About how the time is spent."""
_JPEG = 95  # quality: about 44 dB, beyond what a fit reaches
LEARNED_FRAMES = 12  # from which colours are learned
PROFILE = 45.0
"""Degrees of head turn beyond which landmarks of the far side are guesses."""


def check_asked(seconds: float | None = None, start: float = 0.0, size: int = 512) -> None:
    """Raise TrackingError for a stretch or a size that `track_video` does not take."""
    if size % 2 or not 128 <= size <= 1024:
        raise TrackingError(f"The size of the crop must be an even number from 128 to 1024, found {size}.")
    if start < 0 or (seconds is not None and seconds < LEAST_SECONDS):
        raise TrackingError(f"start must be >= 0 and seconds >= {LEAST_SECONDS:.0f}, found {start} and {seconds}.")


def track_video(
    video: str | Path,
    folder: str | Path,
    progress: ProgressCallback | None = None,
    *,
    seconds: float | None = None,
    start: float = 0.0,
    size: int = 512,
    texture_seconds: float | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrackedVideo:
    """Follow the one person in a video and leave frames, masks and motion in `folder`.

    `seconds` and `start` choose a part of the file (default: the best stretch of up to two minutes); `size` is the
    side of the square crop. Head poses are aligned with how the person's skin looks in frames from the whole stretch,
    or from its first `texture_seconds` only (so that what comes later can be judged by). A folder that holds a part of
    the same work is gone on with; a finished one is loaded.
    `progress` counts percent of the whole; its stages are "look", "read", "fit", "masks" and "poses".
    Raises TrackingError where the video cannot be used, with a sentence that says why; Cancelled when `cancelled()`
    turns true.
    """
    video, folder = Path(video), Path(folder)
    check_asked(seconds, start, size)
    work = _Work(video, folder, seconds, start, size, texture_seconds, progress or (lambda _: None), cancelled)
    return work.run()


class _Work:
    """One run over one video."""

    def __init__(
        self,
        video: Path,
        folder: Path,
        seconds: float | None,
        start: float,
        size: int,
        texture_seconds: float | None,
        progress: ProgressCallback,
        cancelled: Callable[[], bool],
    ) -> None:
        self.video, self.folder, self.size = video, folder, size
        self._asked = {"seconds": seconds, "start": start, "size": size}
        self._progress, self._cancelled = progress, cancelled
        self._texture = texture_seconds
        self._started = time.perf_counter()

    def run(self) -> TrackedVideo:
        """Do what is left to do."""
        info = probe(self.video)
        task = {**self._asked, "video": self.video.name, "bytes": self.video.stat().st_size}
        kept = self._kept_plan(task)
        if kept and self._finished():
            return load_tracked(self.folder)
        looked = kept or self._look(info, task)
        shots = self._read(info, looked)
        (self.folder / FINISHED).unlink(missing_ok=True)
        head = HeadModel.load()
        fit, points = self._fit(head, shots)
        self._masks(shots.points)
        fit = self._refine(head, fit, points, shots.covered)
        tracked = self._assemble(fit, shots, looked)
        save_track(tracked)
        write_json(self.folder / FINISHED, {"frames": len(tracked), **self._stamp()})
        return tracked

    def _stamp(self) -> dict[str, object]:
        """What a finished fit must have been made with to be used again."""
        return {"version": FIT_VERSION, "texture_seconds": self._texture}

    def _finished(self) -> bool:
        try:
            noted = json.loads((self.folder / FINISHED).read_text())
            return {name: noted[name] for name in self._stamp()} == self._stamp()
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _tell(self, stage: str, share: float) -> None:
        if self._cancelled():
            raise Cancelled("Tracking was stopped.")
        names = list(_SHARES)
        before = sum(_SHARES[name] for name in names[: names.index(stage)])
        done = round(100 * (before + _SHARES[stage] * min(1.0, share)))
        self._progress(Progress(stage, done, 100, time.perf_counter() - self._started))

    def _kept_plan(self, task: dict) -> Survey | None:
        path = self.folder / _PLAN
        try:
            plan = json.loads(path.read_text())
            if plan["task"] == task:
                return Survey(**{**plan["survey"], "crop": Crop(**plan["survey"]["crop"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return None

    def _look(self, info: VideoInfo, task: dict) -> Survey:
        looked = survey(
            self.video,
            info,
            start=self._asked["start"],
            seconds=self._asked["seconds"],
            tell=lambda share: self._tell("look", share),
        )
        # What another video left here must not be mistaken for this one's.
        try:
            (self.folder / FINISHED).unlink(missing_ok=True)
            (self.folder / _SEEN).unlink(missing_ok=True)
            for name in ("frames", "masks"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / _PLAN, {"task": task, "survey": dataclasses.asdict(looked)})
        except OSError as error:
            raise TrackingError(
                f"The work of this video cannot be written ({error.strerror}). Free some space."
            ) from error
        return looked

    def _read(self, info: VideoInfo, looked: Survey) -> Shots:
        """Frames go to the folder, what is seen in them is returned."""
        kept = self.folder / _SEEN
        shots = _kept_shots(kept)
        if shots is not None:
            return shots
        # Masks of other landmarks would not be made again.
        shutil.rmtree(self.folder / "masks", ignore_errors=True)
        (self.folder / "frames").mkdir(exist_ok=True)
        seconds = looked.frames / FPS
        sound = self.folder / SOUND
        sound.unlink(missing_ok=True)
        if info.sound:
            write_sound(self.video, sound, looked.start, seconds)
        reader = Reader(self.size)
        with reader:
            pictures = crop_frames(self.video, info, looked.crop, self.size, looked.start, seconds)
            for t, picture in enumerate(itertools.islice(pictures, looked.frames)):
                reader.read(picture)
                _write_picture(self.folder / "frames" / f"{t:06d}.jpg", picture[..., ::-1])
                if t % 5 == 0:
                    self._tell("read", t / looked.frames)
        if len(reader.points) < LEAST_SECONDS * FPS:
            raise TrackingError(f"{self.video.name} ended after {len(reader.points) / FPS:.1f} seconds: it is damaged.")
        delay = 0
        if sound.is_file():
            delay = picture_delay(np.stack(reader.points)[..., :2], sound)
            if delay:
                delay_sound(sound, delay)
        shots = reader.finish(delay)
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(shots), version=SEEN_VERSION)
        return shots

    def _fit(self, head: HeadModel, shots: Shots) -> tuple[Fit, np.ndarray]:
        """Person and motion, and the landmarks [T, 478, 3] they were fitted to."""
        points = shots.points
        there = np.isfinite(points).all((1, 2))
        if there.sum() < LEAST_SECONDS * FPS:
            raise TrackingError(
                f"The face in {self.video.name} can be followed for {there.sum() / FPS:.1f} seconds only. Film from "
                "the front, with light on the face and nothing before it."
            )
        self._tell("fit", 0.0)
        scale = eye_distance(points)
        points = without_bias(points.astype(np.float64), scale, shots.contrast)
        lens = lens_for(head, self.size, scale)
        poses = start_frames(FaceRig.of(head, np.zeros(head.components)), lens, points[there])
        rotation = np.tile(np.eye(3), (len(points), 1, 1))
        rotation[there] = poses.rotation
        aside = float(np.median(np.degrees(np.abs(axis_angle(poses.rotation)[:, 1]))))
        if aside > PROFILE:
            raise TrackingError(
                f"{self.video.name} shows the face from the side only (turned by {aside:.0f} degrees most of the "
                "time). Film from the front, looking into the camera."
            )
        keys = key_frames(points, rotation, there)
        face, key_fit = fit_person(head, lens, points, keys)
        self._tell("fit", 0.5)
        shapes = shots.blendshapes if len(shots.blendshapes) else None
        return fit_video(face, points, keys, key_fit, shapes, calm=False), points

    def _refine(self, head: HeadModel, fit: Fit, points: np.ndarray, covered: np.ndarray) -> Fit:
        most = len(points) if self._texture is None else min(len(points), round(self._texture * FPS))
        learn_from = np.flatnonzero(~covered[:most])
        self._tell("poses", 0.0)
        return refine(
            head, fit, points, self._grey, self._labels, self.size, learn_from, lambda share: self._tell("poses", share)
        )

    def _masks(self, points: np.ndarray) -> None:
        target = self.folder / "masks"
        target.mkdir(exist_ok=True)
        there = np.flatnonzero(np.isfinite(points).all((1, 2)))
        colours = Colours()
        small = WORK / self.size
        with PersonSegmenter() as segmenter:
            for t in there[np.linspace(0, len(there) - 1, LEARNED_FRAMES).astype(int)]:
                picture = small_picture(self._picture(t))
                colours.learn(picture, segmenter.find(picture), Zones(points[t, :, :2] * small))
            for t in range(len(points)):
                path = target / f"{t:06d}.png"
                if path.is_file():
                    continue
                picture = small_picture(self._picture(t))
                known = points[t, :, :2] * small if np.isfinite(points[t]).all() else None
                _write_picture(path, label_frame(picture, segmenter.find(picture), known, colours, self.size))
                if t % 5 == 0:
                    self._tell("masks", t / len(points))

    def _picture(self, t: int) -> np.ndarray:
        return _read_picture(self.folder / "frames" / f"{t:06d}.jpg", cv2.IMREAD_COLOR)[..., ::-1]

    def _grey(self, t: int) -> np.ndarray:
        """Frame `t` in grey, shrunk while decoding where it is large."""
        shrunk = cv2.IMREAD_REDUCED_GRAYSCALE_2 if self.size >= 2 * WORK else cv2.IMREAD_GRAYSCALE
        return _read_picture(self.folder / "frames" / f"{t:06d}.jpg", shrunk)

    def _labels(self, t: int) -> np.ndarray:
        return _read_picture(self.folder / "masks" / f"{t:06d}.png", cv2.IMREAD_GRAYSCALE)

    def _assemble(self, fit: Fit, shots: Shots, looked: Survey) -> TrackedVideo:
        import torch

        face, error = fit.face, fit.error
        motion = motion_of(face.rig, fit.frames.rotation, fit.frames.place, fit.frames.controls)
        known = np.nan_to_num(error, nan=np.inf)
        seen = (known < max(2.5 * np.nanmedian(error), 0.02 * face.scale)) & ~shots.covered
        pose = torch.eye(4)
        pose[1, 1] = pose[2, 2] = -1.0
        pose[2, 3] = face.lens.distance
        lens = face.lens
        points = shots.points[..., :2]
        return TrackedVideo(
            folder=self.folder,
            size=self.size,
            identity=face.rig.identity.astype(np.float32),
            motion=motion,
            camera=Camera(pose, lens.focal, lens.focal, lens.cx, lens.cy, self.size, self.size),
            torso=np.nan_to_num(shots.torso).astype(np.float32),
            landmarks=points.astype(np.float32),
            seen=seen,
            error=error.astype(np.float32),
            blendshapes=shots.blendshapes if len(shots.blendshapes) else None,
            quality=judge(
                looked,
                motion,
                points,
                seen,
                error,
                face.scale,
                sharp=float(shots.sharp),
                covered=float(shots.covered.mean()),
                sound=(self.folder / SOUND).is_file(),
                sound_offset=int(shots.delay),
            ),
        )


def _kept_shots(path: Path) -> Shots | None:
    """What was seen in an earlier run; None where there is none of this version, whole."""
    try:
        with np.load(path) as file:
            held = {name: file[name] for name in file.files}
        if int(held.pop("version")) != SEEN_VERSION:
            return None
        return Shots(**held)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _read_picture(path: Path, flags: int) -> np.ndarray:
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise TrackingError(f"{path.name} of a tracked video is missing or damaged. Begin anew, in an empty folder.")
    return picture


def _write_picture(path: Path, picture: np.ndarray) -> None:
    """A JPEG or PNG, moved into place."""
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG] if path.suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    done, data = cv2.imencode(path.suffix, picture, options)
    if not done:
        raise TrackingError(f"The picture {path.name} cannot be encoded.")
    try:
        write_bytes(path, data.tobytes(), flush=False)  # thousands of them, and any can be made again
    except OSError as error:
        raise TrackingError(f"Frames cannot be written ({error.strerror}). Free some space.") from (error)
