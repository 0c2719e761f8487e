"""An avatar against a video: the right one scores high, every kind of wrong one is caught by the number made for it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import Cancelled, InputError
from emotalk.core.motion import HeadMotion
from emotalk.evaluation import METRICS, EvaluationReport, evaluate, write_reports
from emotalk.evaluation.protocols import split
from emotalk.rendering import portrait_camera
from tests.evaluation.rendered_video import chatter, filmed

pytestmark = pytest.mark.slow  # a video is drawn and measured first
FRAMES = 30


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory):
    """(tracked video of 30 frames, the avatar that made it)."""
    return filmed(tmp_path_factory.mktemp("filmed"), chatter(FRAMES))


@pytest.fixture(scope="module")
def right(scene) -> EvaluationReport:
    tracked, avatar = scene
    return evaluate(avatar, tracked, name="mira", video="mira.mp4")


def driven_by(scene, motion: HeadMotion) -> EvaluationReport:
    """The same avatar against the same pictures, moved otherwise."""
    tracked, avatar = scene
    return evaluate(avatar, dataclasses.replace(tracked, motion=motion))


def changed(motion: HeadMotion, **factors: float) -> HeadMotion:
    expression = motion.expression.copy()
    for name, factor in factors.items():
        expression[:, ARKIT_INDEX[name]] *= factor
    return dataclasses.replace(motion, expression=expression)


def test_the_avatar_that_made_the_video_scores_as_high_as_jpeg_lets_it(right: EvaluationReport) -> None:
    scores = right.scores
    assert right.frames == FRAMES
    assert right.skipped == 0
    assert scores["psnr_head"] > 35
    assert scores["psnr_full"] > 35
    assert scores["ssim_head"] > 0.95
    assert scores["lmd_mouth"] < 1.0
    assert scores["lip_correlation"] > 0.98
    assert scores["lip_slope"] == pytest.approx(1, abs=0.1)
    assert scores["faces_found"] == 100
    assert scores["fps"] > 0
    assert set(scores) <= set(METRICS)


def test_a_mouth_that_opens_half_as_far_has_a_lower_slope_and_a_larger_landmark_distance(scene, right) -> None:
    half = driven_by(scene, changed(scene[0].motion, jawOpen=0.5))
    assert half.scores["lip_slope"] < 0.8 * right.scores["lip_slope"]
    assert half.scores["lmd_mouth"] > 1.5 * right.scores["lmd_mouth"]
    assert half.scores["lip_correlation"] > 0.8  # it still moves at the right times, beside an unchanged funnel
    assert half.scores["psnr_face"] < right.scores["psnr_face"] - 3


def test_lids_that_stay_open_through_a_blink_are_noticed(scene, right) -> None:
    assert right.scores["lid_correlation"] > 0.95
    assert right.scores["lid_slope"] == pytest.approx(1, abs=0.1)
    awake = dataclasses.replace(scene[0].motion, eyelids=np.zeros((FRAMES, 2)))
    assert driven_by(scene, awake).scores["lid_slope"] < 0.3


def test_a_mouth_that_moves_at_the_wrong_times_does_not_correlate(scene) -> None:
    motion = scene[0].motion
    shuffled = dataclasses.replace(motion, expression=motion.expression[np.random.default_rng(3).permutation(FRAMES)])
    assert driven_by(scene, shuffled).scores["lip_correlation"] < 0.6


def test_a_head_in_the_wrong_place_has_a_larger_face_distance_but_the_same_mouth(scene, right) -> None:
    pose = scene[0].motion.head_pose.copy()
    pose[:, 3] += 0.01  # metres
    moved = driven_by(scene, dataclasses.replace(scene[0].motion, head_pose=pose)).scores
    assert moved["lmd_face"] > right.scores["lmd_face"] + 8  # 1 cm of some 9 cm
    assert moved["lmd_mouth"] < right.scores["lmd_mouth"] + 1.0


def test_the_whole_picture_counts_only_in_front_of_its_own_background(scene) -> None:
    tracked, avatar = scene
    for other in (
        avatar.replace(background=torch.full((3,), 0.5)),
        avatar.replace(camera=portrait_camera(256, yaw=0.3)),
        avatar.replace(camera=None),
    ):
        report = evaluate(other, tracked.part(0, 12))
        assert "psnr_full" not in report.scores
        assert "psnr_head" in report.scores
        assert any("whole picture is not compared" in note for note in report.notes)


def test_frames_that_tracking_calls_bad_do_not_count(scene) -> None:
    tracked, avatar = scene
    seen = tracked.seen.copy()
    seen[5:15] = False
    motion = changed(tracked.motion)
    motion.expression[5:15, ARKIT_INDEX["jawOpen"]] = 1.0  # nonsense there
    report = evaluate(avatar, dataclasses.replace(tracked, seen=seen, motion=motion))
    assert report.frames == FRAMES - 10
    assert report.skipped == 10
    assert report.scores["psnr_head"] > 35
    assert np.isnan(report.by_frame["psnr_head"][5:15]).all()


def test_what_cannot_be_measured_is_said_and_not_made_up(right: EvaluationReport) -> None:
    assert "sync" not in right.scores
    assert not any("lpips" in name for name in right.scores)
    assert any("LPIPS is not measured" in note for note in right.notes)
    assert any("no sound" in note for note in right.notes)


def test_blendshapes_tell_upper_from_lower_face_where_the_landmarkers_model_is_there(
    scene, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = next(iter((shared_data / "models").glob("face_landmarker*.task")), None)
    if model is None:
        pytest.skip("the face landmarker's model file is not in the shared data")
    monkeypatch.setenv("EMOTALK_FACE_LANDMARKER", str(model))
    alike = driven_by(scene, scene[0].motion).scores
    mouth = driven_by(scene, changed(scene[0].motion, jawOpen=0.2, mouthFunnel=0.0)).scores
    brows = driven_by(scene, changed(scene[0].motion, browInnerUp=0.0)).scores
    assert mouth["lower_face"] > 1.5 * alike["lower_face"]
    assert brows["upper_face"] > 1.3 * alike["upper_face"]
    assert mouth["lower_face"] > mouth["upper_face"]


def test_worst_median_and_best_frames_are_shown(right: EvaluationReport) -> None:
    worst, median, best = right.examples
    quality = right.by_frame["psnr_head"]
    assert (worst.score, best.score) == (quality.min(), quality.max())
    assert worst.score <= median.score <= best.score
    assert worst.recorded.shape == worst.rendered.shape == (256, 256, 3)


def test_a_report_is_written_whole_and_replaces_only_reports(right: EvaluationReport, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    for _ in range(2):
        write_reports([right], folder)
    table = json.loads((folder / "report.json").read_text())[0]
    assert table["scores"]["psnr_head"] == pytest.approx(right.scores["psnr_head"], abs=1e-4)
    assert len(table["by_frame"]["psnr_head"]) == FRAMES
    page = (folder / "report.md").read_text()
    assert "PSNR, box of the head (dB)" in page
    for title in ("worst", "median", "best"):
        assert (folder / f"motion-{title}.png").is_file()
        assert f"](motion-{title}.png)" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(InputError, match="something else than a report"):
        write_reports([right], other)
    assert (other / "chapter.txt").is_file()


def test_numbers_that_are_none_become_null(right: EvaluationReport, tmp_path: Path) -> None:
    broken = dataclasses.replace(right, scores={"psnr_head": math.nan}, by_frame={"psnr_head": np.array([math.inf])})
    write_reports([broken], tmp_path / "report")
    table = json.loads((tmp_path / "report" / "report.json").read_text())[0]
    assert table["scores"] == {"psnr_head": None}
    assert table["by_frame"]["psnr_head"] == [None]


@pytest.mark.parametrize(
    ("change", "drive", "message"),
    [
        ({}, "wishes", "driven by motion or audio"),
        ({}, "audio", "no sound"),
        ({"seen": np.zeros(FRAMES, bool)}, "motion", "could be tracked"),
    ],
)
def test_what_cannot_be_compared_is_refused(scene, change: dict, drive: str, message: str) -> None:
    tracked, avatar = scene
    with pytest.raises(InputError, match=message):
        evaluate(avatar, dataclasses.replace(tracked, **change), drive)


def test_an_evaluation_can_be_stopped(scene) -> None:
    tracked, avatar = scene
    seen = []
    with pytest.raises(Cancelled):
        evaluate(avatar, tracked, progress=seen.append, cancelled=lambda: len(seen) >= 3)
    assert len(seen) == 3


def test_a_split_holds_the_last_fifth_back(scene) -> None:
    tracked, _ = scene
    long = dataclasses.replace(
        tracked,
        **{name: np.concatenate([getattr(tracked, name)] * 10) for name in ("torso", "landmarks", "seen", "error")},
        motion=HeadMotion.concatenate([tracked.motion] * 10),
    )
    whole, few = split(long), split(long, 5.0)
    assert (len(whole.train), len(whole.test)) == (240, 60)
    assert (len(few.train), len(few.test)) == (125, 60)
    assert few.test.first == whole.test.first == 240
    with pytest.raises(InputError, match="too short"):
        split(long, 10.0)
