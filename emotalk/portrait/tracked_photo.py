"""From a photo to a `TrackedVideo` of one frame, which everything that works on tracked videos takes.

faces ─► landmarks (several looks) ─► checks ─► square ─► person, pose, expression ─► masks ─► folder
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from emotalk.core.atomic import write_bytes, write_json
from emotalk.core.camera import Camera
from emotalk.core.errors import Cancelled, InputError, TrackingError
from emotalk.core.landmarks import CHIN, eye_distance
from emotalk.core.progress import Progress, ProgressCallback
from emotalk.core.rates import FPS
from emotalk.head import HeadModel
from emotalk.portrait.checks import PhotoMeasures, check_picture, check_pose, check_size, judge_photo, measure_photo
from emotalk.portrait.faces import PhotoFace, choose_face, find_faces
from emotalk.portrait.one_view import fit_one_view
from emotalk.portrait.photo_classes import tidied
from emotalk.portrait.photo_landmarks import PhotoLandmarks, find_landmarks
from emotalk.portrait.square import Square, square_of
from emotalk.tracking.fit import Fit
from emotalk.tracking.landmark_bias import without_bias
from emotalk.tracking.landmarks import HandFinder
from emotalk.tracking.masks import WORK, Colours, PersonSegmenter, Zones, label_frame, small_picture
from emotalk.tracking.rig import axis_angle, motion_of
from emotalk.tracking.tracked import FINISHED, TrackedVideo, TrackQuality, save_track

PHOTO_VERSION = 1
"""Noted in FINISHED: what the folder's photo was tracked by."""
STAGES = ("look", "read", "fit", "masks")
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 98, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


