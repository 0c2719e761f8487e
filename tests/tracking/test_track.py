"""Whole videos: synthetic people whose motion is known, and the many ways a video can be unusable."""

import json
import shutil

import numpy as np
import pytest

from benchmarks.tracking import slopes
from benchmarks.tracking_truth import compare
from emotalk.core.errors import Cancelled, TrackingError
from emotalk.head import HeadModel
from emotalk.tracking import load_tracked, track_video
from tests.tracking.filmed import FRAMES, SIZE, ffmpeg, short_film

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return short_film(tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def tracked(made, tmp_path_factory):
    return track_video(made.path, tmp_path_factory.mktemp("tracked"), size=SIZE)


def test_every_frame_is_there_with_its_picture_labels_and_motion(tracked):
    assert len(tracked) == FRAMES
    assert tracked.size == SIZE
    assert tracked.seen.mean() > 0.95
    assert tracked.frame(0).shape == (SIZE, SIZE, 3)
    labels = tracked.labels(0)
    assert labels.shape == (SIZE, SIZE)
    shares = np.bincount(labels.ravel(), minlength=4) / labels.size
    assert (shares > 0.03).all()  # background, person, hair and face are all there
    middle = tracked.landmarks[0][[1, 50, 280, 9]].astype(int)
    assert (labels[middle[:, 1], middle[:, 0]] == 3).all()
    assert labels[2, 2] == 0
    assert labels[-3, SIZE // 2] == 1


def test_the_motion_is_near_the_truth(tracked, made):
    truth = compare(tracked, made, HeadModel.load())
    assert truth.rotation_motion < 0.6  # degrees; landmarks alone: 1.0
    assert truth.expression < 0.09
    assert truth.jaw > 0.85
    assert truth.lids > 0.85
    assert truth.identity < 5.0  # mm


def test_openings_of_mouth_and_eyes_follow_the_landmarks(tracked):
    """A dead mouth can hide behind a low reprojection error."""
    for slope, r in slopes(tracked, HeadModel.load()):
        assert slope >= 0.85
        assert r > 0.9


def test_quality_is_reported_in_numbers_and_words(tracked):
    quality = tracked.quality
    assert quality.relative_error < 0.012
    assert quality.blinks >= 1
    assert quality.verdict in ("good", "usable")
    assert quality.sentences
    assert json.loads((tracked.folder / "quality.json").read_text())["seconds"] == FRAMES / 25


def test_a_finished_folder_is_loaded_not_made_again(tracked, made):
    before = (tracked.folder / "track.npz").stat().st_mtime_ns
    again = track_video(made.path, tracked.folder, size=SIZE)
    assert (tracked.folder / "track.npz").stat().st_mtime_ns == before
    np.testing.assert_array_equal(again.motion.expression, tracked.motion.expression)


def test_a_stopped_run_goes_on_and_ends_the_same(tracked, made, tmp_path):
    stages = []

    def stop_in_masks() -> bool:
        return bool(stages) and stages[-1] == "masks"

    with pytest.raises(Cancelled):
        track_video(made.path, tmp_path, lambda p: stages.append(p.stage), size=SIZE, cancelled=stop_in_masks)
    with pytest.raises(TrackingError, match="no finished"):
        load_tracked(tmp_path)
    again = []
    resumed = track_video(made.path, tmp_path, lambda p: again.append(p), size=SIZE)
    assert "look" not in {p.stage for p in again}
    assert "read" not in {p.stage for p in again}
    shares = [p.share for p in again]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    np.testing.assert_allclose(resumed.motion.expression, tracked.motion.expression, atol=1e-6)
    np.testing.assert_array_equal(resumed.labels(5), tracked.labels(5))


def test_what_an_older_version_saw_is_looked_at_anew(tracked, made, tmp_path):
    shutil.copytree(tracked.folder, tmp_path / "work")
    (tmp_path / "work" / "finished.json").unlink()
    seen = tmp_path / "work" / "landmarks.npz"
    for damage in ("other", "torn"):
        if damage == "other":
            np.savez(seen, points=np.zeros((FRAMES, 478, 3)), something=1)
        else:
            seen.write_bytes(seen.read_bytes()[:1000])
        stages = []
        again = track_video(made.path, tmp_path / "work", lambda p: stages.append(p.stage), size=SIZE)  # noqa: B023
        assert "look" not in stages
        assert "read" in stages
        np.testing.assert_allclose(again.motion.head_pose, tracked.motion.head_pose, atol=1e-6)
        (tmp_path / "work" / "finished.json").unlink()


def test_a_finished_folder_of_another_fit_is_fitted_again_without_reading(tracked, made, tmp_path):
    shutil.copytree(tracked.folder, tmp_path / "work")
    finished = tmp_path / "work" / "finished.json"
    finished.write_text('{"frames": 75}')  # as earlier versions left it
    stages = []
    track_video(made.path, tmp_path / "work", lambda p: stages.append(p.stage), size=SIZE)
    assert {"fit", "poses"} <= set(stages)
    assert not {"look", "read"} & set(stages)
    begun = track_video(made.path, tmp_path / "work", size=SIZE, texture_seconds=1.6)
    assert 0 < np.abs(begun.motion.head_pose - tracked.motion.head_pose).max() < 0.2
    stages.clear()
    track_video(made.path, tmp_path / "work", lambda p: stages.append(p.stage), size=SIZE, texture_seconds=1.6)
    assert not stages


@pytest.mark.parametrize("lost", ["frames", "masks"])
def test_a_stopped_run_whose_pictures_are_damaged_is_refused(tracked, made, tmp_path, lost):
    shutil.copytree(tracked.folder, tmp_path / "work")
    (tmp_path / "work" / "finished.json").unlink()
    for path in (tmp_path / "work" / lost).iterdir():
        path.write_bytes(b"half")
    with pytest.raises(TrackingError, match="missing or damaged"):
        track_video(made.path, tmp_path / "work", size=SIZE)


def test_another_video_in_the_same_folder_is_tracked_anew(tracked, made, tmp_path):
    shutil.copytree(tracked.folder, tmp_path / "work")
    part = ffmpeg(tmp_path / "part.mp4", "-i", str(made.path), "-t", "2.4", "-c:v", "libx264")
    other = track_video(part, tmp_path / "work", size=SIZE)
    assert len(other) == 60


def test_a_phone_video_held_upright_is_turned(made, tracked, tmp_path):
    """The same film with bars above and below, stored lying on its side as phones do."""
    lying = ffmpeg(
        tmp_path / "lying.mp4", "-i", str(made.path), "-t", "2.2", "-vf", "pad=256:456:0:120:gray,transpose=2",
        "-c:v", "libx264",
    )  # fmt: skip
    phone = ffmpeg(tmp_path / "phone.mp4", "-display_rotation", "-90", "-i", str(lying), "-c", "copy")
    found = track_video(phone, tmp_path / "work", size=SIZE)
    assert found.seen.mean() > 0.95
    turn = np.degrees(found.motion.head_pose[:, 2]) - np.degrees(tracked.motion.head_pose[: len(found), 2])
    assert np.abs(turn).mean() < 3.0


def test_two_people_side_by_side_are_refused(made, tmp_path):
    pair = ffmpeg(
        tmp_path / "pair.mp4", "-i", str(made.path), "-filter_complex", "[0:v]split[a][b];[a][b]hstack",
        "-c:v", "libx264",
    )  # fmt: skip
    with pytest.raises(TrackingError, match=r"pair\.mp4 shows several people"):
        track_video(pair, tmp_path / "work", size=SIZE)
    assert not (tmp_path / "work" / "finished.json").exists()


def test_no_face_and_too_short_are_refused(made, tmp_path):
    empty = ffmpeg(tmp_path / "empty.mp4", "-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=3", "-c:v", "libx264")
    with pytest.raises(TrackingError, match=r"No face was found in empty\.mp4"):
        track_video(empty, tmp_path / "work")
    short = ffmpeg(tmp_path / "short.mp4", "-i", str(made.path), "-t", "1.2", "-c:v", "libx264")
    with pytest.raises(TrackingError, match=r"too short: 1\.2 seconds"):
        track_video(short, tmp_path / "work")


def test_of_a_video_with_a_cut_the_longer_stretch_is_used(made, tmp_path):
    cut = ffmpeg(
        tmp_path / "cut.mp4", "-f", "lavfi", "-i", "testsrc=s=256x256:r=25:d=0.6", "-i", str(made.path),
        "-filter_complex", "[0:v]setsar=1[a];[1:v]setsar=1[b];[a][b]concat", "-c:v", "libx264",
    )  # fmt: skip
    found = track_video(cut, tmp_path / "work", size=SIZE)
    assert abs(len(found) - FRAMES) <= 5
    assert found.quality.cuts == 1
    assert any("cut" in sentence for sentence in found.quality.sentences)


def test_wrong_arguments_are_refused(made, tmp_path):
    with pytest.raises(TrackingError, match="even number from 128 to 1024"):
        track_video(made.path, tmp_path, size=513)
    with pytest.raises(TrackingError, match="seconds >= 2"):
        track_video(made.path, tmp_path, seconds=0.5)


def test_a_folder_that_cannot_be_written_is_told_without_where_it_lies(made, tmp_path, monkeypatch):
    monkeypatch.setattr("emotalk.tracking.track.survey", lambda *_, **__: None)  # what it finds is not used
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match=r"The work of this video cannot be written \(.+\)\. Free some") as refused:
        track_video(made.path, tmp_path / "file", size=SIZE)
    assert str(tmp_path) not in str(refused.value)  # a stranger may read it
