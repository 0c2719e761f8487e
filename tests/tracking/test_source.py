"""Any container, rotation, pixel shape and frame rate comes out as upright 25 fps pictures in step with the sound."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from emotalk.core.errors import TrackingError
from emotalk.tracking import source
from emotalk.tracking.source import Crop, crop_frames, probe, small_frames, write_sound
from emotalk.video import ffmpeg_path


def make(target: Path, *arguments: str) -> Path:
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", *arguments, str(target)], check=True)
    return target


@pytest.fixture(scope="module")
def half_red(tmp_path_factory) -> Path:
    """2 seconds, 320 x 180, left half red, right half blue."""
    return make(
        tmp_path_factory.mktemp("video") / "half.mp4",
        "-f", "lavfi", "-i", "color=red:s=160x180:r=30:d=2", "-f", "lavfi", "-i", "color=blue:s=160x180:r=30:d=2",
        "-filter_complex", "hstack", "-c:v", "libx264", "-pix_fmt", "yuv420p",
    )  # fmt: skip


def test_a_plain_video_is_described(half_red):
    info = probe(half_red)
    assert (info.width, info.height, info.sound, info.fps) == (320, 180, False, 30.0)
    assert info.seconds == pytest.approx(2.0, abs=0.1)


def test_thirty_frames_a_second_become_twenty_five(half_red):
    frames = list(small_frames(half_red, probe(half_red), 160))
    assert len(frames) == 50
    assert frames[0].shape == (90, 160, 3)
    assert frames[0][45, 20, 0] > 200
    assert frames[0][45, 140, 2] > 200


def test_a_crop_shows_that_part_at_the_wanted_size(half_red):
    info = probe(half_red)
    left = next(crop_frames(half_red, info, Crop(0, 10, 150), 128))
    right = next(crop_frames(half_red, info, Crop(168, 10, 150), 64))
    assert left.shape == (128, 128, 3)
    assert left[..., 0].min() > 200
    assert right.shape == (64, 64, 3)
    assert right[..., 2].min() > 200


@pytest.mark.parametrize(("turn", "top_is_red"), [(90, False), (-90, True)])
def test_phones_that_were_held_upright(half_red, tmp_path, turn, top_is_red):
    turned = make(tmp_path / "turned.mov", "-display_rotation", str(turn), "-i", str(half_red), "-c", "copy")
    info = probe(turned)
    assert (info.width, info.height) == (180, 320)
    frame = next(small_frames(turned, info, 320))
    assert (frame[20, 90, 0] > 200) == top_is_red


def test_oblong_pixels_become_square(half_red, tmp_path):
    wide = make(tmp_path / "wide.mp4", "-i", str(half_red), "-vf", "setsar=2", "-c:v", "libx264")
    assert (probe(wide).width, probe(wide).height) == (640, 180)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", ["libvpx", "-deadline", "realtime"]), ("a.mkv", ["ffv1"]), ("a.avi", ["mpeg4"])]
)
def test_other_containers_and_codecs(half_red, tmp_path, name, codec):
    other = make(tmp_path / name, "-i", str(half_red), "-c:v", *codec)
    frames = list(small_frames(other, probe(other), 320))
    assert len(frames) in (49, 50, 51)
    assert frames[10][90, 20, 0] > 190


def test_a_4k_video_is_shrunk_while_it_is_read(half_red, tmp_path):
    large = make(
        tmp_path / "large.mp4", "-i", str(half_red), "-t", "0.2", "-vf", "scale=3840:2160", "-c:v", "libx264",
        "-preset", "ultrafast",
    )  # fmt: skip
    info = probe(large)
    assert (info.width, info.height) == (3840, 2160)
    assert next(small_frames(large, info, 480)).shape == (270, 480, 3)
    assert next(crop_frames(large, info, Crop(0, 0, 2000), 256)).shape == (256, 256, 3)


def test_pictures_of_a_variable_frame_rate_come_at_their_time_with_their_sound(tmp_path):
    """Dark for a second, then bright; a tone starts with the light. Frames are dropped at random."""
    made = make(
        tmp_path / "vfr.mkv",
        "-f", "lavfi", "-i", "color=black:s=64x64:r=60:d=3,geq=lum='if(gte(T,1),220,20)':cb=128:cr=128",
        "-f", "lavfi", "-i", "aevalsrc='if(gte(t,1),0.5*sin(2500*t),0)':s=44100:d=3",
        "-vf", "select='mod(n,7)*mod(n,3)'", "-fps_mode", "vfr", "-c:v", "ffv1", "-c:a", "pcm_s16le",
    )  # fmt: skip
    info = probe(made)
    bright = np.array([frame.mean() > 100 for frame in small_frames(made, info, 64)])
    write_sound(made, tmp_path / "sound.wav")
    samples, rate = soundfile.read(tmp_path / "sound.wav")
    assert rate == 16000
    assert len(bright) == pytest.approx(75, abs=1)
    light, tone = np.argmax(bright) / 25, np.argmax(np.abs(samples) > 0.1) / rate
    assert light == pytest.approx(1.0, abs=0.05)
    assert tone == pytest.approx(1.0, abs=0.02)


def test_a_part_begins_where_it_was_asked_to_for_picture_and_sound(tmp_path):
    made = make(
        tmp_path / "late.mp4",
        "-f", "lavfi", "-i", "color=black:s=64x64:r=25:d=4,geq=lum='if(gte(T,2),220,20)':cb=128:cr=128",
        "-f", "lavfi", "-i", "aevalsrc='if(gte(t,2),0.5*sin(2500*t),0)':s=48000:d=4",
        "-c:v", "libx264", "-g", "100", "-c:a", "aac",
    )  # fmt: skip
    bright = [f.mean() > 100 for f in small_frames(made, probe(made), 64, start=1.4, seconds=1.0)]
    write_sound(made, tmp_path / "part.wav", start=1.4, seconds=1.0)
    samples, rate = soundfile.read(tmp_path / "part.wav")
    assert len(bright) == 25
    assert bright.index(True) == pytest.approx(15, abs=1)
    assert np.argmax(np.abs(samples) > 0.1) / rate == pytest.approx(0.6, abs=0.03)
    assert len(samples) == pytest.approx(rate, abs=rate // 20)


def test_sound_that_starts_late_stays_late(tmp_path):
    make(tmp_path / "v.mkv", "-f", "lavfi", "-i", "color=red:s=64x64:r=25:d=2", "-c:v", "ffv1")
    make(tmp_path / "a.wav", "-f", "lavfi", "-i", "sine=440:d=1")
    both = make(
        tmp_path / "both.mkv", "-i", str(tmp_path / "v.mkv"), "-itsoffset", "0.5", "-i", str(tmp_path / "a.wav"),
        "-c", "copy",
    )  # fmt: skip
    write_sound(both, tmp_path / "sound.wav")
    samples, rate = soundfile.read(tmp_path / "sound.wav")
    assert np.argmax(np.abs(samples) > 0.01) / rate == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "film.avi", "film.mkv"])
def test_pictures_beyond_the_limit_are_refused_before_they_are_decoded(tmp_path, name, monkeypatch):
    """Photographs and films alike; the limit is lowered, so that the test need not make 40 megapixels."""
    photo = tmp_path / f"small.{'png' if name in ('photo.png', 'film.mkv') else 'jpg'}"
    Image.new("RGB", (640, 320)).save(photo)
    made = photo.rename(tmp_path / name) if "photo" in name else make(tmp_path / name, "-i", str(photo), "-c", "copy")
    for most in (100_000, 640 * 320 - 1):
        monkeypatch.setattr(source, "MAX_PIXELS", most)
        with pytest.raises(
            TrackingError, match=rf"{name} is 640 x 320 pixels, 0\.2 megapixels; at most {most / 1e6:g} are"
        ):
            probe(made)
    monkeypatch.setattr(source, "MAX_PIXELS", 640 * 320)
    assert (probe(made).width, probe(made).height) == (640, 320)


def test_pixels_that_claim_to_be_absurdly_wide_do_not_make_a_huge_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_PIXELS", 200_000)
    monkeypatch.setattr(source, "_SQUARE", source._square(200_000))
    wide = make(tmp_path / "wide.mov", "-f", "lavfi", "-i", "color=red:s=64x64:d=0.2,setsar=100/1", "-c:v", "mjpeg")
    with pytest.raises(TrackingError, match=r"at most 0\.2 are taken"):
        probe(wide)


def test_what_is_no_video_is_refused_with_a_sentence(tmp_path):
    for name, content, said in (
        ("empty.mp4", b"", "is empty"),
        ("letter.mp4", b"Dear Sir or Madam, " * 50, "is not a video that ffmpeg can read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TrackingError, match=said):
            probe(tmp_path / name)
    with pytest.raises(TrackingError, match="There is no video file"):
        probe(tmp_path / "absent.mp4")
    sound = make(tmp_path / "song.wav", "-f", "lavfi", "-i", "sine=440:d=1")
    with pytest.raises(TrackingError, match="holds no moving picture"):
        probe(sound)
