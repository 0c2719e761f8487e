"""Sound that is beside the picture is noticed and moved, when it is certain."""

import numpy as np
import pytest
import soundfile

from emotalk.tracking.sound import delay_sound, picture_delay


@pytest.mark.parametrize(("frames", "at"), [(3, 10_000 + 1920), (-3, 10_000 - 1920)])
def test_sound_is_moved_by_whole_frames_and_keeps_its_length(tmp_path, frames, at):
    click = np.zeros(32_000, np.int16)
    click[10_000] = 20_000
    soundfile.write(tmp_path / "a.wav", click, 16_000)
    delay_sound(tmp_path / "a.wav", frames)
    moved, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert (len(moved), rate) == (32_000, 16_000)
    assert np.flatnonzero(moved).tolist() == [at]


def test_silence_and_short_videos_tell_nothing(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(64_000, np.int16), 16_000)
    points = np.random.default_rng(0).random((100, 478, 2))
    assert picture_delay(points, tmp_path / "silent.wav") == 0
    assert picture_delay(points[:50], tmp_path / "silent.wav") == 0


def test_somebody_else_s_sound_is_left_alone(tmp_path):
    random = np.random.default_rng(0)
    soundfile.write(tmp_path / "noise.wav", random.normal(scale=0.1, size=96_000), 16_000)
    points = np.tile(random.random((478, 2)) * 200, (150, 1, 1)) + random.normal(scale=1.0, size=(150, 478, 2))
    assert picture_delay(points, tmp_path / "noise.wav") == 0


@pytest.mark.slow
def test_the_offset_of_a_filmed_speaker_is_found_and_follows_a_shift(shared_data, tmp_path):
    from benchmarks.motion_clips import track
    from emotalk.tracking.source import write_sound

    video = shared_data / "clips" / "mimictalk_German20s.mp4"
    points = track(video)[0][..., :2]
    write_sound(video, tmp_path / "a.wav")
    # Within a frame of each other the clip counts as in step.
    assert picture_delay(points, tmp_path / "a.wav") == 0
    delay_sound(tmp_path / "a.wav", 5)
    found = picture_delay(points, tmp_path / "a.wav")
    assert abs(found + 5) <= 1
    delay_sound(tmp_path / "a.wav", found)
    assert picture_delay(points, tmp_path / "a.wav") == 0
