"""Finished videos in other formats: each is decoded again, stays in step and says that it is synthetic."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotalk.core.errors import InputError, VideoError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.video import VideoWriter
from emotalk.video.formats import FORMATS, convert, made_as
from tests.video.test_writer import clap_offsets, decoded_sound, describe, write_claps

FRAMES, CLAPS = 50, [10, 30]
BURST = np.sin(2 * np.pi * 2000 * np.arange(160) / SAMPLE_RATE).astype(np.float32) * 0.8


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with two claps: a white frame and a burst of sound."""
    path = tmp_path_factory.mktemp("formats") / "made.mp4"
    write_claps(VideoWriter(path, 64, 64), FRAMES, CLAPS, BURST)
    return path


def test_a_webm_stays_in_step(video, tmp_path):
    target = tmp_path / "a.webm"
    convert(video, target)
    assert "vp9" in describe(target)
    assert "opus" in describe(target)
    assert np.abs(clap_offsets(target, CLAPS, BURST)).max() <= 0.02


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_a_loop_has_every_second_frame_and_repeats(video, tmp_path, ending):
    target = tmp_path / f"a{ending}"
    convert(video, target)
    with Image.open(target) as loop:
        assert loop.size == (64, 64)
        assert loop.info["loop"] == 0
        seconds, bright = 0.0, []
        for number in range(loop.n_frames):
            loop.seek(number)
            level = np.asarray(loop.convert("L")).mean()
            bright += [seconds] * bool(level > 180)
            seconds += loop.info["duration"] / 1000
    assert seconds == pytest.approx(FRAMES / 25, abs=0.09)
    assert bright == pytest.approx([clap / 25 for clap in CLAPS], abs=0.05)


@pytest.mark.parametrize("ending", [".m4a", ".wav"])
def test_the_sound_alone(video, tmp_path, ending):
    target = tmp_path / f"a{ending}"
    convert(video, target)
    assert "Video" not in describe(target)
    sound, whole = decoded_sound(target), decoded_sound(video)
    assert abs(len(sound) - len(whole)) < 0.1 * SAMPLE_RATE
    loud = np.flatnonzero(np.abs(sound) > 0.3)
    assert abs(loud[0] / SAMPLE_RATE - CLAPS[0] / 25) < 0.03


def test_a_poster_is_one_frame(video, tmp_path):
    convert(video, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as poster:
        assert poster.size == (64, 64)
        assert np.asarray(poster.convert("L")).mean() == pytest.approx(90, abs=4)  # not a clap


@pytest.mark.parametrize("ending", [".webm", ".m4a"])
def test_the_file_says_that_it_is_synthetic(video, tmp_path, ending):
    target = tmp_path / f"a{ending}"
    convert(video, target)
    assert "AI-generated synthetic video" in describe(target)


@pytest.mark.parametrize("name", ["a.avi", "a", "a.mp4.exe"])
def test_other_endings_are_refused_before_any_work(tmp_path, name):
    with pytest.raises(InputError, match=r"must end in one of \.mp4, \.webm"), made_as(tmp_path / name):
        raise AssertionError("it began")
    assert list(tmp_path.iterdir()) == []


def test_an_mp4_is_written_where_it_belongs_and_nothing_for_nothing(tmp_path):
    with made_as(tmp_path / "a.MP4") as path:
        assert path == tmp_path / "a.MP4"
    with made_as(None) as path:
        assert path is None


def test_the_video_in_between_goes_whether_all_is_well_or_not(video, tmp_path):
    with made_as(tmp_path / "a.gif") as between:
        between.write_bytes(video.read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]
    with pytest.raises(VideoError, match=r"b\.gif could not be made"), made_as(tmp_path / "b.gif") as between:
        between.write_bytes(b"no video")
    with pytest.raises(ZeroDivisionError), made_as(tmp_path / "c.gif"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_every_format_is_offered_with_a_dot():
    assert set(FORMATS) == {".mp4", ".webm", ".gif", ".webp", ".m4a", ".wav", ".png"}
