"""Landmarks that a known motion of a known person makes become that motion again, whatever file they came in."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.camera import project
from emotalk.core.errors import TrackingError
from emotalk.core.landmarks import EYES, IBUG68, MOUTH, apertures, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.head import HeadModel
from emotalk.rendering import portrait_camera
from emotalk.tracking.landmark_drive import AWAY, FARTHEST, facing, landmark_motion, read_landmark_motion
from emotalk.tracking.landmark_file import write_landmarks
from emotalk.tracking.landmark_layouts import LAYOUTS, LandmarkTrack, known_landmarks
from emotalk.tracking.rig import FaceRig, rotation_matrix
from emotalk.tracking.source import probe, small_frames

SIZE = (640, 640)
SMILE = [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]
JAW = ARKIT_INDEX["jawOpen"]
FRAMES = 40


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


def performance(frames: int = FRAMES, fps: float = 25.0) -> HeadMotion:
    """Speech, a lasting smile, a blink, a turn of the head and a look aside, as they are at some frame rate."""
    t = np.arange(frames) / fps
    motion = HeadMotion.neutral(frames)
    expression, gaze, lids, pose = (
        x.copy() for x in (motion.expression, motion.gaze, motion.eyelids, motion.head_pose)
    )
    expression[:, JAW] = 0.15 * (1 - np.cos(2 * np.pi * 2.5 * t))
    expression[:, SMILE] = 0.6
    lids[:] = np.exp(-(((t - 0.8) / 0.08) ** 2))[:, None]
    gaze[:, 0] = 0.2 * np.sin(2 * np.pi * 0.7 * t)
    pose[:, 0], pose[:, 1] = 0.08 * np.sin(2 * np.pi * 0.9 * t), 0.2 * np.sin(2 * np.pi * 0.6 * t)
    return dataclasses.replace(motion, expression=expression, gaze=gaze, eyelids=lids, head_pose=pose)


def landmarks(head: HeadModel, motion: HeadMotion, identity: np.ndarray) -> np.ndarray:
    """[T, 478, 2] pixels of somebody in front of a camera."""
    channels = {f.name: torch.from_numpy(getattr(motion, f.name)) for f in dataclasses.fields(motion)}
    with torch.no_grad():
        mesh = head.with_identity(torch.as_tensor(identity, dtype=torch.float32))(**channels)
        return project(head.landmarks(mesh.vertices).double().numpy(), portrait_camera(SIZE[0]))[0]


def somebody(head: HeadModel) -> np.ndarray:
    return 0.7 * np.random.default_rng(0).normal(size=head.components)


def track_of(head: HeadModel, layout: str = "mediapipe478", fps: float = 25.0, told: bool = True) -> LandmarkTrack:
    """The performance of somebody, who looks so and so at rest."""
    chosen = list(IBUG68) if layout == "ibug68" else slice(LAYOUTS[layout])
    points = landmarks(head, performance(round(FRAMES * fps / 25), fps), somebody(head))[:, chosen]
    rest = landmarks(head, HeadMotion.neutral(), somebody(head))[0, chosen]
    return LandmarkTrack(points, layout, fps, SIZE, rest if told else None)


def faces(head: HeadModel, motion: HeadMotion) -> np.ndarray:
    """Landmarks [T, 478, 2] in eye distances of the mean person who makes these faces without moving the head."""
    still = dataclasses.replace(motion, head_pose=np.zeros_like(motion.head_pose))
    points = landmarks(head, still, np.zeros(head.components))
    return points / np.linalg.norm(points[0, EYES[0]] - points[0, EYES[1]])


def check_same(head: HeadModel, back: HeadMotion, mouth: float, lips: float = 0.99) -> None:
    """Is it the performance again?"""
    truth = performance()
    assert len(back) == len(truth)
    ours, theirs = faces(head, back), faces(head, truth)
    assert np.linalg.norm(ours - theirs, axis=-1)[:, list(MOUTH)].mean() < mouth
    lip, lid = (np.corrcoef(apertures(ours)[:, k], apertures(theirs)[:, k])[0, 1] for k in (0, 1))
    assert lip > lips
    assert lid > 0.93
    turned = np.degrees(back.head_pose[:, :3] - truth.head_pose[:, :3])
    assert np.abs(turned - np.median(turned, 0)).mean() < 0.7


@pytest.mark.parametrize(("layout", "mouth"), [("mediapipe478", 0.012), ("mediapipe468", 0.012), ("ibug68", 0.025)])
def test_a_motion_comes_back(layout, mouth, head):
    found = landmark_motion(track_of(head, layout), head)
    check_same(head, found.motion, mouth)
    assert found.error < 0.012
    assert abs(found.motion.expression[:, SMILE].mean() - 0.6) < 0.2
    yaw = performance().gaze[:, 0]
    if layout == "mediapipe478":
        assert np.corrcoef(found.motion.gaze[:, 0], yaw)[0, 1] > 0.9
    else:  # nobody saw the eyes: they stay with the viewer while the head turns
        turned = found.motion.head_pose[:, 1]
        assert np.corrcoef(found.motion.gaze[:, 0], turned)[0, 1] < -0.99


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["mediapipe478", "ibug68"])
def test_whose_face_at_rest_nobody_knows_speaks_all_the_same(layout, head):
    found = landmark_motion(track_of(head, layout, told=False), head)
    truth = performance()
    gaps = [apertures(faces(head, motion))[:, 0] for motion in (found.motion, truth)]
    assert np.corrcoef(*gaps)[0, 1] > 0.99
    assert 0.7 < np.polyfit(gaps[1], gaps[0], 1)[0] < 1.3


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_a_file_gives_the_same(ending, head, tmp_path):
    track = track_of(head)
    direct = landmark_motion(track, head).motion
    back = read_landmark_motion(write_landmarks(track, tmp_path / f"a{ending}"))
    np.testing.assert_allclose(back.expression, direct.expression, atol=0.05)
    np.testing.assert_allclose(back.head_pose, direct.head_pose, atol=0.01)


def test_shares_of_a_picture_another_rate_and_gaps_give_the_same(head, tmp_path):
    track = track_of(head, "mediapipe478", fps=50.0)
    points = track.points / SIZE
    points[30:36] = np.nan
    np.savez(tmp_path / "a.npz", points=points, neutral=track.neutral / SIZE)
    back = read_landmark_motion(tmp_path / "a.npz", fps=50.0, size=SIZE)
    check_same(head, back, mouth=0.02, lips=0.97)


def test_wherever_and_however_large_the_face_is_it_does_the_same(head):
    track = track_of(head)
    moved = dataclasses.replace(track, points=3.0 * track.points + [700, 200], neutral=0.5 * track.neutral)
    a, b = (landmark_motion(t, head).motion for t in (track, moved))
    np.testing.assert_allclose(a.expression, b.expression, atol=0.02)
    np.testing.assert_allclose(a.head_pose, b.head_pose, atol=0.005)


def test_a_head_that_is_usually_turned_looks_ahead_and_keeps_within_limits(head):
    truth = performance()
    pose = truth.head_pose.copy()
    pose[:, :2] *= 2.5
    pose[:, 1] += 0.25
    pose[:, 3] = np.linspace(0, 0.2, len(pose))
    points = landmarks(head, dataclasses.replace(truth, head_pose=pose), somebody(head))
    rest = landmarks(head, HeadMotion.neutral(), somebody(head))[0]
    back = landmark_motion(LandmarkTrack(points, "mediapipe478", 25.0, SIZE, rest), head).motion
    assert abs(np.median(back.head_pose[:, 1])) < 0.05
    assert (np.abs(back.head_pose[:, :3]) <= FARTHEST).all()
    assert (np.abs(back.head_pose[:, 3:]) <= AWAY).all()
    # Head and eyes together look where they looked, told from where they usually do.
    direction = back.head_pose[:, 1] + back.gaze[:, 0] - (pose[:, 1] + truth.gaze[:, 0])
    assert np.abs(direction - np.median(direction)).mean() < 0.15  # of turns up to 0.75, of which the head makes 0.5


def test_eyes_that_nearly_look_at_the_viewer_do(head):
    truth = performance()
    gaze, pose = 0.2 * truth.gaze, truth.head_pose.copy()
    gaze[:, 0] += 0.15
    pose[:, 0] -= 0.1
    points = landmarks(head, dataclasses.replace(truth, head_pose=pose, gaze=gaze), somebody(head))
    rest = landmarks(head, HeadMotion.neutral(), somebody(head))[0]
    back = landmark_motion(LandmarkTrack(points, "mediapipe478", 25.0, SIZE, rest), head).motion
    look = np.stack([back.head_pose[:, 1] + back.gaze[:, 0], back.gaze[:, 1] - back.head_pose[:, 0]], 1)
    assert np.abs(np.median(look, 0)).max() < 0.03


@pytest.mark.slow
def test_points_of_no_face_are_told(head):
    track = track_of(head, "ibug68")
    points = track.points.copy()
    inner = slice(17, 68)
    points[:, inner] = 320 + 1.9 * (points[:, inner] - 320) * [1.0, 0.2]
    with pytest.raises(TrackingError, match="do not lie as those of a face do"):
        landmark_motion(dataclasses.replace(track, points=points, neutral=None), head)


def test_a_pose_is_found_without_depths(head):
    rig = FaceRig.of(head, np.zeros(head.components))
    turns = rotation_matrix(np.array([[0.2, 0.3, -0.1], [0.0, -0.4, 0.2], [-0.2, 0.0, 0.0]]))
    flat = 900 * np.einsum("mij,pj->mpi", turns, rig.neutral)[..., :2] * [1, -1] + 256
    for layout in LAYOUTS:
        np.testing.assert_allclose(facing(rig, flat, known_landmarks(layout)), turns, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["mediapipe478", "ibug68"])
def test_the_lips_of_a_filmed_person_are_followed(layout, head, shared_data):
    clip = shared_data / "clips" / "mimictalk_German20s.mp4"
    if not clip.is_file():
        pytest.skip("the research clips are not beside this checkout")
    with ClipDetector() as detector:
        for picture in itertools.islice(small_frames(clip, probe(clip), 512), 50):
            detector.detect(picture)
        points = detector.detections().landmarks.astype(np.float64)
    track = LandmarkTrack(points, "mediapipe478", 25.0)
    back = landmark_motion(track if layout == "mediapipe478" else track.as_ibug68(), head).motion
    gaps = apertures(faces(head, back))[:, 0], apertures(points)[:, 0] / eye_distance(points)
    assert np.corrcoef(*gaps)[0, 1] > 0.95
    assert 0.7 < np.polyfit(gaps[1], gaps[0], 1)[0] < 1.3
