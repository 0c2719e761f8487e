"""A tracked video on disk: saved, loaded, cut, and refused when unfinished or damaged."""

import dataclasses

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from emotalk.core.atomic import write_json
from emotalk.core.camera import Camera
from emotalk.core.errors import TrackingError
from emotalk.core.motion import HeadMotion
from emotalk.tracking import TrackedVideo, TrackQuality, load_tracked
from emotalk.tracking.tracked import FINISHED, save_track

QUALITY = TrackQuality(
    verdict="good",
    sentences=("The video is good.",),
    seconds=0.4,
    seen=1.0,
    error=0.5,
    relative_error=0.004,
    yaw=(-3.0, 4.0),
    pitch=(-1.0, 1.0),
    mouth=(0.0, 0.1),
    blinks=1,
    sharpness=0.6,
    face_height=240.0,
)


def tracked(folder, frames: int = 10, size: int = 32) -> TrackedVideo:
    random = np.random.default_rng(0)
    for name in ("frames", "masks"):
        (folder / name).mkdir()
    for t in range(frames):
        Image.new("RGB", (size, size), (20 * t, 0, 0)).save(folder / "frames" / f"{t:06d}.jpg", quality=95)
        Image.new("L", (size, size), t % 4).save(folder / "masks" / f"{t:06d}.png")
    motion = HeadMotion(*(random.random((frames, n)).astype(np.float32) for n in (52, 3, 2, 2, 6)))
    landmarks = random.random((frames, 478, 2)).astype(np.float32)
    landmarks[3] = np.nan
    pose = torch.eye(4)
    pose[2, 3] = 1.0
    return TrackedVideo(
        folder=folder,
        size=size,
        identity=random.random(90).astype(np.float32),
        motion=motion,
        camera=Camera(pose, 70.0, 70.0, 16.0, 16.0, size, size),
        torso=random.random((frames, 3)).astype(np.float32),
        landmarks=landmarks,
        seen=np.arange(frames) != 3,
        error=random.random(frames).astype(np.float32),
        blendshapes=None,
        quality=QUALITY,
    )


def finish(video: TrackedVideo) -> None:
    save_track(video)
    write_json(video.folder / FINISHED, {"frames": len(video)})


def test_what_was_saved_is_loaded(tmp_path):
    made = tracked(tmp_path)
    finish(made)
    loaded = load_tracked(tmp_path)
    for name in ("identity", "torso", "landmarks", "seen", "error"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(made, name))
    for field in dataclasses.fields(HeadMotion):
        np.testing.assert_array_equal(getattr(loaded.motion, field.name), getattr(made.motion, field.name))
    assert loaded.quality == QUALITY
    assert loaded.blendshapes is None
    assert loaded.camera.fx == 70.0
    torch.testing.assert_close(loaded.camera.world_to_camera, made.camera.world_to_camera)
    assert len(loaded) == 10


def test_frames_and_labels_are_read_one_by_one(tmp_path):
    video = tracked(tmp_path)
    assert video.frame(4).shape == (32, 32, 3)
    assert video.frame(4).dtype == np.float32
    assert video.frame(4)[..., 0].mean() == pytest.approx(80 / 255, abs=0.02)
    assert (video.labels(3) == 3).all()
    with pytest.raises(TrackingError, match="frames 0 to 9"):
        video.frame(10)


def test_a_part_is_a_view_of_the_same_folder(tmp_path):
    video = tracked(tmp_path)
    soundfile.write(tmp_path / "audio.wav", 0.3 * np.sin(np.arange(6400) * 0.3), 16000)
    part = video.part(2, 8).part(1, 4)
    assert len(part) == 3
    assert part.frame(0)[..., 0].mean() == pytest.approx(60 / 255, abs=0.02)
    np.testing.assert_array_equal(part.motion.gaze, video.motion.gaze[3:6])
    assert not part.seen[0]
    assert len(part.audio().samples) == 3 * 640
    assert len(video.part(20, 30)) == 0


def test_without_sound_there_is_none(tmp_path):
    assert tracked(tmp_path).audio() is None


def test_unfinished_and_damaged_folders_are_refused(tmp_path):
    video = tracked(tmp_path)
    save_track(video)
    with pytest.raises(TrackingError, match="no finished tracked video"):
        load_tracked(tmp_path)
    write_json(tmp_path / FINISHED, {"frames": 10})
    (tmp_path / "track.npz").write_bytes(b"PK not really")
    with pytest.raises(TrackingError, match="damaged"):
        load_tracked(tmp_path)
