"""Live Link Face CSV: what we write is what the phone's app writes, and reading brings the motion back."""

import csv

import numpy as np
import pytest

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.motion.livelink import head_angles, read_livelink, rotation_of, timecode, write_livelink


def _motion(frames: int = 60) -> HeadMotion:
    random = np.random.default_rng(3)
    t = np.linspace(0, 1, frames)[:, None]
    expression = random.uniform(0, 0.9, (1, 52)) * np.abs(np.sin(3 * t + random.uniform(0, 3, (1, 52))))
    expression[:, [i for name, i in ARKIT_INDEX.items() if name.startswith(("eyeBlink", "eyeLook"))]] = 0
    gaze = 0.2 * np.sin(t * [5.0, 3.0])
    pose = np.concatenate([0.2 * np.sin(t * [4.0, 2.0, 3.0]), np.zeros((frames, 3))], 1)
    return HeadMotion(expression, np.zeros((frames, 3)), gaze, np.abs(np.sin(t * [6.0, 6.0])), pose)


def test_writing_and_reading_brings_the_motion_back(tmp_path):
    motion = _motion()
    again = read_livelink(write_livelink(motion, tmp_path / "talk.csv"))
    assert len(again) == len(motion)
    for name in ("expression", "gaze", "eyelids", "head_pose"):
        np.testing.assert_allclose(getattr(again, name), getattr(motion, name), atol=1e-5, err_msg=name)


def test_the_columns_are_those_of_the_app(tmp_path, shared_data):
    import gzip

    with gzip.open(shared_data / "arkit" / "facial.csv.gz", "rt") as file:
        recorded = next(csv.reader(file))
    written = next(csv.reader(write_livelink(_motion(2), tmp_path / "talk.csv").open()))
    assert written == recorded


def test_a_recording_of_the_app_is_read_at_25_frames_per_second(shared_data):
    motion = read_livelink(shared_data / "arkit" / "facial.csv.gz")
    assert len(motion) == pytest.approx(64 * 25, rel=0.02)
    assert motion.eyelids.max() > 0.8
    assert motion.expression[:, ARKIT_INDEX["eyeBlinkLeft"]].max() == 0
    assert 0.02 < np.abs(motion.gaze).mean() < 0.5


def test_a_recording_with_lost_faces_is_bridged(shared_data):
    motion = read_livelink(shared_data / "arkit" / "S88-001.csv.gz")
    assert len(motion) == pytest.approx(64.7 * 25, rel=0.02)


def test_turning_left_and_looking_up_have_the_apps_signs(tmp_path):
    still = HeadMotion.neutral(2)
    motion = HeadMotion(still.expression, still.jaw, np.float32([[0.2, 0.1]] * 2), still.eyelids, still.head_pose)
    row = next(iter(csv.DictReader(write_livelink(motion, tmp_path / "gaze.csv").open())))
    assert float(row["LeftEyeYaw"]) == pytest.approx(-0.2, abs=1e-6)
    assert float(row["LeftEyePitch"]) == pytest.approx(-0.1, abs=1e-6)
    assert float(row["EyeLookOutLeft"]) == pytest.approx(0.2 / 0.6, abs=1e-5)
    assert float(row["EyeLookOutRight"]) == 0


def test_angles_and_rotations_are_inverse():
    rotations = np.random.default_rng(1).uniform(-0.6, 0.6, (50, 3))
    np.testing.assert_allclose(rotation_of(head_angles(rotations)), rotations, atol=1e-12)


def test_timecodes_count_hours_minutes_seconds_frames():
    assert timecode(0) == "00:00:00:00.000"
    assert timecode(25 * 3661 + 7) == "01:01:01:07.000"


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "Timecode,BlendShapeCount\n"])
def test_other_files_are_refused_with_a_sentence(tmp_path, text):
    (tmp_path / "other.csv").write_text(text)
    with pytest.raises(InputError, match="Live Link"):
        read_livelink(tmp_path / "other.csv")
