"""Faces and landmarks in drawn portraits, with the built-in models and with the task file where it is at hand."""

import numpy as np
import pytest

from emotalk.avatar import load_avatar
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import TrackingError
from emotalk.core.landmarks import OVAL
from emotalk.core.motion import HeadMotion
from emotalk.rendering import FrameRenderer, portrait_camera
from emotalk.tracking.landmarks import (
    TASK_VARIABLE,
    FaceFinder,
    FaceLandmarks,
    HandFinder,
    TaskLandmarks,
    covered_share,
    open_landmarks,
    task_file,
)


def portrait(**shapes: float) -> np.ndarray:
    """[256, 256, 3] of a preset with some shapes on."""
    motion = HeadMotion.neutral()
    for name, value in shapes.items():
        motion.expression[0, ARKIT_INDEX[name]] = value
    camera = portrait_camera(256, zoom=1.1)
    return FrameRenderer(256, 256).draw(load_avatar("mira").pose(motion, 0, camera), camera).copy()


def test_one_face_is_found_from_the_front():
    with FaceFinder() as finder:
        (face,) = finder.find(portrait())
        assert finder.find(np.full((256, 256, 3), 128, np.uint8)) == []
    assert np.abs(face.centre - 0.5).max() < 0.15
    assert 0.25 < face.height < 0.6
    assert face.frontal > 0.7


def test_landmarks_lie_on_the_face_in_pixels():
    with FaceLandmarks() as finder:
        points = finder.find(portrait())
        assert finder.blendshapes is None
    assert points.shape == (478, 3)
    assert points[33, 0] < points[263, 0]  # the person's right eye is on the picture's left
    assert points[10, 1] < points[1, 1] < points[152, 1]


def test_no_face_gives_none():
    with FaceLandmarks() as finder:
        assert finder.find(np.full((256, 256, 3), 128, np.uint8)) is None


def test_the_task_gives_the_same_points_and_blendshapes(shared_data):
    model = shared_data / "models" / "face_landmarker_v2_with_blendshapes.task"
    picture = portrait(jawOpen=0.7)
    with TaskLandmarks(model) as task, FaceLandmarks() as built_in:
        points, others = task.find(picture), built_in.find(picture)
        opened = task.blendshapes[ARKIT_INDEX["jawOpen"]]
        task.find(portrait())
        assert opened > task.blendshapes[ARKIT_INDEX["jawOpen"]] + 0.2
    assert np.linalg.norm(points[:, :2] - others[:, :2], axis=1).mean() < 3


def test_the_task_file_comes_from_the_variable_or_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path))
    monkeypatch.delenv(TASK_VARIABLE, raising=False)
    assert task_file() is None
    with open_landmarks() as built_in:
        assert isinstance(built_in, FaceLandmarks)
    (tmp_path / "models" / "face_landmarker.task").write_bytes(b"x")
    assert task_file() == tmp_path / "models" / "face_landmarker.task"
    with pytest.raises(TrackingError, match="is not a FaceLandmarker"):
        open_landmarks()
    monkeypatch.setenv(TASK_VARIABLE, str(tmp_path / "absent.task"))
    with pytest.raises(TrackingError, match="which is no file"):
        task_file()


def test_a_face_without_hands_before_it_is_not_covered():
    with HandFinder() as finder:
        assert finder.find(portrait()) == []
    assert covered_share(np.random.default_rng(0).random((478, 2)), []) == 0.0


def test_the_share_of_the_face_under_a_hand():
    face = np.full((478, 2), 50.0)
    angle = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
    face[list(OVAL)] = 50 + 40 * np.stack([np.sin(angle), -np.cos(angle)], 1)
    right_half = np.array([[50, 0], [200, 0], [200, 100], [50, 100]])
    assert covered_share(face, [right_half]) == pytest.approx(0.5, abs=0.02)
    assert covered_share(face, [right_half + 100]) == 0.0
