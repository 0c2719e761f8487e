"""Which stretch and which square of a video are used, and why a video is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import TrackingError
from emotalk.tracking.landmarks import FoundFace
from emotalk.tracking.source import VideoInfo
from emotalk.tracking.survey import EVERY, MOST_SECONDS, best_part, choose, crop_for, cuts_of

INFO = VideoInfo(1280, 720, 30.0, True, 25.0)


def found(x: float = 0.5, y: float = 0.4, height: float = 0.3, nose: float = 0.0, score: float = 0.9) -> FoundFace:
    """A face around (x, y), in shares of a 1280 x 720 picture."""
    width = height * 720 / 1280
    shape = np.array([[-0.2, -0.1], [0.2, -0.1], [nose, 0.1], [0, 0.25], [-0.45, 0], [0.45, 0]])
    return FoundFace(x - width / 2, y - height / 2, width, height, score, shape * [width, height] + [x, y])


def decide(looks: list[list[FoundFace]], changes: np.ndarray | None = None):
    frames = len(looks) * EVERY
    changes = np.full(frames, 0.002) if changes is None else changes
    return choose("me.mp4", INFO, looks, changes, frames, 0.0, None)


def test_one_face_all_the_time_is_used_whole():
    chosen = decide([[found()]] * 40)
    assert (chosen.start, chosen.frames) == (0.0, 200)
    assert chosen.cuts == 0


def test_too_short():
    with pytest.raises(TrackingError, match=r"too short: 1\.6 seconds"):
        decide([[found()]] * 8)


def test_no_face():
    with pytest.raises(TrackingError, match=r"No face was found in me\.mp4"):
        decide([[]] * 40)


def test_two_people_of_the_same_size():
    with pytest.raises(TrackingError, match="several people"):
        decide([[found(0.3), found(0.7)]] * 40)


def test_people_in_the_background_are_told_but_no_obstacle():
    chosen = decide([[found(), found(0.8, 0.3, 0.1)]] * 40)
    assert chosen.bystanders
    assert chosen.frames == 200


def test_somebody_who_passes_by_is_cut_out():
    chosen = decide([[found()]] * 30 + [[found(), found(0.8)]] * 10 + [[found()]] * 20)
    assert chosen.frames == 150
    assert chosen.start == 0.0


def test_the_longest_stretch_between_cuts_is_used():
    changes = np.full(200, 0.002)
    changes[60] = 0.06
    chosen = decide([[found()]] * 40, changes)
    assert chosen.cuts == 1
    assert chosen.start == pytest.approx(60 / 25)
    assert chosen.frames == 140


def test_a_jump_of_the_face_is_a_cut_even_where_the_picture_hardly_changes():
    chosen = decide([[found(0.2)]] * 15 + [[found(0.8)]] * 25)
    assert chosen.cuts == 1
    assert abs(chosen.start * 25 - 75) <= EVERY


def test_lively_movement_and_slow_fades_are_no_cuts():
    random = np.random.default_rng(0)
    assert not cuts_of(0.008 + 0.006 * random.random(300)).any()
    assert not cuts_of(np.r_[np.full(100, 0.002), np.full(30, 0.03), np.full(100, 0.002)])[105:125].any()


def test_only_cuts_and_absences_leave_nothing():
    changes = np.full(200, 0.002)
    changes[20::20] = 0.08
    with pytest.raises(TrackingError, match=r"without a cut for 0\.8 seconds"):
        decide([[found()]] * 40, changes)


def test_of_a_long_video_the_two_minutes_with_the_surest_frontal_face_are_used():
    looks = [found(nose=0.3)] * 400 + [found()] * 700 + [found(score=0.6)] * 300
    first, last = best_part(0, len(looks) * EVERY, looks)
    assert last - first == MOST_SECONDS * 25
    assert 400 * EVERY <= first <= 500 * EVERY


@given(
    width=st.integers(240, 4000),
    height=st.integers(240, 4000),
    x=st.floats(0.05, 0.95),
    y=st.floats(0.05, 0.95),
    size=st.floats(0.05, 0.9),
)
@settings(max_examples=60, deadline=None)
def test_the_crop_lies_inside_the_picture(width, height, x, y, size):
    crop = crop_for([found(x, y, size), found(min(x + 0.05, 1), y, size)], VideoInfo(width, height, 5.0, False, 25.0))
    assert crop.side >= 2
    assert 0 <= crop.left <= width - crop.side
    assert 0 <= crop.top <= height - crop.side


def test_the_crop_of_a_wide_picture_holds_head_and_shoulders():
    crop = crop_for([found()] * 5, INFO)
    face_height = 0.3 * 720
    assert 2.0 * face_height < crop.side < 4.5 * face_height
    assert crop.left < 640 - 0.8 * face_height
    assert crop.left + crop.side > 640 + 0.8 * face_height