def track_photo(
    picture: np.ndarray,  # [H, W, 3] uint8
    folder: str | Path,
    *,
    name: str = "the photo",
    face: int | None = None,
    size: int = 512,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrackedVideo:
    """Find the person in a photo and leave a finished tracked video of one frame in `folder`.

    `name` is what sentences call the photo; `face` is the number of the face that is meant, from 1 at the left, where
    there are several; `size` is the side of the square frame in pixels. What the face expresses in the photo is in the
    frame's motion and not in the identity: at rest the avatar is neutral. `progress` counts percent; its stages are
    "look", "read", "fit" and "masks"; `cancelled` is asked before each of them (Cancelled is raised).
    Raises TrackingError where the photo cannot be used, with a sentence that says why; SeveralFaces (an InputError)
    where it shows several people and `face` is None.
    """
    folder = Path(folder)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise InputError(f"A photo is an array [H, W, 3] uint8, found {list(picture.shape)} {picture.dtype}.")
    if size % 2 or not 128 <= size <= 1024:
        raise InputError(f"The size of the frame must be an even number from 128 to 1024, found {size}.")
    started = time.perf_counter()

    def tell(stage: str) -> None:
        if cancelled():
            raise Cancelled("Stopped: the photo was not looked at to the end.")
        if progress is not None:
            progress(Progress(stage, 100 * STAGES.index(stage) // len(STAGES), 100, time.perf_counter() - started))

    tell("look")
    chosen = choose_face(find_faces(picture), face)
    tell("read")
    seen = find_landmarks(picture, chosen)
    if seen is None:
        check_size(chosen.pupils, name)
        raise TrackingError(
            f"The face in {name} cannot be made out. Take one from the front, with light on the face and nothing "
            "before it."
        )
    height, width = picture.shape[:2]
    square = square_of(seen.eyes, seen.pupils, seen.roll, width, height)
    frame, inside = square.draw(picture, size)
    points = _in_square(seen, square, size)
    # The masks need nothing of the fit: whoever waits for the first picture has a second core.
    with ThreadPoolExecutor(1) as beside:
        masks = beside.submit(_labels, frame, inside, points, size)
        with HandFinder() as finder:
            found = measure_photo(frame, points, seen, width, height, finder.find(frame))
        check_picture(found, name)
        tell("fit")
        scale = eye_distance(points[None])
        plain = without_bias(points[None].astype(np.float64), scale)
        fit = fit_one_view(HeadModel.load(), size, plain[0], seen.blendshapes)
        pitch, yaw, _ = np.degrees(axis_angle(fit.frames.rotation)[0]).tolist()
        check_pose(found, yaw, pitch, name)
        tell("masks")
        labels = masks.result()
    _write(folder, frame, labels)
    tracked = _assembled(folder, size, fit, points, seen, found, chosen)
    save_track(tracked)
    write_json(folder / FINISHED, {"frames": 1, "photo": PHOTO_VERSION})
    return tracked


def _in_square(seen: PhotoLandmarks, square: Square, size: int) -> np.ndarray:
    """Landmarks [478, 3] in pixels of the drawn square."""
    matrix = square.to_square(size)
    flat = seen.points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([flat, seen.points[:, 2:] * size / square.side], 1)


def _labels(frame: np.ndarray, inside: np.ndarray, points: np.ndarray, size: int) -> np.ndarray:
    """Classes [size, size] uint8 of `tracking.masks`; what lies beyond the photo is background."""
    small = WORK / size
    picture, known = small_picture(frame), points[:, :2] * small
    colours = Colours()
    with PersonSegmenter() as segmenter:
        person = segmenter.find(picture)
    colours.learn(picture, person, Zones(known))
    labels = np.where(inside, label_frame(picture, person, known, colours, size), 0).astype(np.uint8)
    return tidied(labels, float(points[CHIN, 1]))


def _write(folder: Path, frame: np.ndarray, labels: np.ndarray) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FINISHED).unlink(missing_ok=True)
        for name, picture, options in (
            ("frames/000000.jpg", frame[..., ::-1], _JPEG),
            ("masks/000000.png", labels, (cv2.IMWRITE_PNG_COMPRESSION, 3)),
        ):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            _, data = cv2.imencode(path.suffix, picture, options)
            write_bytes(path, data.tobytes())
    except OSError as error:
        raise TrackingError(f"The work of this photo cannot be written ({error.strerror}). Free some space.") from error


def _assembled(
    folder: Path, size: int, fit: Fit, points: np.ndarray, seen: PhotoLandmarks, found: PhotoMeasures, chosen: PhotoFace
) -> TrackedVideo:
    import torch

    rig, lens = fit.face.rig, fit.face.lens
    motion = motion_of(rig, fit.frames.rotation, fit.frames.place, fit.frames.controls)
    pose = torch.eye(4)
    pose[1, 1] = pose[2, 2] = -1.0
    pose[2, 3] = lens.distance
    pitch, yaw, _ = np.degrees(motion.head_pose[0, :3]).tolist()
    judged = judge_photo(found, yaw, float(motion.expression.sum()))
    error = float(fit.error[0])
    quality = TrackQuality(
        verdict=judged.verdict,
        sentences=judged.sentences,
        seconds=1 / FPS,
        seen=1.0,
        error=error,
        relative_error=error / fit.face.scale,
        yaw=(yaw, yaw),
        pitch=(pitch, pitch),
        mouth=(found.mouth, found.mouth),
        blinks=0,
        sharpness=found.sharpness,
        face_height=chosen.height,
    )
    return TrackedVideo(
        folder=folder,
        size=size,
        identity=rig.identity.astype(np.float32),
        motion=motion,
        camera=Camera(pose, lens.focal, lens.focal, lens.cx, lens.cy, size, size),
        torso=np.zeros((1, 3), np.float32),
        landmarks=points[None, :, :2].astype(np.float32),
        seen=np.ones(1, bool),
        error=fit.error.astype(np.float32),
        blendshapes=None if seen.blendshapes is None else seen.blendshapes[None].astype(np.float32),
        quality=quality,
    )
