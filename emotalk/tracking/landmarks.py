"""Finding faces and their 478 landmarks with the models inside the mediapipe wheel."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import TrackingError
from emotalk.core.landmarks import LANDMARKS, OVAL
from emotalk.core.paths import cache_dir

TASK_VARIABLE = "EMOTALK_FACE_LANDMARKER"


@dataclass(frozen=True)
class FoundFace:
    """A face in a whole picture, in shares of its width and height."""

    left: float
    top: float
    width: float
    height: float
    score: float  # confidence in [0, 1]
    points: np.ndarray  # [6, 2] right eye, left eye, nose, mouth, right ear, left ear

    @property
    def centre(self) -> np.ndarray:
        """The middle of its box [2], x and y in shares of the picture."""
        return np.array([self.left + self.width / 2, self.top + self.height / 2])

    @property
    def frontal(self) -> float:
        """1 from the front, 0 in profile: where the nose lies between the ears."""
        nose, right, left = self.points[2, 0], self.points[4, 0], self.points[5, 0]
        nearer = min(nose - right, left - nose)
        return float(np.clip(2 * nearer / max(left - right, 1e-6), 0, 1))


def _mediapipe():
    # Its C++ part would write start-up notes to stderr of whoever uses this as a library.
    os.environ.setdefault("GLOG_minloglevel", "3")
    import mediapipe

    return mediapipe


class FaceFinder:
    """All faces of single pictures (BlazeFace, full range: up to about five metres)."""

    def __init__(self, confidence: float = 0.5) -> None:
        self._detector = _mediapipe().solutions.face_detection.FaceDetection(
            model_selection=1, min_detection_confidence=confidence
        )

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(self, *_) -> None:
        self._detector.close()

    def find(self, picture: np.ndarray) -> list[FoundFace]:
        """Faces of a picture [h, w, 3] uint8, the largest first."""
        found = self._detector.process(picture).detections or []
        faces = []
        for detection in found:
            box = detection.location_data.relative_bounding_box
            points = np.array([[k.x, k.y] for k in detection.location_data.relative_keypoints])
            faces.append(FoundFace(box.xmin, box.ymin, box.width, box.height, detection.score[0], points))
        return sorted(faces, key=lambda face: -face.height)


class FaceLandmarks:
    """478 landmarks of one face, followed from picture to picture (MediaPipe FaceMesh with irises).

    `blendshapes` is None: this model knows none.
    """

    blendshapes: np.ndarray | None = None

    def __init__(self) -> None:
        self._mesh = _mediapipe().solutions.face_mesh.FaceMesh(
            static_image_mode=False,
            refine_landmarks=True,
            max_num_faces=1,
            min_detection_confidence=0.5,
            min_tracking_confidence=0.5,
        )

    def __enter__(self) -> FaceLandmarks:
        return self

    def __exit__(self, *_) -> None:
        self._mesh.close()

    def find(self, picture: np.ndarray) -> np.ndarray | None:
        """[478, 3] in pixels (depth in pixels too, negative towards the camera) or None where there is no face."""
        found = self._mesh.process(picture).multi_face_landmarks
        if not found:
            return None
        height, width = picture.shape[:2]
        points = np.fromiter((c for p in found[0].landmark for c in (p.x, p.y, p.z)), np.float32, 3 * LANDMARKS)
        return points.reshape(LANDMARKS, 3) * np.float32([width, height, width])


class TaskLandmarks:
    """The same points from MediaPipe's FaceLandmarker task, which also judges 52 blendshapes.

    `blendshapes` [52] float32 in ARKIT_NAMES' order are those of the last face found. Every picture is looked at anew:
    the task's video mode smooths, which would put the lips behind the sound.
    """

    def __init__(self, model: Path) -> None:
        _mediapipe()
        from mediapipe.tasks import python as tasks
        from mediapipe.tasks.python import vision

        try:
            # The file's contents, not its name: the task cannot open every path.
            options = vision.FaceLandmarkerOptions(
                base_options=tasks.BaseOptions(model_asset_buffer=model.read_bytes()),
                running_mode=vision.RunningMode.IMAGE,
                num_faces=1,
                output_face_blendshapes=True,
            )
            self._task = vision.FaceLandmarker.create_from_options(options)
        except (OSError, RuntimeError, ValueError) as error:
            raise TrackingError(
                f"{model.name} is not a FaceLandmarker that this mediapipe can load ({error}). "
                f"Correct or unset {TASK_VARIABLE}: the landmarks built into mediapipe are used then."
            ) from error
        self.blendshapes = np.zeros(len(ARKIT_NAMES), np.float32)

    def __enter__(self) -> TaskLandmarks:
        return self

    def __exit__(self, *_) -> None:
        self._task.close()

    def find(self, picture: np.ndarray) -> np.ndarray | None:
        """As `FaceLandmarks.find`: [478, 3] of a `picture` [h, w, 3], or None."""
        mediapipe = _mediapipe()
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        found = self._task.detect(image)
        self.blendshapes = np.zeros(len(ARKIT_NAMES), np.float32)
        if not found.face_landmarks:
            return None
        for category in found.face_blendshapes[0]:
            if category.category_name in ARKIT_INDEX:
                self.blendshapes[ARKIT_INDEX[category.category_name]] = category.score
        height, width = picture.shape[:2]
        points = [[p.x * width, p.y * height, p.z * width] for p in found.face_landmarks[0]]
        return np.array(points, np.float32)


def task_file() -> Path | None:
    """The FaceLandmarker model to use (3.8 MB, Apache-2.0, by Google): what EMOTALK_FACE_LANDMARKER names, or
    `models/face_landmarker*.task` in the cache; None where there is neither. Raises TrackingError where the variable
    names no file."""
    named = os.environ.get(TASK_VARIABLE)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise TrackingError(f"{TASK_VARIABLE} names {named}, which is no file. Correct or unset it.")
        return path
    return next(iter(sorted(cache_dir("models").glob("face_landmarker*.task"))), None)


def open_landmarks() -> FaceLandmarks | TaskLandmarks:
    """The best landmark model at hand: the task where its file is there, else what mediapipe brings along."""
    model = task_file()
    return FaceLandmarks() if model is None else TaskLandmarks(model)


class HandFinder:
    """Hands in single pictures (MediaPipe Hands)."""

    def __init__(self) -> None:
        self._model = _mediapipe().solutions.hands.Hands(
            static_image_mode=True, max_num_hands=2, model_complexity=0, min_detection_confidence=0.6
        )

    def __enter__(self) -> HandFinder:
        return self

    def __exit__(self, *_) -> None:
        self._model.close()

    def find(self, picture: np.ndarray) -> list[np.ndarray]:
        """Joints [21, 2] of every hand in pixels of the picture [h, w, 3]."""
        height, width = picture.shape[:2]
        hands = self._model.process(picture).multi_hand_landmarks or []
        return [np.array([[p.x * width, p.y * height] for p in hand.landmark]) for hand in hands]


def covered_share(face: np.ndarray, hands: list[np.ndarray]) -> float:
    """How much of a face's outline [478, 2] lies under hands, in [0, 1]."""
    import cv2

    outline = np.ascontiguousarray(face[list(OVAL), :2], np.float32)
    hull = cv2.convexHull(outline)
    area = cv2.contourArea(hull)
    if area <= 0:
        return 0.0
    under = [cv2.intersectConvexConvex(hull, cv2.convexHull(hand.astype(np.float32)))[0] for hand in hands]
    return float(min(1.0, sum(under) / area))
